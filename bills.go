package arrears

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/ingest"
)

// memoMonths is how far from its own month the rows of a memo may lie (design 6).
const memoMonths = 3

// payerBills are AWS's bills to one payer around a month.
type payerBills struct {
	month  []ingest.Bill             // of the month itself
	memos  []ingest.Bill             // memos of the months around it
	months map[string]calendar.Month // billing months of all invoices read, by id: of those too that memos correct
	listed bool                      // AWS's list of the month is there
	err    error                     // it is there and cannot be read
	hash   string                    // of all of them
}

// bills reads AWS's bills of a payer. A list that is not there is no error: months wait for it.
// since is the first month in which an organisation was another agreement's than now, or zero.
func (e *Engine) bills(ctx context.Context, p agreement.Payer, m, since calendar.Month) payerBills {
	var b payerBills
	if p.Invoices == "" {
		return b
	}
	b.month, b.err = e.billsOf(ctx, p, m)
	if errors.Is(b.err, ingest.ErrNoBills) {
		b.err = nil
	} else {
		b.listed = b.err == nil
	}
	other := func(m calendar.Month) []ingest.Bill {
		list, err := e.billsOf(ctx, p, m)
		if err != nil && !errors.Is(err, ingest.ErrNoBills) {
			b.err = err
		}
		b.note(list)
		return list
	}
	for n := -memoMonths; n <= memoMonths && b.err == nil; n++ {
		if n == 0 {
			continue
		}
		for _, bill := range other(m.Add(n)) {
			if bill.Memo() {
				b.memos = append(b.memos, bill)
			}
		}
	}
	b.note(b.month)
	// A memo may give back a month of long ago, and whose that was is in that month's list.
	for old := m.Add(-memoMonths - 1); b.err == nil && !since.IsZero() && !old.Before(since) && slices.ContainsFunc(slices.Concat(b.month, b.memos), b.unknownOriginal); old = old.Add(-1) {
		other(old)
	}
	b.hash = hashJSON([][]ingest.Bill{b.month, b.memos})
	return b
}

func (b *payerBills) note(bills []ingest.Bill) {
	if b.months == nil {
		b.months = map[string]calendar.Month{}
	}
	for _, bill := range bills {
		b.months[bill.ID] = bill.Month
	}
}

// unknownOriginal says that a memo corrects an invoice that none of the lists read has.
func (b *payerBills) unknownOriginal(bill ingest.Bill) bool {
	_, known := b.months[bill.Original]
	return bill.Memo() && bill.Original != "" && !known
}

// handedOver returns the first month of any organisation of a payer that several agreements have,
// one after the other; zero when there is none.
func (d *directory) handedOver(payer agreement.AccountID) calendar.Month {
	type organisation struct {
		agreements int
		first      calendar.Month
	}
	organisations := map[agreement.AccountID]organisation{}
	var since calendar.Month
	for i := range d.book.Agreements {
		a := &d.book.Agreements[i]
		w, ok := a.Window()
		if !ok || a.Payer != payer {
			continue
		}
		o := organisations[a.ManagementAccount]
		if o.agreements++; o.agreements == 1 || w.From.Before(o.first) {
			o.first = w.From
		}
		organisations[a.ManagementAccount] = o
		if o.agreements > 1 && (since.IsZero() || o.first.Before(since)) {
			since = o.first
		}
	}
	return since
}

// former returns the agreement that had the organisation in the month that a memo gives back, when
// that is not the agreement a: the refund is that one's (design 6, "Replay").
func (v *view) former(a *agreement.Agreement, memo ingest.Bill) string {
	m, ok := v.bills[a.Payer].months[memo.Original]
	if w, _ := a.Window(); !memo.Memo() || memo.Original == "" || !ok || w.Contains(m) {
		return ""
	}
	return v.another(a, func(w calendar.Window) bool { return w.Contains(m) })
}

// unplaced returns an agreement that had the organisation before a, when a memo gives back an
// invoice that none of AWS's lists has: a person must find out whose it is.
func (v *view) unplaced(a *agreement.Agreement, memo ingest.Bill) string {
	bills := v.bills[a.Payer]
	if !bills.unknownOriginal(memo) {
		return ""
	}
	own, _ := a.Window()
	return v.another(a, func(w calendar.Window) bool { return w.From.Before(own.From) })
}

// another returns the first agreement of a's organisation but a whose window is so, or nothing.
func (v *view) another(a *agreement.Agreement, so func(calendar.Window) bool) string {
	for i := range v.dir.book.Agreements {
		other := &v.dir.book.Agreements[i]
		if w, ok := other.Window(); ok && other.ID != a.ID && other.ManagementAccount == a.ManagementAccount && so(w) {
			return other.ID
		}
	}
	return ""
}

func (e *Engine) billsOf(ctx context.Context, p agreement.Payer, m calendar.Month) ([]ingest.Bill, error) {
	if p.Invoices != "api" {
		folder, err := e.openSource(p.Invoices)
		if err != nil {
			return nil, err
		}
		return ingest.ReadBills(ctx, folder, m)
	}
	if e.Invoices == nil {
		return nil, fmt.Errorf("payer %s: invoices: api is not available here", p.Account)
	}
	return e.Invoices(ctx, p.Account, m)
}

// of returns the bills of one organisation.
func (b payerBills) of(organisation string) (month, memos []ingest.Bill) {
	own := func(list []ingest.Bill) []ingest.Bill {
		var out []ingest.Bill
		for _, bill := range list {
			if bill.For(organisation) {
				out = append(out, bill)
			}
		}
		return out
	}
	return own(b.month), own(b.memos)
}

// organisations returns the source accounts that AWS bills the payer for, ascending, with the
// payer's own where a bill names none.
func organisations(bill ingest.Bill) []string {
	if !bill.HasSources || len(bill.Sources) == 0 {
		return []string{bill.Account}
	}
	return slices.Sorted(slices.Values(bill.Sources))
}
