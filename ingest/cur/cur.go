// Package cur reads cost and usage reports: CUR 2.0 and legacy, parquet and csv. It groups the
// rows of a file into charges (ingest.Key says by what) with exact sums, and finds the rows behind
// a charge. It trusts no file: what is broken, too large or not money is an error that names
// file, row and column. docs/CUR.md lists the columns and the limits.
package cur

import (
	"context"
	"fmt"
	"time"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// Scan reads a file of the month and returns its charges and its digest. Rows that state another
// billing period are an error; the zero month accepts any. The result does not depend on the
// order of rows or on how they are packed; names and descriptions are labels, see ingest.ChargeSet.
func Scan(ctx context.Context, f ingest.File, month calendar.Month) (ingest.Scan, error) {
	s, err := scan(ctx, f, month, false)
	return s, at(f.Name, err)
}

// Sums reads only what the unblended cost by charge takes: no digest, no discounts inside the
// rows, no names. It is for a quick look at what a file comes to, and for benchmarks.
func Sums(ctx context.Context, f ingest.File, month calendar.Month) (ingest.ChargeSet, error) {
	s, err := scan(ctx, f, month, true)
	return s.Set, at(f.Name, err)
}

// A Row is one row of a file, as explain shows it.
type Row struct {
	File        string           `json:"file"`
	Number      int64            `json:"row"` // from 1; the header of a csv is not counted
	Key         ingest.Key       `json:"key"`
	Unblended   currency.Decimal `json:"unblended"`
	UsageType   string           `json:"usage_type"`
	Description string           `json:"description"`
	UsageStart  time.Time        `json:"usage_start,omitzero"`
}

// Rows returns the rows of a file whose key matches, in the order of the file, at most limit of
// them; a limit of 0 or less is none.
func Rows(ctx context.Context, f ingest.File, month calendar.Month, match func(ingest.Key) bool, limit int) ([]Row, error) {
	rows, err := findRows(ctx, f, month, match, limit)
	return rows, at(f.Name, err)
}

// checkPeriod says whether a row's billing period is the month that is asked for.
func checkPeriod(t time.Time, month calendar.Month) error {
	if month.IsZero() || (!t.Before(month.Start()) && t.Before(month.End())) {
		return nil
	}
	return fmt.Errorf("wrong billing period %s, want %s", t.Format("2006-01"), month)
}
