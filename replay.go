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

// Settled says that after an Apply nobody has to look: no month was left uncorrected because it
// cannot be compared.
func (r ReplayReport) Settled() bool {
	return !slices.ContainsFunc(r.Agreements, func(a AgreementReplay) bool { return a.Status != "" })
}

// An AgreementReplay is one agreement's month, as issued net of corrections and as it is now.
type AgreementReplay struct {
	Agreement string            `json:"agreement"`
	Identical bool              `json:"identical"`
	Status    string            `json:"status"` // what the month comes to now, when it cannot be compared
	Text      string            `json:"text,omitempty"`
	Lines     []LineDifference  `json:"lines"`
	Proposed  *invoice.Document `json:"proposed"` // the delta document; null when nothing differs, or when there is no such one document: Text says why

	// Proposals are the delta documents where it takes several: another buyer, or a month that is
	// split over buyers.
	Proposals []invoice.Document `json:"proposals,omitempty"`
}

// Replay computes issued months again from today's inputs (I11) and compares them line by line
// with what was issued net of earlier corrections. With Apply it issues the correction; one that is
// refused keeps no other agreement from its own, and the error tells of it.
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
	var refused error
	for i := range v.dir.book.Agreements {
		a := &v.dir.book.Agreements[i]
		rec, ok := v.records[a.ID]
		if len(o.Agreements) > 0 && !slices.Contains(o.Agreements, a.ID) || !ok || !hasIssued(rec.Status) {
			continue
		}
		rec, _, err := e.record(ctx, v, a.ID)
		if err != nil {
			return report, err
		}
		r, now, err := e.replayMonth(ctx, v, rec)
		if err != nil {
			return report, err
		}
		if o.Apply != "" && !r.Identical && r.Status == "" {
			numbers, err := e.correct(ctx, v.dir, rec, now, o)
			report.Documents = append(report.Documents, numbers...)
			if _, ok := errors.AsType[*Error](err); ok && len(numbers) == 0 {
				refused = cmp.Or(refused, err)
			} else if err != nil {
				return report, err
			}
		}
		report.Agreements = append(report.Agreements, r)
	}
	return report, refused
}

// A recomputed is a month as it comes out today, and what it was computed from.
type recomputed struct {
	documents []invoice.Document
	evidence  string            // blob
	versions  map[string]string // of the objects that it was computed from
}

// replayMonth computes one issued month again.
func (e *Engine) replayMonth(ctx context.Context, v *view, rec store.Month) (AgreementReplay, recomputed, error) {
	r := AgreementReplay{Agreement: rec.Agreement, Lines: []LineDifference{}}
	a, err := v.dir.agreement(rec.Agreement)
	if err != nil {
		return r, recomputed{}, err
	}
	issued, err := e.issuedDocuments(ctx, rec.Agreement, rec.Month)
	if err != nil {
		return r, recomputed{}, err
	}
	before, err := e.issuedEvidence(ctx, issued)
	if err != nil {
		return r, recomputed{}, err
	}
	d := e.find(ctx, a.CUR, rec.Month)
	if err := e.read(ctx, d); err != nil {
		return r, recomputed{}, err
	}
	fresh := *v
	fresh.records = nil // compute anew, whatever the record knows
	as, err := e.assess(ctx, &fresh, a, d)
	if err != nil {
		return r, recomputed{}, err
	}
	if as.outcome.Status != Drafted && as.outcome.Status != NothingToBill {
		r.Status = as.outcome.Status
		if len(as.outcome.Reasons) > 0 {
			r.Text = as.outcome.Reasons[0].Code + ": " + as.outcome.Reasons[0].Text
		}
		return r, recomputed{}, nil
	}
	now := recomputed{as.outcome.Documents, as.evidence, as.computed.Versions}
	counts := current(issued)
	byHand, err := e.creditsByHand(ctx, rec)
	if err != nil {
		return r, now, err
	}
	r.Lines = list(slices.Concat(compareLines(counts, now.documents), compareTax(without(byHand, counts), now.documents)))
	r.Identical = len(r.Lines) == 0
	if r.Identical {
		return r, now, nil
	}
	cause := causes(before, as.computed)
	mistaken := map[string]bool{} // lines that differ whatever was given back by hand
	for _, l := range compareLines(without(byHand, counts), now.documents) {
		mistaken[l.Key] = true
	}
	for i, l := range r.Lines {
		r.Lines[i].Cause = cause(l)
		if !mistaken[l.Key] && !l.tax {
			r.Lines[i].Cause = "credited by hand"
		}
	}
	drafts, err := deltas(rec, issued, now, "")
	var why *Error
	switch {
	case errors.As(err, &why):
		r.Text = why.Text + "; " + why.Hint
	case err != nil:
		return r, now, err
	case len(drafts) == 0:
		r.Text = "the differences come to 0.00: there is no document to correct them by"
	case len(drafts) == 1:
		r.Proposed = &drafts[0]
	default:
		r.Proposals = drafts
	}
	return r, now, nil
}

