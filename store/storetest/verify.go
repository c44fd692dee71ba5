package storetest

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/store"
)

// fill writes something of everything: three documents, the last a credit note.
func fill(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	blob, err := db.PutBlob(ctx, []byte("charges"))
	must(t, err)
	_, err = db.PutObjects(ctx, now, "ann@example.com", []store.Object{object("seller", "SEL-DE", `{"name":"a"}`), object("buyer", "BUY-1", `{}`)})
	must(t, err)
	_, err = db.PutObjects(ctx, now, "ann@example.com", []store.Object{object("seller", "SEL-DE", `{"name":"b"}`)})
	must(t, err)
	must(t, db.PutScan(ctx, store.Scan{Location: "a", Pin: "1", Digest: "d1:a", Blob: blob}))
	must(t, db.PutWaiver(ctx, store.Waiver{Agreement: "AGR-1", Month: march, Code: "not_reconciled", Bound: "0.02", By: "ann@example.com", Reason: "r", At: now}))
	_, err = db.PutRates(ctx, "ann@example.com", []store.Rate{
		{Source: "ecb", From: "EUR", To: "USD", Date: calendar.MustDate("2026-03-31"), Value: "1.08", Digest: "f1"},
		{Source: "ecb", From: "EUR", To: "CHF", Date: calendar.MustDate("2026-03-31"), Value: "0.95", Digest: "f1"},
	})
	must(t, err)
	_, err = db.PutRecord(ctx, store.Record{Kind: "order", ID: "ORD-1", Body: []byte(`{"status":"draft"}`), Updated: now}, []store.Event{{Kind: "order created", Subject: "ORD-1"}})
	must(t, err)
	for _, agr := range []string{"AGR-1", "AGR-2"} {
		m := draft(agr)
		m.Evidence = []string{blob}
		m, err = db.SaveMonth(ctx, m, "")
		must(t, err)
		m.Status = "approved"
		_, err = db.Approve(ctx, m, store.Approval{DraftHash: m.DraftHash, By: "bob@example.com", At: now})
		must(t, err)
		is := issuance(t, db, agr)
		is.Evidence = []string{blob}
		issue(t, db, is)
	}
	credit := issuance(t, db, "AGR-2")
	credit.Document, credit.Kind, credit.Corrects, credit.NewStatus = "AGR-2-2026-03-c1", "credit_note", "AGR-2-2026-03", "corrected"
	issue(t, db, credit)
	pdf, err := db.PutBlob(ctx, []byte("pdf"))
	must(t, err)
	_, err = db.PutRendering(ctx, store.Rendering{Document: "AGR-1-2026-03", Format: "pdf", Template: "1", Blob: pdf})
	must(t, err)
	_, err = db.SaveMonth(ctx, store.Month{Agreement: "AGR-3", Month: march, Status: "waiting"}, "")
	must(t, err)
	must(t, db.PutRun(ctx, store.Run{ID: "r", Started: now}))
}

func checkClean(t *testing.T, p Place) {
	db := create(t, p)
	if certificates := wantClean(t, db); len(certificates) != 0 {
		t.Errorf("an empty store has certificates: %v", certificates)
	}
	fill(t, db)
	certificates := wantClean(t, db)
	if len(certificates) != 1 || certificates[0].Count != 3 {
		t.Errorf("certificates: %+v, want one of three documents", certificates)
	}
}

