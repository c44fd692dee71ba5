package invoice

import (
	"errors"
	"fmt"
	"slices"

	"github.com/arrears-billing/arrears/currency"
)

// A CreditLine chooses a line of a document to give back.
type CreditLine struct {
	Position int
	Amount   *currency.Decimal // net, with the sign that the line shows; nil: all that remains of it
}

// Credit makes the draft that gives a document back: all of it, or the chosen lines. It is of the
// other kind (a credit note for an invoice), with positive amounts, names the document it corrects,
// and keeps its tax category, percentage, names and addresses. earlier are the documents that
// corrected the original before, issued or not: never more is given back than what they left. When
// everything is given back, original, earlier and the new document sum to 0 in every figure.
//
// The tax of a part is computed from the part's net; whoever gives back the last part gives back
// the tax that remains, so rounding loses nothing.
func Credit(original Document, earlier []Document, chosen []CreditLine, id, reason string) (Document, error) {
	if original.Number == nil || original.IssueDate == nil {
		return Document{}, fmt.Errorf("credit %s: it is not issued", original.ID)
	}
	left := remains(original, earlier)
	if left.net.Sign() <= 0 {
		return Document{}, fmt.Errorf("credit %s: nothing remains of it", *original.Number)
	}
	lines, err := left.choose(original, chosen)
	if err != nil {
		return Document{}, fmt.Errorf("credit %s: %w", *original.Number, err)
	}
	net := currency.Zero
	for i := range lines {
		lines[i].Position = i + 1
		net = net.Add(lines[i].Net.Number)
	}
	if net.Sign() <= 0 {
		return Document{}, fmt.Errorf("credit %s: the lines sum to %s, and a credit must be more than 0",
			*original.Number, money(net, original.Currency))
	}
	if net.Cmp(left.net) > 0 {
		return Document{}, fmt.Errorf("credit %s: %s is more than the %s that remain of it",
			*original.Number, money(net, original.Currency), money(left.net, original.Currency))
	}
	d := correction(original, id, reason)
	d.Lines = lines
	all := net.Equal(left.net)
	tax := currency.Zero
	for _, t := range original.Tax {
		amount := currency.Percent(net, t.Percent).Round(t.Amount.Places)
		if all || amount.Cmp(left.tax) > 0 {
			amount = left.tax
		}
		tax = tax.Add(amount)
		t.Base, t.Amount = money(net, d.Currency), money(amount, d.Currency)
		d.Tax = append(d.Tax, t)
	}
	d.Rates = deltaRates(lines, original.Rates)
	d.Totals = totals(net, tax, d.Currency)
	if n := original.TaxNational; n != nil {
		amount := tax.Mul(n.Rate.Value).Round(n.Amount.Places)
		if tax.Equal(left.tax) || amount.Cmp(left.national) > 0 {
			amount = left.national
		}
		d.TaxNational = &NationalTax{n.Currency, money(amount, n.Currency), n.Rate}
	}
	return d, nil
}

// correction starts a document that corrects another: the other kind, the same names and terms.
func correction(original Document, id, reason string) Document {
	kind := KindCreditNote
	if original.Kind == KindCreditNote {
		kind = KindInvoice
	}
	d := original
	d.ID, d.Number, d.Kind, d.Status = id, nil, kind, StatusDrafted
	d.IssueDate, d.DueDate = nil, nil
	d.Corrects = &Reference{original.ID, *original.Number, *original.IssueDate}
	d.Reason = reason
	d.Lines, d.Tax, d.TaxNational, d.Notes = []Line{}, []TaxLine{}, nil, nil
	d.Rates = slices.Clone(original.Rates)
	return d
}

// A remainder is what is left of a document after corrections, with the signs of the document.
type remainder struct {
	lines              []Line // those of the document, then lines that only corrections have
	own                int    // how many are the document's
	whole              []bool // what is left of the line still has a source and a rate
	net, tax, national currency.Decimal
}

// remains sums a document and its corrections. A line of a correction belongs to the line it names,
// else to the one with the same key; others stand by themselves.
func remains(original Document, corrections []Document) remainder {
	r := remainder{lines: slices.Clone(original.Lines), own: len(original.Lines), whole: make([]bool, len(original.Lines))}
	for i := range r.lines {
		r.whole[i] = true
		r.lines[i].ownSource()
	}
	r.addTotals(original)
	for _, c := range corrections {
		if c.Kind != original.Kind {
			c = c.flipped()
		}
		r.addTotals(c)
		for _, l := range c.Lines {
			i := r.index(l)
			if i < 0 {
				l.CorrectsLine = nil
				l.ownSource()
				r.lines, r.whole = append(r.lines, l), append(r.whole, true)
				continue
			}
			of := &r.lines[i]
			of.Exact = of.Exact.Add(l.Exact)
			of.Net.Number = of.Net.Number.Add(l.Net.Number)
			if r.whole[i] = r.whole[i] && sameConversion(*of, l); r.whole[i] && l.Source != nil {
				of.Source.Number = of.Source.Number.Add(l.Source.Number)
			}
		}
	}
	return r
}

