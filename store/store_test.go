package store_test

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/arrears-billing/arrears/store"
	"github.com/arrears-billing/arrears/store/storetest"
)

// A dataDir is a data folder with SQLite in it.
type dataDir struct{ dir string }

func (p dataDir) Open(ctx context.Context, o store.Options) (*store.DB, error) {
	o.Dir = p.dir
	return store.Open(ctx, o)
}

func (p dataDir) Reset(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(p.dir); err != nil {
		t.Fatal(err)
	}
}

func (p dataDir) Exec(t *testing.T, statements ...string) {
	t.Helper()
	file := url.URL{Scheme: "file", Path: filepath.Join(p.dir, "arrears.db")}
	db, err := sql.Open("sqlite", file.String()) // foreign keys are off by default
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // Exec told
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place {
		// The name is one that a careless URL would break.
		return dataDir{filepath.Join(t.TempDir(), "my data?100%#1")}
	})
}

// TestLeftovers: what a killed writer left in the blob folder goes with the next writer's start,
// but not while writers work side by side.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	open := func(o store.Options) {
		t.Helper()
		o.Dir = dir
		db, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.PutBlob(t.Context(), []byte("kept")); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	open(store.Options{Create: true})
	leftover := filepath.Join(dir, "blobs", "new", "blob-1")
	if err := os.WriteFile(leftover, []byte("ke"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(store.Options{Write: true, Shared: true})
	if _, err := os.Stat(leftover); err != nil {
		t.Errorf("a shared writer removed what another may be writing: %v", err)
	}
	open(store.Options{Write: true})
	if _, err := os.Stat(leftover); !os.IsNotExist(err) {
		t.Errorf("the leftover is still there: %v", err)
	}
}

// TestRestore takes the copy that docs/STORAGE.md describes, while the store is in use: the
// database first, the blobs after it.
func TestRestore(t *testing.T) {
	p := dataDir{filepath.Join(t.TempDir(), "data")}
	copied := dataDir{filepath.Join(t.TempDir(), "copy")}
	storetest.Restore(t, p, copied, func() {
		if err := os.MkdirAll(copied.dir, 0o750); err != nil {
			t.Fatal(err)
		}
		p.Exec(t, `vacuum into '`+filepath.Join(copied.dir, "arrears.db")+`'`)
		if err := os.CopyFS(filepath.Join(copied.dir, "blobs"), os.DirFS(filepath.Join(p.dir, "blobs"))); err != nil {
			t.Fatal(err)
		}
	})
}
