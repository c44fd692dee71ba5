package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/store"
)

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