// tamper changes one thing at a time behind the store and wants the finding that names it.
func tamper(t *testing.T, p Place) {
	db := create(t, p)
	fill(t, db)
	tables := []string{
		"objects", "months", "approvals", "waivers", "billed", "series", "documents", "renderings", "scans",
		"rates", "records", "events", "audit", "heads",
	}
	var keep, restore []string
	for _, table := range tables {
		keep = append(keep, `create table kept_`+table+` as select * from `+table)
		restore = append(restore, `delete from `+table, `insert into `+table+` select * from kept_`+table)
	}
	p.Exec(t, keep...)
	for _, tt := range []struct {
		name      string
		statement string
		code      string
		object    string // is part of the finding's
	}{
		{"document bytes", `update documents set body = (select draft from months where agreement = 'AGR-2') where id = 'AGR-1-2026-03'`, store.FindingDocument, "AGR-1-2026-03"},
		{"document number", `update documents set number = 'DE-2026-000009' where seq = 2`, store.FindingNumbers, "AGR-2-2026-03"},
		{"issue date", `update documents set issue_date = '2026-04-01' where seq = 2`, store.FindingNumbers, "AGR-2-2026-03"},
		{"month of a document", `update documents set month = '2026-02' where seq = 3`, store.FindingDocument, "AGR-2-2026-03-c1"},
		{"who is billed", `update documents set organisation = 'other' where seq = 1`, store.FindingDocument, "AGR-1-2026-03"},
		{"claim of a month", `update billed set agreement = 'AGR-9' where agreement = 'AGR-1'`, store.FindingNumbers, "AGR-1-2026-03"},
		{"hash of a document", `update documents set hash = 'sha256:0' where seq = 2`, store.FindingChain, "AGR-2-2026-03-c1"},
		{"first document gone", `delete from documents where seq = 1`, store.FindingNumbers, "AGR-2-2026-03"},
		{"middle document gone", `delete from documents where seq = 2`, store.FindingNumbers, "AGR-2-2026-03-c1"},
		{"last document gone", `delete from documents where seq = 3`, store.FindingNumbers, "DE-2026"},
		{"all documents gone", `delete from documents`, store.FindingNumbers, "DE-2026"},
		{"series set back", `update series set seq = 2`, store.FindingNumbers, "DE-2026"},
		{"date of a series", `update series set issue_date = '2026-04-01'`, store.FindingNumbers, "DE-2026"},
		{"series gone", `delete from series`, store.FindingNumbers, "DE-2026"},
		{"object body", `update objects set body = (select draft from months where agreement = 'AGR-2') where version = 1 and kind = 'buyer'`, store.FindingRow, "object/buyer/BUY-1/1"},
		{"object version gone", `delete from objects where version = 2`, store.FindingRow, "object/seller/SEL-DE/2"},
		{"object put in", `insert into objects (kind, id, version, hash, body, applied) select kind, 'X', version, hash, body, applied from objects where kind = 'buyer'`, store.FindingRow, "object/buyer/X/1"},
		{"state of a month", `update months set status = 'drafted' where agreement = 'AGR-1'`, store.FindingRow, "month/AGR-1/2026-03"},
		{"draft of a month", `update months set draft = report where agreement = 'AGR-1'`, store.FindingRow, "month/AGR-1/2026-03"},
		{"month gone", `delete from months where agreement = 'AGR-3'`, store.FindingRow, "month/AGR-3/2026-03"},
		{"who approved", `update approvals set by_whom = 'eve@example.com' where agreement = 'AGR-1'`, store.FindingRow, "eve@example.com"},
		{"waiver put in", `insert into waivers (agreement, month, code, invoice, bound, by_whom, reason, at) values ('AGR-2', '2026-03', 'c', '', '', 'b', 'r', '')`, store.FindingRow, "waiver/AGR-2"},
		{"waiver reason", `update waivers set reason = 'other'`, store.FindingRow, "waiver/AGR-1"},
		{"rate", `update rates set value = '1.09' where to_code = 'USD'`, store.FindingRow, "rates/f1"},
		{"rate gone", `delete from rates where to_code = 'USD'`, store.FindingRow, "rates/f1"},
		{"rendering", `update renderings set blob = (select blob from scans)`, store.FindingRow, "rendering/AGR-1-2026-03"},
		{"order", `update records set body = (select draft from months where agreement = 'AGR-2')`, store.FindingRow, "record/order/ORD-1"},
		{"event gone", `delete from events where id = 2`, store.FindingOutbox, "events"},
		{"date of a document that is none", `update documents set issue_date = 'yesterday' where seq = 2`, store.FindingDocument, "document/AGR-2-2026-03"},
		{"month of a document that is none", `update documents set month = 'March' where seq = 3`, store.FindingDocument, "document/AGR-2-2026-03-c1"},
		{"time of an object that is none", `update objects set applied = '?' where version = 1 and kind = 'buyer'`, store.FindingRow, "object/buyer/BUY-1/1"},
		{"month that is none", `update months set month = '2026-13' where agreement = 'AGR-3'`, store.FindingRow, "month/AGR-3/2026-13"},
		{"time of a month that is none", `update months set since = 'x' where agreement = 'AGR-3'`, store.FindingRow, "month/AGR-3/2026-03"},
		{"reasons that are no JSON", `update months set reasons = (select body from documents where seq = 1) where agreement = 'AGR-3'`, store.FindingRow, "month/AGR-3/2026-03"},
		{"time of an approval that is none", `update approvals set at = 'x' where agreement = 'AGR-1'`, store.FindingRow, "approval/AGR-1"},
		{"month of a waiver that is none", `update waivers set month = 'x'`, store.FindingRow, "waiver/AGR-1/x"},
		{"date of a rate that is none", `update rates set date = 'x' where to_code = 'USD'`, store.FindingRow, "rates/ecb/EUR/USD/x"},
		{"time of an order that is none", `update records set updated = 'x'`, store.FindingRow, "record/order/ORD-1"},
		{"time of an audit entry that is none", `update audit set at = 'x' where seq = 4`, store.FindingAudit, "audit/4"},
		{"date of a series that is none", `update series set issue_date = 'x'`, store.FindingNumbers, "DE-2026"},
		{"audit text", `update audit set note = 'nothing happened' where seq = 4`, store.FindingAudit, "audit/4"},
		{"audit time", `update audit set at = '2020-01-01T00:00:00Z' where seq = 4`, store.FindingAudit, "audit/4"},
		{"audit entry gone", `delete from audit where seq = 4`, store.FindingAudit, "audit/5"},
		{"last audit entry gone", `delete from audit where seq = (select max(seq) from audit)`, store.FindingAudit, "audit"},
		{"where the audit log ends", `delete from heads where name = 'audit'`, store.FindingAudit, "audit"},
		{"audit log gone", `delete from audit`, store.FindingAudit, "audit"},
		{"evidence named that is not there", `update scans set blob = 'sha256:0000000000000000000000000000000000000000000000000000000000000000'`, store.FindingBlob, "sha256:0000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.Exec(t, restore...)
			wantClean(t, db)
			p.Exec(t, tt.statement)
			findings, _, err := db.Check(t.Context())
			must(t, err)
			if !slices.ContainsFunc(findings, func(f store.Finding) bool { return f.Code == tt.code && strings.Contains(f.Object, tt.object) }) {
				t.Errorf("%s: findings %v, want %s of %s", tt.statement, findings, tt.code, tt.object)
			}
			// Whatever is damaged, the other documents can be read.
			if _, err := db.ReadableDocuments(t.Context(), store.DocumentFilter{}); err != nil {
				t.Errorf("%s: %v", tt.statement, err)
			}
		})
	}
}

