package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// migrationFiles are NNNN-what.sql, applied in order, forward only. One that has been released is
// never edited.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// A SchemaError means that program and data are of different ages.
type SchemaError struct {
	Have, Want int // versions of the data, of the program
}

func (e *SchemaError) Error() string {
	if e.Have > e.Want {
		return fmt.Sprintf("the data has schema %d, this program knows %d: it was written by a newer program; use that one", e.Have, e.Want)
	}
	return fmt.Sprintf("the data has schema %d, this program needs %d: run `arrears migrate` once", e.Have, e.Want)
}

type migration struct {
	version int
	name    string
	text    string
}

// migrations lists what is embedded, in order.
func migrations() ([]migration, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var list []migration
	for _, name := range names {
		b, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		base := strings.TrimPrefix(name, "migrations/")
		digits, _, _ := strings.Cut(base, "-")
		v, err := strconv.Atoi(digits)
		if err != nil || v != len(list)+1 {
			return nil, fmt.Errorf("migration %s: want number %04d", base, len(list)+1)
		}
		list = append(list, migration{v, base, string(b)})
	}
	return list, nil
}

// migrate brings the schema to the program's version, or says why it may not.
func (db *DB) migrate(ctx context.Context, o Options) error {
	list, err := migrations()
	if err != nil {
		return err
	}
	have, err := db.Schema(ctx)
	switch {
	case err != nil:
		return err
	case have > len(list):
		return &SchemaError{have, len(list)}
	case have == len(list):
		return nil
	case have == 0 && !o.Create:
		return ErrNone
	case !o.Write:
		return &SchemaError{have, len(list)}
	}
	for _, m := range list[have:] {
		if err := db.apply(ctx, m); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
	}
	return nil
}

// apply runs one migration in a transaction of its own. Shared writers may come at the same time:
// the second finds the first's row and does nothing.
func (db *DB) apply(ctx context.Context, m migration) error {
	return db.update(ctx, "migrate", func(x *tx) error {
		if db.dialect.migrationLock != "" {
			if _, err := x.ExecContext(ctx, db.dialect.migrationLock); err != nil {
				return err
			}
		}
		if _, err := x.ExecContext(ctx, db.dialect.ddl.Replace(`create table if not exists migrations (
			version integer not null primary key, name text not null, at text not null) strict;`)); err != nil {
			return err
		}
		var n int
		err := one(ctx, x, []any{&n}, `select version from migrations where version = $1`, m.version)
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		if _, err := x.ExecContext(ctx, db.dialect.ddl.Replace(m.text)); err != nil {
			return err
		}
		_, err = x.ExecContext(ctx, `insert into migrations (version, name, at) values ($1, $2, $3)`,
			m.version, m.name, text(db.now()))
		return err
	})
}

// Schema returns the version of the data's schema; 0 is none.
func (db *DB) Schema(ctx context.Context) (int, error) {
	var n int
	if err := one(ctx, db.read, []any{&n}, db.dialect.tableExists, "migrations"); err != nil || n == 0 {
		return 0, err
	}
	err := one(ctx, db.read, []any{&n}, `select coalesce(max(version), 0) from migrations`)
	return n, err
}
