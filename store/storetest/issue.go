package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/store"
)

// issuance returns what issues the March of an agreement, as it stands in the store.
func issuance(t *testing.T, db *store.DB, agr string) store.Issuance {
	t.Helper()
	m, err := db.Month(t.Context(), agr, march)
	if errors.Is(err, store.ErrNotFound) {
		m, err = db.SaveMonth(t.Context(), draft(agr), "")
	}
	must(t, err)
	return store.Issuance{
		Document: agr + "-2026-03", Kind: "invoice", Agreement: agr, Month: march, MonthVersion: m.Version, NewStatus: "issued",
		Organisation: "org of " + agr, Series: "DE", Year: 2026, IssueDate: calendar.MustDate("2026-04-08"),
		Body: func(number string) ([]byte, error) { return fmt.Appendf(nil, `{"number":%q}`, number), nil },
	}
}

func issue(t *testing.T, db *store.DB, is store.Issuance) store.Document {
	t.Helper()
	d, err := db.Issue(t.Context(), is)
	must(t, err)
	return d
}

func numbers(t *testing.T, p Place) {
	db := create(t, p)
	for i, tt := range []struct {
		series string
		year   int
		date   string
		want   string
	}{
		{"DE", 2026, "2026-04-08", "DE-2026-000001"},
		{"DE", 2026, "2026-04-08", "DE-2026-000002"},
		{"DE-CN", 2026, "2026-04-01", "DE-CN-2026-000001"},
		{"DE", 2027, "2027-01-08", "DE-2027-000001"},
		{"DE", 2026, "2026-12-31", "DE-2026-000003"},
		{"CH", 0, "2026-04-08", "CH-000001"},
		{"CH", 0, "2027-04-08", "CH-000002"},
		{"DE", 2027, "2027-01-09", "DE-2027-000002"},
	} {
		is := issuance(t, db, fmt.Sprintf("AGR-%04d", i))
		is.Series, is.Year, is.IssueDate = tt.series, tt.year, calendar.MustDate(tt.date)
		d := issue(t, db, is)
		if want := `{"number":"` + tt.want + `"}`; d.Number != tt.want || string(d.Body) != want {
			t.Errorf("document %d: number %s, body %s; want %s, %s", i, d.Number, d.Body, tt.want, want)
		}
	}
	want := []store.Certificate{
		{Series: "CH", First: "CH-000001", Last: "CH-000002", Count: 2},
		{Series: "DE", Year: 2026, First: "DE-2026-000001", Last: "DE-2026-000003", Count: 3},
		{Series: "DE", Year: 2027, First: "DE-2027-000001", Last: "DE-2027-000002", Count: 2},
		{Series: "DE-CN", Year: 2026, First: "DE-CN-2026-000001", Last: "DE-CN-2026-000001", Count: 1},
	}
	got := wantClean(t, db)
	for i := range got {
		if got[i].Head == "" {
			t.Errorf("certificate of %s has no head", got[i].Series)
		}
		got[i].Head = ""
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(store.Certificate{})); diff != "" {
		t.Errorf("certificates mismatch (-want +got):\n%s", diff)
	}
}

func noNumberSpent(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	fails := errors.New("validation fails")
	first := issue(t, db, issuance(t, db, "AGR-1"))

	bad := issuance(t, db, "AGR-2")
	bad.Body = func(string) ([]byte, error) { return nil, fails }
	_, err := db.Issue(ctx, bad)
	wantErr(t, "Issue with a body that fails", err, fails)

	stale := issuance(t, db, "AGR-2")
	stale.MonthVersion--
	_, err = db.Issue(ctx, stale)
	wantErr(t, "Issue of a month that changed", err, store.ErrConflict)

	absent := issuance(t, db, "AGR-2")
	absent.Agreement = "AGR-9"
	_, err = db.Issue(ctx, absent)
	wantErr(t, "Issue of a month that is not there", err, store.ErrNotFound)

	taken := issuance(t, db, "AGR-2")
	taken.Document = first.ID
	_, err = db.Issue(ctx, taken)
	wantErr(t, "Issue with an id that is taken", err, store.ErrConflict)

	unknown := issuance(t, db, "AGR-2")
	unknown.Corrects = "nobody"
	if _, err = db.Issue(ctx, unknown); err == nil {
		t.Error("Issue of a correction of nothing was taken")
	}

	m, err := db.Month(ctx, "AGR-2", march)
	must(t, err)
	if m.Status != "drafted" {
		t.Errorf("after failures the month is %s, want drafted", m.Status)
	}
	if d := issue(t, db, issuance(t, db, "AGR-2")); d.Number != "DE-2026-000002" || d.Previous != first.Hash {
		t.Errorf("next document: %s after %s, want DE-2026-000002 after %s", d.Number, d.Previous, first.Hash)
	}
	wantClean(t, db)
}

