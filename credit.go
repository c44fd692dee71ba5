package arrears

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	if !hasIssued(rec.Status) {
		return invoice.Document{}, wrong("partly_issued", fmt.Sprintf("arrears run --month %s --agreement %s --issue", rec.Month, rec.Agreement),
			"%s %s is issued in part: issue the rest first", rec.Agreement, rec.Month)
	}
	counts := ofBuyer(current(issued), original.Buyer.ID)
	if len(counts) == 0 || counts[0].ID != original.ID {
		// What it gave or took is in the document that counts: credited by itself, it would be given back twice.
		if slices.ContainsFunc(counts, func(d invoice.Document) bool { return d.ID == original.ID }) {
			return invoice.Document{}, wrong("is_a_correction", "arrears invoice credit "+counts[0].ID, "%s corrects %s: credit that one, which covers both", id, *counts[0].Number)
		}
		return invoice.Document{}, wrong("not_creditable", "", "%s was given back already", id)
	}
	draft, err := invoice.Credit(original, counts[1:], lines, correctionID(rec, issued, nil), reason)
	if err != nil {
		return invoice.Document{}, wrong("not_creditable", "", "%v", err)
	}
	status := Corrected
	if allGivenBack(append(issued, draft)) {
		status = Credited
	}
	dir, err := e.directory(ctx)
	if err != nil {
		return invoice.Document{}, err
	}
	return e.issueCorrection(ctx, dir, rec, draft, status, nil)
}

// allGivenBack says that nothing is left of a month for any buyer.
func allGivenBack(documents []invoice.Document) bool {
	for _, buyer := range buyersOf(documents) {
		if !outstanding(ofBuyer(current(documents), buyer)).IsZero() {
			return false
		}
	}
	return true
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

// correctionID is derived: AGR-0001-2026-03-c1 is the first correction of the month. drafts are
// those that are about to be issued before it.
func correctionID(rec store.Month, issued, drafts []invoice.Document) string {
	last := 0
	for _, d := range slices.Concat(issued, drafts) {
		last = max(last, correctionOf(d.ID))
	}
	return fmt.Sprintf("%s-c%d", documentID(rec.Agreement, rec.Month), last+1)
}

// outstanding is the signed gross amount of documents to one buyer in one currency.
func outstanding(documents []invoice.Document) currency.Decimal {
	sum := currency.Zero
	for _, d := range documents {
		sum = sum.Add(d.Signed().Totals.Gross.Number)
	}
	return sum
}

// issueCorrection issues a correcting document and gives the month its state, in one transaction.
// evidence is what it was computed from; a credit by hand has none but the document it gives back.
func (e *Engine) issueCorrection(ctx context.Context, dir *directory, rec store.Month, draft invoice.Document, status string, evidence []string) (invoice.Document, error) {
	a, err := dir.agreement(rec.Agreement)
	if err != nil {
		return invoice.Document{}, err
	}
	part := ""
	if len(a.Split) > 0 {
		part = draft.Buyer.ID
	}
	return e.issueDocument(ctx, draft, store.Issuance{
		MonthVersion: rec.Version, NewStatus: status, Organisation: string(a.ManagementAccount), Part: part, Evidence: evidence,
	}, dir)
}
