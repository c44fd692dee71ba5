package invoice

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

func TestCheck(t *testing.T) {
	tests := []struct {
		rule  string
		spoil func(d *Document)
	}{
		{"BR-02", func(d *Document) { d.Number = nil }},
		{"BR-03", func(d *Document) { d.IssueDate = nil }},
		{"BR-CO-25", func(d *Document) { d.DueDate = nil }},
		{"BR-04", func(d *Document) { d.Kind = "" }},
		{"BR-CL-04", func(d *Document) { d.Currency = "XXY" }},
		{"BR-DEC-23", func(d *Document) { d.Currency = "KWD" }},
		{"BR-29", func(d *Document) { d.Period.End = calendar.MustDate("2026-02-28") }},
		{"BR-55", func(d *Document) { d.Corrects = &Reference{ID: "x"} }},
		{"A-IBAN", func(d *Document) { d.Payment.IBAN = "DE02120300000000202052" }},
		{"BR-06", func(d *Document) { d.Seller.Name = "\t" }},
		{"BR-07", func(d *Document) { d.Buyer.Name = "" }},
		{"BR-09", func(d *Document) { d.Seller.Address.Country, d.Seller.Country = "", "" }},
		{"BR-11", func(d *Document) { d.Buyer.Address.Country = "UK" }},
		{"BR-CO-26", func(d *Document) { d.Seller.TaxID, d.Seller.RegistrationID = "", "" }},
		{"BR-CO-26", func(d *Document) { d.Tax[0].Category, d.Seller.RegistrationID = "O", "" }},
		{"BR-AE-02", func(d *Document) { d.Seller.TaxID = "" }},
		{"BR-AE-02", func(d *Document) { d.Buyer.TaxID = "" }},
		{"BR-CO-09", func(d *Document) { d.Seller.TaxID = "136695976" }},
		{"BR-16", func(d *Document) { d.Lines = nil }},
		{"BR-21", func(d *Document) { d.Lines[1].Position = 1 }},
		{"BR-25", func(d *Document) { d.Lines[1].Label = " \x00" }},
		{"BR-DEC-23", func(d *Document) { d.Lines[1].Net.Number = dec("0.001") }},
		{"BR-CO-18", func(d *Document) { d.Tax = nil }},
		{"A-TAX", func(d *Document) { d.Tax = append(d.Tax, d.Tax[0]) }},
		{"BR-S-05", func(d *Document) { d.Tax[0].Category = "S" }},
		{"BR-AE-05", func(d *Document) { d.Tax[0].Percent = dec("19") }},
		{"BR-AE-09", func(d *Document) { d.Tax[0].Amount.Number = dec("1") }},
		{"BR-AE-10", func(d *Document) { d.Tax[0].Reason = "" }},
		{"BR-CL-18", func(d *Document) { d.Tax[0].Category = "X" }},
		{"BR-CL-22", func(d *Document) { d.Tax[0].Reason = "VATEX-EU-XX" }},
		{"BR-CO-17", func(d *Document) { d.Tax[0].Percent = dec("19") }},
		{"BR-53", func(d *Document) { d.TaxNational = &NationalTax{Currency: "EUR"} }},
		{"BR-CL-05", func(d *Document) { d.TaxNational = &NationalTax{Currency: "?"} }},
		{"BR-CO-10", func(d *Document) { d.Lines[0].Net.Number = dec("1") }},
		{"BR-CO-13", func(d *Document) { d.Tax[0].Base.Number = dec("1") }},
		{"BR-CO-14", func(d *Document) { d.Totals.Tax.Number = dec("1") }},
		{"BR-CO-15", func(d *Document) { d.Totals.Gross.Number = dec("1") }},
		{"A-POSITIVE", func(d *Document) { d.Totals.Gross.Number = dec("-1") }},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			d, _ := Draft(c1())
			d = d.Issue("DE-2026-000001", calendar.MustDate("2026-04-08"), 30)
			if found := Check(d); len(found) > 0 {
				t.Fatalf("before: %v", found)
			}
			tt.spoil(&d)
			var rules []string
			for _, v := range Check(d) {
				rules = append(rules, v.Rule)
			}
			if !strings.Contains(" "+strings.Join(rules, " ")+" ", " "+tt.rule+" ") {
				t.Errorf("rules %v, want %s", rules, tt.rule)
			}
		})
	}
}

// What Draft and Credit make breaks no rule.
func TestMadeDocumentsPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, reasons := Draft(anInput(t))
		if len(reasons) > 0 || d.Totals.Gross.Number.IsZero() {
			return
		}
		if found := Check(d); len(found) > 0 {
			t.Fatalf("draft: %v", found)
		}
		d = d.Issue("N-1", calendar.MustDate("2026-04-08"), 30)
		part := d.Totals.Net.Number.Mul(dec("0.3")).Truncate(2)
		var earlier []Document
		for _, l := range d.Lines {
			if part.Sign() > 0 && l.Net.Number.Cmp(part) >= 0 {
				c, err := Credit(d, nil, []CreditLine{{l.Position, &part}}, "c1", "part")
				if err != nil {
					t.Fatal(err)
				}
				earlier = append(earlier, c)
				break
			}
		}
		c, err := Credit(d, earlier, nil, "c2", "rest")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range append(earlier, c) {
			if found := Check(e); len(found) > 0 {
				t.Fatalf("credit: %v", found)
			}
		}
	})
}

func TestReasonText(t *testing.T) {
	for _, tt := range []struct{ category, reason, code, text string }{
		{"AE", "VATEX-EU-AE", "VATEX-EU-AE", "Reverse charge"},
		{"E", "Exempt by treaty", "", "Exempt by treaty"},
		{"S", "Reduced rate", "", ""},
	} {
		code, text := TaxLine{Category: tt.category, Reason: tt.reason, Percent: currency.Zero}.ReasonText()
		if code != tt.code || text != tt.text {
			t.Errorf("%s %q: %q, %q; want %q, %q", tt.category, tt.reason, code, text, tt.code, tt.text)
		}
	}
}