func dump(t *testing.T, p Place) {
	ctx := t.Context()
	dumpOf := func(db *store.DB) string {
		t.Helper()
		var b bytes.Buffer
		must(t, db.Dump(ctx, &b))
		return b.String()
	}
	db := create(t, p)
	fill(t, db)
	first := dumpOf(db)
	for _, kind := range []string{"approval", "blob", "document", "event", "month", "object", "rate", "record", "waiver"} {
		if !strings.Contains(first, `{"kind":"`+kind+`"`) {
			t.Errorf("dump has no %s:\n%s", kind, first)
		}
	}

	// What runs leave behind does not count ...
	must(t, db.PutRun(ctx, store.Run{ID: "other", Started: now}))
	must(t, db.Note(ctx, "", "looked", "x", ""))
	m, err := db.Month(ctx, "AGR-3", march)
	must(t, err)
	m.Report, m.Since = []byte(`{"changed":false}`), now.Add(time.Hour)
	m, err = db.SaveMonth(ctx, m, "again")
	must(t, err)
	if diff := cmp.Diff(first, dumpOf(db)); diff != "" {
		t.Errorf("dump changed with the run (-before +after):\n%s", diff)
	}
	// ... what is does.
	m.Status = "blocked"
	_, err = db.SaveMonth(ctx, m, "")
	must(t, err)
	if dumpOf(db) == first {
		t.Error("dump did not change with a month's state")
	}
	must(t, db.Close())

	p.Reset(t)
	db = create(t, p)
	fill(t, db)
	if diff := cmp.Diff(first, dumpOf(db)); diff != "" {
		t.Errorf("dumps of two stores with the same content differ (-first +second):\n%s", diff)
	}
}

// Same checks that two engines with the same content have the same dump.
func Same(t *testing.T, a, b Place) {
	t.Helper()
	var dumps [2]bytes.Buffer
	for i, p := range []Place{a, b} {
		db := create(t, p)
		fill(t, db)
		for _, id := range []string{"b", "ä", "A-1", "A 1", "a", "A!", "€"} {
			_, err := db.SaveMonth(t.Context(), draft(id), "")
			must(t, err)
		}
		must(t, db.Dump(t.Context(), &dumps[i]))
	}
	if diff := cmp.Diff(dumps[0].String(), dumps[1].String()); diff != "" {
		t.Errorf("dumps differ (-first +second):\n%s", diff)
	}
}

// Restore checks that what backup copies from a store in use is the same store.
func Restore(t *testing.T, original, copied Place, backup func()) {
	t.Helper()
	db := create(t, original)
	fill(t, db)
	var want, got bytes.Buffer
	must(t, db.Dump(t.Context(), &want))
	backup()
	restored := open(t, copied, store.Options{Write: true})
	wantClean(t, restored)
	must(t, restored.Dump(t.Context(), &got))
	if diff := cmp.Diff(want.String(), got.String()); diff != "" {
		t.Errorf("the copy differs (-original +copy):\n%s", diff)
	}
	d := issue(t, restored, issuance(t, restored, "AGR-9")) // and it goes on where the original was
	if d.Number != "DE-2026-000004" {
		t.Errorf("the copy's next number is %s, want DE-2026-000004", d.Number)
	}
}
