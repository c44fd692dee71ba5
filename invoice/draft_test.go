package invoice

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/rating"
)

var update = flag.Bool("update", false, "rewrite golden files")

func dec(s string) currency.Decimal { return currency.MustParse(s) }

func sellerDE() agreement.Seller {
	return agreement.Seller{
		ID: "SEL-DE", Name: "Seller GmbH", Country: "DE", TaxID: "DE136695976", RegistrationID: "HRB 1234", Currency: "EUR",
		Address: agreement.Address{Street: "Hauptstr. 1", City: "Berlin", PostalCode: "10115", Country: "DE"},
		Payment: agreement.Payment{Days: 30, IBAN: "DE02120300000000202051", BIC: "BYLADEM1001"},
	}
}

func buyerNL() agreement.Buyer {
	return agreement.Buyer{
		ID: "BUY-0001", Name: "Buyer B.V.", Country: "NL", TaxID: "NL004495445B01", Email: "ap@buyer.example",
		Address: agreement.Address{Street: "Main 1", City: "Utrecht", PostalCode: "3511", Country: "NL"},
	}
}

var usdEUR = currency.Rate{
	From: "USD", To: "EUR", Value: dec("0.92"), Source: "aws_invoice", Date: calendar.MustDate("2026-04-03"), AWSInvoice: "INV1",
}

// priced is a charge in USD at a rate.
func priced(section rating.Section, account, product, label, usd string, rate currency.Rate) rating.Priced {
	source := currency.Amount{Number: dec(usd), Currency: "USD"}
	return rating.Priced{
		Disposition: rating.Billed, Section: section, Account: account, Product: product, Label: label, Invoice: rate.AWSInvoice,
		Source: source, Rate: rate, Exact: rate.Convert(source),
	}
}

func sellerLine(section rating.Section, label, amount string) rating.SellerLine {
	return rating.SellerLine{Section: section, Label: label, Exact: currency.Amount{Number: dec(amount), Currency: "EUR"}, How: label}
}

// c1 is vector C1 of domain.md 4.13, as rating hands it over.
func c1() Input {
	const payer, a2 = "111122223333", "444455556666"
	retained := priced("", payer, "AmazonEC2", "", "-70", usdEUR)
	retained.Disposition = rating.Retained
	return Input{
		ID: "AGR-0001-2026-03", Agreement: "AGR-0001", Month: calendar.MustMonth("2026-03"), PurchaseOrder: "PO-77",
		Seller: sellerDE(), Buyer: buyerNL(), Currency: "EUR", First: true,
		Priced: []rating.Priced{
			priced(rating.SectionUsage, payer, "AmazonEC2", "Amazon Elastic Compute Cloud", "1000", usdEUR),
			retained,
			priced(rating.SectionSupport, payer, "AWSSupportBusiness", "AWS Support (Business)", "100", usdEUR),
			priced(rating.SectionUsage, a2, "AmazonS3", "Amazon Simple Storage Service", "33.333333", usdEUR),
			priced(rating.SectionReserved, a2, "AmazonRDS", "Amazon Relational Database Service", "50", usdEUR),
			priced(rating.SectionRefunds, a2, "AmazonS3", "Amazon Simple Storage Service", "-5", usdEUR),
			priced(rating.SectionAWSDiscounts, a2, "AmazonS3", "Amazon Simple Storage Service", "-1.5", usdEUR),
		},
		SellerLines: []rating.SellerLine{
			sellerLine(rating.SectionDiscounts, "Additional usage discount", "-3.48833318"),
			sellerLine(rating.SectionDiscounts, "Additional support discount", "-1.288"),
		},
		Versions: map[string]string{"rules": "2026-11-1"},
	}
}

// Total 1077.910333 exact: domain.md 4.13 C1 rounds its parts to six decimals; ours are exact.
func TestDraftC1(t *testing.T) {
	d, reasons := Draft(c1())
	if len(reasons) > 0 {
		t.Fatalf("Draft: %v", reasons)
	}
	d = d.Issue("DE-2026-000001", calendar.MustDate("2026-04-08"), 30)
	if got, want := d.Totals.Gross.String(), "1077.91"; got != want {
		t.Errorf("gross %s, want %s", got, want)
	}
	golden(t, "c1.json", d)
}

func golden(t *testing.T, name string, d Document) {
	t.Helper()
	got, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name)
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
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s mismatch (-want +got):\n%s", path, diff)
	}
	var back Document
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.MarshalIndent(back, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(again)+"\n"); diff != "" {
		t.Errorf("%s read and written again (-first +again):\n%s", path, diff)
	}
}

