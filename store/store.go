// Package store keeps what the program knows: the objects of the book, the state of every
// agreement-month, issued documents with their numbers, orders, rates, and the audit log, in an
// embedded SQLite database or in PostgreSQL; evidence and renderings as blobs beside it.
//
// It owns atomicity, numbers without gaps, and the proof that nothing was changed afterwards. It
// does not know what a rate, a discount or a tax is: documents, drafts, reports and orders are
// bytes to it. Amounts are never columns and nothing is summed in SQL.
//
// Every write is one transaction together with its audit entry. A write that depends on what was
// read names the version it read and fails with [ErrConflict] when somebody was faster. A crash at
// any instant leaves the state before or after a call, never between (docs/STORAGE.md).
//
// All methods of DB are safe for concurrent use.
package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrNone means that there is no data folder, or no schema in the database; only commands that
// start one create it.
var ErrNone = errors.New("no data")

// ErrBusy means that another writer holds the data. The error is a *[BusyError].
var ErrBusy = errors.New("another writer is at work")

// ErrConflict means that what was read has changed, or that what was to be written once is there.
var ErrConflict = errors.New("changed in the meantime")

// ErrNotFound means that there is no such thing.
var ErrNotFound = errors.New("not found")

// ErrDamaged means that a row holds what this program did not write and cannot read. [DB.Check]
// names every one.
var ErrDamaged = errors.New("a row is damaged")

// ErrReadOnly means that the store was opened for reading.
var ErrReadOnly = errors.New("opened for reading only")

// A BusyError says who holds the data.
type BusyError struct {
	Holder string // what the holder's Options.Command was, its process id and since when
}

func (e *BusyError) Error() string { return ErrBusy.Error() + ": " + e.Holder }

// Is makes a BusyError an ErrBusy.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

// Options say where the data is and what for it is opened.
type Options struct {
	Dir    string // data folder: database (unless URL is set), lock file, blobs
	URL    string // postgres://...; empty: SQLite in Dir
	Create bool   // make folder and database if there are none; implies Write
	Write  bool   // hold the writer's lock; without it every write fails with ErrReadOnly

	// Shared lets writers that say so too work side by side, such as workers on several machines.
	Shared bool

	Command string        // what is being done; the lock file says it to a second writer
	By      string        // who the audit log names where no call says who; default Command
	Wait    time.Duration // how long to wait for another writer; 0: 5 s, negative: not at all

	Blobs Blobs            // where blobs are; nil: the folder Dir/blobs
	Now   func() time.Time // real time for audit and lock file; nil: the clock
}

const (
	databaseFile = "arrears.db"
	lockFile     = "arrears.lock"
	blobFolder   = "blobs"
)

// A DB is an open store. Close it.
type DB struct {
	dialect dialect
	write   *sql.DB // SQLite: one connection, as its transactions are serial anyway
	read    *sql.DB
	lock    io.Closer // nil when reading only
	blobs   Blobs
	now     func() time.Time
	by      string
}

// Open opens the store. With Create or Write it takes the writer's lock and migrates the schema
// forward; without, an older schema is an error that says what to do. A schema newer than this
// program is refused. Without Create, missing data is ErrNone.
func Open(ctx context.Context, o Options) (_ *DB, err error) {
	o.Write = o.Write || o.Create
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the one real clock: it stands in audit and lock only
	}
	if o.By == "" {
		o.By = o.Command
	}
	if o.Wait == 0 {
		o.Wait = 5 * time.Second
	}
	db := &DB{dialect: sqlite, now: o.Now, by: o.By, blobs: o.Blobs}
	where := o.Dir
	if o.URL != "" {
		db.dialect, where = postgres, withoutPassword(o.URL)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open %s: %w", where, errors.Join(err, db.Close()))
		}
	}()

	if err := prepareDir(o); err != nil {
		return nil, err
	}
	if err := db.connect(ctx, o); err != nil {
		return nil, err
	}
	if err := db.migrate(ctx, o); err != nil {
		return nil, err
	}
	if db.blobs == nil {
		f := &folder{root: filepath.Join(o.Dir, blobFolder), fs: disk{}}
		if o.Write && !o.Shared {
			if err := f.sweep(); err != nil {
				return nil, err
			}
		}
		db.blobs = f
	}
	return db, nil
}

// Close gives the lock back. The data needs no closing to be safe.
func (db *DB) Close() error {
	var errs []error
	if db.read != nil {
		errs = append(errs, db.read.Close())
	}
	if db.write != nil {
		errs = append(errs, db.write.Close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Close())
		db.lock = nil
	}
	return errors.Join(errs...)
}

// prepareDir makes or finds the data folder. With PostgreSQL it holds the blobs, unless they are
// elsewhere.
func prepareDir(o Options) error {
	switch {
	case o.Dir == "" && o.URL != "" && o.Blobs != nil:
		return nil
	case o.Dir == "":
		return errors.New("no data folder named")
	case o.Create:
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return err
		}
		if err := private(o.Dir); err != nil {
			return err
		}
		return disk{}.syncDir(filepath.Dir(filepath.Clean(o.Dir)))
	}
	found, missing := o.Dir, fmt.Errorf("%w: the folder of blobs, %s, is not there", ErrNone, o.Dir)
	if o.URL == "" {
		found, missing = filepath.Join(o.Dir, databaseFile), ErrNone
	}
	_, err := os.Stat(found)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing
	case err == nil && o.Write:
		return private(o.Dir)
	}
	return err
}

// private makes everything in the data folder its owner's alone: invoices are nobody else's
// business. What this program makes is so from the start; what was copied here by other means, such
// as a backup, is put right. The whole folder is walked only when it or its database is not so.
func private(dir string) error {
	loose := false
	for _, path := range []string{dir, filepath.Join(dir, databaseFile), filepath.Join(dir, blobFolder)} {
		info, err := os.Stat(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		loose = loose || err == nil && info.Mode().Perm()&0o077 != 0
	}
	if !loose {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		switch {
		case d.IsDir():
			want = 0o700
		case !d.Type().IsRegular():
			return nil // a link is as open as what it leads to
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) { // a temporary file of another writer
			return nil
		}
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			err = os.Chmod(path, want)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// hash returns the SHA-256 of the bytes as "sha256:hex".
func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// text prints a time as the columns hold it; the zero time is ”.
func text(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// parseTime reads what text printed.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, s)
}

// lines joins names for a column that holds a list; names hold no line break.
func lines(names []string) string { return strings.Join(names, "\n") }

// splitLines undoes lines.
func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// some returns b, and empty bytes for nil: columns are not null.
func some(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// none returns nil, which is NULL, for the empty text.
func none(s string) any {
	if s == "" {
		return nil
	}
	return s
}
