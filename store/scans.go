package store

import (
	"context"
	"fmt"
)

// A Scan remembers what reading a file gave, so that it is not read again.
type Scan struct {
	Location string // file
	Pin      string // what is known of the file without reading it
	Digest   string // of what was read: d1:hex
	Blob     string // the charge set
}

// Scan returns what reading the file of that pin gave, or ErrNotFound.
func (db *DB) Scan(ctx context.Context, location, pin string) (Scan, error) {
	s := Scan{Location: location, Pin: pin}
	err := one(ctx, db.read, []any{&s.Digest, &s.Blob}, `select digest, blob from scans where location = $1 and pin = $2`, location, pin)
	if err != nil {
		return s, fmt.Errorf("scan of %s: %w", location, err)
	}
	return s, nil
}

// ScanOf returns a scan of any file with the digest, or ErrNotFound.
func (db *DB) ScanOf(ctx context.Context, digest string) (Scan, error) {
	s := Scan{Digest: digest}
	err := one(ctx, db.read, []any{&s.Location, &s.Pin, &s.Blob},
		`select location, pin, blob from scans where digest = $1 order by location, pin limit 1`, digest)
	if err != nil {
		return s, fmt.Errorf("scan of %s: %w", digest, err)
	}
	return s, nil
}

// PutScan keeps a scan; an earlier one of the same file and pin stays. It does not wait for the
// disk: after a power cut the file is read again. Its blob must be kept before, as always.
func (db *DB) PutScan(ctx context.Context, s Scan) error { return db.PutScans(ctx, []Scan{s}) }

// PutScans is PutScan for several in one transaction.
func (db *DB) PutScans(ctx context.Context, list []Scan) error {
	err := db.cache(ctx, "scans", func(x *tx) error {
		for _, s := range list {
			_, err := x.ExecContext(ctx, `insert into scans (location, pin, digest, blob) values ($1, $2, $3, $4) on conflict do nothing`,
				s.Location, s.Pin, s.Digest, s.Blob)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Location, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("put scan: %w", err)
	}
	return nil
}
