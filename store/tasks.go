package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// A Task is a task of the schedule and its last firing. It is no part of what is proven: the audit
// log and the dump know nothing of it, and losing it costs one firing too many.
type Task struct {
	Name      string
	Version   int64     // what was read, for compare-and-swap; 0: there is none yet
	Due       time.Time // the firing that was taken last
	Holder    string    // who took it
	Started   time.Time
	Lease     time.Time // until when the holder is believed to be at work
	Finished  time.Time // zero: at work, or lost with its holder
	Outcome   string    // done | look | failed; empty while at work
	Note      string    // what a person is told of it
	Failures  int       // failed firings in a row
	Succeeded time.Time // when a firing last ended without an error
	Skipped   time.Time // the last firing that came while the one before was at work
}

// Tasks returns all tasks that ever fired, by name.
func (db *DB) Tasks(ctx context.Context) ([]Task, error) {
	var list []Task
	err := each(ctx, db.read, func(rows *sql.Rows) error {
		var t Task
		var due, started, lease, finished, succeeded, skipped string
		if err := rows.Scan(&t.Name, &t.Version, &due, &t.Holder, &started, &lease, &finished, &t.Outcome, &t.Note, &t.Failures, &succeeded, &skipped); err != nil {
			return err
		}
		for _, f := range []struct {
			to   *time.Time
			text string
		}{{&t.Due, due}, {&t.Started, started}, {&t.Lease, lease}, {&t.Finished, finished}, {&t.Succeeded, succeeded}, {&t.Skipped, skipped}} {
			var err error
			if *f.to, err = parseTime(f.text); err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
		}
		list = append(list, t)
		return nil
	}, `select name, version, due, holder, started, lease, finished, outcome, note, failures, succeeded, skipped from tasks order by name`)
	if err != nil {
		return nil, fmt.Errorf("tasks: %w", err)
	}
	return list, nil
}

// PutTask replaces a task if it is still at the version that was read, and returns it with its new
// version; ErrConflict means that somebody was faster.
func (db *DB) PutTask(ctx context.Context, t Task) (Task, error) {
	const (
		insert = `insert into tasks (name, version, due, holder, started, lease, finished, outcome, note, failures, succeeded, skipped)
			values ($1, $2 + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing`
		replace = `update tasks set version = $2 + 1, due = $3, holder = $4, started = $5, lease = $6, finished = $7,
			outcome = $8, note = $9, failures = $10, succeeded = $11, skipped = $12 where name = $1 and version = $2`
	)
	statement := replace
	if t.Version == 0 {
		statement = insert
	}
	err := db.update(ctx, "tasks", func(x *tx) error {
		return x.exactlyOne(ctx, statement, t.Name, t.Version, text(t.Due), t.Holder, text(t.Started), text(t.Lease),
			text(t.Finished), t.Outcome, t.Note, t.Failures, text(t.Succeeded), text(t.Skipped))
	})
	if err != nil {
		return t, fmt.Errorf("task %s: %w", t.Name, err)
	}
	t.Version++
	return t, nil
}
