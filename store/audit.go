package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// An Entry of the audit log says who changed what and when, in real time. Each entry's hash covers
// its content and the hash before it, so that none can be changed, inserted or taken out unseen.
type Entry struct {
	Seq      int64     `json:"seq"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Action   string    `json:"action"`  // such as "month saved", "document issued"
	Subject  string    `json:"subject"` // such as month/AGR-0001/2026-03
	Digest   string    `json:"digest"`  // of the subject's row as it was written; verify compares
	Note     string    `json:"note,omitempty"`
	Previous string    `json:"previous,omitempty"` // the hash of the entry before
	Hash     string    `json:"-"`
}

// sum is the entry's hash.
func (e Entry) sum() (string, error) {
	b, err := json.Marshal(e)
	return hash(b), err
}

// An Event is something that others must be told, kept until it was delivered at least once.
type Event struct {
	ID      int64 // ascending in the order of the commits; the store gives it
	Kind    string
	Subject string
	Body    []byte
}

// record notes a change of the row that subject names, for the transaction's end.
func (x *tx) record(by, action, subject string, row any, note string) error {
	digest, err := rowDigest(row)
	if err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	if by == "" {
		by = x.db.by
	}
	x.entries = append(x.entries, Entry{By: by, Action: action, Subject: subject, Digest: digest, Note: note})
	return nil
}

// emit puts an event into the outbox at the transaction's end.
func (x *tx) emit(events ...Event) { x.events = append(x.events, events...) }

// flush appends the transaction's audit entries and events.
func (x *tx) flush(ctx context.Context) error {
	if n := int64(len(x.events)); n > 0 {
		var last int64
		err := one(ctx, x, []any{&last}, `insert into heads (name, seq, hash) values ('outbox', $1, '')
			on conflict (name) do update set seq = heads.seq + $1 returning seq`, n)
		if err != nil {
			return err
		}
		for i, e := range x.events {
			_, err := x.ExecContext(ctx, `insert into events (id, kind, subject, body, delivered) values ($1, $2, $3, $4, '')`,
				last-n+1+int64(i), e.Kind, e.Subject, some(e.Body))
			if err != nil {
				return err
			}
		}
	}
	if len(x.entries) == 0 {
		return nil
	}
	var last int64
	var head string
	n := int64(len(x.entries))
	err := one(ctx, x, []any{&last, &head}, `insert into heads (name, seq, hash) values ('audit', $1, '')
		on conflict (name) do update set seq = heads.seq + $1 returning seq, hash`, n)
	if err != nil {
		return err
	}
	at := x.db.now().UTC().Truncate(time.Microsecond)
	for i, e := range x.entries {
		e.Seq, e.At, e.Previous = last-n+1+int64(i), at, head
		if e.Hash, err = e.sum(); err != nil {
			return err
		}
		var previous any
		if e.Seq > 1 {
			previous = e.Seq - 1
		}
		_, err := x.ExecContext(ctx, `insert into audit (seq, at, by_whom, action, subject, digest, note, previous, previous_hash, hash)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			e.Seq, text(e.At), e.By, e.Action, e.Subject, e.Digest, e.Note, previous, none(e.Previous), e.Hash)
		if err != nil {
			return err
		}
		head = e.Hash
	}
	_, err = x.ExecContext(ctx, `update heads set hash = $1 where name = 'audit'`, head)
	return err
}

// rowDigest is the hash of a row's content as JSON. Struct fields keep their order.
func rowDigest(row any) (string, error) {
	b, err := json.Marshal(row)
	if err != nil {
		return "", err
	}
	return hash(b), nil
}

// Note appends an entry that is about no row, such as who looked at what.
func (db *DB) Note(ctx context.Context, by, action, subject, note string) error {
	return db.update(ctx, "note", func(x *tx) error {
		if by == "" {
			by = db.by
		}
		x.entries = append(x.entries, Entry{By: by, Action: action, Subject: subject, Note: note})
		return nil
	})
}

// An AuditFilter narrows the audit log; empty fields ask for nothing.
type AuditFilter struct {
	Subject string
	After   int64 // entries with a higher Seq
	Limit   int   // at most so many; 0: all
}

// Audit returns entries of the audit log, oldest first.
func (db *DB) Audit(ctx context.Context, f AuditFilter) ([]Entry, error) {
	var list []Entry
	w := where{}
	w.and("subject = $%d", f.Subject)
	w.args = append(w.args, f.After)
	w.conds = append(w.conds, fmt.Sprintf("seq > $%d", len(w.args)))
	query := selectAudit + w.String() + ` order by seq`
	if f.Limit > 0 {
		query += fmt.Sprintf(" limit %d", f.Limit)
	}
	err := each(ctx, db.read, func(r *sql.Rows) error {
		e, err := scanEntry(r)
		list = append(list, e)
		return err
	}, query, w.args...)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return list, nil
}

const selectAudit = `select seq, at, by_whom, action, subject, digest, note, coalesce(previous_hash, ''), hash from audit`

func scanEntry(r *sql.Rows) (e Entry, err error) {
	var at string
	if err := r.Scan(&e.Seq, &at, &e.By, &e.Action, &e.Subject, &e.Digest, &e.Note, &e.Previous, &e.Hash); err != nil {
		return e, err
	}
	e.At, err = parseTime(at)
	return e, err
}
