package agreement

import (
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// Keep puts back what AWS has stated of an agreement and a new version of it, from a book, leaves
// empty, and returns the keys in question. A book that is applied again, with the "end: null" of the
// day on which it was written, must not reopen a transfer that has ended since: months would be
// billed that AWS does not charge. Another value is a person's decision and is taken.
//
// AWS's word is what an order fetched, and every end that the lifecycle has acted on.
func (l *Lifecycle) Keep(was, is *Agreement) []string {
	ordered := len(l.Moves) > 0 && l.Moves[0].Event == "order_placed"
	ended := l.Status == Terminating || l.Status == Terminated || l.Status == Failed
	if !ordered && !ended {
		return nil
	}
	var kept []string
	keep := func(key string, emptied bool, put func()) {
		if emptied {
			put()
			kept = append(kept, key)
		}
	}
	instant := func(key string, was time.Time, is *time.Time) {
		keep(key, is.IsZero() && !was.IsZero(), func() { *is = was })
	}
	month := func(key string, was calendar.Month, is *calendar.Month) {
		keep(key, is.IsZero() && !was.IsZero(), func() { *is = was })
	}
	t := &is.Transfer
	keep("transfer.id", t.ID == "" && was.Transfer.ID != "", func() { t.ID = was.Transfer.ID })
	if t.ID == was.Transfer.ID {
		instant("transfer.accepted", was.Transfer.Accepted, &t.Accepted)
		instant("transfer.start", was.Transfer.Start, &t.Start)
		if t.End.IsZero() && !was.Transfer.End.IsZero() {
			t.Status = was.Transfer.Status
		}
		instant("transfer.end", was.Transfer.End, &t.End)
	}
	month("billed.from", was.Billed.From, &is.Billed.From)
	month("billed.to", was.Billed.To, &is.Billed.To)
	instant("service_term.accepted_at", was.ServiceTerm.AcceptedAt, &is.ServiceTerm.AcceptedAt)
	return kept
}
