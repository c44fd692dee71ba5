package arrears

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/store"
)

// A Waiver lets one block of one month pass.
type Waiver struct {
	Agreement string
	Month     calendar.Month
	Code      string // of the block
	Invoice   string // the AWS invoice it is about; empty: every block of the code
	By        string
	Reason    string
}

// Waive lets blocks pass, each bound to its exact difference and to the delivery that has it: a
// change of either blocks again. Blocks that would bill money nobody can compute are refused.
// It returns what was waived; the next run drafts the month, with a warning for each.
func (e *Engine) Waive(ctx context.Context, w Waiver) ([]agreement.Reason, error) {
	if w.By == "" || w.Reason == "" {
		return nil, wrong("incomplete_waiver", "name who decides and why: --by EMAIL --reason TEXT", "a waiver needs a name and a reason")
	}
	if !slices.Contains(waivable, w.Code) {
		return nil, wrong("not_waivable", fmt.Sprintf("these can be: %v", waivable), "%s cannot be waived", w.Code)
	}
	dir, err := e.directory(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := dir.agreement(w.Agreement); err != nil {
		return nil, err
	}
	rec, err := e.DB.Month(ctx, w.Agreement, w.Month)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	row := keptRow(rec)
	var passed []agreement.Reason
	for _, r := range row.blocks() {
		if r.Code == w.Code && (w.Invoice == "" || w.Invoice == r.AWSInvoice) {
			passed = append(passed, r)
		}
	}
	if len(passed) == 0 {
		hint := fmt.Sprintf("arrears run --month %s --agreement %s shows what blocks it", w.Month, w.Agreement)
		return nil, wrong("not_blocked", hint, "%s %s is not blocked by %s", w.Agreement, w.Month, w.Code)
	}
	src := row.Source
	if src == nil {
		return nil, wrong("not_blocked", "", "%s %s has no delivery that a waiver could be bound to", w.Agreement, w.Month)
	}
	in := Inputs{Fingerprint: src.Fingerprint}
	for _, r := range passed {
		err := e.DB.PutWaiver(ctx, store.Waiver{
			Agreement: w.Agreement, Month: w.Month, Code: r.Code, Invoice: r.AWSInvoice, Bound: in.bound(r),
			By: w.By, Reason: w.Reason, At: e.AsOf,
		})
		if err != nil {
			return nil, err
		}
	}
	return passed, nil
}
