package arrears

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/store"
)

// How a replay corrects (contract.md).
const (
	ApplyDelta = "delta" // one document over the differences
	ApplyFull  = "full"  // credit the whole and issue anew
)

// ReplayOptions say what to replay.
type ReplayOptions struct {
	Month      calendar.Month
	Agreements []string
	Apply      string // "", delta or full
	Reason     string // stands on the correction
}

// A ReplayReport compares issued months with what today's inputs give.
type ReplayReport struct {
	Month      calendar.Month    `json:"month"`
	Agreements []AgreementReplay `json:"agreements"`
	Documents  []string          `json:"documents,omitempty"` // numbers issued by --apply
}

// Identical says that no agreement differs.
func (r ReplayReport) Identical() bool {
	return !slices.ContainsFunc(r.Agreements, func(a AgreementReplay) bool { return !a.Identical })
}

// An AgreementReplay is one agreement's month, as issued net of corrections and as it is now.
type AgreementReplay struct {
	Agreement string            `json:"agreement"`
	Identical bool              `json:"identical"`
	Status    string            `json:"status"` // what the month comes to now, when it cannot be compared
	Text      string            `json:"text,omitempty"`
	Lines     []LineDifference  `json:"lines"`
	Proposed  *invoice.Document `json:"proposed"` // the delta document; null when nothing differs
}

// Replay computes issued months again from today's inputs (I11) and compares them line by line
// with what was issued net of earlier corrections. With Apply it issues the correction.
func (e *Engine) Replay(ctx context.Context, o ReplayOptions) (ReplayReport, error) {
	report := ReplayReport{Month: o.Month, Agreements: []AgreementReplay{}}
	if o.Apply != "" && o.Apply != ApplyDelta && o.Apply != ApplyFull {
		return report, wrong("usage", "", "--apply is delta or full, not %q", o.Apply)
	}
	if o.Apply != "" && o.Reason == "" {
		return report, wrong("no_reason", "--reason TEXT stands on the correction", "a correction needs a reason")
	}
	v, err := e.view(ctx, o.Month)
	if err != nil {
		return report, err
	}
	for _, id := range o.Agreements {
		if _, err := v.dir.agreement(id); err != nil {
			return report, err
		}
	}
	for i := range v.dir.book.Agreements {
		a := &v.dir.book.Agreements[i]
		rec, ok := v.records[a.ID]
		if len(o.Agreements) > 0 && !slices.Contains(o.Agreements, a.ID) || !ok || !hasIssued(rec.Status) {
			continue
		}
		r, now, evidence, err := e.replayMonth(ctx, v, rec)
		if err != nil {
			return report, err
		}
		if o.Apply != "" && !r.Identical && r.Status == "" {
			numbers, err := e.correct(ctx, v.dir, rec, now, evidence, o)
			report.Documents = append(report.Documents, numbers...)
			if err != nil {
				return report, err
			}
		}
		report.Agreements = append(report.Agreements, r)
	}
	return report, nil
}

// replayMonth computes one issued month again.
func (e *Engine) replayMonth(ctx context.Context, v *view, rec store.Month) (AgreementReplay, []invoice.Document, string, error) {
	r := AgreementReplay{Agreement: rec.Agreement, Identical: true, Lines: []LineDifference{}}
	a, err := v.dir.agreement(rec.Agreement)
	if err != nil {
		return r, nil, "", err
	}
	issued, err := e.issuedDocuments(ctx, rec.Agreement, rec.Month)
	if err != nil {
		return r, nil, "", err
	}
	before, err := e.lastEvidence(ctx, rec)
	if err != nil {
		return r, nil, "", err
	}
	d := e.find(ctx, a.CUR, rec.Month)
	if err := e.read(ctx, d); err != nil {
		return r, nil, "", err
	}
	fresh := *v
	fresh.records = nil // compute anew, whatever the record knows
	as, err := e.assess(ctx, &fresh, a, d)
	if err != nil {
		return r, nil, "", err
	}
	if as.outcome.Status != Drafted && as.outcome.Status != NothingToBill {
		r.Identical, r.Status = false, as.outcome.Status
		if len(as.outcome.Reasons) > 0 {
			r.Text = as.outcome.Reasons[0].Code + ": " + as.outcome.Reasons[0].Text
		}
		return r, nil, "", nil
	}
	now := as.outcome.Documents
	r.Lines = list(compareLines(issued, now))
	r.Identical = len(r.Lines) == 0
	if r.Identical {
		return r, now, as.evidence, nil
	}
	cause := causes(before, as.computed)
	for i := range r.Lines {
		r.Lines[i].Cause = cause(r.Lines[i])
	}
	if len(issued) > 0 && len(now) == 1 {
		draft, err := invoice.Delta(issued[0], corrections(issued, issued[0]), now[0], correctionID(rec, issued), "")
		if err == nil {
			r.Proposed = &draft // else only the whole can be credited and issued anew, and applying a delta says why
		}
	}
	return r, now, as.evidence, nil
}

// lastEvidence is what the month was computed from when it was issued.
func (e *Engine) lastEvidence(ctx context.Context, rec store.Month) (Evidence, error) {
	var v Evidence
	if len(rec.Evidence) == 0 {
		return v, fmt.Errorf("%s %s: no evidence is kept", rec.Agreement, rec.Month)
	}
	b, err := e.DB.Blob(ctx, rec.Evidence[0])
	if err != nil {
		return v, fmt.Errorf("evidence of %s %s: %w", rec.Agreement, rec.Month, err)
	}
	return v, json.Unmarshal(b, &v)
}

