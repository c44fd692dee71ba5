package book

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// BaseCurrency is what AWS states charges in.
const BaseCurrency = agreement.BaseCurrency

// Check looks at a merged whole and returns everything in it that does not fit together, sorted,
// at the position in the book that causes it. What concerns stored objects alone is not reported:
// the book that is being applied did not cause it and cannot repair it. What follows from an error
// that Parse has reported is not reported again.
func Check(all Book) []Error {
	c := newChecker(all)
	c.sellers()
	c.buyers()
	c.payers()
	for i := range all.Agreements {
		c.agreement(i)
	}
	c.claims()
	return Sort(c.errs)
}

// A checker holds the whole and finds objects by id.
type checker struct {
	Book
	errs   []Error
	seller map[string]int
	buyer  map[string]int
	payer  map[agreement.AccountID]int
}

// A place is a key of an object of the whole.
type place struct {
	o    *origin
	path string
}

func newChecker(all Book) *checker {
	c := &checker{Book: all, seller: map[string]int{}, buyer: map[string]int{}, payer: map[agreement.AccountID]int{}}
	// Objects without an origin were made by the program; their index is all there is to name.
	name := func(list []*origin, n int, kind string) []*origin {
		full := make([]*origin, n)
		for i := range full {
			if full[i] = originOf(list, i); full[i] == nil {
				full[i] = &origin{path: fmt.Sprintf("%s[%d]", kind, i)}
			}
		}
		return full
	}
	c.from.sellers = name(all.from.sellers, len(all.Sellers), "sellers")
	c.from.buyers = name(all.from.buyers, len(all.Buyers), "buyers")
	c.from.payers = name(all.from.payers, len(all.Payers), "payers")
	c.from.agreements = name(all.from.agreements, len(all.Agreements), "agreements")
	return c
}

// report notes an error at the first of the places that a book wrote, unless it only follows from
// an error that Parse reported at one of them.
func (c *checker) report(code, text, hint string, places ...place) {
	var at *place
	for i, p := range places {
		for path := range p.o.bad {
			if within(path, p.path) || within(p.path, path) {
				return
			}
		}
		if at == nil && p.o != stored {
			at = &places[i]
		}
	}
	if at != nil {
		c.errs = append(c.errs, at.o.error(at.path, code, text, hint))
	}
}

// within says whether path is that of a value inside the one at outer, or the same.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (rest == "" || outer == "" || rest[0] == '.' || rest[0] == '[')
}

// missing reports a key without a value. Errors elsewhere in the object do not hide it.
func (c *checker) missing(o *origin, path, hint string) {
	if o == stored {
		return
	}
	for bad := range o.bad {
		if within(bad, path) || bad != "" && within(path, bad) {
			return
		}
	}
	inside, key := "", path
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		inside, key = path[:i], path[i+1:]
	}
	c.errs = append(c.errs, o.error(inside, codeMissing, key+" is missing", hint))
}

// need reports the keys of an object that have no value.
func (c *checker) need(o *origin, values map[string]bool) {
	for path, there := range values {
		if !there {
			c.missing(o, path, "")
		}
	}
}

// unique fills index with the ids of a kind, and reports those that are there already.
func unique[K ~string](c *checker, index map[K]int, from []*origin, key string, id func(int) K) {
	for i, o := range from {
		k := id(i)
		if k == "" {
			c.missing(o, key, "")
			continue
		}
		first, twice := index[k]
		if !twice {
			index[k] = i
			continue
		}
		where := ""
		if e := from[first].error(key, "", "", ""); e.Line > 0 {
			where = fmt.Sprintf(", first in %s:%d", e.File, e.Line)
		}
		c.report(codeDuplicateID, fmt.Sprintf("%s is there twice%s", k, where), "keep one of them", place{o, key})
	}
}

func (c *checker) sellers() {
	unique(c, c.seller, c.from.sellers, "id", func(i int) string { return c.Sellers[i].ID })
	type use struct {
		seller int
		path   string
	}
	series := map[string]use{}
	for i, s := range c.Sellers {
		o := c.from.sellers[i]
		c.need(o, map[string]bool{
			"name": s.Name != "", "country": s.Country != "", "currency": s.Currency != "", "series": s.Series.Invoice != "",
		})
		if first, ok := c.seller[s.ID]; ok && first != i {
			continue // the duplicate's series are those of the first
		}
		for _, p := range []struct{ path, prefix string }{{"series.invoice", s.Series.Invoice}, {"series.credit_note", s.Series.CreditNote}} {
			if p.prefix == "" {
				continue
			}
			other, ok := series[p.prefix]
			if !ok {
				series[p.prefix] = use{i, p.path}
				continue
			}
			c.report(codeSeriesShared, fmt.Sprintf("%s numbers documents of seller %s already (%s)", p.prefix, c.Sellers[other.seller].ID, other.path),
				"give each series a prefix of its own", place{o, p.path}, place{c.from.sellers[other.seller], other.path})
		}
		c.taxID(o, s.Country, s.TaxID)
	}
}

