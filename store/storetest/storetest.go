// Package storetest is the contract of package store: what every engine must keep. Each rule is a
// subtest whose name says it; extend the suite, not one engine's test.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/store"
)

// A Place is where one store lies, empty at first. Opening it again shows the same data.
type Place interface {
	// Open opens the store; the options' Dir and URL are filled in.
	Open(ctx context.Context, o store.Options) (*store.DB, error)

	// Reset makes the place empty again; no store may be open.
	Reset(t *testing.T)

	// Exec changes rows behind the store's back, with the database's own checks switched off.
	Exec(t *testing.T, statements ...string)
}

// Run checks that stores at the places that newPlace returns keep their promises.
func Run(t *testing.T, newPlace func(*testing.T) Place) {
	for _, rule := range []struct {
		name string
		test func(*testing.T, Place)
	}{
		{"a place without data is ErrNone unless it may be created", none},
		{"a second writer is told who holds the data", secondWriter},
		{"shared writers work side by side", sharedWriters},
		{"without Write every write is ErrReadOnly", readOnly},
		{"a schema newer than the program is refused", newerSchema},
		{"an object gets a new version when it changed and only then", objectVersions},
		{"objects are put all or none", objectsAllOrNone},
		{"lists are in bytewise order", bytewise},
		{"a month comes back as it was saved", monthRoundTrip},
		{"a brief month cannot be saved", briefMonths},
		{"a month is replaced only at the version that was read", monthConflict},
		{"months are saved all or none", monthsAllOrNone},
		{"one of many writers of a month wins", monthRace},
		{"an approval is of the draft that was shown", approvals},
		{"numbers of a series are without gaps and start again each year", numbers},
		{"what fails spends no number", noNumberSpent},
		{"an issue date never goes back within a series", issueDates},
		{"an organisation's month is billed once", billedOnce},
		{"parts and whole exclude each other", parts},
		{"corrections may be many", corrections},
		{"64 issuers at a time leave no gap and no number twice", parallelIssuers},
		{"of many who bill one organisation-month one wins", parallelBilling},
		{"readers see the state before while one writes", readersNotBlocked},
		{"an issued document comes back by id and by number", documentRoundTrip},
		{"a rendering is made once", renderings},
		{"a waiver is kept once", waivers},
		{"the first scan of a file and pin stays", scans},
		{"a corrected rate is a new version", rates},
		{"a record is replaced only at the version that was read, events come with it", records},
		{"a batch of records, objects and events is written as one or not at all", batches},
		{"a blob comes back under its hash", blobs},
		{"the audit log names who did what, in a chain", audit},
		{"runs are kept, newest first", runs},
		{"what was written checks without a finding", checkClean},
		{"whatever is changed behind the store is found", tamper},
		{"dumps are equal when contents are", dump},
		{"a cancelled context stops a write before it happens", cancelled},
	} {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			rule.test(t, newPlace(t))
		})
	}
}

var (
	march = calendar.MustMonth("2026-03")
	now   = time.Date(2026, 4, 8, 9, 30, 0, 0, time.UTC)
)

// clock is the real time of a test: it stands still.
func clock() time.Time { return now }

