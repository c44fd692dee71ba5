package cur

import (
	"os"
	"testing"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// TestSpark reads a file that Spark and parquet-mr wrote, as AWS's are (testdata/spark/make.py):
// INT96 timestamps, 3-level maps, dictionary with PLAIN fall-back. The sums are those that the
// script adds up as decimals.
func TestSpark(t *testing.T) {
	b, err := os.ReadFile("testdata/spark/spark.snappy.parquet")
	if err != nil {
		t.Fatal(err)
	}
	f := inMemory("spark.snappy.parquet", string(b))
	month := calendar.MustMonth("2026-03")
	got, err := Scan(t.Context(), f, month)
	if err != nil {
		t.Fatal(err)
	}
	unblended, partner := currency.Zero, currency.Zero
	off := int64(0)
	for _, c := range got.Set.Charges {
		unblended = unblended.Add(c.Unblended)
		off += c.Off
		for _, p := range c.Parts {
			partner = partner.Add(p.Amount)
		}
	}
	if got.Set.Rows != 3000 || unblended.String() != "373090783.93408954100001736" || partner.String() != "-7643814.3148293035" || off != 0 {
		t.Errorf("Scan: %d rows, unblended %s, discounts %s, %d rows off; want 3000, 373090783.93408954100001736, -7643814.3148293035, 0",
			got.Set.Rows, unblended, partner, off)
	}
	if name := got.Set.Names["example9product2code"]; name != "Example Product" {
		t.Errorf("name of a product that the table lacks: %q, want %q", name, "Example Product")
	}
	plain, err := plainScan(t.Context(), f, month)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := ingest.Merge(got.Set).Fingerprint(), ingest.Merge(plain.Set).Fingerprint(); a != b {
		t.Errorf("the fast reader gives %s, the plain one %s", a, b)
	}
	if _, err := Scan(t.Context(), f, month.Add(1)); err == nil {
		t.Error("Scan for another month: no error")
	}
}
