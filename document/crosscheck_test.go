package document

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"github.com/arrears-billing/arrears/invoice"
)

// figures are what every rendering must say alike.
type figures struct {
	Number, Currency, Net, Tax, Gross string
	National                          string // amount and currency
	Lines                             []string
}

func figuresOf(d invoice.Document) figures {
	f := figures{Number: *d.Number, Currency: string(d.Currency), Net: d.Totals.Net.String(), Tax: d.Totals.Tax.String(), Gross: d.Totals.Gross.String()}
	if n := d.TaxNational; n != nil {
		f.National = n.Amount.String() + " " + string(n.Currency)
	}
	for _, l := range d.Lines {
		f.Lines = append(f.Lines, l.Net.String())
	}
	return f
}

// All renderings of a document, read back by readers that know nothing of what wrote them, give the
// same numbers (I10).
func TestRenderingsAgree(t *testing.T) {
	for i, d := range corpus(t) {
		if i%6 != 0 && len(d.Lines) < 4000 {
			continue
		}
		want := figuresOf(d)
		for format, read := range map[string]func(*testing.T, []byte) figures{"json": readJSON, "ubl": readUBL, "cii": readCII, "xlsx": readXLSX} {
			b, err := Render(d, format)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, read(t, b)); diff != "" {
				t.Errorf("%s as %s mismatch (-want +got):\n%s", *d.Number, format, diff)
			}
		}
	}
}

