package store

import (
	"context"
	"errors"
	"testing"
)

// TestSynchronousComesBack: a write to the cache does not wait for the disk, whatever becomes of
// it; the next write does again. SQLite calls FULL 2.
func TestSynchronousComesBack(t *testing.T) {
	db, err := Open(t.Context(), Options{Dir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a test
	synchronous := func(q queryer) (n int) {
		t.Helper()
		if err := one(t.Context(), q, []any{&n}, `pragma synchronous`); err != nil {
			t.Fatal(err)
		}
		return n
	}
	failed := errors.New("fails")
	ctx, cancel := context.WithCancel(t.Context())
	for name, fn := range map[string]func(*tx) error{
		"kept":      func(*tx) error { return nil },
		"failed":    func(*tx) error { return failed },
		"cancelled": func(*tx) error { cancel(); return ctx.Err() },
	} {
		during := 0
		err := db.cache(ctx, "scans", func(x *tx) error {
			during = synchronous(x)
			return fn(x)
		})
		if (err == nil) != (name == "kept") {
			t.Errorf("%s: error %v", name, err)
		}
		if name == "cancelled" {
			ctx = t.Context()
		}
		if after := synchronous(db.write); during == 2 && err == nil || after != 2 {
			t.Errorf("%s: synchronous %d while caching, %d after, want 1, 2", name, during, after)
		}
		if err := db.update(t.Context(), "months", func(x *tx) error {
			if n := synchronous(x); n != 2 {
				t.Errorf("%s: synchronous %d in an update, want 2", name, n)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}
