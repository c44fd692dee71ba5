package aws_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/arrears-billing/arrears/aws"
	"github.com/arrears-billing/arrears/aws/simulator"
	"github.com/arrears-billing/arrears/ingest"
)

// store returns the deliveries below a location of the world.
func (w *world) store(t *testing.T, location string) ingest.Store {
	t.Helper()
	s, err := w.Bucket(location)
	check(t, err)
	return s
}

// A bucket and a folder that hold the same files are the same store.
func TestBucketIsLikeAFolder(t *testing.T) {
	w := newWorld(t)
	w.Configure(func(s *simulator.Settings) { s.PageSize = 2 })
	dir := t.TempDir()
	const export = "exp/data/BILLING_PERIOD=2026-03/2026-04-16T15:24:15.653Z-04e9e487/"
	for _, name := range []string{
		"exp/metadata/BILLING_PERIOD=2026-03/exp-Manifest.json",
		export + "exp-00001.snappy.parquet", export + "exp-00002.snappy.parquet", export + "a b+c.csv.gz",
		"exp/data/BILLING_PERIOD=2026-04/x.parquet", "exp/data.txt", "readme",
	} {
		check(t, w.PutObject("cur", "root/"+name, []byte("content of "+name)))
		check(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700))
		check(t, os.WriteFile(filepath.Join(dir, name), []byte("content of "+name), 0o600))
	}
	check(t, w.PutObject("cur", "root/exp/", nil)) // a folder, as consoles make them
	check(t, w.PutObject("cur", "rooted", nil))    // begins like the prefix
	bucket, folder := w.store(t, "s3://cur/root/"), ingest.Folder(dir)
	if got, want := bucket.String(), "s3://cur/root"; got != want {
		t.Errorf("String: %s, want %s", got, want)
	}
	for _, at := range []string{"", "exp", "exp/data", "exp/da", strings.TrimSuffix(export, "/"), "nowhere"} {
		got, err := bucket.Folders(t.Context(), at)
		check(t, err)
		want, err := folder.Folders(t.Context(), at)
		check(t, err)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("Folders(%q) (-folder +bucket):\n%s", at, diff)
		}
		gotFiles, err := bucket.Files(t.Context(), at)
		check(t, err)
		wantFiles, err := folder.Files(t.Context(), at)
		check(t, err)
		if diff := cmp.Diff(wantFiles, gotFiles, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(ingest.File{}, "Pin", "Written", "Open")); diff != "" {
			t.Errorf("Files(%q) (-folder +bucket):\n%s", at, diff)
		}
		for _, f := range gotFiles {
			if text := read(t, f, 0, f.Size); text != "content of "+f.Name {
				t.Errorf("content of %s: %q", f.Name, text)
			}
			if f.Written.IsZero() || !strings.Contains(f.Pin, "@") {
				t.Errorf("%s: pin %q, written %s", f.Name, f.Pin, f.Written)
			}
		}
	}
}

// read reads a range of a file.
func read(t *testing.T, f ingest.File, off, n int64) string {
	t.Helper()
	c, err := f.Open(t.Context())
	check(t, err)
	defer func() { _ = c.Close() }() // it was only read
	r, err := c.Range(off, n)
	check(t, err)
	defer func() { _ = r.Close() }() // it was only read
	text, err := io.ReadAll(r)
	check(t, err)
	return string(text)
}

// object is a world with one file, and the file.
func object(t *testing.T, body []byte) (*world, ingest.File) {
	t.Helper()
	w := newWorld(t)
	check(t, w.PutObject("cur", "a/file", body))
	files, err := w.store(t, "s3://cur/a").Files(t.Context(), "")
	check(t, err)
	if len(files) != 1 {
		t.Fatalf("files: %v, want one", files)
	}
	return w, files[0]
}

func TestRanges(t *testing.T) {
	w, f := object(t, []byte("0123456789"))
	for _, tt := range []struct {
		off, n int64
		want   string
	}{{0, 10, "0123456789"}, {3, 4, "3456"}, {9, 1, "9"}, {10, 0, ""}, {0, 0, ""}} {
		if got := read(t, f, tt.off, tt.n); got != tt.want {
			t.Errorf("Range(%d, %d): %q, want %q", tt.off, tt.n, got, tt.want)
		}
	}
	c, err := f.Open(t.Context())
	check(t, err)
	for _, r := range [][2]int64{{-1, 1}, {0, 11}, {11, 0}, {5, -1}, {1, 1<<63 - 1}} {
		if _, err := c.Range(r[0], r[1]); err == nil {
			t.Errorf("Range(%d, %d): no error", r[0], r[1])
		}
	}
	if got := w.count("/cur/a/file"); got == 0 {
		t.Error("nothing was asked of S3")
	}
}

