package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
)

// tree writes files into a new folder and returns it.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func exportManifest(keys ...string) string {
	var q []string
	for _, k := range keys {
		q = append(q, fmt.Sprintf("%q", "s3://bucket/some/prefix/"+k))
	}
	return `{"executionId": "e2", "exportArn": "arn:aws:bcm-data-exports:us-east-1:111122223333:export/x", "columns": [], "dataFiles": [` +
		strings.Join(q, ", ") + `]}`
}

func reportManifest(period string, keys ...string) string {
	var q []string
	for _, k := range keys {
		q = append(q, fmt.Sprintf("%q", k))
	}
	start, end, _ := strings.Cut(period, "-")
	return fmt.Sprintf(`{"assemblyId": "a2", "reportName": "rep", "billingPeriod": {"start": "%sT000000.000Z", "end": "%sT000000.000Z"}, "bucket": "b", "reportKeys": [%s]}`,
		start, end, strings.Join(q, ", "))
}

const (
	dataDir = "data/BILLING_PERIOD=2026-03/"
	metaDir = "metadata/BILLING_PERIOD=2026-03/"
	marchs  = "20260301-20260401"
)

func names(d Delivery) []string {
	var n []string
	for _, f := range d.Files {
		n = append(n, f.Name)
	}
	return n
}

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		name      string
		files     map[string]string
		none      bool
		layout    Layout
		manifest  string
		execution string
		want      []string
	}{
		{
			name: "overwrite: files the manifest does not name are not read",
			files: map[string]string{
				dataDir + "x-00002.snappy.parquet": "2", dataDir + "x-00001.snappy.parquet": "1", dataDir + "x-00003.snappy.parquet": "stale",
				"data/BILLING_PERIOD=2026-02/x-00001.snappy.parquet": "february",
				metaDir + "x-Manifest.json":                          exportManifest("x/"+dataDir+"x-00002.snappy.parquet", "x/"+dataDir+"x-00001.snappy.parquet"),
				metaDir + "x-create-table.sql":                       "create table",
			},
			layout: LayoutOverwrite, manifest: metaDir + "x-Manifest.json", execution: "e2",
			want: []string{dataDir + "x-00001.snappy.parquet", dataDir + "x-00002.snappy.parquet"},
		},
		{
			name: "create new: the manifest at the top is of the latest execution",
			files: map[string]string{
				dataDir + "2026-04-01T05:00:00.000Z-e1/x-00001.csv.gz":  "1",
				dataDir + "2026-04-02T05:00:00.000Z-e2/x-00001.csv.gz":  "2",
				metaDir + "2026-04-01T05:00:00.000Z-e1/x-Manifest.json": exportManifest("x/" + dataDir + "2026-04-01T05:00:00.000Z-e1/x-00001.csv.gz"),
				metaDir + "2026-04-02T05:00:00.000Z-e2/x-Manifest.json": exportManifest("x/" + dataDir + "2026-04-02T05:00:00.000Z-e2/x-00001.csv.gz"),
				metaDir + "x-Manifest.json":                             exportManifest("x/" + dataDir + "2026-04-02T05:00:00.000Z-e2/x-00001.csv.gz"),
			},
			layout: LayoutCreateNew, manifest: metaDir + "x-Manifest.json", execution: "e2",
			want: []string{dataDir + "2026-04-02T05:00:00.000Z-e2/x-00001.csv.gz"},
		},
		{
			name: "create new: one execution without the manifest at the top",
			files: map[string]string{
				dataDir + "e1/x-00001.csv.gz":  "1",
				metaDir + "e1/x-Manifest.json": exportManifest("x/" + dataDir + "e1/x-00001.csv.gz"),
			},
			layout: LayoutCreateNew, manifest: metaDir + "e1/x-Manifest.json", execution: "e2",
			want: []string{dataDir + "e1/x-00001.csv.gz"},
		},
		{
			name:   "a manifest that names no file of a month without files",
			files:  map[string]string{metaDir + "x-Manifest.json": exportManifest()},
			layout: LayoutOverwrite, manifest: metaDir + "x-Manifest.json", execution: "e2",
		},
		{
			name: "declared without a manifest: every file counts",
			files: map[string]string{
				dataDir + "x-00001.snappy.parquet": "1", dataDir + "x-00002.snappy.parquet": "2", dataDir + ".DS_Store": "", dataDir + "_SUCCESS": "",
			},
			none: true, layout: LayoutOverwrite,
			want: []string{dataDir + "x-00001.snappy.parquet", dataDir + "x-00002.snappy.parquet"},
		},
		{
			name:  "declared without a manifest: names of one's own",
			files: map[string]string{dataDir + "first.csv": "1", dataDir + "second.csv": "2"},
			none:  true, layout: LayoutOverwrite,
			want: []string{dataDir + "first.csv", dataDir + "second.csv"},
		},
		{
			name: "declared without a manifest, but there is one: it decides",
			files: map[string]string{
				dataDir + "x-00001.snappy.parquet": "1", dataDir + "x-00002.snappy.parquet": "stale",
				metaDir + "x-Manifest.json": exportManifest("x/" + dataDir + "x-00001.snappy.parquet"),
			},
			none: true, layout: LayoutOverwrite, manifest: metaDir + "x-Manifest.json", execution: "e2",
			want: []string{dataDir + "x-00001.snappy.parquet"},
		},
		{
			name: "legacy assemblies",
			files: map[string]string{
				marchs + "/a1/rep-1.csv.gz": "1", marchs + "/a1/rep-Manifest.json": reportManifest(marchs, "/rep/"+marchs+"/a1/rep-1.csv.gz"),
				marchs + "/a2/rep-1.csv.gz": "1", marchs + "/a2/rep-2.csv.gz": "2",
				marchs + "/a2/rep-Manifest.json": reportManifest(marchs, "p/rep/"+marchs+"/a2/rep-1.csv.gz", "p/rep/"+marchs+"/a2/rep-2.csv.gz"),
				marchs + "/rep-Manifest.json":    reportManifest(marchs, "p/rep/"+marchs+"/a2/rep-1.csv.gz", "p/rep/"+marchs+"/a2/rep-2.csv.gz"),
			},
			layout: LayoutAssemblies, manifest: marchs + "/rep-Manifest.json", execution: "a2",
			want: []string{marchs + "/a2/rep-1.csv.gz", marchs + "/a2/rep-2.csv.gz"},
		},
		{
			name: "legacy overwrite",
			files: map[string]string{
				marchs + "/rep-1.csv.zip":     "1",
				marchs + "/rep-Manifest.json": reportManifest(marchs, "rep/"+marchs+"/rep-1.csv.zip"),
			},
			layout: LayoutLegacy, manifest: marchs + "/rep-Manifest.json", execution: "a2",
			want: []string{marchs + "/rep-1.csv.zip"},
		},
		{
			name: "legacy Athena: manifest in the period's folder",
			files: map[string]string{
				"rep/year=2026/month=3/rep-00001.snappy.parquet":  "1",
				"rep/year=2026/month=2/rep-00001.snappy.parquet":  "february",
				"rep/cost_and_usage_data_status/status.parquet":   "PAR1 READY PAR1",
				marchs + "/rep-Manifest.json":                     reportManifest(marchs, "p/rep/rep/year=2026/month=3/rep-00001.snappy.parquet"),
				marchs + "/20260402T000000Z/rep-create-table.sql": "create table",
			},
			layout: LayoutAthena, manifest: marchs + "/rep-Manifest.json", execution: "a2",
			want: []string{"rep/year=2026/month=3/rep-00001.snappy.parquet"},
		},
		{
			name: "legacy Athena: zero-padded, manifest beside the files",
			files: map[string]string{
				"year=2026/month=03/rep-00001.snappy.parquet": "1",
				"year=2026/month=03/rep-Manifest.json":        reportManifest(marchs, "rep/year=2026/month=03/rep-00001.snappy.parquet"),
			},
			layout: LayoutAthena, manifest: "year=2026/month=03/rep-Manifest.json", execution: "a2",
			want: []string{"year=2026/month=03/rep-00001.snappy.parquet"},
		},
		{
			name: "legacy Athena without a manifest",
			files: map[string]string{
				"rep/year=2026/month=3/rep-00001.snappy.parquet": "1", "rep/year=2026/month=3/rep-00002.snappy.parquet": "2",
			},
			none: true, layout: LayoutAthena,
			want: []string{"rep/year=2026/month=3/rep-00001.snappy.parquet", "rep/year=2026/month=3/rep-00002.snappy.parquet"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := agreement.Source{Manifest: "required"}
			if tt.none {
				src.Manifest = "none"
			}
			d, err := Find(t.Context(), Folder(tree(t, tt.files)), src, calendar.MustMonth("2026-03"))
			if err != nil {
				t.Fatalf("Find: %v", err)
			}
			if diff := cmp.Diff(tt.want, names(d)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if d.Layout != tt.layout || d.Manifest != tt.manifest || d.Execution != tt.execution {
				t.Errorf("got layout %q, manifest %q, execution %q, want %q, %q, %q",
					d.Layout, d.Manifest, d.Execution, tt.layout, tt.manifest, tt.execution)
			}
			if changed, err := d.Changed(t.Context()); changed || err != nil {
				t.Errorf("Changed() = %v, %v at once", changed, err)
			}
		})
	}
}