func issueDates(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	issue(t, db, issuance(t, db, "AGR-1"))
	early := issuance(t, db, "AGR-2")
	early.IssueDate = calendar.MustDate("2026-04-07")
	_, err := db.Issue(ctx, early)
	wantErr(t, "an issue date before the last", err, store.ErrIssueDate)
	early.Series = "CH"
	issue(t, db, early) // another series knows nothing of it
	wantClean(t, db)
}

func billedOnce(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	issue(t, db, issuance(t, db, "AGR-1"))
	again := issuance(t, db, "AGR-1")
	again.Document += "-b"
	_, err := db.Issue(ctx, again)
	wantErr(t, "the same agreement again", err, store.ErrBilled)
	other := issuance(t, db, "AGR-2")
	other.Organisation = "org of AGR-1"
	_, err = db.Issue(ctx, other)
	wantErr(t, "another agreement of the organisation", err, store.ErrBilled)
	other.Part = "BUY-1"
	_, err = db.Issue(ctx, other)
	wantErr(t, "a part by another agreement", err, store.ErrBilled)
	wantClean(t, db)
}

func parts(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	part := func(buyer string) store.Issuance {
		is := issuance(t, db, "AGR-1")
		is.Part, is.Document = buyer, is.Document+"-"+buyer
		return is
	}
	issue(t, db, part("BUY-1"))
	_, err := db.Issue(ctx, issuance(t, db, "AGR-1"))
	wantErr(t, "the whole after a part", err, store.ErrBilled)
	issue(t, db, part("BUY-2"))
	again := part("BUY-2")
	again.Document += "-b"
	_, err = db.Issue(ctx, again)
	wantErr(t, "a part again", err, store.ErrBilled)
	wantClean(t, db)
}

func corrections(t *testing.T, p Place) {
	db := create(t, p)
	original := issue(t, db, issuance(t, db, "AGR-1"))
	for i, kind := range []string{"credit_note", "invoice", "credit_note"} {
		is := issuance(t, db, "AGR-1")
		is.Document, is.Kind, is.Corrects = fmt.Sprintf("%s-c%d", original.ID, i+1), kind, original.ID
		if kind == "credit_note" {
			is.Series = "DE-CN"
		}
		issue(t, db, is)
	}
	list, err := db.Documents(t.Context(), store.DocumentFilter{Corrects: original.ID})
	must(t, err)
	var got []string
	for _, d := range list {
		got = append(got, d.Number)
	}
	if want := []string{"DE-2026-000002", "DE-CN-2026-000001", "DE-CN-2026-000002"}; !cmp.Equal(got, want) {
		t.Errorf("corrections: %v, want %v", got, want)
	}
	wantClean(t, db)
}

// issuers is how many issue at a time (issue 5: numbers hold under concurrency).
const issuers = 64

func parallelIssuers(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	var list []store.Issuance
	for i := range issuers {
		is := issuance(t, db, fmt.Sprintf("AGR-%04d", i))
		body := is.Body
		is.Body = func(number string) ([]byte, error) { // who has the number must be able to read
			_, err := db.Month(ctx, "AGR-0000", march)
			b, err2 := body(number)
			return b, errors.Join(err, err2)
		}
		if i%8 == 7 { // some fail after they were given a number
			is.Body = func(string) ([]byte, error) { return nil, errors.ErrUnsupported }
		}
		list = append(list, is)
	}
	won := race(issuers, func(i int) error { _, err := db.Issue(ctx, list[i]); return err },
		func(err error) { wantErr(t, "loser", err, errors.ErrUnsupported) })
	docs, err := db.Documents(ctx, store.DocumentFilter{Series: "DE"})
	must(t, err)
	if won != issuers*7/8 || len(docs) != won {
		t.Errorf("%d issuers won, %d documents, want %d", won, len(docs), issuers*7/8)
	}
	for i, d := range docs {
		if want := store.Number("DE", 2026, int64(i)+1); d.Number != want || string(d.Body) != `{"number":"`+want+`"}` {
			t.Errorf("document %d has number %s and body %s, want %s", i, d.Number, d.Body, want)
		}
	}
	wantClean(t, db)
}

