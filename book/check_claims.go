package book

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
)

// claims checks that no organisation-month is billed twice (I5) or forgotten between two agreements
// (I7). The legacy product counts: it is billed elsewhere, but it is billed (domain.md R6).
func (c *checker) claims() {
	ids := map[string]int{}
	unique(c, ids, c.from.agreements, "id", func(i int) string { return c.Agreements[i].ID })
	organisations, sources, transfers := map[string][]claim{}, map[string][]claim{}, map[string][]claim{}
	for i := range c.Agreements {
		a := &c.Agreements[i]
		if first, ok := ids[a.ID]; ok && first != i || a.ManagementAccount == "" {
			continue
		}
		w, ok := a.Window()
		if a.Product == agreement.ProductLegacy && a.Transfer.Start.IsZero() {
			w, ok = a.Billed, true
		}
		if !ok {
			continue
		}
		cl := claim{a, c.from.agreements[i], w}
		organisations[string(a.ManagementAccount)] = append(organisations[string(a.ManagementAccount)], cl)
		if a.CUR.Location != "" {
			sources[a.CUR.Location] = append(sources[a.CUR.Location], cl)
		}
		if !a.Transfer.Start.IsZero() {
			key := string(a.ManagementAccount) + " " + cmp.Or(a.Transfer.ID, a.Transfer.Start.String())
			transfers[key] = append(transfers[key], cl)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(organisations)) {
		c.overlaps(organisations[id], "both bill organisation "+id)
	}
	for _, location := range slices.Sorted(maps.Keys(sources)) {
		c.sameRows(location, sources[location])
	}
	for _, key := range slices.Sorted(maps.Keys(transfers)) {
		c.gaps(transfers[key])
	}
}

// A claim is an agreement with the months it bills.
type claim struct {
	a *agreement.Agreement
	o *origin
	w calendar.Window
}

// overlaps reports claims that share a month. It sorts them by their first month.
func (c *checker) overlaps(claims []claim, what string) {
	inOrder(claims)
	for i := 1; i < len(claims); i++ {
		before, next := longest(claims[:i]), claims[i]
		both, ok := before.w.Intersect(next.w)
		if !ok {
			continue
		}
		c.report(codeDuplicateClaim,
			fmt.Sprintf("%s and %s %s: %s", before.a.ID, next.a.ID, what, months(both)),
			fmt.Sprintf("%s bills %s, %s bills %s: narrow one with billed.from or billed.to", before.a.ID, months(before.w), next.a.ID, months(next.w)),
			next.place(), before.place())
	}
}

func inOrder(claims []claim) {
	slices.SortFunc(claims, func(a, b claim) int {
		return cmp.Or(a.w.From.Compare(b.w.From), cmp.Compare(a.a.ID, b.a.ID))
	})
}

// longest is the claim that bills to the latest month: the one for the next to meet or to follow.
func longest(claims []claim) claim {
	last := claims[0]
	for _, cl := range claims {
		if !last.w.To.IsZero() && (cl.w.To.IsZero() || cl.w.To.After(last.w.To)) {
			last = cl
		}
	}
	return last
}

// place is where a claim's months are written: its billed months, else its transfer.
func (cl claim) place() place {
	if _, ok := cl.o.at["billed"]; ok {
		return place{cl.o, "billed"}
	}
	if _, ok := cl.o.at["transfer"]; ok {
		return place{cl.o, "transfer"}
	}
	return place{cl.o, "management_account"}
}

// sameRows reports agreements of different organisations that would take the same rows of one
// source: those of one payer account, or all of them.
func (c *checker) sameRows(location string, claims []claim) {
	what := "take the same rows of " + location
	accounts := map[string][]claim{}
	var every []claim // these take all rows
	for _, cl := range claims {
		if id, wildcard := cl.a.PayerAccount(); wildcard {
			every = append(every, cl)
		} else {
			accounts[id] = append(accounts[id], cl)
		}
	}
	if len(accounts) == 0 {
		accounts["*"] = nil
	}
	for _, id := range slices.Sorted(maps.Keys(accounts)) {
		same := slices.Concat(accounts[id], every)
		// Those of one organisation are reported as such already.
		if slices.ContainsFunc(same, func(cl claim) bool { return cl.a.ManagementAccount != same[0].a.ManagementAccount }) {
			c.overlaps(same, what)
		}
	}
}

// gaps reports months of one transfer that nobody bills between two agreements that follow each
// other on it.
func (c *checker) gaps(claims []claim) {
	inOrder(claims)
	for i := 1; i < len(claims); i++ {
		before, next := longest(claims[:i]), claims[i]
		if before.w.To.IsZero() || !next.w.From.After(before.w.To.Add(1)) {
			continue
		}
		gap := calendar.Window{From: before.w.To.Add(1), To: next.w.From.Add(-1)}
		c.report(codeGap, fmt.Sprintf("nobody bills %s: %s ends with %s, %s begins with %s, on one transfer",
			months(gap), before.a.ID, before.w.To, next.a.ID, next.w.From),
			"let the two follow each other without a gap", next.place(), before.place())
	}
}