// issuedEvidence is what the month was computed from when it was last issued: by replay, or at first.
func (e *Engine) issuedEvidence(ctx context.Context, issued []invoice.Document) (Evidence, error) {
	for _, d := range slices.Backward(issued) {
		stored, err := e.DB.Document(ctx, d.ID)
		if err != nil {
			return Evidence{}, err
		}
		if len(stored.Evidence) > 0 { // a credit by hand has none
			return e.loadEvidence(ctx, stored.Evidence[0])
		}
	}
	return Evidence{}, errors.New("no evidence of an issued document is kept")
}

// lastEvidence is what a month was last computed from.
func (e *Engine) lastEvidence(ctx context.Context, rec store.Month) (Evidence, error) {
	if len(rec.Evidence) == 0 {
		return Evidence{}, fmt.Errorf("%s %s: no evidence is kept", rec.Agreement, rec.Month)
	}
	return e.loadEvidence(ctx, rec.Evidence[len(rec.Evidence)-1])
}

// keepEvidence keeps what a month was computed from, and returns the names of two blobs: the
// evidence, and its charges. Mostly they are the charges of one file, which are kept already.
func (e *Engine) keepEvidence(ctx context.Context, v Evidence, d *delivery) (string, error) {
	charges := d.blob
	if charges == "" || len(v.Set.Charges) != len(d.set.Charges) {
		var err error
		if charges, err = e.putJSON(ctx, v.Set); err != nil {
			return "", err
		}
	}
	rest, err := e.putJSON(ctx, v)
	return rest + " " + charges, err
}

