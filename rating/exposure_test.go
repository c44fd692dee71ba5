package rating

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

func TestExposures(t *testing.T) {
	rate := func(v string) currency.Rate {
		return currency.Rate{From: "USD", To: "EUR", Value: currency.MustParse(v)}
	}
	priced := func(invoice, amount, at string) Priced {
		p := Priced{Section: SectionUsage, Invoice: invoice, Source: currency.Amount{Number: currency.MustParse(amount), Currency: "USD"}, Rate: rate(at)}
		p.Exact = p.Rate.Convert(p.Source)
		return p
	}
	retained := priced("INV1", "-7", "0.9")
	retained.Section = "" // on no document
	offset := priced("INV1", "3", "0.9")
	offset.Rate, offset.Exact = currency.Rate{}, currency.Amount{Currency: "EUR"}
	dollars := Priced{Rate: currency.Same("EUR"), Section: SectionUsage, Invoice: "INV1", Source: currency.Amount{Number: currency.MustParse("5"), Currency: "EUR"}, Exact: currency.Amount{Number: currency.MustParse("5"), Currency: "EUR"}}

	aws := rate("0.92")
	bills := []ingest.Bill{
		{ID: "INV1", Payment: ingest.BillAmount{Currency: "EUR", Exchange: &aws}},
		{ID: "INV2", Payment: ingest.BillAmount{Currency: "CHF"}},
	}
	terms := agreement.Terms{Currency: "EUR", Exchange: agreement.Exchange{Source: agreement.ExchangeFixed, MarkupPercent: currency.MustParse("50")}}
	var got [][]string
	for _, x := range Exposures([]Priced{
		priced("INV2", "10", "0.9"), priced("INV1", "1000", "0.9"), priced("INV1", "-100", "0.9"), retained, offset, dollars, priced("INV1", "1", "0.95"),
	}, terms, bills) {
		row := []string{x.Invoice, x.Source.String(), currency.Plain(x.Rate.Value), x.Charged.String()}
		if x.AWSRate == nil {
			row = append(row, x.Unknown)
		} else {
			row = append(row, currency.Plain(x.AWSRate.Value), x.AtAWSRate.String(), currency.Plain(*x.Difference))
		}
		got = append(got, row)
	}
	want := [][]string{
		{"INV1", "900 USD", "0.9", "810 EUR", "0.92", "828 EUR", "-18"},
		{"INV1", "1 USD", "0.95", "0.95 EUR", "0.92", "0.92 EUR", "0.03"},
		{"INV2", "10 USD", "0.9", "9 EUR", "no rate from USD to EUR: AWS invoice INV2 is paid in CHF"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Exposures mismatch (-want +got):\n%s", diff)
	}
}
