package arrears

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/ingest/cur"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
	"github.com/arrears-billing/arrears/store"
)

// explainRows is how many CUR rows of a line are shown; there may be millions.
const explainRows = 20

// An Explanation is a tree: what something is, its amount, and what it is made of.
type Explanation struct {
	Kind     string            `json:"kind"` // document, line, part, charge, row, rule, terms, rate, proof, note
	Text     string            `json:"text"`
	Amount   *currency.Decimal `json:"amount"`
	Currency *currency.Code    `json:"currency"`
	Children []Explanation     `json:"children"`
}

func node(kind, format string, args ...any) Explanation {
	return Explanation{Kind: kind, Text: fmt.Sprintf(format, args...), Children: []Explanation{}}
}

func (x Explanation) of(d currency.Decimal, c currency.Code) Explanation {
	x.Amount, x.Currency = &d, &c
	return x
}

// Explain says why a document is what it is: from a line back to the rule, the terms, the rate,
// the charges and the rows of AWS's files. A line of 0 explains all lines, without their rows.
func (e *Engine) Explain(ctx context.Context, id string, line int) (Explanation, error) {
	d, err := e.Document(ctx, id)
	if err != nil {
		return Explanation{}, err
	}
	evidence, err := e.evidenceOf(ctx, d)
	if err != nil {
		return Explanation{}, err
	}
	if line < 0 || line > len(d.Lines) {
		return Explanation{}, wrong("unknown_line", "", "%s has lines 1 to %d", d.ID, len(d.Lines))
	}
	out := Compute(&evidence, recorded(evidence.Inputs.References))
	x := &explainer{Engine: e, document: d, evidence: evidence, outcome: out, priced: invoicedOf(evidence, out, d.Buyer.ID).priced}
	if x.correction, err = e.explainCorrection(ctx, d, evidence, out); err != nil {
		return Explanation{}, err
	}
	title := d.ID
	if d.Number != nil {
		title = *d.Number
	}
	root := node("document", "%s %s, month %s, agreement %s", d.Kind, title, d.Month, d.Agreement).of(d.Totals.Net.Number, d.Currency)
	root.Children = append(root.Children, node("terms", "terms from %s: %s", evidence.Inputs.Terms.From, termsText(evidence.Inputs)))
	for _, l := range d.Lines {
		if line != 0 && l.Position != line {
			continue
		}
		if x.correction != nil {
			root.Children = append(root.Children, x.correctionLine(ctx, l, line != 0))
			continue
		}
		root.Children = append(root.Children, x.line(ctx, l, line != 0))
	}
	return root, nil
}

// evidenceOf loads what a document was computed from.
func (e *Engine) evidenceOf(ctx context.Context, d invoice.Document) (Evidence, error) {
	var names []string
	if s, err := e.DB.Document(ctx, d.ID); err == nil {
		if len(s.Evidence) == 0 && d.Corrects != nil { // a credit by hand: it gives back what was computed
			if s, err = e.DB.Document(ctx, d.Corrects.ID); err != nil {
				return Evidence{}, err
			}
		}
		names = s.Evidence
	} else if !errors.Is(err, store.ErrNotFound) {
		return Evidence{}, err
	} else {
		rec, err := e.DB.Month(ctx, d.Agreement, d.Month)
		if err != nil {
			return Evidence{}, err
		}
		names = rec.Evidence
	}
	if len(names) == 0 {
		return Evidence{}, wrong("no_evidence", "", "no evidence is kept of %s", d.ID)
	}
	return e.loadEvidence(ctx, names[len(names)-1])
}

func termsText(in Inputs) string {
	t := in.Terms
	var text strings.Builder
	fmt.Fprintf(&text, "support %s, shared fees %s, exchange %s", t.Support, t.SharedFees, t.Exchange.Source)
	for _, p := range []struct {
		name string
		p    *agreement.PercentOf
	}{{"usage discount", t.UsageDiscount}, {"support discount", t.SupportDiscount}, {"partner-led discount", t.PartnerLedDiscount}} {
		if p.p != nil {
			fmt.Fprintf(&text, ", %s %s %%", p.name, currency.Plain(p.p.Percent))
			if p.p.Of != "" {
				text.WriteString(" of " + p.p.Of)
			}
		}
	}
	if !in.Discounts {
		text.WriteString("; no term discounts this month: the service term was not accepted before its end")
	}
	return text.String()
}

type explainer struct {
	*Engine
	document invoice.Document
	evidence Evidence
	outcome  Outcome
	priced   []rating.Priced // of the document's buyer

	correction *correction // nil: the document is a month's own
}

