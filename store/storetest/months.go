package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/store"
)

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
		if diff := cmp.Diff(compared, got, cmpopts.IgnoreUnexported(store.Change{})); diff != "" {
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
		{[]store.Object{two, other}, []store.Change{change("seller", "SEL-DE", store.Changed, 2, "name"), change("buyer", "BUY-1", store.Unchanged, 1)}},
		{[]store.Object{one}, []store.Change{change("seller", "SEL-DE", store.Changed, 3, "name")}}, // back again is a change too
	} {
		if diff := cmp.Diff(step.want, put(now, step.objs...), cmpopts.IgnoreUnexported(store.Change{})); diff != "" {
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
	log, err := db.Audit(ctx, store.AuditFilter{Subject: "object/seller/SEL-DE/2"}) // an auditor sees what a book changed
	must(t, err)
	if want := `name: "a" -> "b"`; len(log) != 1 || log[0].Note != want {
		t.Errorf("the audit log says %+v, want %s", log, want)
	}
	_, err = db.Object(ctx, "seller", "SEL-DE", 4)
	wantErr(t, "Object version 4", err, store.ErrNotFound)
}

func change(kind, id, what string, version int, fields ...string) store.Change {
	return store.Change{Kind: kind, ID: id, Change: what, Version: version, Fields: fields}
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
