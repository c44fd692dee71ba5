package arrears

import (
	"context"
	"errors"
	"fmt"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/store"
)

// Credit issues the document that gives an issued one back, in full or for chosen lines, never
// more than what earlier corrections left of it. A month credited in full is billed again only by
// replay.
func (e *Engine) Credit(ctx context.Context, id string, lines []invoice.CreditLine, reason string) (invoice.Document, error) {
	if reason == "" {
		return invoice.Document{}, wrong("no_reason", "--reason TEXT stands on the credit note", "a credit needs a reason")
	}
	original, rec, issued, err := e.issuedMonth(ctx, id)
	if err != nil {
		return invoice.Document{}, err
	}
	draft, err := invoice.Credit(original, corrections(issued, original), lines, correctionID(rec, issued), reason)
	if err != nil {
		return invoice.Document{}, wrong("not_creditable", "", "%v", err)
	}
	status := Corrected
	if outstanding(append(issued, draft)).IsZero() {
		status = Credited
	}
	dir, err := e.directory(ctx)
	if err != nil {
		return invoice.Document{}, err
	}
	return e.issueCorrection(ctx, dir, rec, draft, status)
}

// issuedMonth finds an issued document by id or number, its month's record, and all documents of
// the month.
func (e *Engine) issuedMonth(ctx context.Context, id string) (invoice.Document, store.Month, []invoice.Document, error) {
	stored, err := e.DB.Document(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return invoice.Document{}, store.Month{}, nil, wrong("unknown_id", "arrears invoice list shows them", "no issued document %s", id)
	}
	if err != nil {
		return invoice.Document{}, store.Month{}, nil, err
	}
	original, err := decodeDocument(stored.Body)
	if err != nil {
		return original, store.Month{}, nil, fmt.Errorf("document %s: %w", id, err)
	}
	rec, err := e.DB.Month(ctx, stored.Agreement, stored.Month)
	if err != nil {
		return original, rec, nil, err
	}
	issued, err := e.issuedDocuments(ctx, stored.Agreement, stored.Month)
	return original, rec, issued, err
}

// corrections are the documents that correct another one.
func corrections(issued []invoice.Document, original invoice.Document) []invoice.Document {
	var out []invoice.Document
	for _, d := range issued {
		if d.Corrects != nil && d.Corrects.ID == original.ID {
			out = append(out, d)
		}
	}
	return out
}

// correctionID is derived: AGR-0001-2026-03-c1 is the first correction of the month.
func correctionID(rec store.Month, issued []invoice.Document) string {
	n := 1
	for _, d := range issued {
		if d.Corrects != nil {
			n++
		}
	}
	return fmt.Sprintf("%s-c%d", documentID(rec.Agreement, rec.Month), n)
}

// outstanding is the signed gross amount of documents.
func outstanding(documents []invoice.Document) currency.Decimal {
	sum := currency.Zero
	for _, d := range documents {
		sum = sum.Add(d.Signed().Totals.Gross.Number)
	}
	return sum
}

// issueCorrection issues a correcting document and gives the month its state, in one transaction.
func (e *Engine) issueCorrection(ctx context.Context, dir *directory, rec store.Month, draft invoice.Document, status string) (invoice.Document, error) {
	a, err := dir.agreement(rec.Agreement)
	if err != nil {
		return invoice.Document{}, err
	}
	part := ""
	if draft.ID != rec.Document && len(a.Split) > 0 {
		part = draft.Buyer.ID
	}
	return e.issueDocument(ctx, draft, store.Issuance{
		MonthVersion: rec.Version, NewStatus: status, Organisation: string(a.ManagementAccount), Part: part, Evidence: rec.Evidence,
	}, dir)
}
