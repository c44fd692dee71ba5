package arrears

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/store"
)

// Approval rules of a seller (contract.md, the book).
const (
	approvalNone     = "none"
	approvalRequired = "required"
	approvalFourEyes = "four_eyes"
)

// Approve records that a person agrees with the drafts of months, named by any of their documents.
// What is approved is the draft as it stands: other inputs make the approval void.
func (e *Engine) Approve(ctx context.Context, by string, ids ...string) ([]invoice.Document, error) {
	if by == "" {
		return nil, wrong("no_approver", "arrears invoice approve ID --by you@example.com", "an approval needs a name")
	}
	targets, err := e.targets(ctx, ids, calendar.Month{})
	if err != nil {
		return nil, err
	}
	dir, err := e.directory(ctx)
	if err != nil {
		return nil, err
	}
	var out []invoice.Document
	for _, t := range targets {
		if err := e.load(ctx, &t); err != nil {
			return nil, err
		}
		if t.month.Status != Drafted && t.month.Status != Approved {
			return nil, wrong("not_drafted", "", "%s is %s, only drafts are approved", t.id(), t.month.Status)
		}
		rule, err := dir.approval(t.month)
		if err != nil {
			return nil, err
		}
		given, err := e.DB.Approvals(ctx, t.month.Agreement, t.month.Month)
		if err != nil {
			return nil, err
		}
		next := t.month
		if enough(rule, append(given, store.Approval{DraftHash: t.month.DraftHash, By: by}), t.month.DraftHash) {
			next.Status = Approved
		}
		a := store.Approval{Agreement: next.Agreement, Month: next.Month, DraftHash: next.DraftHash, By: by, At: e.AsOf}
		if _, err := e.DB.Approve(ctx, next, a); err != nil {
			return nil, err
		}
		for _, d := range t.drafts {
			d.Status = next.Status
			out = append(out, d)
		}
	}
	return out, nil
}

// enough says that the people who approved a draft are as many as the seller's rule asks for.
func enough(rule string, given []store.Approval, draft string) bool {
	people := map[string]bool{}
	for _, a := range given {
		if a.DraftHash == draft {
			people[strings.ToLower(a.By)] = true
		}
	}
	if rule == approvalFourEyes {
		return len(people) >= 2
	}
	return len(people) >= 1
}

// approval is the rule of the month's seller.
func (d *directory) approval(m store.Month) (string, error) {
	a, err := d.agreement(m.Agreement)
	if err != nil {
		return "", err
	}
	t, _ := a.TermsAt(m.Month)
	s, ok := d.seller(t.Seller)
	if !ok {
		return "", fmt.Errorf("%s %s: seller %q is unknown", m.Agreement, m.Month, t.Seller)
	}
	return s.Approval, nil
}

// A target is an agreement-month whose documents are to be approved or issued.
type target struct {
	month  store.Month
	drafts []invoice.Document
	named  bool // a person named it, rather than a whole month
}

func (t target) id() string { return t.month.Agreement + "-" + t.month.Month.String() }

