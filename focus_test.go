package arrears_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/shopspring/decimal"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/export/focus"
	"github.com/arrears-billing/arrears/fixtures"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/store"
)

// engineOf applies a story's book in a folder.
func engineOf(t *testing.T, story fixtures.Story) (*arrears.Engine, string) {
	t.Helper()
	dir := t.TempDir()
	if err := story.Write(dir); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(dir, "data"), Create: true, Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	e := &arrears.Engine{DB: db, By: "test"}
	applied, err := e.Apply(t.Context(), false, filepath.Join(dir, "book.yaml"))
	if err != nil || len(applied.Errors) > 0 {
		t.Fatalf("apply: %v %v", err, applied.Errors)
	}
	return e, dir
}

// sumsBy adds up a column of a parquet file by the text of another.
func sumsBy(t *testing.T, data []byte, by, column string) map[string]currency.Decimal {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	pr, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := pr.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer table.Release()
	sums := map[string]currency.Decimal{}
	tr := array.NewTableReader(table, 1<<16)
	defer tr.Release()
	for tr.Next() {
		rec := tr.RecordBatch()
		keys := rec.Column(rec.Schema().FieldIndices(by)[0]).(*array.String)
		col := rec.Column(rec.Schema().FieldIndices(column)[0]).(*array.Decimal128)
		scale := col.DataType().(*arrow.Decimal128Type).Scale
		for i := range keys.Len() {
			k := ""
			if keys.IsValid(i) {
				k = keys.Value(i)
			}
			sums[k] = sums[k].Add(decimal.NewFromBigInt(col.Value(i).BigInt(), -scale))
		}
	}
	return sums
}

// The rows of every issued month of the made-up customers come to the payable amount of each
// invoice and to each printed line, exactly, in both profiles.
func TestFocusTiesToInvoices(t *testing.T) {
	story := fixtures.Demo(1)
	e, _ := engineOf(t, story)
	written := 0
	for _, m := range story.Months {
		e.AsOf = story.AsOf(m).Time()
		if _, err := e.Run(t.Context(), arrears.RunOptions{Month: m, Issue: true}); err != nil {
			t.Fatal(err)
		}
		for _, c := range story.Customers {
			for _, v := range focus.Versions {
				f, ok, err := e.FocusMonth(t.Context(), c.Agreement, m)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					continue
				}
				var b bytes.Buffer
				s, err := e.WriteFocus(t.Context(), &b, f, focus.Options{Version: v, Identity: focus.MSP}, focus.Parquet)
				if err != nil {
					t.Fatal(err)
				}
				if out := os.Getenv("FOCUS_OUT"); out != "" {
					if err := os.WriteFile(filepath.Join(out, c.Agreement+"-"+m.String()+"-"+string(v)+".parquet"), b.Bytes(), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if len(s.Unknown) > 0 {
					t.Errorf("%s %s: products without a category: %v", c.Agreement, m, s.Unknown)
				}
				written++
				tiesOut(t, b.Bytes(), v, append(f.Documents, f.Corrections...))
			}
		}
	}
	if written == 0 {
		t.Fatal("nothing was written")
	}
}

func tiesOut(t *testing.T, data []byte, v focus.Version, documents []invoice.Document) {
	t.Helper()
	invoices := sumsBy(t, data, "InvoiceId", "BilledCost")
	detail := "InvoiceDetailId"
	if v == focus.V12 {
		detail = "x_InvoiceDetailId"
	}
	lines := sumsBy(t, data, detail, "BilledCost")
	for _, d := range documents {
		if d.Number == nil {
			continue
		}
		signed := d.Signed()
		if got := invoices[*d.Number]; !got.Equal(signed.Totals.Gross.Number) {
			t.Errorf("%s: rows come to %s, payable %s", *d.Number, got, signed.Totals.Gross)
		}
		delete(invoices, *d.Number)
		for _, l := range signed.Lines {
			id := *d.Number + "-" + decimal.NewFromInt(int64(l.Position)).String()
			if got := lines[id]; !got.Equal(l.Net.Number) {
				t.Errorf("line %s %s: rows come to %s, printed %s", id, l.Label, got, l.Net)
			}
		}
	}
	delete(invoices, "")
	for id, sum := range invoices {
		t.Errorf("rows of %s, which is no document of the month: %s", id, sum)
	}
}