func TestFindRefuses(t *testing.T) {
	x1 := dataDir + "x-00001.snappy.parquet"
	with := func(manifest string) map[string]string {
		return map[string]string{x1: "1", metaDir + "x-Manifest.json": manifest}
	}
	legacy := func(manifest string) map[string]string {
		return map[string]string{marchs + "/rep-1.csv.gz": "1", marchs + "/rep-Manifest.json": manifest}
	}
	for _, tt := range []struct {
		name  string
		files map[string]string
		none  bool
		is    error  // sentinel, if any
		file  string // that the error names
		text  string // in the error
	}{
		{name: "nothing at all", files: nil, is: ErrMissing, text: "no delivery"},
		{name: "another month", files: map[string]string{"data/BILLING_PERIOD=2026-02/x-00001.snappy.parquet": "1"}, is: ErrMissing, text: "delivery 2026-03"},
		{name: "no manifest", files: map[string]string{x1: "1", dataDir + "x-00002.snappy.parquet": "2"}, is: ErrNoManifest, file: dataDir[:len(dataDir)-1], text: "no manifest says which of its 2 files are the month"},
		{name: "not JSON", files: with(`{"dataFiles": [`), file: metaDir + "x-Manifest.json", text: "not a manifest"},
		{name: "other JSON", files: with(`{"files": []}`), file: metaDir + "x-Manifest.json", text: "want a list dataFiles"},
		{name: "an absent file", files: with(exportManifest("x/"+x1, "x/"+dataDir+"x-00002.snappy.parquet")), file: metaDir + "x-Manifest.json", text: "not there: " + dataDir + "x-00002"},
		{name: "a path outside", files: with(exportManifest("x/" + dataDir + "../../../../etc/passwd.csv")), file: metaDir + "x-Manifest.json", text: "outside the export"},
		{name: "a path elsewhere", files: with(exportManifest("x/other/x-00001.snappy.parquet")), file: metaDir + "x-Manifest.json", text: "outside the export"},
		{name: "another period", files: with(exportManifest("x/data/BILLING_PERIOD=2026-02/x-00001.snappy.parquet")), file: metaDir + "x-Manifest.json", text: "another billing period"},
		{name: "another export's file", files: with(exportManifest("y/" + x1)), file: metaDir + "x-Manifest.json", text: "another export"},
		{name: "a file named twice", files: with(exportManifest("x/"+x1, "x/"+x1)), file: metaDir + "x-Manifest.json", text: "named twice"},
		{name: "no data file", files: with(exportManifest("x/" + dataDir + "x-00001.exe")), file: metaDir + "x-Manifest.json", text: "not a data file"},
		{name: "names nothing, though there are files", files: with(exportManifest()), file: metaDir + "x-Manifest.json", text: "names no file"},
		{name: "two exports", files: map[string]string{x1: "1", metaDir + "x-Manifest.json": exportManifest("x/" + x1), metaDir + "y-Manifest.json": exportManifest()}, file: metaDir + "y-Manifest.json", text: "a second manifest"},
		{name: "executions without the latest", files: map[string]string{x1: "1", metaDir + "e1/x-Manifest.json": "{}", metaDir + "e2/x-Manifest.json": "{}"}, file: metaDir[:len(metaDir)-1], text: "2 executions"},
		{name: "a Data Export and a report", files: map[string]string{x1: "1", marchs + "/rep-1.csv.gz": "1"}, none: true, file: marchs, text: "a second delivery of the month, beside " + dataDir[:len(dataDir)-1]},
		{name: "without a manifest: two executions", files: map[string]string{dataDir + "e1/x-00001.csv.gz": "1", dataDir + "e2/x-00001.csv.gz": "2"}, none: true, file: dataDir + "e2", text: "each is the whole month"},
		{name: "without a manifest: two exports", files: map[string]string{x1: "1", dataDir + "y-00001.snappy.parquet": "2"}, none: true, file: dataDir + "y-00001.snappy.parquet", text: "another export"},
		{name: "without a manifest: something else", files: map[string]string{x1: "1", dataDir + "x-00002.snappy": "2"}, none: true, file: dataDir + "x-00002.snappy", text: "neither a data file"},
		{name: "legacy: wrong period", files: legacy(reportManifest("20260201-20260301", "rep/"+marchs+"/rep-1.csv.gz")), file: marchs + "/rep-Manifest.json", text: "wrong billing period: 20260201"},
		{name: "legacy: file of another period", files: legacy(reportManifest(marchs, "rep/20260201-20260301/rep-1.csv.gz")), file: marchs + "/rep-Manifest.json", text: "another billing period"},
		{name: "legacy: another report", files: legacy(reportManifest(marchs, "rap/"+marchs+"/rep-1.csv.gz")), file: marchs + "/rep-Manifest.json", text: "another report"},
		{name: "legacy: outside", files: legacy(reportManifest(marchs, "rep/rep-1.csv.gz")), file: marchs + "/rep-Manifest.json", text: "outside the report"},
		{name: "legacy: a manifest of a Data Export", files: legacy(exportManifest("x/" + x1)), file: marchs + "/rep-Manifest.json", text: "manifest of a Data Export"},
		{name: "Athena: two months", files: map[string]string{"year=2026/month=3/r-1.csv": "1", "year=2026/month=03/r-1.csv": "1"}, none: true, file: "year=2026/month=3", text: "a second delivery"},
		{
			name: "Athena: status UPDATING",
			files: map[string]string{
				"rep/year=2026/month=3/r-00001.snappy.parquet":  "1",
				"rep/cost_and_usage_data_status/status.parquet": "PAR1\x15\x00UPDATINGPAR1",
			},
			none: true, is: ErrUnstable, file: "rep/cost_and_usage_data_status/status.parquet", text: "UPDATING",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := agreement.Source{Manifest: "required"}
			if tt.none {
				src.Manifest = "none"
			}
			d, err := Find(t.Context(), Folder(tree(t, tt.files)), src, calendar.MustMonth("2026-03"))
			if err == nil {
				t.Fatalf("Find gave %q, want an error", names(d))
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v: not %v", err, tt.is)
			}
			for _, other := range []error{ErrMissing, ErrUnstable} {
				if !errors.Is(tt.is, other) && errors.Is(err, other) {
					t.Errorf("%v: is %v, so a run would only wait", err, other)
				}
			}
			var de *DeliveryError
			if tt.file != "" && (!errors.As(err, &de) || de.File != tt.file) {
				t.Errorf("%v: want one that names %s", err, tt.file)
			}
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%v: want %q in it", err, tt.text)
			}
		})
	}
}

