//go:build unix

package store_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/store"
)

// TestPrivate: whatever the umask, everything in a data folder is its owner's alone: made anew,
// found open, or put back from a backup with the modes of whoever copied it.
func TestPrivate(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "data")
	write := func() {
		t.Helper()
		db, err := store.Open(t.Context(), store.Options{Dir: dir, Create: true, Command: "test"})
		if err != nil {
			t.Fatal(err)
		}
		blob, err := db.PutBlob(t.Context(), []byte(time.Now().String()))
		if err != nil {
			t.Fatal(err)
		}
		m := store.Month{Agreement: "AGR-1", Month: calendar.MustMonth("2026-03"), Status: "waiting", Evidence: []string{blob}}
		if kept, err := db.Month(t.Context(), m.Agreement, m.Month); err == nil {
			m.Version = kept.Version
		}
		if _, err := db.SaveMonth(t.Context(), m, ""); err != nil {
			t.Fatal(err)
		}
		walk(t, dir, func(path string, mode fs.FileMode) { // -wal and -shm are there while it is open
			if mode&0o077 != 0 {
				t.Errorf("%s has mode %s", path, mode)
			}
		})
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	write()
	walk(t, dir, func(path string, mode fs.FileMode) { // a backup put back by a careless copy
		if err := os.Chmod(path, mode|0o044|mode&0o100>>2|mode&0o100>>5); err != nil {
			t.Fatal(err)
		}
	})
	write()
	if err := os.Chmod(filepath.Join(dir, "arrears.db"), 0o644); err != nil {
		t.Fatal(err)
	}
	write()
}

func walk(t *testing.T, dir string, visit func(path string, mode fs.FileMode)) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n++
			visit(path, info.Mode().Perm())
		}
		return err
	})
	if err != nil || n < 6 {
		t.Fatalf("walked %d files: %v", n, err)
	}
}