func open(t *testing.T, p Place, o store.Options) *store.DB {
	t.Helper()
	if o.Now == nil {
		o.Now = clock
	}
	db, err := p.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func create(t *testing.T, p Place) *store.DB {
	t.Helper()
	return open(t, p, store.Options{Create: true, Command: "test", By: "tester"})
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: error %v, want %v", what, got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func none(t *testing.T, p Place) {
	for _, o := range []store.Options{{}, {Write: true}} {
		_, err := p.Open(t.Context(), o)
		wantErr(t, fmt.Sprintf("Open(%+v)", o), err, store.ErrNone)
	}
	create(t, p)
	open(t, p, store.Options{})
}

func secondWriter(t *testing.T, p Place) {
	first, err := p.Open(t.Context(), store.Options{Create: true, Command: "arrears run", Now: clock})
	must(t, err)
	_, err = p.Open(t.Context(), store.Options{Write: true, Wait: -1})
	wantErr(t, "second writer", err, store.ErrBusy)
	var busy *store.BusyError
	if !errors.As(err, &busy) || !strings.Contains(busy.Holder, "arrears run") && !strings.Contains(busy.Holder, "run (") {
		t.Errorf("second writer: %v, want a BusyError that names \"arrears run\"", err)
	}
	open(t, p, store.Options{}) // a reader may

	waited := make(chan error)
	go func() {
		db, err := p.Open(context.Background(), store.Options{Write: true, Wait: 30 * time.Second})
		if err == nil {
			err = db.Close()
		}
		waited <- err
	}()
	must(t, first.Close())
	if err := <-waited; err != nil {
		t.Errorf("a writer that waits: %v", err)
	}
}

func sharedWriters(t *testing.T, p Place) {
	must(t, create(t, p).Close())
	a := open(t, p, store.Options{Write: true, Shared: true, Command: "worker a"})
	b := open(t, p, store.Options{Write: true, Shared: true, Command: "worker b"})
	var wg sync.WaitGroup
	for i, db := range []*store.DB{a, b} {
		wg.Go(func() {
			for n := range 20 {
				m := draft(fmt.Sprintf("AGR-%d-%02d", i, n))
				if _, err := db.SaveMonth(context.Background(), m, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	_, err := p.Open(t.Context(), store.Options{Write: true, Wait: -1})
	wantErr(t, "a lone writer beside shared ones", err, store.ErrBusy)
	wantClean(t, a)
}

func readOnly(t *testing.T, p Place) {
	must(t, create(t, p).Close())
	db := open(t, p, store.Options{})
	ctx := t.Context()
	for name, write := range map[string]func() error{
		"PutObjects":    func() error { _, err := db.PutObjects(ctx, now, "", []store.Object{{Kind: "a", ID: "b"}}); return err },
		"SaveMonth":     func() error { _, err := db.SaveMonth(ctx, draft("AGR-1"), ""); return err },
		"Approve":       func() error { _, err := db.Approve(ctx, draft("AGR-1"), store.Approval{}); return err },
		"Issue":         func() error { _, err := db.Issue(ctx, store.Issuance{}); return err },
		"PutWaiver":     func() error { return db.PutWaiver(ctx, store.Waiver{}) },
		"PutScan":       func() error { return db.PutScan(ctx, store.Scan{}) },
		"PutBlob":       func() error { _, err := db.PutBlob(ctx, nil); return err },
		"PutRates":      func() error { _, err := db.PutRates(ctx, "", nil); return err },
		"PutRecord":     func() error { _, err := db.PutRecord(ctx, store.Record{}, nil); return err },
		"MarkDelivered": func() error { return db.MarkDelivered(ctx, 1) },
		"PutRun":        func() error { return db.PutRun(ctx, store.Run{}) },
		"PutRendering":  func() error { _, err := db.PutRendering(ctx, store.Rendering{}); return err },
		"Note":          func() error { return db.Note(ctx, "", "", "", "") },
	} {
		wantErr(t, name, write(), store.ErrReadOnly)
	}
}

func newerSchema(t *testing.T, p Place) {
	must(t, create(t, p).Close())
	p.Exec(t, `insert into migrations (version, name, at) values (9999, '9999-future.sql', '')`)
	for _, o := range []store.Options{{}, {Write: true}, {Create: true}} {
		_, err := p.Open(t.Context(), o)
		var e *store.SchemaError
		if !errors.As(err, &e) || e.Have != 9999 {
			t.Errorf("Open(%+v): %v, want a SchemaError with 9999", o, err)
		}
	}
	p.Exec(t, `delete from migrations`)
	_, err := p.Open(t.Context(), store.Options{})
	wantErr(t, "a database without a schema", err, store.ErrNone)
}

// object returns an object of the book.
func object(kind, id, body string) store.Object {
	return store.Object{Kind: kind, ID: id, Body: []byte(body)}
}

func objectVersions(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	put := func(at time.Time, objs ...store.Object) []store.Change {
		t.Helper()
		compared, err := db.CompareObjects(ctx, objs)
		must(t, err)
		got, err := db.PutObjects(ctx, at, "ann@example.com", objs)
		must(t, err)
		if diff := cmp.Diff(compared, got); diff != "" {
			t.Errorf("CompareObjects differs from PutObjects (-compare +put):\n%s", diff)
		}
		return got
	}
	one, two := object("seller", "SEL-DE", `{"name":"a"}`), object("seller", "SEL-DE", `{"name":"b"}`)
	other := object("buyer", "BUY-1", `{}`)
	for _, step := range []struct {
		objs []store.Object
		want []store.Change
	}{
		{[]store.Object{one, other}, []store.Change{change("seller", "SEL-DE", store.Created, 1), change("buyer", "BUY-1", store.Created, 1)}},
		{[]store.Object{one}, []store.Change{change("seller", "SEL-DE", store.Unchanged, 1)}},
		{[]store.Object{two, other}, []store.Change{change("seller", "SEL-DE", store.Changed, 2), change("buyer", "BUY-1", store.Unchanged, 1)}},
		{[]store.Object{one}, []store.Change{change("seller", "SEL-DE", store.Changed, 3)}}, // back again is a change too
	} {
		if diff := cmp.Diff(step.want, put(now, step.objs...)); diff != "" {
			t.Errorf("PutObjects mismatch (-want +got):\n%s", diff)
		}
	}
	list, err := db.Objects(ctx)
	must(t, err)
	if got, want := fmt.Sprint(names(list)), "[buyer BUY-1 1 seller SEL-DE 3]"; got != want {
		t.Errorf("Objects: %s, want %s", got, want)
	}
	history, err := db.History(ctx, "seller", "SEL-DE")
	must(t, err)
	if got, want := fmt.Sprint(names(history)), "[seller SEL-DE 1 seller SEL-DE 2 seller SEL-DE 3]"; got != want {
		t.Errorf("History: %s, want %s", got, want)
	}
	for version, want := range map[int]string{0: `{"name":"a"}`, 1: `{"name":"a"}`, 2: `{"name":"b"}`} {
		got, err := db.Object(ctx, "seller", "SEL-DE", version)
		must(t, err)
		if string(got.Body) != want || !got.Applied.Equal(now) {
			t.Errorf("Object version %d: %s at %s, want %s at %s", version, got.Body, got.Applied, want, now)
		}
	}
	_, err = db.Object(ctx, "seller", "SEL-DE", 4)
	wantErr(t, "Object version 4", err, store.ErrNotFound)
}

func change(kind, id, what string, version int) store.Change {
	return store.Change{Kind: kind, ID: id, Change: what, Version: version}
}

func names(list []store.Object) []string {
	var s []string
	for _, o := range list {
		s = append(s, fmt.Sprint(o.Kind, " ", o.ID, " ", o.Version))
	}
	return s
}

func objectsAllOrNone(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	if _, err := db.PutObjects(ctx, now, "", []store.Object{object("seller", "A", "{}"), object("seller", "", "{}")}); err == nil {
		t.Error("an object without an id was taken")
	}
	list, err := db.Objects(ctx)
	must(t, err)
	if len(list) != 0 {
		t.Errorf("after an error there are %v, want none", names(list))
	}
	wantClean(t, db)
}

func bytewise(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	want := []string{"A 1", "A!", "A-1", "B", "a", "b", "ä", "€"}
	var objs []store.Object
	for _, id := range []string{"b", "€", "A-1", "B", "ä", "A 1", "a", "A!"} {
		objs = append(objs, object("x", id, "{}"))
		_, err := db.SaveMonth(ctx, draft(id), "")
		must(t, err)
	}
	_, err := db.PutObjects(ctx, now, "", objs)
	must(t, err)
	var got []string
	list, err := db.Objects(ctx)
	must(t, err)
	for _, o := range list {
		got = append(got, o.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Objects: %q, want %q", got, want)
	}
	got = nil
	months, err := db.Months(ctx, store.MonthFilter{})
	must(t, err)
	for _, m := range months {
		got = append(got, m.Agreement)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Months: %q, want %q", got, want)
	}
}

// draft returns a drafted March of an agreement.
func draft(agr string) store.Month {
	return store.Month{
		Agreement: agr, Month: march, Status: "drafted", Inputs: "sha256:inputs", Document: agr + "-2026-03",
		Draft: []byte(`{"id":"` + agr + `-2026-03"}`), Report: []byte(`{}`), Since: now,
	}
}

func monthRoundTrip(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	_, err := db.Month(ctx, "AGR-1", march)
	wantErr(t, "Month before it is saved", err, store.ErrNotFound)
	full := draft("AGR-1")
	full.Reasons = []agreement.Reason{{Code: "not_reconciled", Text: `difference "0.02" of EUR <&>`}, {Code: "b", Text: "Äö€"}}
	full.Warnings = []agreement.Reason{{Code: "waived", Text: ""}}
	full.Evidence = []string{"sha256:a", "sha256:b"}
	full.Since = time.Date(2026, 4, 8, 1, 2, 3, 456789000, time.UTC)
	empty := store.Month{Agreement: "AGR-2", Month: march, Status: "waiting"}
	for _, m := range []store.Month{full, empty} {
		saved, err := db.SaveMonth(ctx, m, "note")
		must(t, err)
		if saved.Version != 1 {
			t.Errorf("version %d after the first save, want 1", saved.Version)
		}
		if (saved.DraftHash != "") != (len(m.Draft) > 0) {
			t.Errorf("draft hash %q for a draft of %d bytes", saved.DraftHash, len(m.Draft))
		}
		got, err := db.Month(ctx, m.Agreement, m.Month)
		must(t, err)
		if diff := cmp.Diff(saved, got, cmpopts.EquateEmpty(), monthsEqual); diff != "" {
			t.Errorf("Month mismatch (-saved +read):\n%s", diff)
		}
	}
	april := full
	april.Month = march.Add(1)
	_, err = db.SaveMonth(ctx, april, "")
	must(t, err)
	for _, tt := range []struct {
		name   string
		filter store.MonthFilter
		want   string
	}{
		{"all", store.MonthFilter{}, "[AGR-1 2026-03 AGR-2 2026-03 AGR-1 2026-04]"},
		{"agreement", store.MonthFilter{Agreement: "AGR-1"}, "[AGR-1 2026-03 AGR-1 2026-04]"},
		{"month", store.MonthFilter{Month: march}, "[AGR-1 2026-03 AGR-2 2026-03]"},
		{"from", store.MonthFilter{From: march.Add(1)}, "[AGR-1 2026-04]"},
		{"to", store.MonthFilter{Agreement: "AGR-1", To: march}, "[AGR-1 2026-03]"},
		{"status", store.MonthFilter{Statuses: []string{"waiting", "blocked"}}, "[AGR-2 2026-03]"},
		{"statuses and to", store.MonthFilter{To: march, Statuses: []string{"drafted", "waiting"}}, "[AGR-1 2026-03 AGR-2 2026-03]"},
		{"none", store.MonthFilter{Agreement: "AGR-3"}, "[]"},
	} {
		list, err := db.Months(ctx, tt.filter)
		must(t, err)
		var got []string
		for _, m := range list {
			got = append(got, m.Agreement+" "+m.Month.String())
		}
		if s := fmt.Sprint(got); s != tt.want {
			t.Errorf("Months(%s) = %s, want %s", tt.name, s, tt.want)
		}
	}
}

func briefMonths(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	_, err := db.SaveMonth(ctx, draft("AGR-1"), "")
	must(t, err)
	list, err := db.Months(ctx, store.MonthFilter{Brief: true})
	must(t, err)
	if len(list) != 1 || list[0].Draft != nil || list[0].Report != nil || list[0].Status != "drafted" || list[0].DraftHash == "" {
		t.Fatalf("brief: %+v, want AGR-1 without draft and report", list)
	}
	_, err = db.SaveMonth(ctx, list[0], "")
	wantErr(t, "saving a brief month", err, store.ErrConflict)
}

var monthsEqual = cmp.Comparer(func(a, b calendar.Month) bool { return a == b })

func monthConflict(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	first, err := db.SaveMonth(ctx, draft("AGR-1"), "")
	must(t, err)
	_, err = db.SaveMonth(ctx, draft("AGR-1"), "")
	wantErr(t, "a second first version", err, store.ErrConflict)
	second := first
	second.Status = "approved"
	second, err = db.SaveMonth(ctx, second, "")
	must(t, err)
	stale := first
	stale.Status = "blocked"
	_, err = db.SaveMonth(ctx, stale, "")
	wantErr(t, "a save of the version before", err, store.ErrConflict)
	never := draft("AGR-9")
	never.Version = 3
	_, err = db.SaveMonth(ctx, never, "")
	wantErr(t, "a save of what is not there", err, store.ErrConflict)
	got, err := db.Month(ctx, "AGR-1", march)
	must(t, err)
	if got.Status != "approved" || got.Version != second.Version {
		t.Errorf("after conflicts: %s version %d, want approved version %d", got.Status, got.Version, second.Version)
	}
	wantClean(t, db)
}

func monthsAllOrNone(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	_, err := db.SaveMonth(ctx, draft("AGR-2"), "")
	must(t, err)
	_, err = db.SaveMonths(ctx, []store.Month{draft("AGR-1"), draft("AGR-2")}, "")
	wantErr(t, "a batch with one conflict", err, store.ErrConflict)
	_, err = db.Month(ctx, "AGR-1", march)
	wantErr(t, "the other of the batch", err, store.ErrNotFound)
	wantClean(t, db)
}

func monthRace(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	first, err := db.SaveMonth(ctx, draft("AGR-1"), "")
	must(t, err)
	won := race(16, func(int) error {
		_, err := db.SaveMonth(ctx, first, "")
		return err
	}, func(err error) { wantErr(t, "loser", err, store.ErrConflict) })
	if won != 1 {
		t.Errorf("%d writers won, want 1", won)
	}
	wantClean(t, db)
}

// race runs n at a time and returns how many had no error; the errors of the others go to lost.
func race(n int, run func(i int) error, lost func(error)) (won int) {
	errs := make(chan error)
	for i := range n {
		go func() { errs <- run(i) }()
	}
	for range n {
		if err := <-errs; err == nil {
			won++
		} else {
			lost(err)
		}
	}
	return won
}

func approvals(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	m, err := db.SaveMonth(ctx, draft("AGR-1"), "")
	must(t, err)
	shown := m.DraftHash
	_, err = db.Approve(ctx, m, store.Approval{DraftHash: "sha256:other", By: "ann@example.com", At: now})
	wantErr(t, "approval of another draft", err, store.ErrConflict)

	m, err = db.Approve(ctx, m, store.Approval{DraftHash: shown, By: "ann@example.com", At: now}) // first of four eyes: stays drafted
	must(t, err)
	m.Status = "approved"
	m, err = db.Approve(ctx, m, store.Approval{DraftHash: shown, By: "bob@example.com", At: now})
	must(t, err)
	got, err := db.Approvals(ctx, "AGR-1", march)
	must(t, err)
	want := []store.Approval{
		{Agreement: "AGR-1", Month: march, DraftHash: shown, By: "ann@example.com", At: now},
		{Agreement: "AGR-1", Month: march, DraftHash: shown, By: "bob@example.com", At: now},
	}
	if diff := cmp.Diff(want, got, monthsEqual); diff != "" {
		t.Errorf("Approvals mismatch (-want +got):\n%s", diff)
	}

	stale := m
	m.Draft, m.DraftHash, m.Status = []byte(`{"id":"changed"}`), "", "drafted"
	m, err = db.SaveMonth(ctx, m, "other inputs")
	must(t, err)
	_, err = db.Approve(ctx, stale, store.Approval{DraftHash: shown, By: "eve@example.com", At: now})
	wantErr(t, "approval of a draft that was drafted again", err, store.ErrConflict)
	stale.Version = m.Version
	_, err = db.Approve(ctx, stale, store.Approval{DraftHash: shown, By: "eve@example.com", At: now})
	wantErr(t, "approval of the old draft at the new version", err, store.ErrConflict)
	wantClean(t, db)
}

func waivers(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	w := store.Waiver{
		Agreement: "AGR-1", Month: march, Code: "not_reconciled", Invoice: "INV1", Bound: "0.02 sha256:f",
		By: "ann@example.com", Reason: "AWS confirmed", At: now,
	}
	other := w
	other.Bound = "0.03 sha256:f"
	again := w
	again.Reason, again.By = "other words", "bob@example.com"
	for _, x := range []store.Waiver{other, w, again} {
		must(t, db.PutWaiver(ctx, x))
	}
	got, err := db.Waivers(ctx, "AGR-1", march)
	must(t, err)
	if diff := cmp.Diff([]store.Waiver{w, other}, got, monthsEqual); diff != "" {
		t.Errorf("Waivers mismatch (-want +got):\n%s", diff)
	}
	wantClean(t, db)
}

func scans(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	_, err := db.Scan(ctx, "a.parquet", "1")
	wantErr(t, "Scan before it is there", err, store.ErrNotFound)
	blob, err := db.PutBlob(ctx, []byte("charges"))
	must(t, err)
	first := store.Scan{Location: "a.parquet", Pin: "1", Digest: "d1:aa", Blob: blob}
	must(t, db.PutScan(ctx, first))
	must(t, db.PutScans(ctx, []store.Scan{
		{Location: "a.parquet", Pin: "1", Digest: "d1:bb", Blob: blob},
		{Location: "a.parquet", Pin: "2", Digest: "d1:cc", Blob: blob},
	}))
	got, err := db.Scan(ctx, "a.parquet", "1")
	must(t, err)
	if got != first {
		t.Errorf("Scan = %+v, want the first, %+v", got, first)
	}
	got, err = db.ScanOf(ctx, "d1:cc")
	must(t, err)
	if got.Pin != "2" || got.Blob != blob {
		t.Errorf("ScanOf(d1:cc) = %+v, want that of pin 2", got)
	}
	_, err = db.ScanOf(ctx, "d1:bb")
	wantErr(t, "ScanOf a scan that was not kept", err, store.ErrNotFound)
	wantClean(t, db)
}

func rates(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	rate := func(day int, value, digest string) store.Rate {
		return store.Rate{Source: "ecb", From: "EUR", To: "USD", Date: calendar.NewDate(2026, 3, day), Value: value, Digest: digest}
	}
	put := func(want int, rates ...store.Rate) {
		t.Helper()
		n, err := db.PutRates(ctx, "ann@example.com", rates)
		must(t, err)
		if n != want {
			t.Errorf("PutRates wrote %d, want %d", n, want)
		}
	}
	put(2, rate(2, "1.08", "one"), rate(3, "1.09", "one"))
	put(0, rate(2, "1.08", "one"), rate(3, "1.09", "one"))
	put(2, rate(2, "1.08", "two"), rate(3, "1.0901", "two"), rate(4, "1.1", "two"))
	got, err := db.Rates(ctx, store.RateFilter{Source: "ecb", From: "EUR", To: "USD", Since: calendar.NewDate(2026, 3, 3), Until: calendar.NewDate(2026, 3, 4)})
	must(t, err)
	corrected := rate(3, "1.0901", "two")
	corrected.Version = 2
	last := rate(4, "1.1", "two")
	last.Version = 1
	if diff := cmp.Diff([]store.Rate{corrected, last}, got); diff != "" {
		t.Errorf("Rates mismatch (-want +got):\n%s", diff)
	}
	got, err = db.Rates(ctx, store.RateFilter{Source: "hmrc"})
	must(t, err)
	if len(got) != 0 {
		t.Errorf("Rates of another source: %v, want none", got)
	}
	wantClean(t, db)
}

func records(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	_, err := db.Record(ctx, "order", "ORD-1")
	wantErr(t, "Record before it is there", err, store.ErrNotFound)
	r := store.Record{Kind: "order", ID: "ORD-1", Body: []byte(`{"status":"draft"}`), Updated: now}
	first, err := db.PutRecord(ctx, r, []store.Event{{Kind: "order created", Subject: "ORD-1", Body: []byte(`{}`)}, {Kind: "mail", Subject: "ORD-1"}})
	must(t, err)
	_, err = db.PutRecord(ctx, r, []store.Event{{Kind: "never", Subject: "ORD-1"}})
	wantErr(t, "a second first version", err, store.ErrConflict)
	second := first
	second.Body = []byte(`{"status":"quoted"}`)
	second, err = db.PutRecord(ctx, second, []store.Event{{Kind: "order quoted", Subject: "ORD-1"}})
	must(t, err)
	_, err = db.PutRecord(ctx, first, nil)
	wantErr(t, "the version before", err, store.ErrConflict)
	got, err := db.Record(ctx, "order", "ORD-1")
	must(t, err)
	if diff := cmp.Diff(second, got); diff != "" {
		t.Errorf("Record mismatch (-want +got):\n%s", diff)
	}
	list, err := db.Records(ctx, "order")
	must(t, err)
	if len(list) != 1 {
		t.Errorf("%d records, want 1", len(list))
	}

	kinds := func(limit int) (s []string) {
		events, err := db.Events(ctx, limit)
		must(t, err)
		for _, e := range events {
			s = append(s, fmt.Sprint(e.ID, " ", e.Kind))
		}
		return s
	}
	if got, want := fmt.Sprint(kinds(0)), "[1 order created 2 mail 3 order quoted]"; got != want {
		t.Errorf("Events: %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(kinds(1)), "[1 order created]"; got != want {
		t.Errorf("Events(1): %s, want %s", got, want)
	}
	must(t, db.MarkDelivered(ctx, 2))
	must(t, db.MarkDelivered(ctx, 2))
	if got, want := fmt.Sprint(kinds(0)), "[1 order created 3 order quoted]"; got != want {
		t.Errorf("Events after one was delivered: %s, want %s", got, want)
	}
	wantClean(t, db)
}

func batches(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	order := store.Record{Kind: "order", ID: "ORD-1", Body: []byte(`{"status":"processing"}`), Updated: now}
	life := store.Record{Kind: "lifecycle", ID: "AGR-1", Body: []byte(`{}`), Updated: now}
	agr := store.Object{Kind: "agreement", ID: "AGR-1", Body: []byte(`{"id":"AGR-1"}`)}
	saved, err := db.Put(ctx, store.Batch{At: now, By: "ops", Records: []store.Record{order, life}, Objects: []store.Object{agr},
		Events: []store.Event{{Kind: "order_submitted", Subject: "ORD-1"}}})
	must(t, err)
	if len(saved) != 2 || saved[0].Version != 1 || saved[1].Version != 1 {
		t.Errorf("Put returned %v, want two records at version 1", saved)
	}
	changed := agr
	changed.Body = []byte(`{"id":"AGR-1","client":"X"}`)
	_, err = db.Put(ctx, store.Batch{At: now, Records: []store.Record{saved[0], life}, Objects: []store.Object{changed},
		Events: []store.Event{{Kind: "never", Subject: "ORD-1"}}})
	wantErr(t, "a batch with a record that has changed", err, store.ErrConflict)
	got, err := db.Record(ctx, "order", "ORD-1")
	must(t, err)
	if got.Version != 1 {
		t.Errorf("after a refused batch the order is at version %d, want 1", got.Version)
	}
	object, err := db.Object(ctx, "agreement", "AGR-1", 0)
	must(t, err)
	if string(object.Body) != string(agr.Body) {
		t.Errorf("after a refused batch the agreement is %s, want %s", object.Body, agr.Body)
	}
	events, err := db.Events(ctx, 0)
	must(t, err)
	if len(events) != 1 {
		t.Errorf("%d events, want 1", len(events))
	}
	wantClean(t, db)
}

func blobs(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	for _, data := range [][]byte{nil, []byte("a"), bytes.Repeat([]byte("charge set "), 100_000)} {
		for range 2 {
			name, err := db.PutBlob(ctx, data)
			must(t, err)
			got, err := db.Blob(ctx, name)
			must(t, err)
			if !bytes.Equal(got, data) {
				t.Errorf("blob %s: %d bytes, want %d", name, len(got), len(data))
			}
		}
	}
	_, err := db.Blob(ctx, "sha256:"+strings.Repeat("0", 64))
	wantErr(t, "a blob that is not there", err, store.ErrNotFound)
	for _, name := range []string{"", "a", "sha256:", "sha256:../../etc/passwd", "sha256:" + strings.Repeat("A", 64)} {
		if _, err := db.Blob(ctx, name); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("Blob(%q): %v, want: not the name of a blob", name, err)
		}
	}
	data := []byte("the same from many")
	won := race(16, func(int) error { _, err := db.PutBlob(ctx, data); return err }, func(err error) { t.Error(err) })
	if won != 16 {
		t.Errorf("%d writers of one blob succeeded, want 16", won)
	}
}

func audit(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	_, err := db.PutObjects(ctx, now, "ann@example.com", []store.Object{object("seller", "S", "{}")})
	must(t, err)
	_, err = db.SaveMonth(ctx, draft("AGR-1"), "drafted by the run")
	must(t, err)
	must(t, db.Note(ctx, "bob@example.com", "document shown", "document/X", ""))
	list, err := db.Audit(ctx, store.AuditFilter{})
	must(t, err)
	var got []string
	previous := ""
	for _, e := range list {
		got = append(got, strings.Join([]string{e.By, e.Action, e.Subject, e.Note}, ", "))
		if e.Previous != previous || !e.At.Equal(now) {
			t.Errorf("entry %d: previous %q at %s, want %q at %s", e.Seq, e.Previous, e.At, previous, now)
		}
		previous = e.Hash
	}
	want := []string{
		"ann@example.com, object created, object/seller/S/1, ",
		"tester, month saved, month/AGR-1/2026-03, drafted by the run",
		"bob@example.com, document shown, document/X, ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Audit mismatch (-want +got):\n%s", diff)
	}
	list, err = db.Audit(ctx, store.AuditFilter{After: 1, Limit: 1})
	must(t, err)
	if len(list) != 1 || list[0].Seq != 2 {
		t.Errorf("Audit(After: 1, Limit: 1) = %v, want entry 2", list)
	}
	list, err = db.Audit(ctx, store.AuditFilter{Subject: "document/X"})
	must(t, err)
	if len(list) != 1 || list[0].Seq != 3 {
		t.Errorf("Audit of document/X = %v, want entry 3", list)
	}
}

func runs(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	a := store.Run{ID: "a", Started: now, Args: []string{"run", "--reason", "two\nlines", ""}}
	b := store.Run{ID: "b", Started: now.Add(time.Hour), Args: []string{"run"}}
	must(t, db.PutRun(ctx, a))
	must(t, db.PutRun(ctx, b))
	a.Finished, a.Report = now.Add(time.Minute), []byte(`{"complete":true}`)
	must(t, db.PutRun(ctx, a))
	got, err := db.Runs(ctx, 0)
	must(t, err)
	if diff := cmp.Diff([]store.Run{b, a}, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Runs mismatch (-want +got):\n%s", diff)
	}
}

func cancelled(t *testing.T, p Place) {
	db := create(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := db.SaveMonth(ctx, draft("AGR-1"), "")
	wantErr(t, "SaveMonth", err, context.Canceled)
	_, err = db.PutBlob(ctx, []byte("a"))
	wantErr(t, "PutBlob", err, context.Canceled)
	_, err = db.Month(t.Context(), "AGR-1", march)
	wantErr(t, "the month", err, store.ErrNotFound)
}

// wantClean checks that the store finds nothing wrong with itself.
func wantClean(t *testing.T, db *store.DB) []store.Certificate {
	t.Helper()
	findings, certificates, err := db.Check(t.Context())
	must(t, err)
	for _, f := range findings {
		t.Errorf("finding %s: %s: %s", f.Code, f.Object, f.Text)
	}
	return certificates
}
