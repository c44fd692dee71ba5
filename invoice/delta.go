package invoice

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/arrears-billing/arrears/currency"
)

// ErrTaxChanged means that a month is taxed otherwise now than when it was issued, so that one
// document over the differences cannot say it: credit the whole and issue it anew.
var ErrTaxChanged = errors.New("the tax category or rate has changed")

// Delta makes the draft over the differences between a month as issued, net of its corrections,
// and as it is computed now: a supplementary invoice, or a credit note when less is owed. It has
// the original's names and addresses and names the original. Original, earlier corrections and the
// delta together say what now says: the exact amount of each line, and net, tax and gross to the
// cent. (The nets of single lines may differ by cents between documents.)
//
// now is a document of the same month and currency; without lines it stands for a month in which
// nothing is owed any more. When nothing differs the delta has no lines. When the exact amounts
// differ but no whole cent does, its total is zero, and there is nothing to issue.
func Delta(original Document, earlier []Document, now Document, id, reason string) (Document, error) {
	if original.Number == nil || original.IssueDate == nil {
		return Document{}, fmt.Errorf("correct %s: it is not issued", original.ID)
	}
	if len(now.Lines) > 0 && now.Currency != original.Currency {
		return Document{}, fmt.Errorf("correct %s: it is in %s, and the month is in %s now", *original.Number, original.Currency, now.Currency)
	}
	if now.Totals.Gross.Number.Sign() != 0 && !sameTax(original.Tax, now.Tax) {
		return Document{}, fmt.Errorf("correct %s: %w", *original.Number, ErrTaxChanged)
	}
	left, now := remains(original, earlier).signed(original), now.Signed()
	places := original.Currency.MinorUnits()

	d := correction(original, id, reason)
	d.Kind = KindInvoice
	d.Lines = left.differences(now)
	net := now.Totals.Net.Number.Sub(left.net)
	allot(d.Lines, net, places)
	d.Rates = deltaRates(d.Lines, original.Rates, now.Rates)

	tax := now.Totals.Tax.Number.Sub(left.tax)
	for _, t := range original.Tax {
		t.Base, t.Amount = money(net, d.Currency), money(tax, d.Currency)
		d.Tax = append(d.Tax, t)
	}
	d.Totals = totals(net, tax, d.Currency)
	if n := cmp.Or(original.TaxNational, now.TaxNational); n != nil {
		national := left.national.Neg()
		if now.TaxNational != nil {
			national = national.Add(now.TaxNational.Amount.Number)
		}
		d.TaxNational = &NationalTax{n.Currency, money(national, n.Currency), n.Rate}
	}
	if net.Sign() < 0 {
		d = d.flipped()
		d.Kind = KindCreditNote
	}
	return d, nil
}

// sameTax says whether two documents have the same category at the same percentage.
func sameTax(a, b []TaxLine) bool {
	return slices.EqualFunc(a, b, func(x, y TaxLine) bool {
		return x.Category == y.Category && x.Percent.Equal(y.Percent)
	})
}

// signed turns the signs of what is left of a credit note.
func (r remainder) signed(original Document) remainder {
	if original.Kind != KindCreditNote {
		return r
	}
	r.lines = Document{Lines: r.lines}.flipped().Lines
	r.net, r.tax, r.national = r.net.Neg(), r.tax.Neg(), r.national.Neg()
	return r
}

// differences are the lines by which now is more or less than what is left, in the document's
// order. A line at another rate is a line of its own: the old one goes, the new one comes.
func (r remainder) differences(now Document) []Line {
	all := remainder{lines: r.lines, own: r.own, whole: r.whole}
	for i := range all.lines {
		l := &all.lines[i]
		*l = take(*l, i < r.own, r.whole[i])
		l.Exact = l.Exact.Neg()
		if l.Source != nil {
			l.Source = &currency.Amount{Number: l.Source.Number.Neg(), Currency: l.Source.Currency}
		}
	}
	for _, l := range now.Lines {
		i := indexLine(all.lines, l)
		if i < 0 {
			all.lines = append(all.lines, l)
			continue
		}
		o := &all.lines[i]
		o.Exact = o.Exact.Add(l.Exact)
		o.How = l.How
		if o.Source == nil || l.Source == nil {
			o.Source, o.Rate = nil, nil
		} else {
			o.Source.Number = o.Source.Number.Add(l.Source.Number)
		}
	}
	lines := slices.DeleteFunc(all.lines, func(l Line) bool { return l.Exact.IsZero() })
	slices.SortStableFunc(lines, compareLines)
	for i := range lines {
		lines[i].Position = i + 1
	}
	return lines
}

// allot gives lines nets that sum to a total. It is the difference of two rounded totals, so it may
// lie a unit beside the rounded sum of the lines: that unit goes to the first line.
func allot(lines []Line, total currency.Decimal, places int32) {
	if len(lines) == 0 {
		return
	}
	missing := total.Sub(round(lines, places))
	unit := currency.MustParse("1").Shift(-places)
	if missing.Sign() < 0 {
		unit = unit.Neg()
	}
	for i := 0; !missing.IsZero(); i = (i + 1) % len(lines) {
		lines[i].Net.Number = lines[i].Net.Number.Add(unit)
		missing = missing.Sub(unit)
	}
}

// deltaRates are the rates that the lines are converted at.
func deltaRates(lines []Line, lists ...[]Rate) []Rate {
	used := []Rate{}
	for _, r := range slices.Concat(lists...) {
		uses := func(l Line) bool {
			return l.Rate != nil && l.Source.Currency == r.From && l.Rate.Equal(r.Rate) && (l.AWSInvoice == nil || r.AWSInvoice == "" || *l.AWSInvoice == r.AWSInvoice)
		}
		have := func(o Rate) bool { return compareDocumentRates(o, r) == 0 }
		if slices.ContainsFunc(lines, uses) && !slices.ContainsFunc(used, have) {
			used = append(used, r)
		}
	}
	slices.SortFunc(used, compareDocumentRates)
	return used
}
