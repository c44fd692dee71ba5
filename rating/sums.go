package rating

import (
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// An InvoiceSum is what the rows of one AWS invoice say, to be compared with AWS's own figures.
// All amounts are exact, in the source currency.
type InvoiceSum struct {
	Invoice     string
	Currency    currency.Code
	BeforeTax   currency.Decimal // unblended cost and counted discounts inside rows, without tax
	Tax         currency.Decimal
	Partner     currency.Decimal // partner discount, as rows or counted inside rows; negative
	Distributor currency.Decimal // distributor discount likewise
	Groups      int              // distinct (usage account, product) with an amount before tax
	Anniversary bool             // monthly rows of billing entity AWS: the invoice can be a zero invoice
}

// sums adds up the rows by AWS invoice, in the order of the invoice ids. Rows without an invoice are
// left out: they are deferred, or the delivery is not final.
func (f *Forms) sums(charges []ingest.Charge) []InvoiceSum {
	type group struct{ invoice, account, product string }
	sums := map[string]*InvoiceSum{}
	groups := map[group]bool{}
	for _, c := range charges {
		if c.Invoice == "" {
			continue
		}
		s := sums[c.Invoice]
		if s == nil {
			s = &InvoiceSum{Invoice: c.Invoice, Currency: c.Currency}
			sums[c.Invoice] = s
		}
		if c.Type == ingest.TypeTax || c.Taxed {
			s.Tax = s.Tax.Add(c.Unblended)
		} else {
			s.BeforeTax = s.BeforeTax.Add(c.Unblended)
			s.addDiscount(c.Key, c.Unblended)
			s.Anniversary = s.Anniversary || c.BillingEntity == ingest.EntityAWS && c.BillType == ingest.BillAnniversary
			if c.NonZero > 0 {
				groups[group{c.Invoice, c.Account, c.Product}] = true
			}
		}
		for _, p := range f.counted(c) {
			s.BeforeTax = s.BeforeTax.Add(p.Amount)
			s.addDiscount(partKey(c.Key, p.Key), p.Amount)
		}
	}
	for g := range groups {
		sums[g.invoice].Groups++
	}
	out := make([]InvoiceSum, 0, len(sums))
	for _, id := range sortedKeys(sums) {
		out = append(out, *sums[id])
	}
	return out
}

func (s *InvoiceSum) addDiscount(k ingest.Key, amount currency.Decimal) {
	switch {
	case k.Type == ingest.TypeSppDiscount || k.Class == ingest.ClassPartner:
		s.Partner = s.Partner.Add(amount)
	case k.Type == ingest.TypeDistributorDiscount || k.Class == ingest.ClassDistributor:
		s.Distributor = s.Distributor.Add(amount)
	}
}
