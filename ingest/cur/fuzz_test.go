package cur

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/ingest"
)

// FuzzParquet: whatever the bytes, Scan gives an error or what the plain reader gives.
func FuzzParquet(f *testing.F) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 3))
		f.Add(packParquet(r, makeRows(r, 3), false))
	}
	f.Add([]byte(forge(3, nil)))
	f.Fuzz(func(t *testing.T, content []byte) {
		errorOrPlain(t, inMemory("a.parquet", string(content)))
	})
}

// FuzzCSV: whatever the text, Scan gives an error or what the plain reader gives.
func FuzzCSV(f *testing.F) {
	r := rand.New(rand.NewPCG(0, 4))
	f.Add(packCSV(r, makeRows(r, 3), false))
	f.Add(packCSV(r, makeRows(r, 3), true))
	f.Add([]byte(minimalCSV))
	f.Add([]byte(gzipped([]byte(minimalCSV))))
	f.Add([]byte(zipOf(map[string]string{"a.csv": minimalCSV})))
	f.Fuzz(func(t *testing.T, content []byte) {
		if strings.HasPrefix(string(content), "PAR1") {
			t.Skip()
		}
		errorOrPlain(t, inMemory("a.csv", string(content)))
	})
}

func errorOrPlain(t *testing.T, file ingest.File) {
	got, err := Scan(t.Context(), file, march)
	if err != nil {
		if !strings.HasPrefix(err.Error(), file.Name+": ") {
			t.Errorf("an error that does not name the file: %v", err)
		}
		return
	}
	if got.Set.Rows > 100_000 {
		t.Skip() // a run of a few bytes can state millions of rows, which the plain reader keeps in memory
	}
	want, err := plainScan(t.Context(), file, march)
	if err != nil {
		// The plain reader reads all of a file, and parquet-go less of the format.
		t.Skip()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Scan differs from the plain reader (-plain +fast):\n%s", diff)
	}
}
