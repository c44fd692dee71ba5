package book

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
)

// Check refuses agreements exactly when some month of an organisation would be billed twice (I5),
// or would be billed by nobody between two agreements on one transfer (I7).
func TestClaims(t *testing.T) {
	base := calendar.MustMonth("2026-01")
	rapid.Check(t, func(t *rapid.T) {
		var b Book
		months := map[agreement.AccountID]map[calendar.Month]int{} // how often each is billed
		spans := map[string]calendar.Window{}                      // by transfer, from its first billed month to its last
		for i := range rapid.IntRange(1, 5).Draw(t, "agreements") {
			id := agreement.AccountID(rapid.SampledFrom([]string{"111122223333", "444455556666"}).Draw(t, "organisation"))
			n := rapid.IntRange(0, 1).Draw(t, "transfer")
			start := base.Add(18 * n)
			a := agreement.Agreement{
				ID: fmt.Sprintf("AGR-%d", i), Product: agreement.ProductEssentials, ManagementAccount: id,
				Transfer: agreement.Transfer{ID: fmt.Sprintf("rt-%s-%d", id, n), Start: start.Start()},
			}
			if n == 0 {
				a.Transfer.End = base.Add(18).Start().Add(-1e9)
			}
			a.Billed.From = start.Add(rapid.IntRange(0, 8).Draw(t, "from"))
			a.Billed.To = a.Billed.From.Add(rapid.IntRange(0, 8).Draw(t, "months"))
			if rapid.IntRange(0, 4).Draw(t, "open") == 0 {
				a.Billed.To = calendar.Month{}
			}
			b.Agreements = append(b.Agreements, a)

			w, ok := a.Window()
			if !ok {
				t.Fatalf("no window: %+v", a)
			}
			if months[id] == nil {
				months[id] = map[calendar.Month]int{}
			}
			for m := base; m.Before(base.Add(60)); m = m.Add(1) {
				if w.Contains(m) {
					months[id][m]++
				}
			}
			last := w.To
			if last.IsZero() {
				last = base.Add(59)
			}
			span, ok := spans[a.Transfer.ID]
			if !ok {
				span = calendar.Window{From: w.From, To: last}
			}
			if w.From.Before(span.From) {
				span.From = w.From
			}
			if last.After(span.To) {
				span.To = last
			}
			spans[a.Transfer.ID] = span
		}
		twice, gap := false, false
		for id, billed := range months {
			for _, n := range billed {
				twice = twice || n > 1
			}
			for n := range 2 {
				span, ok := spans[fmt.Sprintf("rt-%s-%d", id, n)]
				for m := span.From; ok && !m.After(span.To); m = m.Add(1) {
					gap = gap || billed[m] == 0
				}
			}
		}
		var codes []string
		for _, e := range Check(b) {
			codes = append(codes, e.Code)
		}
		if got := slices.Contains(codes, "duplicate_claim"); got != twice {
			t.Fatalf("duplicate_claim %t, a month billed twice %t: %+v", got, twice, b.Agreements)
		}
		if got := slices.Contains(codes, "billing_gap"); got != gap {
			t.Fatalf("billing_gap %t, a month left out %t: %+v", got, gap, b.Agreements)
		}
	})
}
