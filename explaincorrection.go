package arrears

import (
	"context"
	"fmt"
	"slices"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
	"github.com/arrears-billing/arrears/store"
)

// A correction explains a document over differences: what was billed before, what the month comes
// to now, and for each line the charges that are not what they were, with the cause. The amounts of
// a line's causes and its rounding sum to the line exactly.
type correction struct {
	before  invoiced
	now     invoiced // nothing where the whole was given back
	cause   func(LineDifference) string
	earlier []string         // numbers of the documents before
	sign    currency.Decimal // of the document: amounts of a credit note are printed positive
}

// invoiced is what a buyer was charged in a month: priced charges and the seller's lines.
type invoiced struct {
	priced  []rating.Priced
	charges []ingest.Charge
	seller  []rating.SellerLine
}

// invoicedOf computes what a buyer is charged by evidence.
func invoicedOf(v Evidence, out Outcome, buyer string) invoiced {
	in := invoiced{out.Rated.Priced, v.Set.Charges, out.Rated.Seller}
	if v.Inputs.Split == nil {
		return in
	}
	in.priced, in.seller = nil, nil
	for _, part := range invoice.SplitByBuyer(out.Rated.Priced, out.Rated.Seller, *v.Inputs.Split) {
		if part.Share.Buyer == buyer {
			in.priced, in.seller = append(in.priced, part.Priced...), append(in.seller, part.Seller...)
		}
	}
	return in
}

// explainCorrection finds out what an issued document corrects. It returns nil when the document stands
// by itself: a month's own, one issued anew in the place of another, or a credit by hand.
func (e *Engine) explainCorrection(ctx context.Context, d invoice.Document, v Evidence, out Outcome) (*correction, error) {
	if d.Corrects == nil || d.Number == nil {
		return nil, nil
	}
	issued, err := e.issuedDocuments(ctx, d.Agreement, d.Month)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(issued, func(o invoice.Document) bool { return o.ID == d.ID })
	if at <= 0 {
		return nil, nil
	}
	own, err := e.DB.Document(ctx, d.ID)
	if err != nil || len(own.Evidence) == 0 { // a credit by hand
		return nil, err
	}
	stored, err := e.DB.Documents(ctx, store.DocumentFilter{Agreement: d.Agreement, Month: d.Month})
	if err != nil {
		return nil, err
	}
	var previous Evidence
	found := false
	for _, o := range slices.Backward(issued[:at]) {
		i := slices.IndexFunc(stored, func(s store.Document) bool { return s.ID == o.ID })
		// Documents of one correction share its evidence: the state before is that of another.
		if len(stored[i].Evidence) > 0 && stored[i].Evidence[0] != own.Evidence[0] {
			if previous, err = e.loadEvidence(ctx, stored[i].Evidence[0]); err != nil {
				return nil, err
			}
			found = true
			break
		}
	}
	if !found {
		return nil, nil
	}
	was := Compute(&previous, recorded(previous.Inputs.References))
	c := &correction{
		before: invoicedOf(previous, was, d.Buyer.ID), now: invoicedOf(v, out, d.Buyer.ID),
		cause: causes(previous, v), sign: currency.MustParse("1"),
	}
	if d.Kind == invoice.KindCreditNote {
		c.sign = c.sign.Neg()
	}
	for _, o := range ofBuyer(current(issued[:at]), d.Buyer.ID) {
		c.earlier = append(c.earlier, *o.Number)
	}
	// Of the three that a document can be, it is the one that its lines fit best.
	whole, anew := *c, *c
	whole.now = invoiced{}
	anew.before = invoiced{}
	switch d, w, a := c.misfits(d), whole.misfits(d), anew.misfits(d); {
	case a == 0 && d > 0:
		return nil, nil
	case w < d:
		return &whole, nil
	}
	return c, nil
}

// misfits counts the lines of a document that the correction's charges do not sum to.
func (c *correction) misfits(d invoice.Document) int {
	n := 0
	for _, l := range d.Lines {
		if _, rest := c.changes(l); !rest.IsZero() {
			n++
		}
	}
	return n
}

// A change is a charge, or a line of the seller, that is not what it was.
type change struct {
	text     string
	key      *ingest.Key // of a charge
	was, now currency.Decimal
	moved    bool // the same source amount: at another rate
}

