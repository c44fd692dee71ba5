package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
)

// A Month is the state of one agreement in one month (design 6).
type Month struct {
	Agreement string
	Month     calendar.Month
	Version   int64 // what was read, for compare-and-swap; 0: there is none yet
	Status    string
	Reasons   []agreement.Reason
	Warnings  []agreement.Reason
	Inputs    string    // hash of all that the result depends on (I4)
	Document  string    // id of the document, once there is a draft
	Draft     []byte    // the document without a number
	DraftHash string    // what an approval approves; empty: the store takes the hash of Draft
	Report    []byte    // JSON of the run's row, to show again without computing
	Evidence  []string  // what it was computed from, the latest last: names of blobs, those of one separated by spaces
	Since     time.Time // "now" of the command that brought the status
}

// A MonthFilter narrows Months; empty fields ask for nothing.
type MonthFilter struct {
	Agreement string
	Month     calendar.Month // this month only
	From, To  calendar.Month // both included
	Statuses  []string       // any of these

	// Brief leaves Draft and Report out, which are most of the bytes. Such months cannot be saved:
	// their Version is -1, with which SaveMonth conflicts.
	Brief bool
}

const (
	selectMonths = `select agreement, month, version, status, reasons, warnings, inputs, document,
		draft, draft_hash, report, evidence, since from months`
	selectBriefMonths = `select agreement, month, -1, status, reasons, warnings, inputs, document,
		null, draft_hash, null, evidence, since from months`
)

// Month returns the state of an agreement's month, or ErrNotFound while there is none.
func (db *DB) Month(ctx context.Context, agr string, m calendar.Month) (Month, error) {
	s, err := month(ctx, db.read, agr, m)
	if err != nil {
		return s, fmt.Errorf("month %s %s: %w", agr, m, err)
	}
	return s, nil
}

