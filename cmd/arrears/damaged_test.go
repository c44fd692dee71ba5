package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/arrears-billing/arrears/store"
)

// TestVerifyDamagedCells: a cell that does not parse is a finding, in whatever table it is, and the
// walk goes on: of two damaged rows both are named.
func TestVerifyDamagedCells(t *testing.T) {
	dir := t.TempDir()
	book, data := filepath.Join(dir, "book.yaml"), filepath.Join(dir, "data")
	writeBook(t, dir, book)
	where := []string{"--data", data}
	on(t, exitDone, where, "apply", "-f", book)
	on(t, exitLook, where, "run", "--month", "2026-03", "--issue")
	on(t, exitDone, where, "verify")
	db, err := sql.Open("sqlite", filepath.Join(data, "arrears.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`update objects set applied = 'yesterday' where kind = 'seller'`,
		`update documents set issue_date = 'the eighth' where seq = 1`,
		`update objects set body = x'7b' where kind = 'payer'`,
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	var report struct{ Findings []store.Finding }
	if err := json.Unmarshal([]byte(on(t, exitLook, where, "verify", "--json")), &report); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"object/seller/", "document/AGR-", "object/payer/"} {
		if !slices.ContainsFunc(report.Findings, func(f store.Finding) bool { return len(f.Object) > len(want) && f.Object[:len(want)] == want }) {
			t.Errorf("nothing found of %s in %v", want, report.Findings)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), append([]string{"run", "--month", "2026-03"}, where...), &stdout, &stderr); code != exitFailed || !bytes.Contains(stderr.Bytes(), []byte("damaged")) {
		t.Errorf("run: exit %d: %s", code, stderr.String())
	}
	if err := os.RemoveAll(filepath.Join(data, "blobs")); err != nil {
		t.Fatal(err)
	}
	on(t, exitLook, where, "verify")
}
