package cur

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// memory is a file in memory.
type memory string

func (m memory) Range(off, n int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(m)[off : off+n])), nil
}

func (m memory) Close() error { return nil }

// inMemory is a file of a delivery with the content.
func inMemory(name, content string) ingest.File {
	return ingest.File{Name: name, Size: int64(len(content)), Open: func(context.Context) (ingest.Content, error) {
		return memory(content), nil
	}}
}

// sample is one of the public files, which stay outside the project.
func sample(tb testing.TB, path string) ingest.File {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("../../../shared/samples", path))
	if os.IsNotExist(err) {
		tb.Skipf("public samples are not here: %v", err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return inMemory(path, string(b))
}

func total(s ingest.ChargeSet) currency.Decimal {
	sum := currency.Zero
	for _, c := range s.Charges {
		sum = sum.Add(c.Unblended)
	}
	return sum
}

var samples = []struct {
	file  string
	month string
	rows  int64
	sum   string
}{
	{"cur2/cid-cur2/data/BILLING_PERIOD=2024-10/cid-cur2-00001.snappy.parquet", "2024-10", 14406, "20.707475355"},
	{"cur2/cid-cur2/data/BILLING_PERIOD=2025-03/cid-cur2-00001.snappy.parquet", "2025-03", 17308, "20.6287681036"},
	{"cur2/cid-cur2/data/BILLING_PERIOD=2025-07/cid-cur2-00001.snappy.parquet", "2025-07", 6766, "14.0777581906"},
	{"cur2/cur2/data/BILLING_PERIOD=2025-07/cur2-00001.snappy.parquet", "2025-07", 1929, "14.0777581906"},
	{"cur2/cur2/data/BILLING_PERIOD=2025-07/cur2-00002.snappy.parquet", "2025-07", 1042, "9.3398111392"},
	// The legacy sample holds rows of three months in one file, so it is read without a month.
	{"legacy/koku/test_local_bucket/koku-local/20180801-20180901/16e57707-f9e3-49be-8be6-b84e684b5194/koku-local-1.csv.gz", "", 13380, "143227.76367818761501799105"},
}

func TestSamples(t *testing.T) {
	for _, tt := range samples {
		t.Run(tt.file, func(t *testing.T) {
			f := sample(t, tt.file)
			var month calendar.Month
			if tt.month != "" {
				month = calendar.MustMonth(tt.month)
			}
			s, err := Scan(t.Context(), f, month)
			if err != nil {
				t.Fatal(err)
			}
			if s.Set.Rows != tt.rows {
				t.Errorf("%d rows, want %d", s.Set.Rows, tt.rows)
			}
			if got := total(s.Set); !got.Equal(currency.MustParse(tt.sum)) {
				t.Errorf("sum %s, want %s", got, tt.sum)
			}
			for _, c := range s.Set.Charges {
				if open := tt.month == "2025-07"; tt.month != "" && (c.Invoice == "") != open {
					t.Errorf("invoice id %q in a month that is open: %v", c.Invoice, open)
				}
			}
		})
	}
}
