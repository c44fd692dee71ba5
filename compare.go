package arrears

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/store"
)

// A LineDifference is a line of the month that is not as it was issued: exact amounts, signed.
type LineDifference struct {
	Key        string           `json:"key"`
	Issued     currency.Decimal `json:"issued"`
	Now        currency.Decimal `json:"now"`
	Difference currency.Decimal `json:"difference"`
	Cause      string           `json:"cause"`

	rate bool // the same source amount at another rate
	tax  bool // no line, but tax of another category or percentage
}

// A LineKey is what a line is, whatever its label and its rate.
type LineKey struct{ Section, Account, Product, Invoice, Label string }

func keyOf(l invoice.Line) LineKey {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	k := LineKey{Section: string(l.Section), Account: text(l.Account), Product: text(l.Product), Invoice: text(l.AWSInvoice)}
	if isSellers(l) {
		k.Label = l.Label // the seller's own lines have nothing else
	}
	return k
}

// isSellers: a line that AWS does not know. A credit of a part of a line has no source either.
func isSellers(l invoice.Line) bool {
	return l.Source == nil && l.Account == nil && l.Product == nil && l.AWSInvoice == nil
}

func (k LineKey) String() string {
	parts := []string{k.Section}
	for _, p := range []string{k.Account, k.Product, k.Label, k.Invoice} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " / ")
}

// A place is where a line stands: on whose document, in which currency. Amounts of two places are
// never added (I3).
type place struct {
	buyer    string
	currency currency.Code
	key      LineKey
}

// compareLines compares what a month comes to now with what was issued for it, net of corrections,
// line by line and exactly. Equal lines are left out; the tax of a document follows its lines.
func compareLines(issued, now []invoice.Document) []LineDifference {
	type sums struct{ issued, now, source currency.Decimal }
	lines := map[place]sums{}
	buyers, currencies := map[string]bool{}, map[currency.Code]bool{}
	add := func(documents []invoice.Document, to func(*sums, invoice.Line)) {
		for _, d := range documents {
			buyers[d.Buyer.ID], currencies[d.Currency] = true, true
			for _, l := range d.Signed().Lines {
				at := place{d.Buyer.ID, d.Currency, keyOf(l)}
				s := lines[at]
				to(&s, l)
				lines[at] = s
			}
		}
	}
	add(issued, func(s *sums, l invoice.Line) {
		s.issued = s.issued.Add(l.Exact)
		if l.Source != nil {
			s.source = s.source.Sub(l.Source.Number)
		}
	})
	add(now, func(s *sums, l invoice.Line) {
		s.now = s.now.Add(l.Exact)
		if l.Source != nil {
			s.source = s.source.Add(l.Source.Number)
		}
	})
	var out []LineDifference
	for at, s := range lines {
		diff := s.now.Sub(s.issued)
		if diff.IsZero() {
			continue
		}
		key := at.key.String()
		if len(buyers) > 1 {
			key = at.buyer + " / " + key
		}
		if len(currencies) > 1 {
			key += " / " + string(at.currency)
		}
		out = append(out, LineDifference{Key: key, Issued: s.issued, Now: s.now, Difference: diff, rate: s.source.IsZero() && at.key.Label == ""})
	}
	slices.SortFunc(out, func(a, b LineDifference) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// compareTax tells where the tax is of another category or percentage than what was issued, which
// lines do not show: a buyer that moved, a tax id that came late.
func compareTax(issued, now []invoice.Document) []LineDifference {
	type kind struct{ buyer, tax string }
	type sums struct {
		base        currency.Decimal
		issued, now currency.Decimal
		was, is     bool
	}
	kinds := map[kind]sums{}
	add := func(documents []invoice.Document, to func(*sums, invoice.TaxLine)) {
		for _, d := range documents {
			for _, t := range d.Signed().Tax {
				k := kind{d.Buyer.ID, "tax / " + t.Category + " " + currency.Plain(t.Percent) + " % / " + string(d.Currency)}
				s := kinds[k]
				to(&s, t)
				kinds[k] = s
			}
		}
	}
	add(issued, func(s *sums, t invoice.TaxLine) {
		s.issued, s.base = s.issued.Add(t.Amount.Number), s.base.Add(t.Base.Number)
		s.was = !s.base.IsZero()
	})
	add(now, func(s *sums, t invoice.TaxLine) { s.now, s.is = s.now.Add(t.Amount.Number), true })
	was, is := 0, 0
	for _, s := range kinds {
		if s.was {
			was++
		}
		if s.is {
			is++
		}
	}
	var out []LineDifference
	for k, s := range kinds {
		if s.was != s.is && was > 0 && is > 0 { // with nothing on one side the lines say it all
			out = append(out, LineDifference{Key: k.tax, Issued: s.issued, Now: s.now, Difference: s.now.Sub(s.issued), tax: true})
		}
	}
	slices.SortFunc(out, func(a, b LineDifference) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// correctionOf is the number of a correction, from its id: 2 for AGR-0001-2026-03-c2, and 0 for a
// document that corrects none.
func correctionOf(id string) int {
	i := strings.LastIndex(id, "-c")
	if i < 0 {
		return 0
	}
	n, err := strconv.Atoi(id[i+2:])
	if err != nil {
		return 0
	}
	return n
}

// current returns the documents of a month that count, in the order of issue: of each buyer the
// month's own with its corrections, and where that was given back and issued anew, what was issued
// anew with its corrections. What was given back in full, and then replaced, is left out.
func current(issued []invoice.Document) []invoice.Document {
	var out []invoice.Document
	for _, buyer := range buyersOf(issued) {
		own := ofBuyer(issued, buyer)
		start, sum := 0, currency.Zero
		for i, d := range own {
			if i > 0 && sum.IsZero() {
				start = i
			}
			sum = sum.Add(d.Signed().Totals.Gross.Number)
		}
		out = append(out, own[start:]...)
	}
	return out
}

// without leaves out documents: what a person gave back by hand is no mistake that a month computed
// again would show, and no reason to call the month restated.
func without(ids map[string]bool, documents []invoice.Document) []invoice.Document {
	return slices.DeleteFunc(slices.Clone(documents), func(d invoice.Document) bool { return ids[d.ID] })
}

// creditsByHand are the documents of a month that were not computed from anything: those of
// arrears invoice credit.
func (e *Engine) creditsByHand(ctx context.Context, rec store.Month) (map[string]bool, error) {
	stored, err := e.DB.Documents(ctx, store.DocumentFilter{Agreement: rec.Agreement, Month: rec.Month})
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for _, s := range stored {
		ids[s.ID] = s.Corrects != "" && len(s.Evidence) == 0
	}
	return ids, nil
}

func buyersOf(documents []invoice.Document) []string {
	var ids []string
	for _, d := range documents {
		if !slices.Contains(ids, d.Buyer.ID) {
			ids = append(ids, d.Buyer.ID)
		}
	}
	return ids
}

func ofBuyer(documents []invoice.Document, id string) []invoice.Document {
	return slices.DeleteFunc(slices.Clone(documents), func(d invoice.Document) bool { return d.Buyer.ID != id })
}
