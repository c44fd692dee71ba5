package arrears_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/fixtures"
	"github.com/arrears-billing/arrears/store"
)

var benchAgreements = flag.Int("agreements", 100, "agreements of the run benchmarks, each with a delivery of 5,000 rows")

// BenchmarkRun measures a first run, which reads every delivery, and one that finds nothing new.
// Budgets on two processors: 120 agreements a second, then 1,000.
func BenchmarkRun(b *testing.B) {
	dir := b.TempDir()
	book := writeBench(b, dir, *benchAgreements)
	run := func(b *testing.B, e *arrears.Engine) {
		b.Helper()
		report, err := e.Run(b.Context(), arrears.RunOptions{Month: calendar.MustMonth("2026-03")})
		if err != nil {
			b.Fatal(err)
		}
		for _, a := range report.Agreements {
			if a.Status != arrears.Drafted && a.Status != arrears.Blocked { // blocked: the made-up covered usage leaves a rest
				b.Fatalf("%s is %s: %v", a.Agreement, a.Status, a.Reasons)
			}
		}
	}
	open := func(b *testing.B, name string) *arrears.Engine {
		b.Helper()
		db, err := store.Open(b.Context(), store.Options{Dir: filepath.Join(b.TempDir(), name), Create: true, Command: "test"})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = db.Close() }) // nothing is kept of it
		e := &arrears.Engine{DB: db, By: "test", AsOf: time.Date(2026, 4, 20, 0, 0, 0, 0, time.UTC)}
		if r, err := e.Apply(b.Context(), false, book); err != nil || len(r.Errors) > 0 {
			b.Fatal(err, r.Errors)
		}
		return e
	}
	rate := func(b *testing.B) {
		b.Helper()
		b.ReportMetric(float64(*benchAgreements)*float64(b.N)/b.Elapsed().Seconds(), "agreements/s")
	}
	b.Run("first", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			e := open(b, fmt.Sprint("data", n))
			b.StartTimer()
			run(b, e)
		}
		rate(b)
	})
	b.Run("again", func(b *testing.B) {
		e := open(b, "data")
		run(b, e)
		for b.Loop() {
			run(b, e)
		}
		rate(b)
	})
}

// writeBench writes a book of n agreements and a delivery of 5,000 rows for each.
func writeBench(b *testing.B, dir string, n int) (book string) {
	b.Helper()
	var file bytes.Buffer
	if _, _, err := fixtures.WriteLarge(&file, fixtures.Large{Seed: 1, Month: calendar.MustMonth("2026-03"), Payer: "111122223333", Rows: 5000, GroupRows: 5000, Groups: 1}); err != nil {
		b.Fatal(err)
	}
	var text strings.Builder
	text.WriteString(`
sellers: [{id: SEL-DE, name: Seller GmbH, country: DE, tax_id: DE136695976, currency: EUR, currencies: [EUR, USD], series: DE, address: {city: Berlin}}]
buyers: [{id: BUY-0001, name: Buyer B.V., country: NL, tax_id: NL004495445B01, address: {city: Utrecht}}]
payers: [{account: "999900001111", reconcile: none}]
agreements:
`)
	for i := range n {
		source := filepath.Join(dir, fmt.Sprintf("aws/%04d", i))
		data := filepath.Join(source, "data/BILLING_PERIOD=2026-03")
		if err := os.MkdirAll(data, 0o750); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(data, "cur-00001.snappy.parquet"), file.Bytes(), 0o600); err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(&text, ` - {id: AGR-%04d, product: aws-essentials, payer: "999900001111", management_account: "1111%08d", seller: SEL-DE, buyer: BUY-0001, currency: USD,
    transfer: {start: 2026-03-01T00:00:00Z}, cur: {source: %s, manifest: none, payer_account: "*"}, terms: [{from: 2026-03, support: resold}]}
`, i, i, source)
	}
	book = filepath.Join(dir, "book.yaml")
	if err := os.WriteFile(book, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return book
}
