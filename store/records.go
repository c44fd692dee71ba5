package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A Record is a thing with a life of its own, such as an order, as bytes.
type Record struct {
	Kind    string
	ID      string
	Version int64 // what was read, for compare-and-swap; 0: there is none yet
	Body    []byte
	Updated time.Time // "now" of the command
}

// PutRecord replaces a record if it is still at the version that was read, together with what
// others must be told of it, and returns it with its new version.
func (db *DB) PutRecord(ctx context.Context, r Record, events []Event) (Record, error) {
	saved := r
	err := db.update(ctx, "records", func(x *tx) (err error) {
		saved, err = x.putRecord(ctx, r, "")
		x.emit(events...)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("put %s %s: %w", r.Kind, r.ID, err)
	}
	return saved, nil
}

// A Batch is records, objects and events that belong together: an order, the agreement that it
// makes, and what others must be told of it.
type Batch struct {
	At      time.Time // the "now" of the command
	By      string
	Records []Record // each replaced only at the version that was read
	Objects []Object // a new version of each whose body differs
	Events  []Event
}

// Put writes a batch, all or nothing, and returns its records with their new versions.
func (db *DB) Put(ctx context.Context, b Batch) ([]Record, error) {
	var saved []Record
	err := db.update(ctx, "records", func(x *tx) error {
		saved = saved[:0]
		for _, r := range b.Records {
			s, err := x.putRecord(ctx, r, b.By)
			if err != nil {
				return fmt.Errorf("%s %s: %w", r.Kind, r.ID, err)
			}
			saved = append(saved, s)
		}
		for _, o := range b.Objects {
			if _, err := x.putObject(ctx, b.At, b.By, o); err != nil {
				return fmt.Errorf("%s %s: %w", o.Kind, o.ID, err)
			}
		}
		x.emit(b.Events...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("put: %w", err)
	}
	return saved, nil
}

func (x *tx) putRecord(ctx context.Context, r Record, by string) (Record, error) {
	const (
		insert = `insert into records (kind, id, version, body, updated) values ($1, $2, $3 + 1, $4, $5) on conflict do nothing`
		update = `update records set version = $3 + 1, body = $4, updated = $5 where kind = $1 and id = $2 and version = $3`
	)
	statement := update
	if r.Version == 0 {
		statement = insert
	}
	if r.Kind == "" || r.ID == "" {
		return r, errors.New("no kind or no id")
	}
	if err := x.exactlyOne(ctx, statement, r.Kind, r.ID, r.Version, some(r.Body), text(r.Updated)); err != nil {
		return r, err
	}
	r.Version++
	return r, x.record(by, r.Kind+" saved", r.subject(), r.row(), "")
}

func (r Record) subject() string { return fmt.Sprintf("record/%s/%s", r.Kind, r.ID) }

func (r Record) row() any {
	return []any{r.Kind, r.ID, r.Version, hash(r.Body), text(r.Updated)}
}

// Record returns a record, or ErrNotFound.
func (db *DB) Record(ctx context.Context, kind, id string) (Record, error) {
	list, err := records(ctx, db.read, ` where kind = $1 and id = $2`, kind, id)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Record{}, fmt.Errorf("%s %s: %w", kind, id, err)
	}
	return list[0], nil
}

// Records returns all records of a kind, by id.
func (db *DB) Records(ctx context.Context, kind string) ([]Record, error) {
	list, err := records(ctx, db.read, ` where kind = $1 order by id`, kind)
	if err != nil {
		return nil, fmt.Errorf("records %s: %w", kind, err)
	}
	return list, nil
}

func records(ctx context.Context, q queryer, rest string, args ...any) ([]Record, error) {
	var list []Record
	err := each(ctx, q, func(rows *sql.Rows) error {
		var r Record
		var updated string
		if err := rows.Scan(&r.Kind, &r.ID, &r.Version, &r.Body, &updated); err != nil {
			return err
		}
		var err error
		if r.Updated, err = parseTime(updated); err == nil {
			list = append(list, r)
		}
		return err
	}, `select kind, id, version, body, updated from records`+rest, args...)
	return list, err
}

// Events returns what has not been delivered, oldest first, at most limit (0: all). An event whose
// delivery was not marked is delivered again: receivers know it by its ID.
func (db *DB) Events(ctx context.Context, limit int) ([]Event, error) {
	query := `select id, kind, subject, body from events where delivered = '' order by id`
	if limit > 0 {
		query += fmt.Sprintf(" limit %d", limit)
	}
	var list []Event
	err := each(ctx, db.read, func(r *sql.Rows) error {
		var e Event
		err := r.Scan(&e.ID, &e.Kind, &e.Subject, &e.Body)
		list = append(list, e)
		return err
	}, query)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return list, nil
}

// MarkDelivered says that an event arrived. Saying it again changes nothing.
func (db *DB) MarkDelivered(ctx context.Context, id int64) error {
	err := db.update(ctx, "delivered", func(x *tx) error {
		_, err := x.ExecContext(ctx, `update events set delivered = $2 where id = $1 and delivered = ''`, id, text(db.now()))
		return err
	})
	if err != nil {
		return fmt.Errorf("event %d delivered: %w", id, err)
	}
	return nil
}

// A Run is one execution of a command. It is a record for people: nothing is computed from it.
type Run struct {
	ID       string
	Started  time.Time // real time
	Finished time.Time // zero while it runs, or if it was killed
	Args     []string
	Report   []byte // JSON
}

// PutRun keeps a run; with an ID that is there, it replaces its end and report.
func (db *DB) PutRun(ctx context.Context, r Run) error {
	args, err := json.Marshal(r.Args)
	if err != nil {
		return fmt.Errorf("put run %s: %w", r.ID, err)
	}
	err = db.update(ctx, "run", func(x *tx) error {
		_, err := x.ExecContext(ctx, `insert into runs (id, started, finished, args, report) values ($1, $2, $3, $4, $5)
			on conflict (id) do update set finished = excluded.finished, report = excluded.report`,
			r.ID, text(r.Started), text(r.Finished), string(args), some(r.Report))
		return err
	})
	if err != nil {
		return fmt.Errorf("put run %s: %w", r.ID, err)
	}
	return nil
}

// Runs returns the newest runs, newest first, at most limit (0: all).
func (db *DB) Runs(ctx context.Context, limit int) ([]Run, error) {
	query := `select id, started, finished, args, report from runs order by started desc, id desc`
	if limit > 0 {
		query += fmt.Sprintf(" limit %d", limit)
	}
	var list []Run
	err := each(ctx, db.read, func(rows *sql.Rows) error {
		var r Run
		var started, finished, args string
		if err := rows.Scan(&r.ID, &started, &finished, &args, &r.Report); err != nil {
			return err
		}
		var e1, e2 error
		r.Started, e1 = parseTime(started)
		r.Finished, e2 = parseTime(finished)
		e3 := json.Unmarshal([]byte(args), &r.Args)
		list = append(list, r)
		return errors.Join(e1, e2, e3)
	}, query)
	if err != nil {
		return nil, fmt.Errorf("runs: %w", err)
	}
	return list, nil
}
