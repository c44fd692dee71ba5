package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A dialect is all that differs between the engines. Every statement is one text for both: $1
// parameters, ON CONFLICT and RETURNING mean the same to each.
type dialect struct {
	name string

	// migrations are written for SQLite; ddl rewrites their types.
	ddl *strings.Replacer

	// relax makes the connection's commits not wait for the disk, strict makes them wait again.
	relax, strict string

	// migrationLock makes a second migration wait; empty: the writer's lock does.
	migrationLock string

	// tableExists counts tables of a name in the schema in use.
	tableExists string

	// taken says that a row was refused because its key or what it must be unique in is taken.
	taken func(error) bool

	// again says that the transaction did not happen and may be tried again.
	again func(error) bool
}

var sqlite = dialect{
	name:        "sqlite",
	relax:       `pragma synchronous = normal`,
	strict:      `pragma synchronous = full`,
	ddl:         strings.NewReplacer(),
	tableExists: `select count(*) from sqlite_master where type = 'table' and name = $1`,
	taken: func(err error) bool {
		var e *sqlitedriver.Error
		return errors.As(err, &e) &&
			(e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
	},
	again: func(error) bool { return false }, // writers wait for one another (busy_timeout)
}

// connect opens the engine, and takes the writer's lock before the first statement.
func (db *DB) connect(ctx context.Context, o Options) (err error) {
	if db.dialect.name == postgres.name {
		return db.connectPostgres(ctx, o)
	}
	if o.Write {
		if db.lock, err = lockDir(ctx, o); err != nil {
			return err
		}
	}
	file := filepath.Join(o.Dir, databaseFile)
	if o.Write {
		if db.write, err = openSQLite(ctx, file, true); err != nil {
			return err
		}
		db.write.SetMaxOpenConns(1)
	}
	db.read, err = openSQLite(ctx, file, false)
	return err
}

// openSQLite opens the file. WAL lets readers read while one writes; synchronous FULL makes every
// commit last through a power cut; foreign keys are what forbids gaps and are off by default.
func openSQLite(ctx context.Context, file string, write bool) (*sql.DB, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	pragmas := []string{"busy_timeout(10000)", "foreign_keys(1)", "synchronous(FULL)"}
	query := url.Values{"mode": {"rw"}}
	if write {
		pragmas = append(pragmas, "journal_mode(WAL)", "cache_size(-16000)")
		query.Set("mode", "rwc")
		query.Set("_txlock", "immediate") // else two writers could both read, then one must fail
	} else {
		pragmas = append(pragmas, "query_only(1)")
	}
	query["_pragma"] = pragmas
	dsn := (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: query.Encode()}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", file, err), db.Close())
	}
	return db, nil
}

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

// each calls scan for every row of the query.
func each(ctx context.Context, q queryer, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
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
