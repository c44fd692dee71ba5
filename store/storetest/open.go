package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/arrears-billing/arrears/store"
)

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