func TestChangedObject(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*world) error
	}{
		{"written again", func(w *world) error { return w.PutObject("cur", "a/file", []byte("9876543210")) }},
		{"removed", func(w *world) error { return w.DeleteObject("cur", "a/file") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, f := object(t, []byte("0123456789"))
			c, err := f.Open(t.Context())
			check(t, err)
			check(t, tt.change(w))
			if _, err := c.Range(0, 5); !errors.Is(err, ingest.ErrUnstable) {
				t.Errorf("Range: %v, want %v", err, ingest.ErrUnstable)
			}
			_, err = f.Open(t.Context())
			var where *ingest.DeliveryError
			if !errors.Is(err, ingest.ErrUnstable) || !errors.As(err, &where) || where.File != "file" {
				t.Errorf("Open: %v, want %v with the file's name", err, ingest.ErrUnstable)
			}
		})
	}
}

// A stream that breaks off is taken up where it broke; one that always breaks is an error, never
// fewer bytes.
func TestBrokenStream(t *testing.T) {
	body := make([]byte, 1<<20)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range body {
		body[i] = byte(rng.Uint32())
	}
	w, f := object(t, body)
	w.AddFault(simulator.Fault{Service: "s3", Operation: "GetObject", Kind: simulator.FaultLost, Times: 3})
	if got := read(t, f, 100, 1<<20-200); got != string(body[100:1<<20-100]) {
		t.Error("a stream that broke three times is not the object's range")
	}
	if n := w.count("/cur/a/file"); n < 5 { // HEAD, and four times GET
		t.Errorf("%d requests, want 5: the stream did not break", n)
	}
	w.AddFault(simulator.Fault{Service: "s3", Operation: "GetObject", Kind: simulator.FaultThrottle, Times: -1})
	c, err := f.Open(t.Context())
	check(t, err)
	if _, err := c.Range(0, 10); err == nil || !strings.Contains(err.Error(), "SlowDown") {
		t.Errorf("Range of a throttled object: %v, want SlowDown", err)
	}
}

func TestBucketErrors(t *testing.T) {
	w := newWorld(t)
	for _, location := range []string{"", "s3://", "s3:///x", "/tmp", "https://x/y"} {
		if _, err := w.Bucket(location); err == nil {
			t.Errorf("Bucket(%q): no error", location)
		}
	}
	_, err := w.store(t, "s3://nowhere/x").Files(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), "NoSuchBucket") || !strings.Contains(err.Error(), "s3://nowhere/x") {
		t.Errorf("Files of a bucket that is not there: %v", err)
	}
	if strings.Contains(err.Error(), "AKIA") {
		t.Errorf("the error tells credentials: %v", err)
	}
	start := time.Now()
	w.Client = w.open(t, payer, aws.Config{Timeout: 200 * time.Millisecond})
	w.AddFault(simulator.Fault{Service: "s3", Kind: simulator.FaultHang, Times: -1})
	if _, err := w.store(t, "s3://cur/x").Files(t.Context(), ""); err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("Files without an answer: %v after %s", err, time.Since(start))
	}
}

// A bucket in another region is found there.
func TestBucketElsewhere(t *testing.T) {
	w := newWorld(t)
	check(t, w.PutObject("cur", "a/file", []byte("0123456789")))
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if auth := r.Header.Get("Authorization"); strings.Contains(auth, "/s3/") && !strings.Contains(auth, "/eu-central-1/s3/") {
			rw.Header().Set("X-Amz-Bucket-Region", "eu-central-1")
			rw.WriteHeader(http.StatusMovedPermanently)
			return
		}
		w.Simulator.ServeHTTP(rw, r)
	}))
	defer server.Close()
	w.url = server.URL
	w.Client = w.open(t, payer, aws.Config{})
	files, err := w.store(t, "s3://cur/a").Files(t.Context(), "")
	check(t, err)
	if len(files) != 1 || read(t, files[0], 2, 3) != "234" {
		t.Errorf("files of a bucket in another region: %v", files)
	}
}