func TestFindOneLevelTooHigh(t *testing.T) {
	dir := tree(t, map[string]string{"export-1/" + dataDir + "x-00001.snappy.parquet": "1"})
	_, err := Find(t.Context(), Folder(dir), agreement.Source{}, calendar.MustMonth("2026-03"))
	var de *DeliveryError
	if !errors.Is(err, ErrMissing) || !errors.As(err, &de) || !strings.Contains(de.Hint, "export-1 looks like an export") {
		t.Errorf("Find: %v (%+v), want a hint to export-1", err, de)
	}
}

func TestFindNoFolder(t *testing.T) {
	_, err := Find(t.Context(), Folder(filepath.Join(t.TempDir(), "not", "there")), agreement.Source{}, calendar.MustMonth("2026-03"))
	if !errors.Is(err, ErrMissing) {
		t.Errorf("Find: %v, want ErrMissing", err)
	}
}

// A link out of the folder is refused, not followed: a delivery is what lies in it.
func TestFolderLinks(t *testing.T) {
	outside := tree(t, map[string]string{"secret.csv": "1"})
	dir := tree(t, map[string]string{dataDir + "x-00001.csv": "1"})
	if err := os.Symlink(filepath.Join(outside, "secret.csv"), filepath.Join(dir, dataDir, "x-00002.csv")); err != nil {
		t.Skip("no links here:", err)
	}
	if d, err := Find(t.Context(), Folder(dir), agreement.Source{Manifest: "none"}, calendar.MustMonth("2026-03")); err == nil {
		t.Errorf("Find gave %q, want an error", names(d))
	}
}