// targets finds months by the ids or numbers of their documents, or all drafts of a month, in the
// order in which they are numbered: month, agreement (design 7, "Numbers"). Their records are brief
// and without drafts, which load gives them one at a time.
func (e *Engine) targets(ctx context.Context, ids []string, m calendar.Month) ([]target, error) {
	var out []target
	found := map[string]bool{}
	statuses := []string{Drafted, Approved, NothingToBill, Blocked, Waiting, Held}
	err := e.DB.EachMonth(ctx, store.MonthFilter{Month: m, Statuses: statuses}, func(rec store.Month) error {
		t := target{month: rec, named: len(ids) > 0}
		wanted := len(ids) == 0
		if !wanted {
			drafts, err := storedDrafts(rec)
			if err != nil {
				return err
			}
			for _, id := range ids {
				if id == t.id() || slices.ContainsFunc(drafts, func(d invoice.Document) bool { return d.ID == id }) {
					wanted, found[id] = true, true
				}
			}
		}
		if wanted {
			t.month = brief(rec)
			out = append(out, t)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if found[id] {
			continue
		}
		if d, err := e.DB.Document(ctx, id); err == nil {
			return nil, wrong("already_issued", "", "%s is issued already, as %s", id, d.Number)
		}
		return nil, wrong("unknown_id", "arrears invoice list shows them", "no document %s", id)
	}
	slices.SortFunc(out, func(a, b target) int {
		if c := a.month.Month.Compare(b.month.Month); c != 0 {
			return c
		}
		return strings.Compare(a.month.Agreement, b.month.Agreement)
	})
	return out, nil
}

// load gives a target the month's whole record and its drafts, if it is still what was found.
func (e *Engine) load(ctx context.Context, t *target) error {
	rec, err := e.DB.Month(ctx, t.month.Agreement, t.month.Month)
	if err != nil {
		return err
	}
	if rec.Version != t.month.Version {
		return fmt.Errorf("%s: %w", t.id(), store.ErrConflict)
	}
	t.month = rec
	t.drafts, err = storedDrafts(rec)
	return err
}

// Issue gives drafts their numbers and freezes them: those named, or all of a month that are
// ready. It looks at today's inputs first and refuses a draft that they no longer give. A draft
// with a warning is issued when it is approved, or when a person names it and the seller asks for
// no approval.
//
// When a named draft is refused, nothing is issued. Of a whole month the others are, and the error
// tells of those that are not.
func (e *Engine) Issue(ctx context.Context, m calendar.Month, ids ...string) ([]invoice.Document, error) {
	var out []invoice.Document
	err := e.IssueEach(ctx, m, func(d invoice.Document) { out = append(out, d) }, ids...)
	return out, err
}

// IssueEach is Issue that hands each document over as it is issued, and keeps none.
func (e *Engine) IssueEach(ctx context.Context, m calendar.Month, issued func(invoice.Document), ids ...string) error {
	targets, err := e.targets(ctx, ids, m)
	if err != nil {
		return err
	}
	views := map[calendar.Month]*view{}
	var ready []target
	var refused error
	for _, t := range targets {
		found := t.month
		v := views[t.month.Month]
		if v == nil {
			if v, err = e.view(ctx, t.month.Month); err != nil {
				return err
			}
			views[t.month.Month] = v
		}
		if err := e.load(ctx, &t); err != nil {
			return err
		}
		if err := e.mayIssue(v.dir, t); err != nil {
			if t.named {
				return err
			}
			continue
		}
		if err := e.stillDue(ctx, v, t); err != nil {
			if _, ok := errors.AsType[*Error](err); t.named || !ok {
				return err
			}
			refused = cmp.Or(refused, err)
			continue
		}
		ready = append(ready, target{month: found, named: t.named})
	}
	for _, t := range ready {
		if err := e.load(ctx, &t); err != nil {
			return err
		}
		documents, err := e.issueMonth(ctx, views[t.month.Month].dir, t)
		for _, d := range documents {
			issued(d)
		}
		if err != nil {
			return err
		}
	}
	return refused
}

// Left returns the ids of the drafts of a month that are not issued.
func (e *Engine) Left(ctx context.Context, m calendar.Month) ([]string, error) {
	var ids []string
	err := e.DB.EachMonth(ctx, store.MonthFilter{Month: m}, func(rec store.Month) error {
		drafts, err := draftsOf(rec)
		for _, d := range drafts {
			ids = append(ids, d.ID)
		}
		return err
	})
	return ids, err
}

// mayIssue says why a month's drafts cannot be issued now.
func (e *Engine) mayIssue(dir *directory, t target) error {
	rule, err := dir.approval(t.month)
	if err != nil {
		return err
	}
	switch {
	case len(t.drafts) == 0 || t.month.Status != Drafted && t.month.Status != Approved:
		return wrong("not_drafted", "", "%s is %s: there is nothing to issue", t.id(), t.month.Status)
	case t.month.Status == Approved:
		return nil
	case rule == approvalRequired || rule == approvalFourEyes:
		return wrong("not_approved", "arrears invoice approve "+t.id()+" --by you@example.com", "%s needs an approval (%s)", t.id(), rule)
	case len(t.month.Warnings) > 0 && !t.named:
		return wrong("open_question", "arrears invoice approve "+t.id()+" --by you@example.com", "%s has a warning: %s", t.id(), t.month.Warnings[0].Text)
	}
	return nil
}

// stillDue recomputes the month from today's inputs and refuses a draft made from others.
func (e *Engine) stillDue(ctx context.Context, v *view, t target) error {
	a, err := v.dir.agreement(t.month.Agreement)
	if err != nil {
		return err
	}
	d := e.find(ctx, a.CUR, t.month.Month)
	if err := e.read(ctx, d); err != nil {
		return err
	}
	as, err := e.assess(ctx, v, a, d)
	if err != nil {
		return err
	}
	if as.reused || as.inputs == t.month.Inputs && as.inputs != "" {
		return nil
	}
	hint := fmt.Sprintf("arrears run --month %s --agreement %s drafts it again", t.month.Month, a.ID)
	return wrong("inputs_changed", hint, "%s was drafted from other inputs than today's", t.id())
}

// issue issues what a run has just drafted: drafts without a warning, and what is approved.
func (r *run) issue(ctx context.Context, rows []AgreementRow) error {
	for i := range rows {
		if b, ok := r.view.records[rows[i].Agreement]; !ok || r.kept[rows[i].Agreement] || b.Status != Drafted && b.Status != Approved {
			continue
		}
		rec, _, err := r.record(ctx, r.view, rows[i].Agreement)
		if err != nil {
			return err
		}
		t := target{month: rec}
		if t.drafts, err = storedDrafts(rec); err != nil {
			return err
		}
		if r.mayIssue(r.view.dir, t) != nil {
			continue
		}
		var refused *Error
		switch _, err := r.issueMonth(ctx, r.view.dir, t); {
		case errors.As(err, &refused):
			// One document that cannot be issued keeps no other from it; a person must look.
			r.refused = true
			rows[i].Warnings = append(rows[i].Warnings, agreement.Reason{Code: "not_issued", Text: refused.Text})
		case err != nil:
			return err
		default:
			rows[i].Status, rows[i].Changed, rows[i].Reasons = Issued, true, nil
		}
	}
	return nil
}

// issueMonth issues all documents of a month, one transaction each. The month is issued with the
// last of them; after a crash the rest follows.
func (e *Engine) issueMonth(ctx context.Context, dir *directory, t target) ([]invoice.Document, error) {
	a, err := dir.agreement(t.month.Agreement)
	if err != nil {
		return nil, err
	}
	done, err := e.issuedDocuments(ctx, t.month.Agreement, t.month.Month)
	if err != nil {
		return nil, err
	}
	var out []invoice.Document
	version := t.month.Version
	for i, draft := range t.drafts {
		if slices.ContainsFunc(done, func(d invoice.Document) bool { return d.ID == draft.ID }) {
			continue
		}
		part := ""
		if len(t.drafts) > 1 {
			part = draft.Buyer.ID
		}
		status := ""
		if i == len(t.drafts)-1 {
			status = Issued
		}
		d, err := e.issueDocument(ctx, draft, store.Issuance{
			MonthVersion: version, NewStatus: status, Organisation: string(a.ManagementAccount), Part: part, Evidence: t.month.Evidence,
		}, dir)
		if err != nil {
			return out, err
		}
		version++
		out = append(out, d)
	}
	return out, nil
}

// issueDocument spends a number on a draft: the next of its seller's series, with the issue date
// of AsOf in the seller's time zone.
func (e *Engine) issueDocument(ctx context.Context, draft invoice.Document, is store.Issuance, dir *directory) (invoice.Document, error) {
	seller, ok := dir.seller(draft.Seller.ID)
	if !ok {
		return invoice.Document{}, fmt.Errorf("issue %s: seller %q is unknown", draft.ID, draft.Seller.ID)
	}
	if violations := invoice.Check(draft); len(violations) > 0 {
		return invoice.Document{}, wrong("invalid_document", "", "%s breaks %s", draft.ID, violations[0])
	}
	date, err := issueDate(seller, e.AsOf)
	if err != nil {
		return invoice.Document{}, err
	}
	is.Document, is.Kind, is.Agreement, is.Month, is.IssueDate, is.By = draft.ID, draft.Kind, draft.Agreement, draft.Month, date, e.By
	is.Series, is.Year = seller.Series.Invoice, date.Year()
	if draft.Kind == invoice.KindCreditNote {
		is.Series = seller.Series.CreditNote
	}
	if seller.Series.Reset == "never" {
		is.Year = 0
	}
	if c := draft.Corrects; c != nil {
		if date.Before(c.Date) {
			return invoice.Document{}, wrong("issue_date", "use a later --as-of", "a correction of %s, before the document that it corrects: %s is of %s", date, c.Number, c.Date)
		}
		is.Corrects = c.ID
	}
	var issued invoice.Document
	is.Body = func(number string) ([]byte, error) {
		issued = draft.Issue(number, date, draft.Payment.Days)
		return encode(issued)
	}
	_, err = e.DB.Issue(ctx, is)
	switch {
	case errors.Is(err, store.ErrIssueDate):
		return invoice.Document{}, &Error{Code: "issue_date", Text: err.Error(), Hint: "issue dates never go back within a series: use a later --as-of", Err: err}
	case errors.Is(err, store.ErrBilled):
		return invoice.Document{}, &Error{Code: "already_billed", Text: err.Error(), Err: err}
	}
	return issued, err
}

// issueDate is the day of AsOf where the seller is.
func issueDate(s agreement.Seller, asOf time.Time) (calendar.Date, error) {
	zone, err := time.LoadLocation(timeZone(s))
	if err != nil {
		return calendar.Date{}, fmt.Errorf("seller %s: %w", s.ID, err)
	}
	return calendar.DateOf(asOf.In(zone)), nil
}

// issuedDocuments returns what is issued of a month: its documents, then their corrections, in the
// order of issue.
func (e *Engine) issuedDocuments(ctx context.Context, agr string, m calendar.Month) ([]invoice.Document, error) {
	stored, err := e.DB.Documents(ctx, store.DocumentFilter{Agreement: agr, Month: m})
	if err != nil {
		return nil, err
	}
	out := make([]invoice.Document, 0, len(stored))
	for _, s := range stored {
		d, err := decodeDocument(s.Body)
		if err != nil {
			return nil, fmt.Errorf("document %s: %w", s.Number, err)
		}
		out = append(out, d)
	}
	slices.SortStableFunc(out, func(a, b invoice.Document) int {
		return cmp.Or(cmp.Compare(correctionOf(a.ID), correctionOf(b.ID)), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

func decodeDocument(b []byte) (invoice.Document, error) {
	var d invoice.Document
	err := json.Unmarshal(b, &d)
	return d, err
}
