package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/store"
)

// BenchmarkMonth is what the store adds to a run of 500 agreements: each figure is agreements a
// second. Drafts of 20 kB are what 60 lines take.
func BenchmarkMonth(b *testing.B) {
	const agreements = 500
	march := calendar.MustMonth("2026-03")
	draft := fmt.Appendf(nil, `{"lines":%q}`, bytes.Repeat([]byte("x"), 20_000))
	drafts := make([]store.Month, agreements)
	for i := range drafts {
		id := fmt.Sprintf("AGR-%04d", i)
		drafts[i] = store.Month{Agreement: id, Month: march, Status: "drafted", Inputs: "sha256:inputs", Draft: draft, Document: id + "-2026-03"}
	}
	blob := func(ctx context.Context, db *store.DB, i int) error {
		_, err := db.PutBlob(ctx, fmt.Appendf(nil, "%d %s", i, draft))
		return err
	}
	for _, bench := range []struct {
		name  string
		saved bool // before it is measured
		run   func(ctx context.Context, db *store.DB, list []store.Month) error
	}{
		{"save one by one", false, func(ctx context.Context, db *store.DB, list []store.Month) error {
			for _, m := range list {
				if _, err := db.SaveMonth(ctx, m, ""); err != nil {
					return err
				}
			}
			return nil
		}},
		{"save together", false, func(ctx context.Context, db *store.DB, list []store.Month) error {
			_, err := db.SaveMonths(ctx, list, "")
			return err
		}},
		{"blob", false, func(ctx context.Context, db *store.DB, list []store.Month) error {
			for i := range list {
				if err := blob(ctx, db, i); err != nil {
					return err
				}
			}
			return nil
		}},
		{"blob 8 at a time", false, func(ctx context.Context, db *store.DB, list []store.Month) error {
			var wg sync.WaitGroup
			errs := make([]error, len(list))
			for w := range 8 {
				wg.Go(func() {
					for i := w; i < len(list); i += 8 {
						errs[i] = blob(ctx, db, i)
					}
				})
			}
			wg.Wait()
			return errors.Join(errs...)
		}},
		{"read together", true, func(ctx context.Context, db *store.DB, _ []store.Month) error {
			_, err := db.Months(ctx, store.MonthFilter{Month: march})
			return err
		}},
		{"read one by one", true, func(ctx context.Context, db *store.DB, list []store.Month) error {
			for _, m := range list {
				if _, err := db.Month(ctx, m.Agreement, march); err != nil {
					return err
				}
			}
			return nil
		}},
		{"issue", true, func(ctx context.Context, db *store.DB, list []store.Month) error {
			for _, m := range list {
				_, err := db.Issue(ctx, store.Issuance{
					Document: m.Document, Kind: "invoice", Agreement: m.Agreement, Month: march, MonthVersion: m.Version, NewStatus: "issued",
					Organisation: m.Agreement, Series: "DE", Year: 2026, IssueDate: calendar.MustDate("2026-04-08"),
					Body: func(string) ([]byte, error) { return draft, nil },
				})
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"check", true, func(ctx context.Context, db *store.DB, _ []store.Month) error {
			_, _, err := db.Check(ctx)
			return err
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				db, err := store.Open(b.Context(), store.Options{Dir: b.TempDir(), Create: true})
				list := drafts
				if err == nil && bench.saved {
					list, err = db.SaveMonths(b.Context(), drafts, "")
				}
				b.StartTimer()
				if err == nil {
					err = bench.run(b.Context(), db, list)
				}
				b.StopTimer()
				if err := errors.Join(err, db.Close()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.N)*agreements/b.Elapsed().Seconds(), "agreements/s")
		})
	}
}