func (c *checker) buyers() {
	unique(c, c.buyer, c.from.buyers, "id", func(i int) string { return c.Buyers[i].ID })
	for i, b := range c.Buyers {
		o := c.from.buyers[i]
		c.need(o, map[string]bool{"name": b.Name != "", "country": b.Country != ""})
		c.taxID(o, b.Country, b.TaxID)
		c.taxOverride(o, b.Tax)
	}
}

// taxOverride checks a decision on tax: a category without tax has none, and every decision has a
// reason, since an auditor will ask for it.
func (c *checker) taxOverride(o *origin, t *agreement.TaxOverride) {
	if t == nil {
		return
	}
	c.need(o, map[string]bool{"tax.category": t.Category != "", "tax.reason": t.Reason != ""})
	switch {
	case t.Category == "S" && t.Percent.IsZero():
		c.report(codeTaxOverride, "category S needs a percentage above 0", "category Z is taxed at 0", place{o, "tax.percent"})
	case t.Category != "S" && t.Category != "" && !t.Percent.IsZero():
		c.report(codeTaxOverride, fmt.Sprintf("category %s has no tax, and a percentage of %s", t.Category, currency.Plain(t.Percent)),
			"leave percent out, or choose category S", place{o, "tax.percent"})
	}
}

func (c *checker) payers() {
	unique(c, c.payer, c.from.payers, "account", func(i int) agreement.AccountID { return c.Payers[i].Account })
}

func (c *checker) agreement(i int) {
	a, o := &c.Agreements[i], c.from.agreements[i]
	legacy := a.Product == agreement.ProductLegacy
	c.need(o, map[string]bool{
		"product": a.Product != "", "management_account": a.ManagementAccount != "",
		// A legacy agreement is billed elsewhere: it needs no payer and no data here.
		"payer": a.Payer != "" || legacy, "cur.source": a.CUR.Location != "" || legacy,
	})
	if j, ok := c.payer[a.Payer]; ok {
		if a.ManagementAccount == a.Payer {
			c.report(codeNotManagement, fmt.Sprintf("%s is the reseller's own bill-transfer account, not a customer's", a.Payer),
				"name the customer's management account; what the reseller uses itself belongs into the payer's own_accounts", place{o, "management_account"}, place{o, "payer"})
		} else if slices.Contains(c.Payers[j].OwnAccounts, a.ManagementAccount) {
			c.report(codeDuplicateClaim, fmt.Sprintf("organisation %s is declared as the reseller's own by payer %s", a.ManagementAccount, a.Payer),
				"take it out of own_accounts, or end this agreement", place{o, "management_account"}, place{c.from.payers[j], "own_accounts"})
		}
	} else if a.Payer != "" {
		c.unknown(place{o, "payer"}, "payer", string(a.Payer), slices.Collect(maps.Keys(stringKeys(c.payer))))
	}
	c.transfer(a, o)
	c.terms(a, o)
	c.hold(a, o)
	c.adjustments(a, o)
	c.split(a, o)
	c.taxOverride(o, a.Tax)
}

func stringKeys[K ~string](m map[K]int) map[string]int {
	s := make(map[string]int, len(m))
	for k, v := range m {
		s[string(k)] = v
	}
	return s
}

// unknown reports an id that names nothing.
func (c *checker) unknown(at place, kind, id string, known []string) {
	hint := "the book has no " + kind + " yet"
	if near := nearest(id, known); near != "" {
		hint = "did you mean " + near + "?"
	} else if len(known) > 0 {
		slices.Sort(known)
		hint = "known: " + strings.Join(known[:min(len(known), 8)], ", ")
		if len(known) > 8 {
			hint += ", ..."
		}
	}
	c.report(codeReference, fmt.Sprintf("no %s %s", kind, id), hint, at)
}

// transfer checks that AWS could have stated the transfer: it begins with a month and ends with one
// (domain.md ).
func (c *checker) transfer(a *agreement.Agreement, o *origin) {
	t := a.Transfer
	start, end := place{o, "transfer.start"}, place{o, "transfer.end"}
	if t.Start.IsZero() {
		if !t.Accepted.IsZero() || !t.End.IsZero() {
			c.missing(o, "transfer.start", "what AWS states as StartTimestamp: the first of a month, 00:00:00Z")
		}
	} else if first := calendar.MonthOf(t.Start); !t.Start.Equal(first.Start()) {
		c.report(codeTransferStart, "a transfer starts on the first of a month at 00:00:00Z, not "+t.Start.Format(time.RFC3339Nano),
			fmt.Sprintf("take StartTimestamp as AWS states it: %s or %s", first.Start().Format(time.RFC3339), first.End().Format(time.RFC3339)), start)
		return
	}
	if !t.End.IsZero() {
		last := calendar.MonthOf(t.End)
		switch after := t.End.Truncate(time.Second).Add(time.Second); {
		case !after.Equal(calendar.MonthOf(after).Start()):
			c.report(codeTransferEnd, "a transfer ends with the last second of a month, not at "+t.End.Format(time.RFC3339Nano),
				"take EndTimestamp as AWS states it, such as "+last.End().Add(-time.Second).Format(time.RFC3339), end)
			return
		case !t.Start.IsZero() && !t.End.After(t.Start):
			c.report(codeTransferEnd, "the transfer ends before it starts", "", end, start)
			return
		}
	}
	if b := a.Billed; !b.To.IsZero() && b.To.Before(b.From) {
		c.report(codeNeverBilled, fmt.Sprintf("billed from %s to %s: no month", b.From, b.To), "", place{o, "billed.to"}, place{o, "billed.from"})
	} else if w, ok := calendar.TransferWindow(t.Start, t.End); ok {
		if _, ok := w.Intersect(b); !ok {
			c.report(codeNeverBilled, fmt.Sprintf("the billed months, %s, lie outside the transfer, %s", months(b), months(w)),
				"", place{o, "billed"}, place{o, "transfer"})
		}
	}
}

