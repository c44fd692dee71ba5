package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
)

// A tx is one writing transaction. It collects audit entries and events, and writes them last, so
// that the heads of both chains, which all writers share, stay locked for the shortest time.
type tx struct {
	*sql.Tx
	db      *DB
	entries []Entry
	events  []Event
}

// update runs fn in one transaction. fn may be run again and must have no effects outside.
// The name is that of the crash points around it.
func (db *DB) update(ctx context.Context, name string, fn func(*tx) error) error {
	return db.retry(ctx, name, true, fn)
}

// cache is update for what may be forgotten: its commit does not wait for the disk. A power cut
// can take it back, a later update makes it last.
func (db *DB) cache(ctx context.Context, name string, fn func(*tx) error) error {
	return db.retry(ctx, name, false, fn)
}

func (db *DB) retry(ctx context.Context, name string, lasting bool, fn func(*tx) error) error {
	if db.lock == nil {
		return fmt.Errorf("%s: %w", name, ErrReadOnly)
	}
	for try := 1; ; try++ {
		err := db.once(ctx, name, lasting, fn)
		if err == nil || !db.dialect.again(err) || try == 10 {
			return db.conflict(err)
		}
	}
}

func (db *DB) once(ctx context.Context, name string, lasting bool, fn func(*tx) error) (err error) {
	crash(name + ".begin")
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if !lasting {
		if _, err := conn.ExecContext(ctx, db.dialect.relax); err != nil {
			return err
		}
		defer func() {
			if _, e := conn.ExecContext(context.WithoutCancel(ctx), db.dialect.strict); e != nil {
				// Nobody else may get a connection whose commits do not last.
				err = errors.Join(err, e, conn.Raw(func(any) error { return driver.ErrBadConn }))
			}
		}()
	}
	t, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	x := &tx{Tx: t, db: db}
	err = fn(x)
	if err == nil {
		crash(name + ".audit")
		err = x.flush(ctx)
	}
	if err != nil {
		if back := t.Rollback(); !errors.Is(back, sql.ErrTxDone) { // a done context has rolled back
			err = errors.Join(err, back)
		}
		return err
	}
	crash(name + ".commit")
	if err := t.Commit(); err != nil {
		return err
	}
	crash(name + ".committed")
	return nil
}

// conflict makes the engine's word for "this is there already" an ErrConflict.
func (db *DB) conflict(err error) error {
	if err != nil && db.dialect.taken(err) && !errors.Is(err, ErrConflict) {
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return err
}

// snapshot runs fn in a transaction that sees one state of the data throughout.
func (db *DB) snapshot(ctx context.Context, fn func(*sql.Tx) error) error {
	o := &sql.TxOptions{ReadOnly: true}
	if db.dialect.name == postgres.name {
		o.Isolation = sql.LevelRepeatableRead
	}
	t, err := db.read.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer t.Rollback() //nolint:errcheck // nothing was written
	return fn(t)
}

// A queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// A lenient queryer hears of rows that cannot be read, and goes on with the next.
type lenient struct {
	queryer
	damaged func(rows *sql.Rows, err error)
}

// each calls scan for every row of the query. A row that scan cannot read is ErrDamaged.
func each(ctx context.Context, q queryer, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	l, goOn := q.(lenient)
	for rows.Next() {
		switch err := scan(rows); {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case goOn:
			l.damaged(rows, err)
		default:
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return rows.Err()
}

// one reads one row into dest; no row is ErrNotFound.
func one(ctx context.Context, q queryer, dest []any, query string, args ...any) error {
	err := q.QueryRowContext(ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// where collects conditions of an optional filter; empty values ask for nothing.
type where struct {
	conds []string
	args  []any
}

func (w *where) and(cond, value string) {
	if value == "" {
		return
	}
	w.args = append(w.args, value)
	w.conds = append(w.conds, fmt.Sprintf(cond, len(w.args)))
}

// in is and for a list of values.
func (w *where) in(column string, values []string) {
	if len(values) == 0 {
		return
	}
	var marks []string
	for _, v := range values {
		w.args = append(w.args, v)
		marks = append(marks, fmt.Sprintf("$%d", len(w.args)))
	}
	w.conds = append(w.conds, column+" in ("+strings.Join(marks, ", ")+")")
}

// String is the clause, with a space before it, or nothing.
func (w *where) String() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " where " + strings.Join(w.conds, " and ")
}