// loadEvidence is the way back from the names of keepEvidence.
func (e *Engine) loadEvidence(ctx context.Context, names string) (Evidence, error) {
	var v Evidence
	rest, charges, _ := strings.Cut(names, " ")
	for _, part := range []struct {
		blob string
		to   any
	}{{rest, &v}, {charges, &v.Set}} {
		b, err := e.DB.Blob(ctx, part.blob)
		if err == nil {
			err = json.Unmarshal(b, part.to)
		}
		if err != nil {
			return v, fmt.Errorf("evidence: %w", err)
		}
	}
	return v, nil
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
	buyer := hashJSON(a.Seller) != hashJSON(b.Seller) || hashJSON(a.Buyers) != hashJSON(b.Buyers) || hashJSON(a.Tax) != hashJSON(b.Tax)
	whole := strings.Join(all, ", ")
	return func(l LineDifference) string {
		if l.tax && buyer {
			return "seller, buyer or tax corrected"
		}
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

// correct issues the correction of a month, and returns the numbers of its documents.
func (e *Engine) correct(ctx context.Context, dir *directory, rec store.Month, now recomputed, o ReplayOptions) ([]string, error) {
	issued, err := e.issuedDocuments(ctx, rec.Agreement, rec.Month)
	if err != nil {
		return nil, err
	}
	var drafts []invoice.Document
	if o.Apply == ApplyDelta {
		drafts, err = deltas(rec, issued, now, o.Reason)
	} else {
		drafts, err = anew(rec, issued, now.documents, o.Reason)
	}
	if err != nil {
		return nil, err
	}
	if now.evidence != "" {
		rec.Evidence = []string{now.evidence}
	}
	if len(drafts) == 0 {
		// Other lines of the same sum: nothing is owed, and the month is as right as a document can make it.
		rec.Status, rec.Reasons, rec.Since = Corrected, nil, e.AsOf
		_, err := e.DB.SaveMonth(ctx, rec, "replay: the differences come to 0.00: "+o.Reason)
		return nil, err
	}
	var numbers []string
	for i, draft := range drafts {
		status := ""
		if i == len(drafts)-1 {
			status = Corrected
		}
		d, err := e.issueCorrection(ctx, dir, rec, draft, status, rec.Evidence)
		if err != nil {
			return numbers, err
		}
		rec.Version++
		numbers = append(numbers, *d.Number)
	}
	return numbers, nil
}

// anew drafts, for each buyer, the credit of all that counts and the month as it is now.
func anew(rec store.Month, issued, now []invoice.Document, reason string) ([]invoice.Document, error) {
	var out []invoice.Document
	for _, buyer := range buyersOf(slices.Concat(issued, now)) {
		own := ofBuyer(current(issued), buyer)
		if len(own) > 0 && !outstanding(own).IsZero() {
			credit, err := giveBack(own, correctionID(rec, issued, out), reason)
			if err != nil {
				return nil, wrong("not_creditable", "", "%v", err)
			}
			out = append(out, credit)
		}
		for _, d := range ofBuyer(now, buyer) {
			if hasAmount(d) {
				out = append(out, replacement(rec, issued, out, d, reason))
			}
		}
	}
	return out, nil
}

// giveBack drafts the document after which nothing is left of what a buyer was issued.
func giveBack(own []invoice.Document, id, reason string) (invoice.Document, error) {
	if outstanding(own).Sign() == outstanding(own[:1]).Sign() {
		return invoice.Credit(own[0], own[1:], nil, id, reason)
	}
	// Corrections have turned what was owed into what is given back: the difference to nothing is
	// owed again.
	return invoice.Delta(own[0], own[1:], invoice.Document{}, id, reason)
}

// replacement is a month's document as it is now, in the place of one that was given back or that
// another buyer got.
func replacement(rec store.Month, issued, drafts []invoice.Document, d invoice.Document, reason string) invoice.Document {
	original := issued[0]
	if own := ofBuyer(issued, d.Buyer.ID); len(own) > 0 {
		original = own[0]
	}
	d.ID, d.Reason = correctionID(rec, issued, drafts), reason
	d.Corrects = &invoice.Reference{ID: original.ID, Number: *original.Number, Date: *original.IssueDate}
	return d
}

// deltas drafts, for each buyer, one document over the differences between the month as issued,
// net of corrections, and as it is now. Differences that come to 0.00 need none.
func deltas(rec store.Month, issued []invoice.Document, now recomputed, reason string) ([]invoice.Document, error) {
	var out []invoice.Document
	for _, buyer := range buyersOf(slices.Concat(issued, now.documents)) {
		own, is := ofBuyer(current(issued), buyer), ofBuyer(now.documents, buyer)
		switch {
		case len(own) == 0 && hasAmount(is[0]):
			out = append(out, replacement(rec, issued, out, is[0], reason))
		case len(own) > 0:
			var to invoice.Document
			if len(is) > 0 {
				to = is[0]
			}
			d, err := delta(own, to, correctionID(rec, issued, out), reason)
			if err != nil {
				return nil, err
			}
			d.Versions = now.versions // the original's say what that was made of
			if hasAmount(d) {
				out = append(out, d)
			}
		}
	}
	return out, nil
}

// full is what to do where differences cannot be billed by themselves.
const full = "arrears replay --apply full credits it and issues it anew"

// delta drafts the document over the differences between what a buyer was issued and what he would
// be issued now, to the original's parties: a supplementary invoice or a credit note.
func delta(issued []invoice.Document, now invoice.Document, id, reason string) (invoice.Document, error) {
	original := issued[0]
	if len(now.Lines) > 0 && now.Currency != original.Currency {
		return invoice.Document{}, wrong("currency_changed", full, "%s was issued in %s and is in %s now", original.ID, original.Currency, now.Currency)
	}
	d, err := invoice.Delta(original, issued[1:], now, id, reason)
	if errors.Is(err, invoice.ErrTaxChanged) {
		return d, wrong("tax_changed", full, "%v", err)
	}
	return d, err
}
