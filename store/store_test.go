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