// line explains one line of the document.
func (x *explainer) line(ctx context.Context, l invoice.Line, rows bool) Explanation {
	n := node("line", "line %d: %s, %s", l.Position, l.Section, l.Label).of(l.Net.Number, x.document.Currency)
	if exact := l.Exact; !exact.Equal(l.Net.Number) {
		n.Children = append(n.Children, node("note", "exact amount; rounded once, on the document, by largest remainder").of(exact, x.document.Currency))
	}
	if l.Source == nil {
		n.Children = append(n.Children, node("rule", "the seller's own line: %s", l.How))
		return n
	}
	key := keyOf(l)
	if l.Rate != nil {
		n.Children = append(n.Children, node("rate", "1 %s = %s %s%s", l.Source.Currency, currency.Plain(*l.Rate), x.document.Currency, x.rateSource(l)).of(*l.Rate, x.document.Currency))
	}
	for _, p := range x.outcome.Reconciliation {
		if p.AWSInvoice == key.Invoice {
			n.Children = append(n.Children, node("proof", "AWS invoice %s before tax: rows %s, invoice %s, difference %s", p.AWSInvoice,
				currency.Plain(p.Rows), currency.Plain(p.Invoice), currency.Plain(p.Difference)).of(p.Invoice, p.Currency))
		}
	}
	for _, p := range x.priced {
		if !onLine(p, l) {
			continue
		}
		n.Children = append(n.Children, x.part(ctx, p, rows))
	}
	return n
}

func (x *explainer) rateSource(l invoice.Line) string {
	for _, r := range x.document.Rates {
		if r.From == l.Source.Currency && l.Rate != nil && r.Rate.Equal(*l.Rate) && (r.AWSInvoice == "" || l.AWSInvoice != nil && r.AWSInvoice == *l.AWSInvoice) {
			text := fmt.Sprintf(", %s of %s", r.Source, r.Date)
			if r.AWSInvoice != "" {
				text += ", AWS invoice " + r.AWSInvoice
			}
			return text
		}
	}
	return ""
}

// onLine says that a priced charge is part of a line.
func onLine(p rating.Priced, l invoice.Line) bool {
	k := keyOf(l)
	return string(p.Section) == k.Section && p.Account == k.Account && p.Product == k.Product && p.Invoice == k.Invoice && p.Label == l.Label
}

// part explains a priced charge: the rule that decided, and its rows.
func (x *explainer) part(ctx context.Context, p rating.Priced, rows bool) Explanation {
	n := node("part", "rule %s: %s", p.Rule, p.Disposition).of(p.Source.Number, p.Source.Currency)
	if p.Charge < 0 {
		return n
	}
	c := x.evidence.Set.Charges[p.Charge]
	what := node("charge", "%s, %s, %s, bill type %s, account %s: %d rows", c.Type, c.Product, c.BillingEntity, c.BillType, c.Account, c.Rows).of(c.Unblended, c.Currency)
	if p.Part != "" {
		what.Text += ", discount inside rows " + p.Part
	}
	if rows {
		found, err := x.rows(ctx, c.Key)
		if err != nil {
			what.Children = append(what.Children, node("note", "the rows cannot be shown: %v", err))
		}
		what.Children = append(what.Children, found...)
	}
	n.Children = append(n.Children, what)
	return n
}

// rows reads rows of a charge from AWS's files, where they still are what was read.
func (x *explainer) rows(ctx context.Context, key ingest.Key) ([]Explanation, error) {
	dir, err := x.directory(ctx)
	if err != nil {
		return nil, err
	}
	a, err := dir.agreement(x.document.Agreement)
	if err != nil {
		return nil, err
	}
	d := x.find(ctx, a.CUR, x.document.Month)
	if !d.usable() {
		return nil, errors.New(d.reason.Text)
	}
	var out []Explanation
	for _, f := range d.found.Files {
		if len(out) >= explainRows || !slices.ContainsFunc(x.evidence.Files, func(e EvidenceFile) bool { return e.Name == f.Name }) {
			continue
		}
		rows, err := cur.Rows(ctx, f, x.document.Month, func(k ingest.Key) bool { return k == key }, explainRows-len(out))
		if err != nil {
			return out, err
		}
		for _, r := range rows {
			text := fmt.Sprintf("%s row %d: %s %s", r.File, r.Number, r.UsageType, r.Description)
			if !r.UsageStart.IsZero() {
				text += ", from " + r.UsageStart.Format("2006-01-02 15:04")
			}
			out = append(out, node("row", "%s", text).of(r.Unblended, r.Key.Currency))
		}
	}
	return out, nil
}
