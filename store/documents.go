package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/arrears-billing/arrears/calendar"
)

// An Issuance asks for a draft to become a document with a number.
type Issuance struct {
	Document     string // id, derived: AGR-0001-2026-03
	Kind         string // invoice | credit_note
	Agreement    string
	Month        calendar.Month
	MonthVersion int64  // the month as it was read when the draft was judged
	NewStatus    string // of the month; empty: stays
	Organisation string // who is billed: the management account
	Part         string // of a month that is split over buyers: the buyer; empty: the whole
	Corrects     string // id of the document that this one corrects; empty: a month's document
	Series       string // number prefix
	Year         int    // 0: a series that never starts again
	IssueDate    calendar.Date

	// Body makes the final bytes. It may be called more than once and must have no effects; it may
	// read the store, and sees it without this document.
	Body func(number string) ([]byte, error)

	Evidence []string // each a blob's name, or several separated by spaces
	By       string   // who issues, for the audit log; empty: Options.By
}

// A Document is an issued document. It never changes (I8).
type Document struct {
	ID           string
	Number       string
	Kind         string
	Agreement    string
	Month        calendar.Month
	Organisation string
	Part         string
	Corrects     string // id
	Series       string // prefix
	Year         int
	Seq          int64 // 1, 2, 3 ... within series and year, without gaps (I9)
	IssueDate    calendar.Date
	Evidence     []string
	Body         []byte
	Previous     string // Hash of the document before in the series; empty for the first
	Hash         string // of all the above
}

// ErrIssueDate means that a series has a document of a later date already.
var ErrIssueDate = errors.New("issue date before the last of the series")

// ErrBilled means that the organisation has been billed for the month already (I5).
var ErrBilled = errors.New("organisation is billed for this month already")

// Number returns the number of a document: DE-2026-000001, or DE-000001 in a series that never
// starts again (year 0).
func Number(series string, year int, seq int64) string {
	if year == 0 {
		return fmt.Sprintf("%s-%06d", series, seq)
	}
	return fmt.Sprintf("%s-%d-%06d", series, year, seq)
}

// Issue gives a document the next number of its series, and freezes it, in one transaction with
// the month's new state, the audit entry and the event "document issued". It fails, and spends no
// number, with ErrConflict when the month is no longer at MonthVersion or the id is taken, with
// ErrBilled when the organisation has its document for the month, with ErrIssueDate when the
// series is ahead, or with Body's error.
func (db *DB) Issue(ctx context.Context, is Issuance) (Document, error) {
	var d Document
	err := db.update(ctx, "issue", func(x *tx) (err error) {
		d, err = x.issue(ctx, is)
		return err
	})
	if err != nil {
		return Document{}, fmt.Errorf("issue %s: %w", is.Document, err)
	}
	return d, nil
}

func (x *tx) issue(ctx context.Context, is Issuance) (Document, error) {
	d := Document{
		ID: is.Document, Kind: is.Kind, Agreement: is.Agreement, Month: is.Month, Organisation: is.Organisation,
		Part: is.Part, Corrects: is.Corrects, Series: is.Series, Year: is.Year, IssueDate: is.IssueDate, Evidence: is.Evidence,
	}
	if d.ID == "" || d.Series == "" || d.Organisation == "" || d.IssueDate.IsZero() || d.Month.IsZero() {
		return d, errors.New("id, series, organisation, month and issue date must be there")
	}

	// The order of locks is the same for every writer: month, organisation, series, audit.
	m, err := month(ctx, x, is.Agreement, is.Month)
	if err != nil {
		return d, err
	}
	if m.Version != is.MonthVersion {
		return d, fmt.Errorf("%w: %s %s is at version %d, was read at %d", ErrConflict, is.Agreement, is.Month, m.Version, is.MonthVersion)
	}
	if is.NewStatus != "" {
		m.Status, m.Reasons = is.NewStatus, nil // they told why the month was in its old state
	}
	if m.Document == "" {
		m.Document = d.ID
	}
	if _, err := x.saveMonth(ctx, m, is.By, "month issued", d.ID); err != nil {
		return d, err
	}
	var split any
	if d.Corrects == "" {
		if split, err = x.bill(ctx, d); err != nil {
			return d, err
		}
	}
	crash("issue.month")

	// The row of the series is locked from here to the commit: who comes second gets the next
	// number only after the first has used or given back his.
	var last string
	err = one(ctx, x, []any{&d.Seq, &last, &d.Previous}, `insert into series (prefix, year, seq, issue_date, head) values ($1, $2, 1, '', '')
		on conflict (prefix, year) do update set seq = series.seq + 1 returning seq, issue_date, head`, d.Series, d.Year)
	if err != nil {
		return d, err
	}
	if d.IssueDate.String() < last {
		return d, fmt.Errorf("%w: %s, the series %s has %s", ErrIssueDate, d.IssueDate, d.Series, last)
	}
	d.Number = Number(d.Series, d.Year, d.Seq)
	crash("issue.numbered")
	if d.Body, err = is.Body(d.Number); err != nil {
		return d, err
	}
	if d.Hash, err = d.sum(); err != nil {
		return d, err
	}
	if err := x.insertDocument(ctx, d, split); err != nil {
		return d, err
	}
	crash("issue.inserted")
	_, err = x.ExecContext(ctx, `update series set issue_date = $3, head = $4 where prefix = $1 and year = $2`,
		d.Series, d.Year, d.IssueDate.String(), d.Hash)
	if err != nil {
		return d, err
	}
	body, err := json.Marshal(map[string]string{"id": d.ID, "number": d.Number})
	if err != nil {
		return d, err
	}
	x.emit(Event{Kind: "document issued", Subject: d.subject(), Body: body})
	return d, x.record(is.By, "document issued", d.subject(), d.row(), d.Number)
}

