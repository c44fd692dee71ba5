package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

var postgres = dialect{
	name: "postgres",
	// Bytewise order of text is what SQLite has and what Dump promises, whatever the database's locale.
	ddl: strings.NewReplacer(" text ", ` text collate "C" `, " blob not null", " bytea not null", " integer not null", " bigint not null",
		" text,", ` text collate "C",`, " integer,", " bigint,", ") strict;", ");"),
	relax:       `set synchronous_commit = off`,
	strict:      `set synchronous_commit = on`,
	tableExists: `select count(*) from information_schema.tables where table_schema = current_schema() and table_name = $1`,
	// Shared writers may migrate at the same time; create table alone does not wait for another.
	migrationLock: `select pg_advisory_xact_lock(hashtext('arrears migrate ' || current_schema()))`,
	taken:         func(err error) bool { return pgCode(err) == "23505" },
	// Serialization failure and deadlock: the server has rolled back.
	again: func(err error) bool { return pgCode(err) == "40001" || pgCode(err) == "40P01" },
}

func pgCode(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// connectPostgres opens the pools and takes the writer's lock.
func (db *DB) connectPostgres(ctx context.Context, o Options) error {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return err // pgx leaves the password out
	}
	config.RuntimeParams["application_name"] = "arrears " + o.Command
	config.RuntimeParams["timezone"] = "UTC"
	// A commit that returned has reached the disk, whatever the server's default.
	config.RuntimeParams["synchronous_commit"] = "on"
	// A writer whose machine is gone holds the lock until the server notices: within a minute.
	config.RuntimeParams["tcp_keepalives_idle"] = "30"
	config.RuntimeParams["tcp_keepalives_interval"] = "10"
	config.RuntimeParams["tcp_keepalives_count"] = "3"
	// Two pools: who writes and waits for another writer's row must not keep that one from reading.
	db.read, db.write = stdlib.OpenDB(*config), stdlib.OpenDB(*config)
	db.read.SetMaxOpenConns(16)
	db.write.SetMaxOpenConns(8)
	if err := db.read.PingContext(ctx); err != nil {
		return err
	}
	if !o.Write {
		return nil
	}
	lock, err := lockPostgres(ctx, db.write, o)
	if err != nil {
		return err
	}
	db.lock = lock
	return nil
}

// A sessionLock is an advisory lock. It belongs to its connection and ends with it, so a writer
// that was killed holds nothing once the server has noticed.
type sessionLock struct{ conn *sql.Conn }

func (l sessionLock) Close() error { return l.conn.Close() }

// lockPostgres takes the writer's lock of the schema in use.
func lockPostgres(ctx context.Context, pool *sql.DB, o Options) (_ sessionLock, err error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return sessionLock{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, conn.Close())
		}
	}()
	var schema string
	if err := one(ctx, conn, []any{&schema}, `select coalesce(current_schema(), '')`); err != nil {
		return sessionLock{}, err
	}
	h := fnv.New64a()
	h.Write([]byte("arrears writer " + schema))
	key := int64(h.Sum64()) //nolint:gosec // any 64 bits do

	try := `select pg_try_advisory_lock($1)`
	if o.Shared {
		try = `select pg_try_advisory_lock_shared($1)`
	}
	err = wait(ctx, o, func() (ok bool, err error) {
		err = one(ctx, conn, []any{&ok}, try, key)
		return ok, err
	}, func() string {
		holder := "it has not said which"
		err := one(ctx, conn, []any{&holder}, `select coalesce(a.application_name, '') || ' (server process ' || a.pid || ', since ' ||
				to_char(a.backend_start, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || ')'
			from pg_locks l join pg_stat_activity a on a.pid = l.pid
			where l.locktype = 'advisory' and l.granted and l.database = (select oid from pg_database where datname = current_database())
				and (l.classid::bigint << 32 | l.objid::bigint) = $1 order by a.backend_start limit 1`, key)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Sprintf("%s (%v)", holder, err)
		}
		return strings.TrimPrefix(holder, "arrears ")
	})
	return sessionLock{conn}, err
}

// withoutPassword is the URL as it may be shown.
func withoutPassword(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "the database"
	}
	return u.Redacted()
}
