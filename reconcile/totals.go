package reconcile

import (
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/rating"
)

// Totals are the control totals of one payer, month and source currency:
//
//	CUR = billed + retained + tax + offset + replaced + deferred + quarantined + waiting + own + unclaimed
//
// Difference is what the left side has more than the right: zero, or money nobody accounts for.
// AWS is the sum of AWS's invoices before tax, to be compared with the rows that have one.
type Totals struct {
	Payer       string           `json:"payer"`
	Currency    currency.Code    `json:"currency"`
	CUR         currency.Decimal `json:"cur"` // unblended cost and counted discounts inside rows
	AWS         currency.Decimal `json:"aws_before_tax"`
	Billed      currency.Decimal `json:"billed"` // with the partner discounts passed on
	Retained    currency.Decimal `json:"retained"`
	Tax         currency.Decimal `json:"tax"`
	Offset      currency.Decimal `json:"offset"`
	Replaced    currency.Decimal `json:"replaced"`
	Deferred    currency.Decimal `json:"deferred"`
	Quarantined currency.Decimal `json:"quarantined"`
	Waiting     currency.Decimal `json:"waiting"` // of agreements that are waiting or held: not disposed of yet
	Own         currency.Decimal `json:"own"`
	Unclaimed   currency.Decimal `json:"unclaimed"`
	Difference  currency.Decimal `json:"difference"`
	TaxRows     currency.Decimal `json:"-"` // tax on AWS's invoices, whoever's it is
	Uninvoiced  currency.Decimal `json:"-"` // rows without an AWS invoice, whoever's they are
	// AWSDifference is what CUR has before tax on AWS's invoices - AWS: rounding of those invoices,
	// pending memos, and bills without rows.
	AWSDifference currency.Decimal `json:"aws_difference"`
}

// Add puts the dispositions of one agreement into the totals.
func (t *Totals) Add(sums map[rating.Disposition]currency.Decimal) {
	t.Billed = t.Billed.Add(sums[rating.Billed]).Add(sums[rating.PassedOn])
	t.Retained = t.Retained.Add(sums[rating.Retained])
	t.Tax = t.Tax.Add(sums[rating.Tax])
	t.Offset = t.Offset.Add(sums[rating.Offset])
	t.Replaced = t.Replaced.Add(sums[rating.Replaced])
	t.Deferred = t.Deferred.Add(sums[rating.Deferred])
	t.Quarantined = t.Quarantined.Add(sums[rating.Quarantined])
}

// Close computes the differences.
func (t *Totals) Close() {
	accounted := currency.Zero
	for _, d := range []currency.Decimal{t.Billed, t.Retained, t.Tax, t.Offset, t.Replaced, t.Deferred, t.Quarantined, t.Waiting, t.Own, t.Unclaimed} {
		accounted = accounted.Add(d)
	}
	t.Difference = t.CUR.Sub(accounted)
	t.AWSDifference = t.CUR.Sub(t.TaxRows).Sub(t.Uninvoiced).Sub(t.AWS)
}
