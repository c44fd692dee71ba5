package focus

import (
	"bytes"
	"io"
	"testing"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/fixtures"
	"github.com/arrears-billing/arrears/ingest"
)

// large is a made-up file of a busy organisation, in memory.
func large(tb testing.TB, rows int) ingest.File {
	tb.Helper()
	var b bytes.Buffer
	l := fixtures.Large{Seed: 1, Month: calendar.MustMonth("2026-03"), Payer: "111122223333", Rows: int64(rows), GroupRows: min(rows, 200_000)}
	if _, _, err := fixtures.WriteLarge(&b, l); err != nil {
		tb.Fatal(err)
	}
	return fileOf("a.parquet", b.String())
}

// BenchmarkWrite writes a large month in euros.
func BenchmarkWrite(b *testing.B) {
	const rows = 200_000
	f := large(b, rows)
	m, read := billed(b, f, calendar.MustMonth("2026-03"), plain, "0.92")
	for _, format := range []Format{Parquet, CSV} {
		b.Run(string(format), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Write(b.Context(), io.Discard, m, read, Options{V14, MSP}, format); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