// Months returns the states that the filter asks for, by month and agreement.
func (db *DB) Months(ctx context.Context, f MonthFilter) ([]Month, error) {
	var list []Month
	err := db.EachMonth(ctx, f, func(m Month) error {
		list = append(list, m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// EachMonth calls visit for each month that Months returns, in the same order, and keeps none. It
// ends with the first error of visit.
func (db *DB) EachMonth(ctx context.Context, f MonthFilter, visit func(Month) error) error {
	var w where
	w.and("agreement = $%d", f.Agreement)
	w.and("month = $%d", f.Month.String())
	w.and("month >= $%d", f.From.String())
	w.and("month <= $%d", f.To.String())
	w.in("status", f.Statuses)
	query := selectMonths
	if f.Brief {
		query = selectBriefMonths
	}
	var failed error
	err := each(ctx, db.read, func(r *sql.Rows) error {
		m, err := scanMonth(r)
		if err == nil && failed == nil {
			failed = visit(m)
		}
		return err
	}, query+w.String()+` order by month, agreement`, w.args...)
	if err != nil {
		return fmt.Errorf("months: %w", err)
	}
	return failed
}

func month(ctx context.Context, q queryer, agr string, m calendar.Month) (Month, error) {
	list, err := months(ctx, q, selectMonths+` where agreement = $1 and month = $2`, agr, m.String())
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Month{}, err
	}
	return list[0], nil
}

func months(ctx context.Context, q queryer, query string, args ...any) ([]Month, error) {
	var list []Month
	err := each(ctx, q, func(r *sql.Rows) error {
		m, err := scanMonth(r)
		list = append(list, m)
		return err
	}, query, args...)
	return list, err
}

func scanMonth(r *sql.Rows) (m Month, err error) {
	var mon, evidence, since string
	var reasons, warnings []byte
	err = r.Scan(&m.Agreement, &mon, &m.Version, &m.Status, &reasons, &warnings, &m.Inputs, &m.Document,
		&m.Draft, &m.DraftHash, &m.Report, &evidence, &since)
	if err != nil {
		return m, err
	}
	for _, step := range []func() error{
		func() error { return m.Month.UnmarshalText([]byte(mon)) },
		func() error { return json.Unmarshal(reasons, &m.Reasons) },
		func() error { return json.Unmarshal(warnings, &m.Warnings) },
		func() (err error) { m.Since, err = parseTime(since); return err },
	} {
		if err := step(); err != nil {
			return m, fmt.Errorf("row of %s %s: %w", m.Agreement, mon, err)
		}
	}
	m.Evidence = splitLines(evidence)
	return m, nil
}

// SaveMonth replaces the state of an agreement's month if it is still at the version that was
// read, and returns it with its new version. The note goes into the audit log.
func (db *DB) SaveMonth(ctx context.Context, m Month, note string) (Month, error) {
	list, err := db.SaveMonths(ctx, []Month{m}, note)
	if err != nil {
		return m, err
	}
	return list[0], nil
}

// SaveMonths is SaveMonth for several, all or none, in one transaction: with a disk's sync a
// transaction, 500 one by one would take most of a run's time.
func (db *DB) SaveMonths(ctx context.Context, list []Month, note string) ([]Month, error) {
	saved := make([]Month, len(list))
	err := db.update(ctx, "months", func(x *tx) error {
		for i, m := range list {
			var err error
			if saved[i], err = x.saveMonth(ctx, m, "", "month saved", note); err != nil {
				return fmt.Errorf("%s %s: %w", m.Agreement, m.Month, err)
			}
			crash("months.written")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("save month: %w", err)
	}
	return saved, nil
}

func (x *tx) saveMonth(ctx context.Context, m Month, by, action, note string) (Month, error) {
	if m.DraftHash == "" && len(m.Draft) > 0 {
		m.DraftHash = hash(m.Draft)
	}
	reasons, err := json.Marshal(m.Reasons)
	if err != nil {
		return m, err
	}
	warnings, err := json.Marshal(m.Warnings)
	if err != nil {
		return m, err
	}
	const (
		insert = `insert into months (agreement, month, version, status, reasons, warnings, inputs, document, draft, draft_hash, report, evidence, since)
			values ($1, $2, $3 + 1, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict do nothing`
		update = `update months set version = $3 + 1, status = $4, reasons = $5, warnings = $6, inputs = $7, document = $8,
			draft = $9, draft_hash = $10, report = $11, evidence = $12, since = $13
			where agreement = $1 and month = $2 and version = $3`
	)
	statement := update
	if m.Version == 0 {
		statement = insert
	}
	err = x.exactlyOne(ctx, statement, m.Agreement, m.Month.String(), m.Version, m.Status, reasons, warnings, m.Inputs,
		m.Document, some(m.Draft), m.DraftHash, some(m.Report), lines(m.Evidence), text(m.Since))
	if err != nil {
		return m, err
	}
	m.Version++
	return m, x.record(by, action, m.subject(), m.row(), note)
}

// exactlyOne runs a statement that changes one row, or none if somebody was faster.
func (x *tx) exactlyOne(ctx context.Context, statement string, args ...any) error {
	r, err := x.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err == nil && n != 1 {
		return ErrConflict
	}
	return err
}

func (m Month) subject() string { return fmt.Sprintf("month/%s/%s", m.Agreement, m.Month) }

// row is what the audit log's digest covers: every column.
func (m Month) row() any {
	return []any{
		m.Agreement, m.Month, m.Version, m.Status, append([]agreement.Reason{}, m.Reasons...),
		append([]agreement.Reason{}, m.Warnings...), m.Inputs, m.Document, hash(m.Draft), m.DraftHash,
		hash(m.Report), lines(m.Evidence), text(m.Since),
	}
}

// An Approval says who approved which draft.
type Approval struct {
	Agreement string
	Month     calendar.Month
	DraftHash string // what was shown to the person
	By        string
	At        time.Time // "now" of the command
}

// Approve keeps an approval together with the month's new state. The month must be at the version
// that was read and its draft the one that was shown, else ErrConflict. The same person's second
// approval of the same draft changes no approval.
func (db *DB) Approve(ctx context.Context, m Month, a Approval) (Month, error) {
	a.Agreement, a.Month = m.Agreement, m.Month
	var saved Month
	err := db.update(ctx, "approve", func(x *tx) error {
		now, err := month(ctx, x, m.Agreement, m.Month)
		if err != nil {
			return err
		}
		if now.DraftHash == "" || now.DraftHash != a.DraftHash || m.DraftHash != a.DraftHash {
			return fmt.Errorf("%w: the draft is no longer the one that was shown", ErrConflict)
		}
		if saved, err = x.saveMonth(ctx, m, a.By, "month approved", ""); err != nil {
			return err
		}
		r, err := x.ExecContext(ctx, `insert into approvals (agreement, month, draft_hash, by_whom, at)
			values ($1, $2, $3, $4, $5) on conflict do nothing`, a.Agreement, a.Month.String(), a.DraftHash, a.By, text(a.At))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return x.record(a.By, "draft approved", a.subject(), a.row(), "")
	})
	if err != nil {
		return m, fmt.Errorf("approve %s %s: %w", m.Agreement, m.Month, err)
	}
	return saved, nil
}

func (a Approval) subject() string {
	return fmt.Sprintf("approval/%s/%s/%s/%s", a.Agreement, a.Month, a.DraftHash, a.By)
}

func (a Approval) row() any {
	return []any{a.Agreement, a.Month, a.DraftHash, a.By, text(a.At)}
}

// Approvals returns who approved drafts of the month, present and earlier ones, by draft and name.
func (db *DB) Approvals(ctx context.Context, agr string, m calendar.Month) ([]Approval, error) {
	list, err := approvals(ctx, db.read, ` where agreement = $1 and month = $2 order by draft_hash, by_whom`, agr, m.String())
	if err != nil {
		return nil, fmt.Errorf("approvals of %s %s: %w", agr, m, err)
	}
	return list, nil
}

func approvals(ctx context.Context, q queryer, rest string, args ...any) ([]Approval, error) {
	var list []Approval
	err := each(ctx, q, func(r *sql.Rows) error {
		var a Approval
		var m, at string
		if err := r.Scan(&a.Agreement, &m, &a.DraftHash, &a.By, &at); err != nil {
			return err
		}
		err := a.Month.UnmarshalText([]byte(m))
		if err == nil {
			a.At, err = parseTime(at)
		}
		if err == nil {
			list = append(list, a)
		}
		return err
	}, `select agreement, month, draft_hash, by_whom, at from approvals`+rest, args...)
	return list, err
}

// A Waiver lets one block of one month pass, bound to exactly what the person saw.
type Waiver struct {
	Agreement string
	Month     calendar.Month
	Code      string // of the block
	Invoice   string // AWS invoice id, if it is about one
	Bound     string // the difference and the delivery's fingerprint: with others it does not hold
	By        string
	Reason    string
	At        time.Time // "now" of the command
}

// PutWaiver keeps a waiver. One for the same block, bound to the same, is there already: the first
// stays.
func (db *DB) PutWaiver(ctx context.Context, w Waiver) error {
	err := db.update(ctx, "waiver", func(x *tx) error {
		r, err := x.ExecContext(ctx, `insert into waivers (agreement, month, code, invoice, bound, by_whom, reason, at)
			values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
			w.Agreement, w.Month.String(), w.Code, w.Invoice, w.Bound, w.By, w.Reason, text(w.At))
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return x.record(w.By, "block waived", w.subject(), w.row(), w.Reason)
	})
	if err != nil {
		return fmt.Errorf("waive %s of %s %s: %w", w.Code, w.Agreement, w.Month, err)
	}
	return nil
}

func (w Waiver) subject() string {
	return fmt.Sprintf("waiver/%s/%s/%s/%s/%s", w.Agreement, w.Month, w.Code, w.Invoice, w.Bound)
}

func (w Waiver) row() any {
	return []any{w.Agreement, w.Month, w.Code, w.Invoice, w.Bound, w.By, w.Reason, text(w.At)}
}

// Waivers returns the waivers of a month, of one agreement or, with an empty id, of all, in no
// order that means anything but always the same.
func (db *DB) Waivers(ctx context.Context, agr string, m calendar.Month) ([]Waiver, error) {
	var w where
	w.and("agreement = $%d", agr)
	w.and("month = $%d", m.String())
	list, err := waivers(ctx, db.read, w.String()+` order by agreement, code, invoice, bound`, w.args...)
	if err != nil {
		return nil, fmt.Errorf("waivers of %s %s: %w", agr, m, err)
	}
	return list, nil
}

func waivers(ctx context.Context, q queryer, rest string, args ...any) ([]Waiver, error) {
	var list []Waiver
	err := each(ctx, q, func(r *sql.Rows) error {
		var w Waiver
		var m, at string
		if err := r.Scan(&w.Agreement, &m, &w.Code, &w.Invoice, &w.Bound, &w.By, &w.Reason, &at); err != nil {
			return err
		}
		err := w.Month.UnmarshalText([]byte(m))
		if err == nil {
			w.At, err = parseTime(at)
		}
		if err == nil {
			list = append(list, w)
		}
		return err
	}, `select agreement, month, code, invoice, bound, by_whom, reason, at from waivers`+rest, args...)
	return list, err
}
