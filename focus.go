package arrears

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/export/focus"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/ingest/cur"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
	"github.com/arrears-billing/arrears/store"
)

// A FocusMonth is an agreement's month as the customer's FinOps tools are told it: what was
// billed, from the evidence of the bill, and the rows of AWS's files.
type FocusMonth struct {
	focus.Month
	rows     focus.Rows
	Warnings []agreement.Reason
}

// FocusMonth gathers a month for export. Issued months are told as they were issued, drafted ones
// as they are drafted, without InvoiceId; corrections of any month that were issued in this one
// are among its rows. ok is false when the month holds nothing to tell.
func (e *Engine) FocusMonth(ctx context.Context, agr string, m calendar.Month) (_ FocusMonth, ok bool, err error) {
	dir, err := e.directory(ctx)
	if err != nil {
		return FocusMonth{}, false, err
	}
	a, err := dir.agreement(agr)
	if err != nil {
		return FocusMonth{}, false, err
	}
	f := FocusMonth{Month: focus.Month{Agreement: agr, Organisation: string(a.ManagementAccount), Month: m}, rows: noRows}
	if f.Corrections, err = e.correctionsIn(ctx, agr, m); err != nil {
		return f, false, err
	}
	for _, d := range f.Corrections {
		f.Currency, f.Seller, f.Buyer = d.Currency, d.Seller.Name, d.Buyer.Name
	}
	rec, err := e.DB.Month(ctx, agr, m)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return f, false, err
	}
	evidence, found, err := e.billed(ctx, rec, &f)
	if err != nil || !found {
		return f, len(f.Corrections) > 0, err
	}
	in := evidence.Inputs
	f.Currency, f.Seller, f.Buyer, f.Split = in.Terms.Currency, in.Seller.Name, in.Buyers[0].Name, in.Split
	f.Charges, f.Names = evidence.Set.Charges, evidence.Set.Names
	f.Rated = Compute(&evidence, recorded(in.References)).Rated
	f.Rate = rating.Exchange(in.Terms, slices.Concat(in.Memos, in.Bills), func(from, to currency.Code) (currency.Rate, error) {
		return recorded(in.References).Rate(in.Terms.Exchange, from, to, m)
	})
	if in.Rules != rating.RuleVersion {
		f.change("the rules of rating have changed since the month was billed")
	}
	return f, true, e.focusRows(ctx, a, evidence, &f)
}

func noRows(context.Context, func(*cur.Batch) error) error { return nil }

// change notes that the rows may not come to what was billed.
func (f *FocusMonth) change(why string) {
	f.Changed = true
	f.Warnings = append(f.Warnings, agreement.Reason{Code: "delivery_changed", Text: why + ": what differs is a row of its own"})
}

// billed returns what the month was billed from, and its documents. found is false for a month
// that is neither billed nor drafted nor zero.
func (e *Engine) billed(ctx context.Context, rec store.Month, f *FocusMonth) (v Evidence, found bool, err error) {
	if hasIssued(rec.Status) {
		issued, err := e.issuedDocuments(ctx, rec.Agreement, rec.Month)
		if err != nil {
			return v, false, err
		}
		f.Documents = slices.DeleteFunc(issued, func(d invoice.Document) bool { return d.Corrects != nil })
		if len(f.Documents) == 0 {
			return v, false, nil
		}
		v, err = e.evidenceOf(ctx, f.Documents[0])
		return v, true, err
	}
	if f.Documents, err = draftsOf(rec); err != nil {
		return v, false, err
	}
	if len(f.Documents) == 0 && rec.Status != NothingToBill || len(rec.Evidence) == 0 {
		return v, false, nil
	}
	v, err = e.lastEvidence(ctx, rec)
	return v, true, err
}

// correctionsIn returns the corrections of any month that were issued in this one, in the order of
// their numbers.
func (e *Engine) correctionsIn(ctx context.Context, agr string, m calendar.Month) ([]invoice.Document, error) {
	stored, err := e.DB.Documents(ctx, store.DocumentFilter{Agreement: agr})
	if err != nil {
		return nil, err
	}
	var out []invoice.Document
	for _, s := range stored {
		if s.Corrects == "" {
			continue
		}
		d, err := decodeDocument(s.Body)
		if err != nil {
			return nil, fmt.Errorf("document %s: %w", s.Number, err)
		}
		if d.IssueDate != nil && d.IssueDate.Month() == m {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b invoice.Document) int {
		if c := a.IssueDate.Compare(*b.IssueDate); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out, nil
}

// focusRows finds the rows that the month was billed from.
func (e *Engine) focusRows(ctx context.Context, a *agreement.Agreement, v Evidence, f *FocusMonth) error {
	if len(v.Files) == 0 {
		return nil
	}
	reader := *e
	reader.dry = true // an export keeps nothing
	d := reader.find(ctx, a.CUR, f.Month.Month)
	if err := reader.read(ctx, d); err != nil {
		return err
	}
	if !d.usable() {
		f.change("AWS's files cannot be read any more: " + d.reason.Text)
		return nil
	}
	if !f.Changed && !slices.Equal(d.summary.Files, v.Files) {
		f.change("AWS has delivered the month anew since it was billed")
	}
	account, anyAccount := a.PayerAccount()
	f.rows = func(ctx context.Context, each func(*cur.Batch) error) error {
		sets := make([]ingest.ChargeSet, 0, len(d.found.Files))
		for _, file := range d.found.Files {
			set, err := cur.Wide(ctx, file, f.Month.Month, each)
			if err != nil {
				return err
			}
			sets = append(sets, set)
		}
		own := ingest.Merge(sets...)
		if !anyAccount {
			own = own.ByPayer(account)
		}
		if !f.Changed && own.Fingerprint() != v.Inputs.Fingerprint {
			return fmt.Errorf("%s: %w", a.CUR.Location, ingest.ErrUnstable)
		}
		return nil
	}
	return nil
}

// WriteFocus writes a month's Cost and Usage.
func (e *Engine) WriteFocus(ctx context.Context, w io.Writer, f FocusMonth, o focus.Options, format focus.Format) (focus.Summary, error) {
	return focus.Write(ctx, w, f.Month, f.rows, o, format)
}