func TestChanged(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(dir string) error
	}{
		{"a chunk written again", func(dir string) error {
			return os.Chtimes(filepath.Join(dir, dataDir, "x-00001.csv"), time.Time{}, time.Now().Add(time.Hour))
		}},
		{"a chunk of another size", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, dataDir, "x-00001.csv"), []byte("12"), 0o600)
		}},
		{"the manifest names other files", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, metaDir, "x-Manifest.json"),
				[]byte(exportManifest("x/"+dataDir+"x-00001.csv", "x/"+dataDir+"x-00002.csv")), 0o600)
		}},
		{"a chunk removed", func(dir string) error { return os.Remove(filepath.Join(dir, dataDir, "x-00001.csv")) }},
		{"all removed", func(dir string) error { return os.RemoveAll(filepath.Join(dir, "data")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := tree(t, map[string]string{
				dataDir + "x-00001.csv": "1", dataDir + "x-00002.csv": "2",
				metaDir + "x-Manifest.json": exportManifest("x/" + dataDir + "x-00001.csv"),
			})
			d, err := Find(t.Context(), Folder(dir), agreement.Source{}, calendar.MustMonth("2026-03"))
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.do(dir); err != nil {
				t.Fatal(err)
			}
			if changed, err := d.Changed(t.Context()); !changed && err == nil {
				t.Error("Changed() = false")
			}
		})
	}
}