func readJSON(t *testing.T, b []byte) figures {
	t.Helper()
	var d struct {
		Number, Currency string
		Totals           struct{ Net, Tax, Gross string }
		Lines            []struct{ Net string }
		National         *struct{ Amount, Currency string } `json:"tax_national"`
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	f := figures{Number: d.Number, Currency: d.Currency, Net: d.Totals.Net, Tax: d.Totals.Tax, Gross: d.Totals.Gross}
	if d.National != nil {
		f.National = d.National.Amount + " " + d.National.Currency
	}
	for _, l := range d.Lines {
		f.Lines = append(f.Lines, l.Net)
	}
	return f
}

type money struct {
	Amount   string `xml:",chardata"`
	Currency string `xml:"currencyID,attr"`
}

func readUBL(t *testing.T, b []byte) figures {
	t.Helper()
	type line struct {
		Amount   string `xml:"LineExtensionAmount"`
		Invoiced string `xml:"InvoicedQuantity"`
		Credited string `xml:"CreditedQuantity"`
		Price    string `xml:"Price>PriceAmount"`
	}
	var d struct {
		ID       string
		Currency string `xml:"DocumentCurrencyCode"`
		Tax      []struct {
			TaxAmount money
		} `xml:"TaxTotal"`
		Total struct {
			LineExtensionAmount, TaxExclusiveAmount, TaxInclusiveAmount, PayableAmount string
		} `xml:"LegalMonetaryTotal"`
		InvoiceLine, CreditNoteLine []line
	}
	if err := xml.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	f := figures{Number: d.ID, Currency: d.Currency, Net: d.Total.TaxExclusiveAmount, Tax: d.Tax[0].TaxAmount.Amount, Gross: d.Total.PayableAmount}
	if d.Total.LineExtensionAmount != f.Net || d.Total.TaxInclusiveAmount != f.Gross || d.Tax[0].TaxAmount.Currency != f.Currency {
		t.Errorf("%s: totals %+v", d.ID, d.Total)
	}
	if len(d.Tax) > 1 {
		f.National = d.Tax[1].TaxAmount.Amount + " " + d.Tax[1].TaxAmount.Currency
	}
	for _, l := range append(d.InvoiceLine, d.CreditNoteLine...) {
		f.Lines = append(f.Lines, l.Amount)
		if !dec(l.Invoiced+l.Credited).Mul(dec(l.Price)).Equal(dec(l.Amount)) || dec(l.Price).Sign() < 0 {
			t.Errorf("%s: quantity %s%s x price %s is not %s", d.ID, l.Invoiced, l.Credited, l.Price, l.Amount)
		}
	}
	return f
}

func readCII(t *testing.T, b []byte) figures {
	t.Helper()
	var d struct {
		ID    string `xml:"ExchangedDocument>ID"`
		Lines []struct {
			Quantity string `xml:"SpecifiedLineTradeDelivery>BilledQuantity"`
			Price    string `xml:"SpecifiedLineTradeAgreement>NetPriceProductTradePrice>ChargeAmount"`
			Amount   string `xml:"SpecifiedLineTradeSettlement>SpecifiedTradeSettlementLineMonetarySummation>LineTotalAmount"`
		} `xml:"SupplyChainTradeTransaction>IncludedSupplyChainTradeLineItem"`
		Settlement struct {
			Currency string `xml:"InvoiceCurrencyCode"`
			Total    struct {
				TaxBasisTotalAmount, DuePayableAmount string
				TaxTotalAmount                        []money
			} `xml:"SpecifiedTradeSettlementHeaderMonetarySummation"`
		} `xml:"SupplyChainTradeTransaction>ApplicableHeaderTradeSettlement"`
	}
	if err := xml.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	total := d.Settlement.Total
	f := figures{Number: d.ID, Currency: d.Settlement.Currency, Net: total.TaxBasisTotalAmount, Tax: total.TaxTotalAmount[0].Amount, Gross: total.DuePayableAmount}
	if len(total.TaxTotalAmount) > 1 {
		f.National = total.TaxTotalAmount[1].Amount + " " + total.TaxTotalAmount[1].Currency
	}
	for _, l := range d.Lines {
		f.Lines = append(f.Lines, l.Amount)
		if !dec(l.Quantity).Mul(dec(l.Price)).Equal(dec(l.Amount)) || dec(l.Price).Sign() < 0 {
			t.Errorf("%s: quantity %s x price %s is not %s", d.ID, l.Quantity, l.Price, l.Amount)
		}
	}
	return f
}

func readXLSX(t *testing.T, b []byte) figures {
	t.Helper()
	book, err := excelize.OpenReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close() //nolint:errcheck // it was opened from memory
	rows := func(sheet string) [][]string {
		r, err := book.GetRows(sheet, excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var f figures
	for _, r := range rows("Summary") {
		if len(r) < 2 {
			continue
		}
		switch r[0] {
		case "Invoice statement", "Credit note statement":
			f.Number = r[1]
		case "Total":
			f.Gross, f.Currency = r[1], r[2]
		case "Net":
			f.Net = r[1]
		case "VAT":
			f.Tax = r[1]
		}
	}
	charges := rows("Charges")
	if len(charges[0]) != 22 {
		t.Errorf("%d columns of charges, want 22", len(charges[0]))
	}
	for _, r := range charges[1:] {
		f.Lines = append(f.Lines, r[21])
	}
	for _, r := range rows("VAT") {
		if strings.HasPrefix(r[1], "VAT in ") {
			f.National = r[4] + " " + r[5]
		}
	}
	return f
}

// pdfText is the text of a PDF, by poppler's pdftotext.
func pdfText(t *testing.T, b []byte) string {
	t.Helper()
	tool, err := exec.LookPath("pdftotext")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("pdftotext is missing: install poppler-utils")
		}
		t.Skip("pdftotext is missing: install poppler-utils")
	}
	file := filepath.Join(t.TempDir(), "d.pdf")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tool, "-layout", file, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// What a person reads in the PDF is what the JSON says: number, totals, tax, and each line's net.
func TestPDFSaysTheSame(t *testing.T) {
	for i, d := range corpus(t) {
		if i%24 != 0 && len(d.Lines) < 4000 {
			continue
		}
		b, err := PDF(d)
		if err != nil {
			t.Fatal(err)
		}
		text := pdfText(t, b)
		words := strings.Fields(text)
		facts := []string{*d.Number, d.IssueDate.String(), grouped(d.Totals.Net), grouped(d.Totals.Tax), grouped(d.Totals.Gross), string(d.Currency)}
		if d.Kind == invoice.KindInvoice {
			facts = append(facts, d.DueDate.String())
		}
		for _, want := range facts {
			if !slices.Contains(words, want) {
				t.Errorf("%s: the PDF does not say %q", *d.Number, want)
			}
		}
		if d.TaxNational != nil && !slices.Contains(words, grouped(d.TaxNational.Amount)) {
			t.Errorf("%s: the PDF does not say the tax of %s %s", *d.Number, d.TaxNational.Amount, d.TaxNational.Currency)
		}
		sum := dec("0")
		for _, s := range sections(d) {
			sum = sum.Add(s.net.Number)
			if !slices.Contains(words, grouped(s.net)) {
				t.Errorf("%s: the PDF does not say %s of %s", *d.Number, s.title, s.net)
			}
		}
		if !sum.Equal(d.Totals.Net.Number) {
			t.Errorf("%s: sections sum to %s, net is %s", *d.Number, sum, d.Totals.Net)
		}
		if len(d.Lines) < compactFrom {
			for _, l := range d.Lines {
				if !slices.Contains(words, grouped(l.Net)) {
					t.Errorf("%s: the PDF does not say line %d of %s", *d.Number, l.Position, l.Net)
				}
			}
		}
		for _, id := range awsInvoices(d) {
			if !strings.Contains(text, id) {
				t.Errorf("%s: the PDF does not name AWS invoice %s", *d.Number, id)
			}
		}
	}
}

// The XML inside the PDF is the CII, byte for byte.
func TestPDFCarriesCII(t *testing.T) {
	d := ofLines(t, 5)
	pdf, err := PDF(d)
	if err != nil {
		t.Fatal(err)
	}
	cii, err := CII(d)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(pdf, cii) {
		t.Error("the PDF does not hold the CII")
	}
	for _, want := range []string{"/AFRelationship /Alternative", "/Subtype /text#2Fxml", "(factur-x.xml)", "/OutputIntents", "/ID [<", "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>", "<pdfaid:part>3</pdfaid:part>"} {
		if !bytes.Contains(pdf, []byte(want)) {
			t.Errorf("the PDF has no %s", want)
		}
	}
}

func TestDraftHasNoEInvoice(t *testing.T) {
	d := ofLines(t, 3)
	d.Status, d.Number, d.IssueDate, d.DueDate = invoice.StatusDrafted, nil, nil, nil
	for _, format := range []string{"ubl", "cii"} {
		if _, err := Render(d, format); err == nil || !strings.Contains(err.Error(), "not issued") {
			t.Errorf("a draft as %s: %v", format, err)
		}
	}
	pdf, err := Render(d, "pdf")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(pdf, []byte("factur-x.xml")) {
		t.Error("a draft carries an e-invoice")
	}
	if !strings.Contains(pdfText(t, pdf), "DRAFT") {
		t.Error("a draft does not say so")
	}
	if _, err := Render(d, "doc"); err == nil || !strings.Contains(err.Error(), "want one of json, pdf, ubl, cii, xlsx") {
		t.Errorf("format doc: %v", err)
	}
}

// No cell may be taken for a formula, in the spreadsheet or after an export to CSV; negative
// amounts stay as they are.
func TestFormulasAreNeutralised(t *testing.T) {
	for text, want := range map[string]string{
		`=HYPERLINK("x")`: `'=HYPERLINK("x")`, "+1+1": "'+1+1", "-1+1": "'-1+1", "@SUM(1)": "'@SUM(1)", "\t=1": "'=1",
		"-5.25": "-5.25", "": "-", "a=b": "a=b",
	} {
		if got := safe(text); got != want {
			t.Errorf("safe(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"R&D <x>": "R&D <x>", "a\x00b\nc": "a b c", "\x7f\u0085x ": "x", "\xff": "\ufffd", "a\u202eb": "ab", "  a   b ": "a b", "\ufffe": "", "Ω": "Ω",
	} {
		if got := clean(text); got != want {
			t.Errorf("clean(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestGroup(t *testing.T) {
	for text, want := range map[string]string{"0.00": "0.00", "999": "999", "-1234.5": "-1,234.5", "1234567.89": "1,234,567.89", "-100": "-100"} {
		if got := group(text); got != want {
			t.Errorf("group(%q) = %q, want %q", text, got, want)
		}
	}
}

// Every text that reaches the XML is escaped and free of what XML forbids.
func FuzzUBL(f *testing.F) {
	f.Add("R&D <x>", "a\x00b")
	f.Add("]]>", "\ufffe\"'")
	f.Fuzz(func(t *testing.T, label, name string) {
		d := ofLines(t, 2)
		d.Lines[0].Label, d.Buyer.Name, d.Reason = label, name, label
		for _, render := range []func(invoice.Document) ([]byte, error){UBL, CII} {
			b, err := render(d)
			if err != nil {
				t.Fatal(err)
			}
			if err := xml.Unmarshal(b, new(struct{})); err != nil {
				t.Errorf("label %q, name %q: %v", label, name, err)
			}
		}
		if _, err := PDF(d); err != nil {
			t.Errorf("label %q, name %q: %v", label, name, err)
		}
		b, err := XLSX(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := excelize.OpenReader(bytes.NewReader(b)); err != nil {
			t.Errorf("label %q, name %q: %v", label, name, fmt.Errorf("xlsx: %w", err))
		}
	})
}
