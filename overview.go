package arrears

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/store"
)

// A Tally is how many agreement-months of one month are in one state, and what they are worth.
type Tally struct {
	Month    calendar.Month
	Status   string
	Currency currency.Code    // of Net; empty for those without a document
	Count    int              // agreement-months
	Net      currency.Decimal // net totals, credit notes negative
	Oldest   time.Time        // since when the first of them is in the state
}

// Tallies counts the months from a month on, by month, state and currency.
func (e *Engine) Tallies(ctx context.Context, from calendar.Month) ([]Tally, error) {
	records, err := e.DB.Months(ctx, store.MonthFilter{From: from})
	if err != nil {
		return nil, err
	}
	var list []Tally
	for _, r := range records {
		t := Tally{Month: r.Month, Status: r.Status, Count: 1, Oldest: r.Since}
		row := reportOf(r).Row
		if row.Net != nil && row.Currency != nil {
			if t.Net, err = currency.Parse(*row.Net); err != nil {
				return nil, err
			}
			if t.Currency = *row.Currency; row.Document != nil && *row.Document == "credit_note" {
				t.Net = t.Net.Neg()
			}
		}
		i := slices.IndexFunc(list, func(o Tally) bool {
			return o.Month == t.Month && o.Status == t.Status && o.Currency == t.Currency
		})
		if i < 0 {
			list = append(list, t)
			continue
		}
		o := &list[i]
		o.Count++
		o.Net = o.Net.Add(t.Net)
		if t.Oldest.Before(o.Oldest) {
			o.Oldest = t.Oldest
		}
	}
	slices.SortFunc(list, func(a, b Tally) int {
		return cmp.Or(a.Month.Compare(b.Month), cmp.Compare(a.Status, b.Status), cmp.Compare(a.Currency, b.Currency))
	})
	return list, nil
}
