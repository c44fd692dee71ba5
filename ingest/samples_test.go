package ingest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
)

// sample returns a folder of real files, which are not part of the project.
func sample(t *testing.T, dir string) string {
	t.Helper()
	p := filepath.Join("..", "..", "shared", "samples", filepath.FromSlash(dir))
	if _, err := os.Stat(p); err != nil {
		t.Skip("no samples here:", err)
	}
	return p
}

// The folder holds a second chunk that an earlier, larger delivery left behind: only a manifest
// can tell, so without one the folder is refused.
func TestSampleStaleChunk(t *testing.T) {
	const period = "data/BILLING_PERIOD=2025-07/"
	dir, m := sample(t, "cur2/cur2"), calendar.MustMonth("2025-07")
	if _, err := Find(t.Context(), Folder(dir), agreement.Source{}, m); !errors.Is(err, ErrNoManifest) {
		t.Fatalf("Find: %v, want ErrNoManifest", err)
	}

	files := map[string]string{
		"metadata/BILLING_PERIOD=2025-07/cur2-Manifest.json": exportManifest("cur2/" + period + "cur2-00001.snappy.parquet"),
	}
	for _, name := range []string{"cur2-00001.snappy.parquet", "cur2-00002.snappy.parquet"} {
		b, err := os.ReadFile(filepath.Join(dir, period, name))
		if err != nil {
			t.Fatal(err)
		}
		files[period+name] = string(b)
	}
	d, err := Find(t.Context(), Folder(tree(t, files)), agreement.Source{}, m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{period + "cur2-00001.snappy.parquet"}, names(d)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestSampleLegacy(t *testing.T) {
	dir := sample(t, "legacy/koku/test_local_bucket/koku-local")
	d, err := Find(t.Context(), Folder(dir), agreement.Source{Manifest: "required"}, calendar.MustMonth("2018-08"))
	if err != nil {
		t.Fatal(err)
	}
	const assembly = "16e57707-f9e3-49be-8be6-b84e684b5194"
	if diff := cmp.Diff([]string{"20180801-20180901/" + assembly + "/koku-local-1.csv.gz"}, names(d)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if d.Layout != LayoutAssemblies || d.Execution != assembly {
		t.Errorf("layout %q, execution %q", d.Layout, d.Execution)
	}
}
