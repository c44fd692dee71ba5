package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// An Object is one version of something that the book names: a seller, a buyer, a payer, an
// agreement. Every version is kept and none is deleted.
type Object struct {
	Kind    string
	ID      string
	Version int    // 1, 2, 3 ...; the store gives it
	Hash    string // of Body; the store gives it
	Body    []byte
	Applied time.Time // the "now" of the apply that brought it
}

// What became of an object in PutObjects.
const (
	Created   = "created"
	Changed   = "changed"
	Unchanged = "unchanged"
)

// A Change says what became of one object.
type Change struct {
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Change  string `json:"change"` // created | changed | unchanged
	Version int    `json:"version"`
	// Fields are what differs from the version before, as paths: cur.source, terms[2026-03].support.
	Fields []string `json:"fields,omitempty"`

	note string // the same with what was and what is, for the audit log
}

// PutObjects writes a new version of every object whose body differs from its newest version, all
// or none, and returns what became of each, in their order. Objects that are not named stay.
func (db *DB) PutObjects(ctx context.Context, at time.Time, by string, objs []Object) ([]Change, error) {
	var changes []Change
	err := db.update(ctx, "objects", func(x *tx) error {
		changes = changes[:0]
		for _, o := range objs {
			c, err := x.putObject(ctx, at, by, o)
			if err != nil {
				return fmt.Errorf("%s %s: %w", o.Kind, o.ID, err)
			}
			changes = append(changes, c)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("put objects: %w", err)
	}
	return changes, nil
}

// CompareObjects says what PutObjects would do, and does nothing.
func (db *DB) CompareObjects(ctx context.Context, objs []Object) ([]Change, error) {
	var changes []Change
	for _, o := range objs {
		c, err := compareObject(ctx, db.read, o)
		if err != nil {
			return nil, fmt.Errorf("compare %s %s: %w", o.Kind, o.ID, err)
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func compareObject(ctx context.Context, q queryer, o Object) (Change, error) {
	if o.Kind == "" || o.ID == "" {
		return Change{}, errors.New("no kind or no id")
	}
	c := Change{Kind: o.Kind, ID: o.ID, Change: Unchanged}
	var last string
	var body []byte
	err := one(ctx, q, []any{&c.Version, &last, &body},
		`select version, hash, body from objects where kind = $1 and id = $2 order by version desc limit 1`, o.Kind, o.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		c.Change, c.Version = Created, 1
	case err != nil:
		return c, err
	case last != hash(o.Body):
		c.Change, c.Version = Changed, c.Version+1
		c.Fields, c.note = differences(body, o.Body)
	}
	return c, nil
}

func (x *tx) putObject(ctx context.Context, at time.Time, by string, o Object) (Change, error) {
	c, err := compareObject(ctx, x, o)
	if err != nil || c.Change == Unchanged {
		return c, err
	}
	o.Version, o.Hash, o.Applied = c.Version, hash(o.Body), at
	_, err = x.ExecContext(ctx, `insert into objects (kind, id, version, hash, body, applied) values ($1, $2, $3, $4, $5, $6)`,
		o.Kind, o.ID, o.Version, o.Hash, some(o.Body), text(o.Applied))
	if err != nil {
		return c, err
	}
	return c, x.record(by, "object "+c.Change, o.subject(), o.row(), c.note)
}

func (o Object) subject() string { return fmt.Sprintf("object/%s/%s/%d", o.Kind, o.ID, o.Version) }

// row is what the audit log's digest covers.
func (o Object) row() any {
	return []any{o.Kind, o.ID, o.Version, o.Hash, hash(o.Body), text(o.Applied)}
}

const selectObjects = `select kind, id, version, hash, body, applied from objects o`

// Objects returns the newest version of every object, by kind and id.
func (db *DB) Objects(ctx context.Context) ([]Object, error) {
	list, err := objects(ctx, db.read, selectObjects+` where version = (select max(version) from objects n where n.kind = o.kind and n.id = o.id)
		order by kind, id`)
	if err != nil {
		return nil, fmt.Errorf("objects: %w", err)
	}
	return list, nil
}

// Object returns one version of an object; version 0 is the newest.
func (db *DB) Object(ctx context.Context, kind, id string, version int) (Object, error) {
	list, err := objects(ctx, db.read, selectObjects+` where kind = $1 and id = $2 and (version = $3 or $3 = 0)
		order by version desc limit 1`, kind, id, version)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Object{}, fmt.Errorf("%s %s version %d: %w", kind, id, version, err)
	}
	return list[0], nil
}

// History returns all versions of an object, oldest first.
func (db *DB) History(ctx context.Context, kind, id string) ([]Object, error) {
	list, err := objects(ctx, db.read, selectObjects+` where kind = $1 and id = $2 order by version`, kind, id)
	if err != nil {
		return nil, fmt.Errorf("history of %s %s: %w", kind, id, err)
	}
	return list, nil
}

func objects(ctx context.Context, q queryer, query string, args ...any) ([]Object, error) {
	var list []Object
	err := each(ctx, q, func(r *sql.Rows) error {
		var o Object
		var applied string
		if err := r.Scan(&o.Kind, &o.ID, &o.Version, &o.Hash, &o.Body, &applied); err != nil {
			return err
		}
		var err error
		if o.Applied, err = parseTime(applied); err == nil {
			list = append(list, o)
		}
		return err
	}, query, args...)
	return list, err
}
