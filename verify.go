package arrears

import (
	"context"
	"errors"
	"fmt"

	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
	"github.com/arrears-billing/arrears/store"
)

// Verify checks everything that can be checked without AWS: numbers without gaps, the audit chain,
// hashes of blobs and documents, and that issued months computed again from their kept evidence
// give the lines that were issued (I4). id limits it to one document.
func (e *Engine) Verify(ctx context.Context, id string) (VerifyReport, error) {
	report := VerifyReport{Findings: []store.Finding{}, Series: []store.Certificate{}}
	if id == "" {
		findings, series, err := e.DB.Check(ctx)
		if err != nil {
			return report, err
		}
		report.Findings, report.Series = list(findings), list(series)
	}
	filter := store.DocumentFilter{}
	if id != "" {
		_, rec, _, err := e.issuedMonth(ctx, id)
		if errors.Is(err, store.ErrDamaged) {
			report.Findings = append(report.Findings, store.Finding{Code: store.FindingDocument, Object: id, Text: err.Error()})
			return report, nil
		}
		if err != nil {
			return report, err
		}
		filter.Agreement, filter.Month = rec.Agreement, rec.Month
	}
	stored, err := e.DB.ReadableDocuments(ctx, filter) // Check has named the others
	if err != nil {
		return report, err
	}
	for _, s := range stored {
		if s.Corrects != "" && len(s.Evidence) == 0 {
			continue // a credit by hand: computed from nothing but the document it gives back
		}
		text, err := e.recompute(ctx, s)
		if err != nil {
			text = err.Error()
		}
		if text != "" {
			report.Findings = append(report.Findings, store.Finding{Code: "recomputation", Object: s.ID, Text: text})
		}
		report.Recomputed++
	}
	report.OK = len(report.Findings) == 0
	return report, nil
}

// A VerifyReport lists what is not as it should be, and certifies each series of numbers.
type VerifyReport struct {
	OK         bool                `json:"ok"`
	Findings   []store.Finding     `json:"findings"`
	Series     []store.Certificate `json:"series"`
	Recomputed int                 `json:"recomputed"` // documents computed again from their evidence
}

// recompute computes an issued document again from its evidence; text says what differs.
func (e *Engine) recompute(ctx context.Context, s store.Document) (text string, err error) {
	if len(s.Evidence) == 0 {
		return "no evidence is kept", nil
	}
	issued, err := decodeDocument(s.Body)
	if err != nil {
		return "", err
	}
	v, err := e.loadEvidence(ctx, s.Evidence[0])
	if err != nil {
		return "", err
	}
	if v.Inputs.Rules != rating.RuleVersion {
		return "", nil // the rules changed since: a replay says what that means
	}
	if s.Corrects != "" {
		return e.recomputeCorrection(ctx, s, v)
	}
	out := Compute(&v, recorded(v.Inputs.References))
	for _, d := range out.Documents {
		if d.ID != issued.ID {
			continue
		}
		if diff := compareLines([]invoice.Document{issued}, []invoice.Document{d}); len(diff) > 0 {
			return fmt.Sprintf("%d lines differ when computed again, first %s: issued %s, now %s", len(diff), diff[0].Key, diff[0].Issued, diff[0].Now), nil
		}
		if d.Totals.Gross.String() != issued.Totals.Gross.String() {
			return fmt.Sprintf("total is %s when computed again, issued %s", d.Totals.Gross, issued.Totals.Gross), nil
		}
		return "", nil
	}
	return "its evidence gives no such document", nil
}

// recomputeCorrection computes the month again that a correction corrected it to: what was issued
// up to the last document of that correction comes to it, line by line.
func (e *Engine) recomputeCorrection(ctx context.Context, s store.Document, v Evidence) (text string, err error) {
	stored, err := e.DB.Documents(ctx, store.DocumentFilter{Agreement: s.Agreement, Month: s.Month})
	if err != nil {
		return "", err
	}
	evidence := map[string]string{}
	for _, o := range stored {
		if len(o.Evidence) > 0 { // a credit by hand has none
			evidence[o.ID] = o.Evidence[0]
		}
	}
	issued, err := e.issuedDocuments(ctx, s.Agreement, s.Month)
	if err != nil {
		return "", err
	}
	last := len(issued) - 1
	for last > 0 && evidence[issued[last].ID] != s.Evidence[0] {
		last--
	}
	if issued[last].ID != s.ID {
		return "", nil // the credit before a document issued anew, or the first of several: the last one is compared
	}
	out := Compute(&v, recorded(v.Inputs.References))
	if diff := compareLines(current(issued[:last+1]), out.Documents); len(diff) > 0 {
		return fmt.Sprintf("%d lines differ when computed again, first %s: issued %s in all, now %s", len(diff), diff[0].Key, diff[0].Issued, diff[0].Now), nil
	}
	return "", nil
}