// bill claims the organisation's month for the agreement, whole or in parts (I5). The table's key
// makes a second claim wait for the first and then fail.
func (x *tx) bill(ctx context.Context, d Document) (split any, err error) {
	want := 0
	if d.Part != "" {
		want = 1
	}
	_, err = x.ExecContext(ctx, `insert into billed (organisation, month, agreement, split) values ($1, $2, $3, $4) on conflict do nothing`,
		d.Organisation, d.Month.String(), d.Agreement, want)
	if err != nil {
		return nil, err
	}
	var agr string
	var have, n int
	err = one(ctx, x, []any{&agr, &have}, `select agreement, split from billed where organisation = $1 and month = $2`,
		d.Organisation, d.Month.String())
	if err != nil {
		return nil, err
	}
	err = one(ctx, x, []any{&n}, `select count(*) from documents where organisation = $1 and month = $2 and part = $3 and corrects is null`,
		d.Organisation, d.Month.String(), d.Part)
	if err != nil {
		return nil, err
	}
	if agr != d.Agreement || have != want || n > 0 {
		return nil, fmt.Errorf("%w: %s %s, by %s", ErrBilled, d.Organisation, d.Month, agr)
	}
	return want, nil
}

func (x *tx) insertDocument(ctx context.Context, d Document, split any) error {
	var previous any
	if d.Seq > 1 {
		previous = d.Seq - 1
	}
	_, err := x.ExecContext(ctx, `insert into documents (id, number, kind, agreement, month, organisation, part, split, corrects,
			series, year, seq, previous, issue_date, evidence, body, previous_hash, hash)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
		d.ID, d.Number, d.Kind, d.Agreement, d.Month.String(), d.Organisation, d.Part, split, none(d.Corrects),
		d.Series, d.Year, d.Seq, previous, d.IssueDate.String(), lines(d.Evidence), some(d.Body), none(d.Previous), d.Hash)
	return err
}

// sum is the document's hash: over its body, every column, and the hash before it.
func (d Document) sum() (string, error) { return rowDigest(d.content()) }

func (d Document) content() []any {
	return []any{
		d.ID, d.Number, d.Kind, d.Agreement, d.Month, d.Organisation, d.Part, d.Corrects, d.Series, d.Year, d.Seq,
		d.IssueDate, lines(d.Evidence), hash(d.Body), d.Previous,
	}
}

func (d Document) row() any { return append(d.content(), d.Hash) }

func (d Document) subject() string { return "document/" + d.ID }

const selectDocuments = `select id, number, kind, agreement, month, organisation, part, coalesce(corrects, ''), series, year, seq,
	issue_date, evidence, body, coalesce(previous_hash, ''), hash from documents`

// ReadableDocuments is Documents without those that are damaged, which Check names.
func (db *DB) ReadableDocuments(ctx context.Context, f DocumentFilter) ([]Document, error) {
	return filterDocuments(ctx, lenient{db.read, func(*sql.Rows, error) {}}, f)
}

// Document returns the issued document of an id or a number.
func (db *DB) Document(ctx context.Context, idOrNumber string) (Document, error) {
	// Ids and numbers are different things that could have the same text: the id wins.
	list, err := documents(ctx, db.read, selectDocuments+` where id = $1 or number = $1 order by case when id = $1 then 0 else 1 end`, idOrNumber)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Document{}, fmt.Errorf("document %s: %w", idOrNumber, err)
	}
	return list[0], nil
}

// A DocumentFilter narrows Documents; empty fields ask for nothing.
type DocumentFilter struct {
	Month     calendar.Month
	Agreement string
	Series    string // prefix
	Corrects  string // id
}

// Documents returns the issued documents that the filter asks for, by series, year and number.
func (db *DB) Documents(ctx context.Context, f DocumentFilter) ([]Document, error) {
	return filterDocuments(ctx, db.read, f)
}

func filterDocuments(ctx context.Context, q queryer, f DocumentFilter) ([]Document, error) {
	var w where
	w.and("month = $%d", f.Month.String())
	w.and("agreement = $%d", f.Agreement)
	w.and("series = $%d", f.Series)
	w.and("corrects = $%d", f.Corrects)
	list, err := documents(ctx, q, selectDocuments+w.String()+` order by series, year, seq`, w.args...)
	if err != nil {
		return nil, fmt.Errorf("documents: %w", err)
	}
	return list, nil
}

func documents(ctx context.Context, q queryer, query string, args ...any) ([]Document, error) {
	var list []Document
	err := eachDocument(ctx, q, func(d Document) error {
		list = append(list, d)
		return nil
	}, query, args...)
	return list, err
}

func eachDocument(ctx context.Context, q queryer, visit func(Document) error, query string, args ...any) error {
	return each(ctx, q, func(r *sql.Rows) error {
		var d Document
		var m, date, evidence string
		err := r.Scan(&d.ID, &d.Number, &d.Kind, &d.Agreement, &m, &d.Organisation, &d.Part, &d.Corrects, &d.Series, &d.Year, &d.Seq,
			&date, &evidence, &d.Body, &d.Previous, &d.Hash)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Month.UnmarshalText([]byte(m)), d.IssueDate.UnmarshalText([]byte(date))); err != nil {
			return fmt.Errorf("row of document %s: %w", d.ID, err)
		}
		d.Evidence = splitLines(evidence)
		return visit(d)
	}, query, args...)
}

// A Rendering is an issued document in the form that was or will be sent.
type Rendering struct {
	Document string // id
	Format   string // pdf, ubl, cii, xlsx ...
	Template string // version of what made it
	Blob     string
}

// PutRendering keeps a rendering, and returns the one that is kept: an earlier one of the same
// document, format and template stays.
func (db *DB) PutRendering(ctx context.Context, r Rendering) (Rendering, error) {
	kept := r
	err := db.update(ctx, "rendering", func(x *tx) error {
		res, err := x.ExecContext(ctx, `insert into renderings (document, format, template, blob) values ($1, $2, $3, $4) on conflict do nothing`,
			r.Document, r.Format, r.Template, r.Blob)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return errors.Join(err, x.record("", "document rendered", r.subject(), r, ""))
		}
		return one(ctx, x, []any{&kept.Blob}, `select blob from renderings where document = $1 and format = $2 and template = $3`,
			r.Document, r.Format, r.Template)
	})
	if err != nil {
		return r, fmt.Errorf("keep %s of %s: %w", r.Format, r.Document, err)
	}
	return kept, nil
}

func (r Rendering) subject() string {
	return fmt.Sprintf("rendering/%s/%s/%s", r.Document, r.Format, r.Template)
}

// Renderings returns what is kept of a document, by format and template.
func (db *DB) Renderings(ctx context.Context, document string) ([]Rendering, error) {
	list, err := renderings(ctx, db.read, ` where document = $1 order by format, template`, document)
	if err != nil {
		return nil, fmt.Errorf("renderings of %s: %w", document, err)
	}
	return list, nil
}

func renderings(ctx context.Context, q queryer, rest string, args ...any) ([]Rendering, error) {
	var list []Rendering
	err := each(ctx, q, func(rows *sql.Rows) error {
		var r Rendering
		err := rows.Scan(&r.Document, &r.Format, &r.Template, &r.Blob)
		if err == nil {
			list = append(list, r)
		}
		return err
	}, `select document, format, template, blob from renderings`+rest, args...)
	return list, err
}