func parallelBilling(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	var list []store.Issuance
	for i := range 16 {
		is := issuance(t, db, fmt.Sprintf("AGR-%04d", i))
		is.Organisation = "111122223333"
		is.Series = fmt.Sprintf("S%d", i) // even in series that do not wait for one another
		list = append(list, is)
	}
	won := race(len(list), func(i int) error { _, err := db.Issue(ctx, list[i]); return err },
		func(err error) { wantErr(t, "loser", err, store.ErrBilled) })
	if won != 1 {
		t.Errorf("%d bills for one organisation-month, want 1", won)
	}
	wantClean(t, db)
}

func readersNotBlocked(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	reader := open(t, p, store.Options{})
	is := issuance(t, db, "AGR-1")
	var inside atomic.Bool
	body := is.Body
	is.Body = func(number string) ([]byte, error) {
		for _, r := range []*store.DB{db, reader} {
			m, err := r.Month(ctx, "AGR-1", march)
			if err != nil || m.Status != "drafted" {
				t.Errorf("while issuing a reader sees %s, %v; want drafted", m.Status, err)
			}
			if list, err := r.Documents(ctx, store.DocumentFilter{}); err != nil || len(list) != 0 {
				t.Errorf("while issuing a reader sees %d documents, %v; want none", len(list), err)
			}
		}
		inside.Store(true)
		return body(number)
	}
	issue(t, db, is)
	if !inside.Load() {
		t.Fatal("Body was not called")
	}
	if m, err := reader.Month(ctx, "AGR-1", march); err != nil || m.Status != "issued" {
		t.Errorf("after issuing a reader sees %s, %v; want issued", m.Status, err)
	}
}

func documentRoundTrip(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	is := issuance(t, db, "AGR-1")
	blob, err := db.PutBlob(ctx, []byte("evidence"))
	must(t, err)
	is.Evidence = []string{blob}
	is.Part = "BUY-1"
	want := issue(t, db, is)
	for _, key := range []string{want.ID, want.Number} {
		got, err := db.Document(ctx, key)
		must(t, err)
		if diff := cmp.Diff(want, got, monthsEqual); diff != "" {
			t.Errorf("Document(%s) mismatch (-issued +read):\n%s", key, diff)
		}
	}
	_, err = db.Document(ctx, "DE-2026-000002")
	wantErr(t, "a number that is not spent", err, store.ErrNotFound)
	m, err := db.Month(ctx, "AGR-1", march)
	must(t, err)
	if m.Status != "issued" || m.Version != is.MonthVersion+1 || m.Document != want.ID {
		t.Errorf("month: %s version %d document %s, want issued %d %s", m.Status, m.Version, m.Document, is.MonthVersion+1, want.ID)
	}
	events, err := db.Events(ctx, 0)
	must(t, err)
	if len(events) != 1 || events[0].Kind != "document issued" || events[0].Subject != "document/"+want.ID {
		t.Errorf("events: %v, want one: document issued", events)
	}
	wantClean(t, db)
}

func renderings(t *testing.T, p Place) {
	ctx, db := t.Context(), create(t, p)
	d := issue(t, db, issuance(t, db, "AGR-1"))
	first, err := db.PutBlob(ctx, []byte("pdf"))
	must(t, err)
	second, err := db.PutBlob(ctx, []byte("other pdf"))
	must(t, err)
	for _, blob := range []string{first, second} {
		kept, err := db.PutRendering(ctx, store.Rendering{Document: d.ID, Format: "pdf", Template: "1", Blob: blob})
		must(t, err)
		if kept.Blob != first {
			t.Errorf("kept %s, want the first, %s", kept.Blob, first)
		}
	}
	_, err = db.PutRendering(ctx, store.Rendering{Document: d.ID, Format: "pdf", Template: "2", Blob: second})
	must(t, err)
	list, err := db.Renderings(ctx, d.ID)
	must(t, err)
	want := []store.Rendering{
		{Document: d.ID, Format: "pdf", Template: "1", Blob: first},
		{Document: d.ID, Format: "pdf", Template: "2", Blob: second},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("Renderings mismatch (-want +got):\n%s", diff)
	}
	if _, err := db.PutRendering(ctx, store.Rendering{Document: "nobody", Format: "pdf", Template: "1", Blob: first}); err == nil {
		t.Error("a rendering of no document was taken")
	}
	wantClean(t, db)
}
