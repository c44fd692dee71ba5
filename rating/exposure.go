package rating

import (
	"cmp"
	"slices"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// An Exposure compares what a customer was charged for one AWS invoice with what the same charges
// come to at AWS's own rate: what the reseller pays. Amounts are exact and signed.
type Exposure struct {
	Invoice string          `json:"aws_invoice"`
	Source  currency.Amount `json:"source"` // the charges on the document, in AWS's currency
	Rate    currency.Rate   `json:"rate"`   // that was charged, with its markup
	Charged currency.Amount `json:"charged"`

	// At AWS's rate, and Charged less that: a gain when positive. Nil where AWS states no rate into
	// the agreement's currency; Unknown says why.
	AWSRate    *currency.Rate    `json:"aws_rate"`
	AtAWSRate  *currency.Amount  `json:"at_aws_rate"`
	Difference *currency.Decimal `json:"difference"`
	Unknown    string            `json:"unknown,omitempty"`
}

// Exposures returns the exposure of a rated month, one entry for each AWS invoice and rate, by
// invoice. Charges that need no conversion have none. Discounts and fees of the seller follow the
// charges and are left out.
func Exposures(priced []Priced, t agreement.Terms, bills []ingest.Bill) []Exposure {
	t.Exchange = agreement.Exchange{Source: agreement.ExchangeAWSInvoice}
	stated := Exchange(t, bills, nil)
	var all []Exposure
	for _, p := range priced {
		if p.Section == "" || p.Rate.From == p.Rate.To { // on no document, offset, or not converted
			continue
		}
		i := slices.IndexFunc(all, func(x Exposure) bool {
			return x.Invoice == p.Invoice && x.Source.Currency == p.Source.Currency && x.Rate.Value.Equal(p.Rate.Value)
		})
		if i < 0 {
			i = len(all)
			all = append(all, Exposure{
				Invoice: p.Invoice, Source: currency.Amount{Currency: p.Source.Currency},
				Rate: p.Rate, Charged: currency.Amount{Currency: p.Exact.Currency},
			})
		}
		all[i].Source = all[i].Source.Add(p.Source)
		all[i].Charged = all[i].Charged.Add(p.Exact)
	}
	for i := range all {
		x := &all[i]
		rate, err := stated(x.Source.Currency, x.Invoice)
		if err != nil {
			x.Unknown = err.Error()
			continue
		}
		at := rate.Convert(x.Source)
		difference := x.Charged.Number.Sub(at.Number)
		x.AWSRate, x.AtAWSRate, x.Difference = &rate, &at, &difference
	}
	slices.SortFunc(all, func(a, b Exposure) int {
		return cmp.Or(cmp.Compare(a.Invoice, b.Invoice), a.Rate.Value.Cmp(b.Rate.Value))
	})
	return all
}