// changes returns what of a line's charges is not as it was, in the document's signs, and what of
// the line they do not explain: what was given back by hand before.
func (c *correction) changes(l invoice.Line) (list []change, rest currency.Decimal) {
	type id struct {
		key  ingest.Key
		part string
		rule string
	}
	at := map[id]int{}
	source := map[int]currency.Decimal{}
	add := func(side invoiced, into func(*change) *currency.Decimal, sign currency.Decimal) {
		for _, p := range side.priced {
			if isSellers(l) || !onLine(p, l) || l.Rate != nil && !p.Rate.Value.Equal(*l.Rate) {
				continue
			}
			k := id{part: p.Part, rule: p.Rule}
			text := fmt.Sprintf("rule %s", p.Rule)
			var key *ingest.Key
			if p.Charge >= 0 {
				ch := side.charges[p.Charge]
				k.key, key = ch.Key, &ch.Key
				text += fmt.Sprintf(": %s, %s, %s, bill type %s, account %s", ch.Type, ch.Product, ch.BillingEntity, ch.BillType, ch.Account)
				if p.Part != "" {
					text += ", discount inside rows " + p.Part
				}
			}
			i, ok := at[k]
			if !ok {
				i = len(list)
				at[k] = i
				list = append(list, change{text: text, key: key})
			}
			to := into(&list[i])
			*to = to.Add(p.Exact.Number)
			source[i] = source[i].Add(p.Source.Number.Mul(sign))
		}
		if !isSellers(l) {
			return
		}
		for _, s := range side.seller {
			if s.Section != l.Section || s.Label != l.Label {
				continue
			}
			i, ok := at[id{}]
			if !ok {
				i = len(list)
				at[id{}] = i
				list = append(list, change{text: "the seller's own line"})
			}
			to := into(&list[i])
			*to = to.Add(s.Exact.Number)
			list[i].text += ": " + s.How
		}
	}
	one := currency.MustParse("1")
	add(c.before, func(x *change) *currency.Decimal { return &x.was }, one.Neg())
	add(c.now, func(x *change) *currency.Decimal { return &x.now }, one)
	rest = l.Exact
	out := list[:0]
	for i, x := range list {
		if x.was.Equal(x.now) {
			continue
		}
		x.was, x.now = x.was.Mul(c.sign), x.now.Mul(c.sign)
		x.moved = x.key != nil && source[i].IsZero()
		rest = rest.Sub(x.now.Sub(x.was))
		out = append(out, x)
	}
	return out, rest
}

// correctionLine explains a line of a correction.
func (x *explainer) correctionLine(ctx context.Context, l invoice.Line, rows bool) Explanation {
	c := x.correction
	code := x.document.Currency
	n := node("line", "line %d: %s, %s: the difference to what was billed by %s", l.Position, l.Section, l.Label, numbers(c.earlier)).of(l.Net.Number, code)
	list, rest := c.changes(l)
	for _, ch := range list {
		cause := c.cause(LineDifference{rate: ch.moved})
		if len(c.now.priced)+len(c.now.seller) == 0 {
			cause = "given back"
		}
		part := node("part", "%s: %s: billed %s, now %s", cause, ch.text, currency.Plain(ch.was), currency.Plain(ch.now)).of(ch.now.Sub(ch.was), code)
		if rows && ch.key != nil {
			found, err := x.rows(ctx, *ch.key)
			if err != nil {
				part.Children = append(part.Children, node("note", "the rows cannot be shown: %v", err))
			}
			part.Children = append(part.Children, found...)
		}
		n.Children = append(n.Children, part)
	}
	if !rest.IsZero() {
		n.Children = append(n.Children, node("part", "given back by hand before, or settled by another line").of(rest, code))
	}
	if rounding := l.Net.Number.Sub(l.Exact); !rounding.IsZero() {
		n.Children = append(n.Children, node("part", "rounding: exact amounts are rounded once, on the document, by largest remainder").of(rounding, code))
	}
	return n
}

func numbers(list []string) string {
	switch len(list) {
	case 0:
		return "nothing"
	case 1:
		return list[0]
	}
	return fmt.Sprintf("%s and %d corrections", list[0], len(list)-1)
}
