package focus

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/rating"
)

// A treatment is what the rows of a charge become (docs/FOCUS.md, "By line item type").
type treatment int

const (
	leaveOut  treatment = iota // on no document, and nobody's usage
	asUsage                    // one row: used at a price
	asUsed                     // one row: covered by a commitment, billed 0
	asFee                      // one row: bought, covers nothing
	asUpfront                  // one row: a commitment bought for its term
	asPeriod                   // a commitment's fee of the period, and a row for what of it was not used
	asCredit                   // given by AWS
	asRefund                   // takes back
	asOff                      // a discount as a row of its own
)

// A plan says what the rows of one charge become. It is made once a charge.
type plan struct {
	treatment
	key         ingest.Key
	rule        string
	savingsPlan bool // the commitment is a Savings Plan, not a reservation
	named       bool // the name of its account is known
	negated     bool // unblended cost stands against a negation: the row is billed 0
	parts       []planPart
	weights     []currency.Decimal // of parts; nil when there is one
	rate        rate
}

// A planPart is where a part of the charge's rows goes: an account and a document.
type planPart struct {
	share
	account string // when fees are shared over accounts; else that of the row
	line    int    // of the bill; -1: none
	cells   *cells // what all rows of the part have in common
	serial  int    // of the sheet that cells are for
}

// plan makes the plan of a charge.
func (w *writer) plan(key ingest.Key) *plan {
	p := &plan{key: key}
	i, found := slices.BinarySearchFunc(w.m.Charges, key, func(c ingest.Charge, k ingest.Key) int { return ingest.CompareKeys(c.Key, k) })
	if !found {
		w.strangers++
		return p
	}
	priced := w.ratings[i]
	if len(priced) == 0 {
		return p
	}
	p.treatment = treat(key, priced[0])
	if p.treatment == leaveOut {
		return p
	}
	p.rule, _, _ = strings.Cut(priced[0].Rule, " ")
	p.savingsPlan = strings.HasPrefix(key.Type, "SavingsPlan")
	p.negated = priced[0].Disposition == rating.Offset
	p.rate = w.rateOf(priced[0])
	for _, q := range priced {
		for _, s := range w.buyers(q.Account) {
			part := planPart{share: s, line: -1}
			if q.Account != key.Account {
				part.account = q.Account
			}
			if s.bill != nil && !p.negated {
				part.line = s.bill.line(q)
			}
			if len(priced) > 1 {
				part.weight = part.weight.Mul(q.Source.Number.Abs())
			}
			p.parts = append(p.parts, part)
		}
	}
	if len(p.parts) > 1 {
		for _, part := range p.parts {
			p.weights = append(p.weights, part.weight)
		}
	}
	return p
}

// treat decides by what the charge is and what became of it.
func treat(k ingest.Key, p rating.Priced) treatment {
	switch p.Disposition {
	case rating.Billed:
	case rating.PassedOn:
		return asOff
	case rating.Offset:
		if k.Type == ingest.TypeSavingsPlanCoveredUsage && !k.Split {
			return asUsed
		}
		return leaveOut // a negation, which cancels what asUsed bills at 0; a split row without cost
	case rating.Tax, rating.Retained, rating.Replaced, rating.Deferred, rating.Quarantined:
		return leaveOut
	}
	switch k.Type {
	case ingest.TypeCredit:
		return asCredit
	case ingest.TypeRefund:
		return asRefund
	case ingest.TypeDiscountedUsage:
		return asUsed
	case ingest.TypeRIFee, ingest.TypeSavingsPlanRecurringFee:
		return asPeriod
	case ingest.TypeSavingsPlanUpfrontFee:
		return asUpfront
	case ingest.TypeFee:
		if k.Commitment {
			return asUpfront
		}
		return asFee
	case ingest.TypeFlatRateSubscription, ingest.TypeFlateRateSubscription:
		return asFee
	case ingest.TypeUsage:
		return asUsage
	}
	return asOff
}

// rateOf is the rate of a charge: its own, or, where nothing is billed of it, that of its AWS
// invoice or any other of the month.
func (w *writer) rateOf(p rating.Priced) rate {
	if !p.Rate.Value.IsZero() {
		return newRate(p.Rate.Value)
	}
	if p.Source.Currency == w.m.Currency {
		return newRate(one)
	}
	if r, ok := w.rates[p.Invoice]; ok {
		return r
	}
	if w.m.Rate != nil {
		if r, err := w.m.Rate(p.Source.Currency, p.Invoice); err == nil {
			return newRate(r.Value)
		}
	}
	if w.anyRate == nil {
		w.fail(fmt.Errorf("no exchange rate from %s to %s is known for AWS invoice %q", p.Source.Currency, w.m.Currency, p.Invoice))
		return newRate(one)
	}
	return *w.anyRate
}

// indexPriced sorts what was priced by its charge, the rates by AWS invoice, and returns what
// belongs to no row: discounts inside rows, and what a month's Savings Plans leave over.
func (w *writer) indexPriced() (loose []rating.Priced) {
	w.ratings = make([][]rating.Priced, len(w.m.Charges))
	w.rates = map[string]rate{}
	for _, p := range w.m.Rated.Priced {
		if !p.Rate.Value.IsZero() {
			if _, ok := w.rates[p.Invoice]; !ok {
				w.rates[p.Invoice] = newRate(p.Rate.Value)
			}
			if w.anyRate == nil {
				r := w.rates[p.Invoice]
				w.anyRate = &r
			}
		}
		switch {
		case p.Charge >= 0 && p.Part == "":
			w.ratings[p.Charge] = append(w.ratings[p.Charge], p)
		case p.Section != "" && !p.Source.Number.IsZero():
			loose = append(loose, p)
		}
	}
	slices.SortStableFunc(loose, func(a, b rating.Priced) int {
		return cmp.Or(cmp.Compare(a.Charge, b.Charge), cmp.Compare(a.Part, b.Part), cmp.Compare(a.Invoice, b.Invoice), cmp.Compare(a.Account, b.Account))
	})
	return loose
}