func TestFolderFile(t *testing.T) {
	ctx := context.Background()
	dir := tree(t, map[string]string{"a/b.csv": "0123456789"})
	files, err := Folder(dir).Files(ctx, "a")
	if err != nil || len(files) != 1 || files[0].Name != "a/b.csv" || files[0].Size != 10 {
		t.Fatalf("Files = %+v, %v", files, err)
	}
	c, err := files[0].Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	read := func(off, n int64) (string, error) {
		r, err := c.Range(off, n)
		if err != nil {
			return "", err
		}
		defer func() { _ = r.Close() }()
		b, err := io.ReadAll(r)
		return string(b), err
	}
	if got, err := read(2, 3); got != "234" || err != nil {
		t.Errorf("Range(2, 3) = %q, %v", got, err)
	}
	if got, err := read(8, 3); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Range(8, 3) of 10 bytes = %q, %v, want unexpected EOF", got, err)
	}
	if _, err := read(-1, 3); err == nil {
		t.Error("Range(-1, 3): no error")
	}
	if err := os.WriteFile(filepath.Join(dir, "a", "b.csv"), []byte("01234567890"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := files[0].Open(ctx); !errors.Is(err, ErrUnstable) {
		t.Errorf("Open of a changed file: %v, want ErrUnstable", err)
	}
	if err := os.Remove(filepath.Join(dir, "a", "b.csv")); err != nil {
		t.Fatal(err)
	}
	if _, err := files[0].Open(ctx); !errors.Is(err, ErrUnstable) {
		t.Errorf("Open of a removed file: %v, want ErrUnstable", err)
	}
}

// Whatever a manifest says, the names it gives lie in the month's folder.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(exportManifest("x/" + dataDir + "x-00001.snappy.parquet")))
	f.Add([]byte(exportManifest("x/" + dataDir + "../x-00001.snappy.parquet")))
	f.Add([]byte(reportManifest(marchs, "p/rep/"+marchs+"/a2/rep-1.csv.gz")))
	f.Add([]byte(reportManifest(marchs, "p/rep/rep/year=2026/month=3/rep-00001.snappy.parquet")))
	f.Add([]byte(`{"dataFiles": null, "reportKeys": [""]}`))
	month := calendar.MustMonth("2026-03")
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b)
		if err != nil || m.checkPeriod(month) != nil {
			return
		}
		check := func(names []string, err error, folders ...string) {
			if err != nil {
				return
			}
			seen := map[string]bool{}
			for _, n := range names {
				inside := false
				for _, dir := range folders {
					inside = inside || strings.HasPrefix(n, dir)
				}
				if !inside || strings.Contains("/"+n+"/", "/../") || strings.Contains(n, "//") || seen[n] {
					t.Errorf("%q gives the name %q", b, n)
				}
				seen[n] = true
			}
		}
		names, err := m.exportFiles("x", "BILLING_PERIOD=2026-03")
		check(names, err, dataDir)
		names, err = m.reportFiles("rep", marchs, month)
		check(names, err, marchs+"/", "year=2026/month=3/", "year=2026/month=03/")
	})
}