// Domain.md 5.2 has a document of a Swiss seller: lines 52.31, 60.00, 50.00, 12.00 at 8.10 %, where
// VAT is rounded per line: 4.24 + 4.86 + 4.05 + 0.97 = 14.12, gross 188.43. We tax the sum of the
// category (EN 16931 BR-CO-17), which here comes to the same cent: 174.31 x 8.1 % = 14.11911.
func TestDocumentVector(t *testing.T) {
	in := Input{
		Month: calendar.MustMonth("2025-09"), Currency: "EUR",
		Seller: agreement.Seller{ID: "SEL-CH", Name: "Seller AG", Country: "CH", TaxID: "CHE-100.155.212 MWST"},
		Buyer:  agreement.Buyer{ID: "BUY-CH", Name: "Buyer AG", Country: "LI"},
		NationalRate: func(from, to currency.Code, day calendar.Date) (currency.Rate, error) {
			return currency.Rate{From: from, To: to, Value: dec("0.9384"), Source: "bazg", Date: day}, nil
		},
		SellerLines: []rating.SellerLine{
			sellerLine(rating.SectionFees, "a", "52.31"), sellerLine(rating.SectionFees, "b", "60.00"),
			sellerLine(rating.SectionFees, "c", "50.00"), sellerLine(rating.SectionFees, "d", "12.00"),
		},
	}
	d, reasons := Draft(in)
	if len(reasons) > 0 {
		t.Fatalf("Draft: %v", reasons)
	}
	d = d.Issue("CH-2025-000001", calendar.MustDate("2025-10-16"), 30)
	if d.Totals.Net.String() != "174.31" || d.Totals.Tax.String() != "14.12" || d.Totals.Gross.String() != "188.43" {
		t.Errorf("totals %v, want 174.31 + 14.12 = 188.43", d.Totals)
	}
	if d.DueDate.String() != "2025-11-15" {
		t.Errorf("due %v, want 2025-11-15", d.DueDate)
	}
	if n := d.TaxNational; n == nil || n.Currency != "CHF" || n.Amount.String() != "13.25" { // 14.12 x 0.9384 = 13.250208
		t.Errorf("national tax %+v, want 13.25 CHF", n)
	}
}

func TestRound(t *testing.T) {
	tests := []struct {
		name  string
		exact []string
		want  []string
		net   string
		minor int32
	}{
		{"nothing missing", []string{"1.00", "2.00"}, []string{"1.00", "2.00"}, "3.00", 2},
		{"unit to the largest fraction", []string{"0.334", "0.333", "0.333"}, []string{"0.34", "0.33", "0.33"}, "1.00", 2},
		{"ties to the earlier line", []string{"0.005", "0.005"}, []string{"0.01", "0.00"}, "0.01", 2},
		{"half away from zero", []string{"0.005"}, []string{"0.01"}, "0.01", 2},
		{"half away from zero, negative", []string{"-0.005"}, []string{"-0.01"}, "-0.01", 2},
		{"mixed signs", []string{"10.006", "-0.002"}, []string{"10.00", "0.00"}, "10.00", 2},
		{"yen", []string{"100.4", "100.4"}, []string{"101", "100"}, "201", 0},
		{"dinar", []string{"1.0004", "1.0004"}, []string{"1.001", "1.000"}, "2.001", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var lines []Line
			for _, e := range tt.exact {
				lines = append(lines, Line{Exact: dec(e)})
			}
			net := round(lines, tt.minor)
			if got := (Money{net, tt.minor}).String(); got != tt.net {
				t.Errorf("net %s, want %s", got, tt.net)
			}
			var got []string
			for _, l := range lines {
				got = append(got, l.Net.String())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("lines %v, want %v", got, tt.want)
			}
		})
	}
}

func TestZeroTotal(t *testing.T) {
	in := c1()
	in.Buyer.TaxID = "" // no tax can be determined, and none is needed
	in.Priced = in.Priced[:1]
	in.SellerLines = []rating.SellerLine{sellerLine(rating.SectionDiscounts, "Goodwill", "-919.996")}
	d, reasons := Draft(in)
	if len(reasons) > 0 || d.Totals.Gross.String() != "0.00" || d.Kind != KindInvoice {
		t.Errorf("%s of %s, %v; want an invoice of 0.00 without reasons", d.Kind, d.Totals.Gross, reasons)
	}
}

func TestCurrenciesNeverMix(t *testing.T) {
	in := c1()
	in.Priced[2].Exact.Currency = "USD"
	_, reasons := Draft(in)
	if len(reasons) != 1 || reasons[0].Code != ReasonNoRate {
		t.Errorf("reasons %v, want %s", reasons, ReasonNoRate)
	}
}

// anInput draws a month of a few charges and seller lines in EUR, with tax S at 19 %.
func anInput(t *rapid.T) Input {
	amount := rapid.Custom(func(t *rapid.T) string {
		return rapid.StringMatching(`-?[0-9]{1,7}\.[0-9]{1,9}`).Draw(t, "amount")
	})
	in := Input{ID: "X", Month: calendar.MustMonth("2026-03"), Currency: "EUR", Seller: sellerDE(), Buyer: sellerAsBuyer()}
	rates := []currency.Rate{usdEUR, usdEUR, currency.Same("USD")}
	rates[1].Value, rates[1].AWSInvoice = dec("0.9134567891"), "INV2"
	rates[2].To = "EUR"
	for range rapid.IntRange(0, 12).Draw(t, "charges") {
		in.Priced = append(in.Priced, priced(
			rapid.SampledFrom(rating.Sections).Draw(t, "section"),
			rapid.SampledFrom([]string{"111122223333", "444455556666"}).Draw(t, "account"),
			rapid.SampledFrom([]string{"AmazonEC2", "AmazonS3"}).Draw(t, "product"), "Label",
			amount.Draw(t, "usd"), rapid.SampledFrom(rates).Draw(t, "rate")))
	}
	for range rapid.IntRange(0, 4).Draw(t, "seller lines") {
		in.SellerLines = append(in.SellerLines, sellerLine(
			rapid.SampledFrom([]rating.Section{rating.SectionFees, rating.SectionDiscounts}).Draw(t, "section"),
			rapid.SampledFrom([]string{"Fee", "Discount"}).Draw(t, "label"), amount.Draw(t, "amount")))
	}
	return in
}

