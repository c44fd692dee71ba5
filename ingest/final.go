package ingest

import "github.com/arrears-billing/arrears/currency"

// Open returns the charges that keep a month from being final: rows with an amount and without an
// AWS invoice, but for those of bill type Refund or Purchase, which are deferred and come with a
// later delivery (design 4, "Final"). Rows without an amount never hold a month.
func Open(charges []Charge) []Charge {
	var open []Charge
	for _, c := range charges {
		if c.Invoice == "" && c.NonZero > 0 && c.BillType != BillRefund && c.BillType != BillPurchase {
			open = append(open, c)
		}
	}
	return open
}

// Currencies returns the currencies of the charges, in the order they come.
func Currencies(charges []Charge) []currency.Code {
	var codes []currency.Code
	seen := map[currency.Code]bool{}
	for _, c := range charges {
		if !seen[c.Currency] {
			seen[c.Currency] = true
			codes = append(codes, c.Currency)
		}
	}
	return codes
}
