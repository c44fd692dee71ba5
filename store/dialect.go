package store

import (
	"context"
	"strings"
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

// connect opens the engine's pools, and takes the writer's lock before the first statement.
func (db *DB) connect(ctx context.Context, o Options) error {
	if o.URL != "" {
		return db.connectPostgres(ctx, o)
	}
	return db.connectSQLite(ctx, o)
}
