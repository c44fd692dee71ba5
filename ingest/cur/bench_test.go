package cur

import (
	"bytes"
	"testing"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/fixtures"
)

// BenchmarkScan reads files of 5,000 rows, as most customers have them, and of 200,000.
func BenchmarkScan(b *testing.B) {
	for name, rows := range map[string]int{"5k": 5_000, "200k": 200_000} {
		var file bytes.Buffer
		if _, _, err := fixtures.WriteLarge(&file, fixtures.Large{Seed: 1, Month: march, Payer: "111122223333", Rows: int64(rows), GroupRows: rows}); err != nil {
			b.Fatal(err)
		}
		f := inMemory("a.parquet", file.String())
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Scan(b.Context(), f, march); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkScanCSV reads the legacy sample.
func BenchmarkScanCSV(b *testing.B) {
	f := sample(b, samples[5].file)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Scan(b.Context(), f, calendar.Month{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*float64(samples[5].rows)/b.Elapsed().Seconds(), "rows/s")
}
