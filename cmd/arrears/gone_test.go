package main

import (
	"bytes"
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/arrears-billing/arrears/fixtures"
	"github.com/arrears-billing/arrears/store/storetest"
)

// TestDatabaseGoesAway: the server drops every connection in the middle of a run, again and again.
// The message says what happened, that nothing is lost and what to do; run again, the month is that
// of an undisturbed run.
func TestDatabaseGoesAway(t *testing.T) {
	server := storetest.StartPostgres(t)
	dir := t.TempDir()
	if err := fixtures.Demo(1).Write(dir); err != nil {
		t.Fatal(err)
	}
	url := server.URL(t)
	where := []string{"--as-of", "2026-11-20", "--data", filepath.Join(dir, "data"), "--database", url}
	call := func(args ...string) (int, string, string) {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append(args, where...), &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	if code, _, errs := call("apply", "-f", filepath.Join(dir, "book.yaml")); code != exitDone {
		t.Fatal(code, errs)
	}
	ctx, stop := context.WithCancel(t.Context())
	killed := make(chan error, 1)
	go func() {
		db, err := sql.Open("pgx", url)
		if err != nil {
			killed <- err
			return
		}
		for ctx.Err() == nil {
			time.Sleep(3 * time.Millisecond)
			_, err = db.ExecContext(ctx, `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and application_name like 'arrears%'`)
			if err != nil && ctx.Err() == nil {
				break
			}
		}
		if ctx.Err() != nil {
			err = nil
		}
		killed <- err
		_ = db.Close() // nothing was asked that matters
	}()
	gone := 0
	for range 15 {
		code, _, errs := call("run", "--month", "2026-10", "--issue")
		if code == exitDone || code == exitLook {
			continue // it was quicker
		}
		gone++
		if code != exitFailed || !strings.Contains(errs, "the database went away or cannot be reached; nothing is lost") || !strings.Contains(errs, "hint: run the same command again") {
			t.Fatalf("exit %d: %s", code, errs)
		}
	}
	stop()
	if err := <-killed; err != nil {
		t.Fatal(err)
	}
	if gone == 0 {
		t.Fatal("no run was disturbed")
	}
	if code, _, errs := call("run", "--month", "2026-10", "--issue"); code != exitLook {
		t.Fatal(code, errs)
	}
	_, got, _ := call("verify", "--dump")
	if code, out, _ := call("verify"); code != exitDone {
		t.Error(out)
	}
	where = []string{"--as-of", "2026-11-20", "--data", filepath.Join(dir, "undisturbed")}
	call("apply", "-f", filepath.Join(dir, "book.yaml"))
	call("run", "--month", "2026-10", "--issue")
	if _, want, _ := call("verify", "--dump"); got != want {
		t.Errorf("the dump differs from that of an undisturbed run: %s", firstDifference(got, want))
	}

	// A server that is not there at all.
	where = []string{"--data", filepath.Join(dir, "data"), "--database", "postgres://nobody:hunter2@127.0.0.1:1/none"}
	code, _, errs := call("invoice", "list")
	if code != exitFailed || !strings.Contains(errs, "cannot be reached") || strings.Contains(errs, "hunter2") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
