package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	sqlitedriver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

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

// connectSQLite takes the writer's lock and opens the pools.
func (db *DB) connectSQLite(ctx context.Context, o Options) (err error) {
	if o.Write {
		if db.lock, err = lockDir(ctx, o); err != nil {
			return err
		}
	}
	file := filepath.Join(o.Dir, databaseFile)
	if o.Write {
		// SQLite gives the files beside it (-wal, -shm) the mode of the database.
		f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
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