// sameConversion says whether two lines have the same source currency and rate, or both none.
func sameConversion(a, b Line) bool {
	return sourceCurrency(a) == sourceCurrency(b) && compareRates(a.Rate, b.Rate) == 0
}

func (r *remainder) addTotals(d Document) {
	r.net, r.tax = r.net.Add(d.Totals.Net.Number), r.tax.Add(d.Totals.Tax.Number)
	if d.TaxNational != nil {
		r.national = r.national.Add(d.TaxNational.Amount.Number)
	}
}

// ownSource gives the line a source amount of its own, which can be changed.
func (l *Line) ownSource() {
	if l.Source != nil {
		source := *l.Source
		l.Source = &source
	}
}

// index finds the line that l corrects, -1 if there is none.
func (r *remainder) index(l Line) int {
	if l.CorrectsLine != nil {
		return slices.IndexFunc(r.lines[:r.own], func(o Line) bool { return o.Position == *l.CorrectsLine })
	}
	return indexLine(r.lines, l)
}

// indexLine finds the line with l's key, -1 if there is none. One that lost source and rate, since
// a part of it was given back, has the key of any rate.
func indexLine(lines []Line, l Line) int {
	if i := slices.IndexFunc(lines, func(o Line) bool { return compareLines(o, l) == 0 }); i >= 0 {
		return i
	}
	key := func(l Line) Line {
		l.Source, l.Rate = nil, nil
		return l
	}
	return slices.IndexFunc(lines, func(o Line) bool {
		return (o.Source == nil || l.Source == nil) && compareLines(key(o), key(l)) == 0
	})
}

// choose returns the lines to give back: the chosen ones, or all that remain.
func (r *remainder) choose(original Document, chosen []CreditLine) ([]Line, error) {
	var lines []Line
	if chosen == nil {
		for i := range r.lines {
			if l := r.lines[i]; !l.Exact.IsZero() || !l.Net.Number.IsZero() {
				lines = append(lines, r.take(i, nil))
			}
		}
		return lines, nil
	}
	places := original.Currency.MinorUnits()
	taken := map[int]bool{}
	for _, c := range chosen {
		i := slices.IndexFunc(original.Lines, func(l Line) bool { return l.Position == c.Position })
		if i < 0 {
			return nil, fmt.Errorf("it has no line %d", c.Position)
		}
		if taken[i] {
			return nil, fmt.Errorf("line %d is named twice", c.Position)
		}
		taken[i] = true
		rest := r.lines[i].Net
		if rest.Number.IsZero() {
			return nil, fmt.Errorf("line %d: nothing remains of it", c.Position)
		}
		if a := c.Amount; a != nil {
			switch {
			case !a.Equal(a.Truncate(places)):
				return nil, fmt.Errorf("line %d: %s has more than %d decimal places", c.Position, currency.Plain(*a), places)
			case a.Sign() != rest.Number.Sign():
				return nil, fmt.Errorf("line %d: %s has not the sign of the %s that remain of it", c.Position, currency.Plain(*a), rest)
			case a.Abs().Cmp(rest.Number.Abs()) > 0:
				return nil, fmt.Errorf("line %d: %s is more than the %s that remain of it", c.Position, Money{*a, places}, rest)
			}
		}
		lines = append(lines, r.take(i, c.Amount))
	}
	if len(lines) == 0 {
		return nil, errors.New("no line is chosen")
	}
	slices.SortStableFunc(lines, compareLines)
	return lines, nil
}

// take returns the line that gives back amount of line i, or all that remains of it.
func (r *remainder) take(i int, amount *currency.Decimal) Line {
	l := r.lines[i]
	part := amount != nil && !amount.Equal(l.Net.Number)
	if part {
		l.Exact, l.Net.Number = *amount, *amount
	}
	return take(l, i < r.own, r.whole[i] && !part)
}

// take makes a line of a correction from what is left of a line: it names the line if that is the
// document's own, and has a source and a rate only as a whole.
func take(l Line, own, whole bool) Line {
	if !whole {
		l.Source, l.Rate = nil, nil
	}
	l.CorrectsLine = nil
	if own {
		position := l.Position
		l.CorrectsLine = &position
	}
	return l
}
