package document

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
)

var update = flag.Bool("update", false, "rewrite golden files")

// sample is the month of vector C1 (domain.md 4.13), for a buyer at home, with a credit of 50.00.
func sample(t *testing.T) (original, credit invoice.Document) {
	t.Helper()
	rate := currency.Rate{From: "USD", To: "EUR", Value: dec("0.92"), Source: "aws_invoice", Date: calendar.MustDate("2026-04-03"), AWSInvoice: "EUINDE26-123456"}
	charge := func(section rating.Section, account, product, label, usd string) rating.Priced {
		source := currency.Amount{Number: dec(usd), Currency: "USD"}
		return rating.Priced{Disposition: rating.Billed, Section: section, Account: account, Product: product, Label: label,
			Invoice: rate.AWSInvoice, Source: source, Rate: rate, Exact: rate.Convert(source)}
	}
	line := func(label, amount, how string) rating.SellerLine {
		return rating.SellerLine{Section: rating.SectionDiscounts, Label: label, Exact: currency.Amount{Number: dec(amount), Currency: "EUR"}, How: how}
	}
	const payer, other = "111122223333", "444455556666"
	seller := corpusSellers[0]
	seller.Email, seller.Phone = "billing@seller.example", "+49 30 1234567"
	in := invoice.Input{
		ID: "AGR-0001-2026-03", Agreement: "AGR-0001", Month: calendar.MustMonth("2026-03"), PurchaseOrder: "PO-77",
		Seller: seller, Currency: "EUR", First: true,
		Buyer: agreement.Buyer{ID: "BUY-0001", Name: "Käufer & Söhne GmbH", Country: "DE", TaxID: "DE111111125", Email: "ap@buyer.example",
			Address: address("Ringstraße 5", "Köln", "50667", "DE")},
		Priced: []rating.Priced{
			charge(rating.SectionUsage, payer, "AmazonEC2", "Amazon Elastic Compute Cloud", "1000"),
			charge(rating.SectionSupport, payer, "AWSSupportBusiness", "AWS Support (Business)", "100"),
			charge(rating.SectionUsage, other, "AmazonS3", "Amazon Simple Storage Service", "33.333333"),
			charge(rating.SectionReserved, other, "AmazonRDS", "Amazon Relational Database Service", "50"),
			charge(rating.SectionRefunds, other, "AmazonS3", "Amazon Simple Storage Service", "-5"),
			charge(rating.SectionAWSDiscounts, other, "AmazonS3", "Amazon Simple Storage Service", "-1.5"),
		},
		SellerLines: []rating.SellerLine{
			line("Additional usage discount", "-3.48833318", "-5 % of partner discount on usage, 69.7666636 EUR"),
			line("Additional support discount", "-1.288", "-20 % of partner discount on support, 6.44 EUR"),
		},
		Versions: map[string]string{"rules": "2026-11-1"},
	}
	d, reasons := invoice.Draft(in)
	if len(reasons) > 0 {
		t.Fatal(reasons)
	}
	original = d.Issue("DE-2026-000001", calendar.MustDate("2026-04-08"), 30)
	part := dec("50.00")
	c, err := invoice.Credit(original, nil, []invoice.CreditLine{{Position: 1, Amount: &part}}, "AGR-0001-2026-03-c1", "Goodwill for the outage of 12 March")
	if err != nil {
		t.Fatal(err)
	}
	return original, c.Issue("DE-CN-2026-000001", calendar.MustDate("2026-04-20"), 30)
}

// The files of testdata are what docs/DOCUMENTS.md shows. The PDF is compared by its text, since
// the bytes of its fonts follow the version of the PDF library.
func TestGolden(t *testing.T) {
	original, credit := sample(t)
	for name, d := range map[string]invoice.Document{"invoice": original, "credit-note": credit} {
		for _, format := range []string{"json", "ubl", "cii", "text"} {
			var got []byte
			var err error
			if format == "text" {
				var b bytes.Buffer
				err = Text(&b, d)
				got = b.Bytes()
			} else {
				got, err = Render(d, format)
			}
			if err != nil {
				t.Fatal(err)
			}
			extension := map[string]string{"json": "json", "ubl": "ubl.xml", "cii": "cii.xml", "text": "txt"}[format]
			path := filepath.Join("testdata", name+"."+extension)
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs: run go test ./document -update and look at the difference", path)
			}
		}
		if *update {
			for _, format := range []string{"pdf", "xlsx"} {
				b, err := Render(d, format)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join("testdata", name+"."+format), b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		kept, err := os.ReadFile(filepath.Join("testdata", name+".pdf"))
		if err != nil {
			t.Fatal(err)
		}
		pdf, err := PDF(d)
		if err != nil {
			t.Fatal(err)
		}
		if was, is := pdfText(t, kept), pdfText(t, pdf); was != is {
			t.Errorf("%s.pdf says something else: run go test ./document -update and look at it", name)
		}
	}
}

// However long they are, names, addresses and ids stand on the document whole: the law wants them
// (VAT Directive art. 226).
func TestPDFKeepsLongNames(t *testing.T) {
	d, _ := sample(t)
	d.Seller.Name = strings.Repeat("Vertriebsgesellschaft ", 10) + "mbH"
	d.Seller.Address.Street = strings.Repeat("Straßenname ", 12) + "12 a"
	d.Seller.TaxRegistration = "Foretaksregisteret"
	d.Buyer.Name = strings.Repeat("Einkaufsgenossenschaft ", 10) + "eG"
	d.Buyer.Address.Street = strings.Repeat("Hinterhaus ", 12) + "34 b"
	b, err := PDF(d)
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(pdfText(t, b))
	count := func(word string) (n int) {
		for _, w := range words {
			if w == word {
				n++
			}
		}
		return n
	}
	for word, want := range map[string]int{
		"Vertriebsgesellschaft": 20, "Straßenname": 12, "Einkaufsgenossenschaft": 10, "Hinterhaus": 12, "34": 1, d.Seller.TaxID: 1, "Foretaksregisteret": 1,
	} {
		if n := count(word); n < want {
			t.Errorf("%s stands there %d times, want at least %d", word, n, want)
		}
	}
}