func sellerAsBuyer() agreement.Buyer {
	return agreement.Buyer{ID: "BUY-DE", Name: "Buyer GmbH", Country: "DE"}
}

// Lines sum to the net total, which is the exact total rounded; tax is that of the category; no
// line is off by a unit or more (I2, I10).
func TestLinesSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anInput(t)
		d, reasons := Draft(in)
		if len(reasons) > 0 {
			t.Fatalf("Draft: %v", reasons)
		}
		exact, net := currency.Zero, currency.Zero
		for _, l := range d.Lines {
			exact, net = exact.Add(l.Exact), net.Add(l.Net.Number)
			if off := l.Net.Number.Sub(l.Exact).Abs(); off.Cmp(dec("0.01")) >= 0 {
				t.Fatalf("line %d: net %s of exact %s", l.Position, l.Net, l.Exact)
			}
		}
		if !net.Equal(d.Totals.Net.Number) || !net.Equal(exact.Round(2)) || net.Sign() < 0 {
			t.Fatalf("lines sum to %s, exactly %s; net total %s", net, exact, d.Totals.Net)
		}
		if want := net.Mul(dec("0.19")).Round(2); !d.Totals.Tax.Number.Equal(want) {
			t.Fatalf("tax %s, want %s", d.Totals.Tax, want)
		}
		if !d.Totals.Gross.Number.Equal(net.Add(d.Totals.Tax.Number)) {
			t.Fatalf("gross %s of %s + %s", d.Totals.Gross, net, d.Totals.Tax)
		}
		in2, out := currency.Zero, d.Signed()
		for _, p := range in.Priced {
			in2 = in2.Add(p.Exact.Number)
		}
		for _, s := range in.SellerLines {
			in2 = in2.Add(s.Exact.Number)
		}
		signed := currency.Zero
		for _, l := range out.Lines {
			signed = signed.Add(l.Exact)
		}
		if !signed.Equal(in2) {
			t.Fatalf("exact lines sum to %s, the input to %s", signed, in2)
		}
	})
}

func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anInput(t)
		want, _ := Draft(in)
		in.Priced = rapid.Permutation(in.Priced).Draw(t, "priced")
		in.SellerLines = rapid.Permutation(in.SellerLines).Draw(t, "seller lines")
		got, _ := Draft(in)
		if diff := cmp.Diff(jsonOf(t, want), jsonOf(t, got)); diff != "" {
			t.Fatalf("another order makes another document:\n%s", diff)
		}
	})
}

// The negated input gives the other kind of document with the same positive totals and tax. The
// same lines too, except where fractions tie for the last unit: a tie goes to the earlier line
// before the signs flip, so to the other of two in the mirror.
func TestFlip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anInput(t)
		d, _ := Draft(in)
		for i := range in.Priced {
			in.Priced[i].Source.Number = in.Priced[i].Source.Number.Neg()
			in.Priced[i].Exact.Number = in.Priced[i].Exact.Number.Neg()
		}
		for i := range in.SellerLines {
			in.SellerLines[i].Exact.Number = in.SellerLines[i].Exact.Number.Neg()
		}
		n, _ := Draft(in)
		if d.Totals.Net.Number.IsZero() {
			return
		}
		if n.Kind == d.Kind {
			t.Fatalf("both are a %s", d.Kind)
		}
		if diff := cmp.Diff(d.Totals, n.Totals); diff != "" {
			t.Fatalf("totals:\n%s", diff)
		}
		if diff := cmp.Diff(d.Tax, n.Tax); diff != "" {
			t.Fatalf("tax:\n%s", diff)
		}
		fractions := map[string]bool{}
		for i := range d.Lines {
			a, b := d.Lines[i], n.Lines[i]
			if !a.Exact.Equal(b.Exact) || !source(a).Equal(source(b)) {
				t.Fatalf("line %d: exact %s and %s", i+1, a.Exact, b.Exact)
			}
			f := a.Exact.Shift(2).Sub(a.Exact.Shift(2).Floor()).String()
			if fractions[f] {
				return // a tie
			}
			fractions[f] = true
		}
		if diff := cmp.Diff(d.Lines, n.Lines); diff != "" {
			t.Fatalf("lines:\n%s", diff)
		}
	})
}

func jsonOf(t interface{ Fatal(...any) }, v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func source(l Line) currency.Decimal {
	if l.Source == nil {
		return currency.Zero
	}
	return l.Source.Number
}