// months prints a window for people.
func months(w calendar.Window) string {
	switch {
	case w.From.IsZero() && w.To.IsZero():
		return "all months"
	case w.To.IsZero():
		return "from " + w.From.String() + " on"
	case w.From.IsZero():
		return "up to " + w.To.String()
	case w.From == w.To:
		return w.From.String()
	}
	return w.From.String() + " to " + w.To.String()
}

func (c *checker) hold(a *agreement.Agreement, o *origin) {
	h := a.Hold
	if h == nil {
		return
	}
	if h.Reason == "" {
		c.missing(o, "hold.reason", "the run prints it")
	}
	if h.From.IsZero() {
		c.missing(o, "hold.from", "the first month that is not to be drafted; without to, the hold stays until it is removed")
	} else if !h.To.IsZero() && h.To.Before(h.From) {
		c.report(codeHold, fmt.Sprintf("held from %s to %s: no month", h.From, h.To), "", place{o, "hold.to"}, place{o, "hold.from"})
	}
}

// adjustments must fall into a billed month: others would be lost without a word.
func (c *checker) adjustments(a *agreement.Agreement, o *origin) {
	w, ok := a.Window()
	for i, adj := range a.Adjustments {
		path := fmt.Sprintf("adjustments[%d]", i)
		c.need(o, map[string]bool{
			path + ".month": !adj.Month.IsZero(), path + ".label": adj.Label != "", path + ".reason": adj.Reason != "", path + ".by": adj.By != "",
		})
		if adj.Amount.IsZero() {
			c.report(codeAdjustment, "an adjustment needs an amount that is not 0", `such as amount: "-50.00"`, place{o, path + ".amount"})
		}
		if ok && !adj.Month.IsZero() && !w.Contains(adj.Month) {
			c.report(codeAdjustment, fmt.Sprintf("%s is not billed by this agreement, which bills %s", adj.Month, months(w)),
				"an adjustment must fall into a billed month", place{o, path + ".month"}, place{o, "transfer"}, place{o, "billed"})
		}
	}
}

// split checks that of each usage account 100 percent are billed, no more and no less.
func (c *checker) split(a *agreement.Agreement, o *origin) {
	var before calendar.Month
	for i, s := range a.Split {
		path := fmt.Sprintf("split[%d]", i)
		if s.From.IsZero() {
			c.missing(o, path+".from", "the first month that is split so")
		} else if !before.IsZero() && !s.From.After(before) {
			c.report(codeSplit, fmt.Sprintf("begins with %s, not after the one before it (%s)", s.From, before),
				"list splits in the order of their months", place{o, path + ".from"})
		}
		before = s.From
		accounts := map[agreement.AccountID]bool{"": true} // "": those that nobody names
		buyers := map[string]bool{}
		for j, share := range s.Shares {
			at := place{o, fmt.Sprintf("%s.shares[%d].buyer", path, j)}
			switch _, known := c.buyer[share.Buyer]; {
			case share.Buyer == "":
				c.missing(o, at.path, "")
			case buyers[share.Buyer]:
				c.report(codeSplit, "buyer "+share.Buyer+" has two shares", "one share a buyer", at)
			case !known:
				c.unknown(at, "buyer", share.Buyer, slices.Collect(maps.Keys(c.buyer)))
			}
			buyers[share.Buyer] = true
			for id := range share.Accounts {
				accounts[id] = true
			}
		}
		for _, id := range slices.Sorted(maps.Keys(accounts)) {
			total := currency.Zero
			for _, share := range s.Shares {
				p, ok := share.Accounts[id]
				if !ok {
					p = share.Percent
				}
				total = total.Add(p)
			}
			if !total.Equal(hundred) {
				whose := "the shares"
				if id != "" {
					whose = "the shares of account " + string(id)
				}
				c.report(codeSplit, fmt.Sprintf("%s total %s percent, not 100", whose, currency.Plain(total)),
					"a share without its own percentage for an account counts with its percent", place{o, path})
			}
		}
	}
}