// causes says why a line differs: what of its inputs is no longer what it was. A rate is looked at
// before the rest, because it shows in the line itself.
func causes(before, now Evidence) func(LineDifference) string {
	a, b := before.Inputs, now.Inputs
	var all []string
	if hashJSON(a.Terms) != hashJSON(b.Terms) || a.Discounts != b.Discounts || hashJSON(a.Adjustments) != hashJSON(b.Adjustments) || hashJSON(a.Split) != hashJSON(b.Split) {
		all = append(all, "terms corrected")
	}
	if a.Fingerprint != b.Fingerprint {
		all = append(all, "delivery restated")
	}
	if hashJSON(rates(a)) != hashJSON(rates(b)) {
		all = append(all, "rate corrected")
	}
	if a.Rules != b.Rules {
		all = append(all, "rule version")
	}
	if len(all) == 0 && hashJSON(a.Bills) != hashJSON(b.Bills) {
		all = append(all, "AWS's invoices restated")
	}
	whole := strings.Join(all, ", ")
	return func(l LineDifference) string {
		if l.rate && slices.Contains(all, "rate corrected") {
			return "rate corrected"
		}
		return cmp.Or(whole, "unknown")
	}
}

// rates are the exchange rates that a month's inputs state.
func rates(in Inputs) []currency.Rate {
	var out []currency.Rate
	for _, b := range slices.Concat(in.Memos, in.Bills) {
		if b.Payment.Exchange != nil {
			out = append(out, *b.Payment.Exchange)
		}
	}
	return append(out, in.References...)
}

// correct issues the correction of a month.
func (e *Engine) correct(ctx context.Context, dir *directory, rec store.Month, now []invoice.Document, evidence string, o ReplayOptions) ([]string, error) {
	issued, err := e.issuedDocuments(ctx, rec.Agreement, rec.Month)
	if err != nil {
		return nil, err
	}
	if len(now) > 1 || issued[0].ID != documentID(rec.Agreement, rec.Month) {
		return nil, wrong("split_over_buyers", "credit the documents one by one: arrears invoice credit", "%s %s is split over buyers", rec.Agreement, rec.Month)
	}
	if evidence != "" {
		rec.Evidence = []string{evidence}
	}
	var anew invoice.Document
	if len(now) == 1 {
		anew = now[0]
	}
	original := issued[0]
	var numbers []string
	send := func(d invoice.Document, status string) error {
		doc, err := e.issueCorrection(ctx, dir, rec, d, status)
		if err != nil {
			return err
		}
		rec.Version++
		numbers = append(numbers, *doc.Number)
		issued = append(issued, doc)
		return nil
	}
	if o.Apply == ApplyDelta {
		d, err := delta(original, issued, anew, correctionID(rec, issued), o.Reason)
		if err != nil {
			return nil, err
		}
		return numbers, send(d, Corrected)
	}
	if !outstanding(issued).IsZero() {
		credit, err := invoice.Credit(original, corrections(issued, original), nil, correctionID(rec, issued), o.Reason)
		if err != nil {
			return nil, wrong("not_creditable", "", "%v", err)
		}
		if err := send(credit, Credited); err != nil {
			return numbers, err
		}
	}
	if !hasAmount(anew) {
		return numbers, nil
	}
	anew.ID, anew.Reason = correctionID(rec, issued), o.Reason
	anew.Corrects = &invoice.Reference{ID: original.ID, Number: *original.Number, Date: *original.IssueDate}
	return numbers, send(anew, Corrected)
}

// delta drafts the document over the differences between a month as issued, net of corrections,
// and as it is now: a supplementary invoice or a credit note, to the original's parties.
func delta(original invoice.Document, issued []invoice.Document, now invoice.Document, id, reason string) (invoice.Document, error) {
	const hint = "arrears replay --apply full credits it and issues it anew"
	if len(now.Lines) > 0 && now.Currency != original.Currency {
		return invoice.Document{}, wrong("currency_changed", hint, "%s was issued in %s and is %s now", original.ID, original.Currency, now.Currency)
	}
	d, err := invoice.Delta(original, corrections(issued, original), now, id, reason)
	if errors.Is(err, invoice.ErrTaxChanged) {
		return d, wrong("tax_changed", hint, "%v", err)
	}
	return d, err
}

// A LineDifference is a line of the month that is not as it was issued: exact amounts, signed.
type LineDifference struct {
	Key        string           `json:"key"`
	Issued     currency.Decimal `json:"issued"`
	Now        currency.Decimal `json:"now"`
	Difference currency.Decimal `json:"difference"`
	Cause      string           `json:"cause"`

	rate bool // the same source amount at another rate
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
	if l.Source == nil {
		k.Label = l.Label // the seller's own lines have nothing else
	}
	return k
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

// compareLines compares what a month comes to now with what was issued for it, net of corrections,
// line by line and exactly. Equal lines are left out; the tax of a document follows its lines.
func compareLines(issued, now []invoice.Document) []LineDifference {
	type sums struct{ issued, now, source currency.Decimal }
	lines := map[LineKey]sums{}
	add := func(documents []invoice.Document, to func(*sums, invoice.Line)) {
		for _, d := range documents {
			for _, l := range d.Signed().Lines {
				s := lines[keyOf(l)]
				to(&s, l)
				lines[keyOf(l)] = s
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
	for k, s := range lines {
		if diff := s.now.Sub(s.issued); !diff.IsZero() {
			out = append(out, LineDifference{Key: k.String(), Issued: s.issued, Now: s.now, Difference: diff, rate: s.source.IsZero()})
		}
	}
	slices.SortFunc(out, func(a, b LineDifference) int { return cmp.Compare(a.Key, b.Key) })
	return out
}
