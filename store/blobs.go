package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Blobs keeps bytes under the name of their SHA-256, so that a name always means the same bytes.
// Put returns when the bytes will survive a power cut; what is there is left alone. Get returns
// what is there, or an error that is fs.ErrNotExist; the caller checks the hash.
type Blobs interface {
	Put(ctx context.Context, name string, data []byte) error
	Get(ctx context.Context, name string) ([]byte, error)
}

// PutBlob keeps data and returns its name, "sha256:hex". Writing the same again does nothing.
// It must be called before the name is written anywhere: a name without its blob is a finding.
func (db *DB) PutBlob(ctx context.Context, data []byte) (name string, err error) {
	if db.lock == nil {
		return "", fmt.Errorf("put blob: %w", ErrReadOnly)
	}
	name = hash(data)
	if err := db.blobs.Put(ctx, name, data); err != nil {
		return "", fmt.Errorf("put blob %s: %w", name, err)
	}
	return name, nil
}

// Blob returns the bytes of a name. Bytes that do not hash to it are an error, a missing blob is
// ErrNotFound.
func (db *DB) Blob(ctx context.Context, name string) ([]byte, error) {
	b, err := db.blobs.Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob %s: %w", name, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", name, err)
	}
	if got := hash(b); got != name {
		return nil, fmt.Errorf("blob %s: damaged: its bytes hash to %s", name, got)
	}
	return b, nil
}

// A folder keeps blobs as files root/ab/cdef... The order of its steps is what makes a blob last:
// write a temporary file in root/new, sync it, rename it, sync its new folder.
type folder struct {
	root string
	fs   files

	mu    sync.Mutex
	ready map[string]bool // folders whose own names are known to last
}

// files are the steps of the file system that a folder takes; a test makes each fail or be lost.
type files interface {
	mkdir(name string) (made bool, err error)
	exists(name string) (bool, error)
	read(name string) ([]byte, error)
	temp(dir string) (file, error)
	rename(from, to string) error
	syncDir(name string) error
	remove(name string) error
}

// A file is a temporary file being written.
type file interface {
	io.Writer
	Name() string
	Sync() error
	Close() error
}

func (f *folder) Put(ctx context.Context, name string, data []byte) (err error) {
	path, err := f.path(name)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := f.prepare(dir); err != nil {
		return err
	}
	there, err := f.fs.exists(path)
	if err != nil {
		return err
	}
	if there {
		// Its bytes were synced before it was renamed, but who renamed it may have been killed
		// before the folder was synced: the name could still vanish.
		if old, err := f.fs.read(path); err == nil && bytes.Equal(old, data) {
			return f.fs.syncDir(dir)
		}
		// Damaged since: the name says what it must hold, so put it back.
	}
	crash("blob.create")
	t, err := f.fs.temp(f.temp())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreAbsent(f.fs.remove(t.Name())))
		}
	}()
	_, err = t.Write(data)
	crash("blob.written")
	if err == nil {
		err = t.Sync()
	}
	if err := errors.Join(err, t.Close()); err != nil {
		return err
	}
	crash("blob.synced")
	if err := f.fs.rename(t.Name(), path); err != nil {
		return err
	}
	crash("blob.renamed")
	if err := f.fs.syncDir(dir); err != nil {
		return err
	}
	crash("blob.kept")
	return nil
}

// prepare makes a folder below the root, and its name last. Who comes second waits until it does.
func (f *folder) prepare(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ready == nil {
		// Folders that are there may have been made by a process that was killed before it could
		// sync them: once for each process, the root does that for all of them.
		if _, err := f.fs.mkdir(f.root); err != nil {
			return err
		}
		if _, err := f.fs.mkdir(f.temp()); err != nil {
			return err
		}
		if err := errors.Join(f.fs.syncDir(filepath.Dir(f.root)), f.fs.syncDir(f.root)); err != nil {
			return err
		}
		f.ready = map[string]bool{}
	}
	if f.ready[dir] {
		return nil
	}
	made, err := f.fs.mkdir(dir)
	if err == nil && made {
		err = f.fs.syncDir(f.root)
	}
	f.ready[dir] = err == nil
	return err
}

func (f *folder) Get(ctx context.Context, name string) ([]byte, error) {
	path, err := f.path(name)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return f.fs.read(path)
}

// temp is where files lie until they are whole.
func (f *folder) temp() string { return filepath.Join(f.root, "new") }

// sweep removes what killed writers left behind. Nobody else may be writing.
func (f *folder) sweep() error { return os.RemoveAll(f.temp()) }

// path returns the file of a blob; a name that is no SHA-256 is refused, so none leads outside.
func (f *folder) path(name string) (string, error) {
	digits, ok := strings.CutPrefix(name, "sha256:")
	if b, err := hex.DecodeString(digits); !ok || err != nil || len(b) != 32 || digits != strings.ToLower(digits) {
		return "", fmt.Errorf("not the name of a blob: %q", name)
	}
	return filepath.Join(f.root, digits[:2], digits[2:]), nil
}

// disk is the file system.
type disk struct{}

// mkdir makes one folder, unless it is there.
func (disk) mkdir(name string) (made bool, err error) {
	err = os.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrExist) {
		info, err := os.Stat(name)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is a file, want a folder", name)
		}
		return false, err
	}
	return err == nil, err
}

func (disk) exists(name string) (bool, error) {
	_, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (disk) read(name string) ([]byte, error) { return os.ReadFile(name) } //nolint:gosec // folder.path made the name
func (disk) temp(dir string) (file, error)    { return os.CreateTemp(dir, "blob-*") }
func (disk) rename(from, to string) error     { return os.Rename(from, to) }
func (disk) remove(name string) error         { return os.Remove(name) }
func (disk) syncDir(name string) (err error) {
	f, err := os.Open(name) //nolint:gosec // a folder of ours
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
