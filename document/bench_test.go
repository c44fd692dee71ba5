package document

import (
	"runtime"
	"sync"
	"testing"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/invoice"
)

// BenchmarkDocuments makes PDF, UBL, CII and XLSX of a usual document on all processors. The aim is
// 2,000 documents in 60 s on 2 cores, 33 a second.
func BenchmarkDocuments(b *testing.B) {
	d := ofLines(b, 30)
	work := make(chan struct{})
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for range work {
				for _, format := range Formats {
					if _, err := Render(d, format); err != nil {
						b.Error(err)
					}
				}
			}
		})
	}
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "documents/s")
}

// BenchmarkFormat shows what each format costs, for a usual document and one of 5,000 lines, of
// which all formats together must take less than 3 s.
func BenchmarkFormat(b *testing.B) {
	for _, size := range []struct {
		name  string
		lines int
	}{{"30 lines", 30}, {"5000 lines", 5000}} {
		d := ofLines(b, size.lines)
		for _, format := range Formats {
			b.Run(size.name+"/"+format, func(b *testing.B) {
				for b.Loop() {
					if _, err := Render(d, format); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// ofLines is an issued document of about n lines.
func ofLines(tb testing.TB, n int) invoice.Document {
	tb.Helper()
	r := random(7)
	d, reasons := invoice.Draft(corpusInput(&r, 1, n, corpusSellers[0], corpusBuyers[0], "EUR"))
	if len(reasons) > 0 {
		tb.Fatal(reasons)
	}
	return d.Issue("DE-2026-000001", calendar.MustDate("2026-04-08"), 30)
}
