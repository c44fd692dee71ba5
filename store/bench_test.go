package store_test

import (
	"bytes"
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
	draft := append(append([]byte(`{"lines":"`), bytes.Repeat([]byte("x"), 20_000)...), `"}`...)
	fill := func(b *testing.B) (*store.DB, []store.Month) {
		b.Helper()
		db, err := store.Open(b.Context(), store.Options{Dir: b.TempDir(), Create: true})
		if err != nil {
			b.Fatal(err)
		}
		var list []store.Month
		for i := range agreements {
			list = append(list, store.Month{
				Agreement: fmt.Sprintf("AGR-%04d", i), Month: march, Status: "drafted", Inputs: "sha256:inputs",
				Draft: draft, Report: draft[:0], Document: fmt.Sprintf("AGR-%04d-2026-03", i),
			})
		}
		return db, list
	}
	save := func(b *testing.B, db *store.DB, list []store.Month) []store.Month {
		b.Helper()
		list, err := db.SaveMonths(b.Context(), list, "")
		if err != nil {
			b.Fatal(err)
		}
		return list
	}
	run := func(name string, prepare func(*testing.B, *store.DB, []store.Month) []store.Month, measure func(*testing.B, *store.DB, []store.Month)) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				db, list := fill(b)
				list = prepare(b, db, list)
				b.StartTimer()
				measure(b, db, list)
				b.StopTimer()
				if err := db.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.N)*agreements/b.Elapsed().Seconds(), "agreements/s")
		})
	}
	asIs := func(_ *testing.B, _ *store.DB, list []store.Month) []store.Month { return list }
	run("save-one-by-one", asIs, func(b *testing.B, db *store.DB, list []store.Month) {
		for i := range list {
			save(b, db, list[i:i+1])
		}
	})
	run("save-together", asIs, func(b *testing.B, db *store.DB, list []store.Month) { save(b, db, list) })
	run("blob", asIs, func(b *testing.B, db *store.DB, list []store.Month) {
		for i := range list {
			if _, err := db.PutBlob(b.Context(), fmt.Appendf(nil, "%d %s", i, draft)); err != nil {
				b.Fatal(err)
			}
		}
	})
	run("blob-8-at-a-time", asIs, func(b *testing.B, db *store.DB, list []store.Month) {
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := w; i < len(list); i += 8 {
					if _, err := db.PutBlob(b.Context(), fmt.Appendf(nil, "%d %s", i, draft)); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
	})
	run("read-together", save, func(b *testing.B, db *store.DB, _ []store.Month) {
		list, err := db.Months(b.Context(), store.MonthFilter{Month: march})
		if err != nil || len(list) != agreements {
			b.Fatal(len(list), err)
		}
	})
	run("read-one-by-one", save, func(b *testing.B, db *store.DB, list []store.Month) {
		for _, m := range list {
			if _, err := db.Month(b.Context(), m.Agreement, march); err != nil {
				b.Fatal(err)
			}
		}
	})
	run("issue", save, func(b *testing.B, db *store.DB, list []store.Month) {
		for _, m := range list {
			_, err := db.Issue(b.Context(), store.Issuance{
				Document: m.Document, Kind: "invoice", Agreement: m.Agreement, Month: march, MonthVersion: m.Version, NewStatus: "issued",
				Organisation: m.Agreement, Series: "DE", Year: 2026, IssueDate: calendar.MustDate("2026-04-08"),
				Body: func(string) ([]byte, error) { return draft, nil },
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	run("check", save, func(b *testing.B, db *store.DB, _ []store.Month) {
		findings, _, err := db.Check(b.Context())
		if err != nil || len(findings) > 0 {
			b.Fatal(findings, err)
		}
	})
}
