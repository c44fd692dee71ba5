package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"
)

// Folder returns the Store of a folder on disk. Nothing outside it is read, whatever links it
// holds; links to folders are not followed. The folder need not exist yet.
func Folder(dir string) Store { return folder(dir) }

type folder string

func (f folder) String() string { return string(f) }

// list calls do for the entries of the tree below dir; a missing dir has none.
func (f folder) list(ctx context.Context, dir string, do func(root *os.Root, name string, d fs.DirEntry) error) error {
	root, err := os.OpenRoot(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", f, err)
	}
	defer func() { _ = root.Close() }() // only read
	start := path.Join(".", dir)
	err = fs.WalkDir(root.FS(), start, func(name string, d fs.DirEntry, err error) error {
		if cerr := ctx.Err(); cerr != nil {
			return cerr
		}
		if err != nil {
			if name == start && errors.Is(err, fs.ErrNotExist) {
				return fs.SkipAll
			}
			return err
		}
		if name == start {
			return nil
		}
		return do(root, name, d)
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", f, err)
	}
	return nil
}

// Folders implements Store.
func (f folder) Folders(ctx context.Context, dir string) ([]string, error) {
	var names []string
	err := f.list(ctx, dir, func(_ *os.Root, name string, d fs.DirEntry) error {
		if !d.IsDir() {
			return nil
		}
		names = append(names, path.Base(name))
		return fs.SkipDir
	})
	slices.Sort(names)
	return names, err
}

// Files implements Store.
func (f folder) Files(ctx context.Context, dir string) ([]File, error) {
	var files []File
	err := f.list(ctx, dir, func(root *os.Root, name string, d fs.DirEntry) error {
		if d.IsDir() {
			return nil
		}
		info, err := root.Stat(name) // follows a link to a file, as long as it stays in the folder
		if errors.Is(err, fs.ErrNotExist) && d.Type()&fs.ModeSymlink == 0 {
			return fmt.Errorf("%w: %s was removed while it was listed", ErrUnstable, name)
		}
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		files = append(files, File{
			Name: name,
			Size: info.Size(),
			Pin:  folderPin(info),
			Open: func(context.Context) (Content, error) { return f.open(name, folderPin(info)) },
		})
		return nil
	})
	slices.SortFunc(files, compareFiles)
	return files, err
}

func folderPin(info fs.FileInfo) string {
	return fmt.Sprintf("%d@%s", info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano))
}

func (f folder) open(name, pin string) (Content, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, &DeliveryError{File: name, Err: err}
	}
	defer func() { _ = root.Close() }() // what was opened in it stays open
	file, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &DeliveryError{File: name, Err: fmt.Errorf("%w: removed since it was listed", ErrUnstable)}
	}
	if err != nil {
		return nil, &DeliveryError{File: name, Err: err}
	}
	info, err := file.Stat()
	if err == nil && folderPin(info) != pin {
		err = fmt.Errorf("%w: %s since it was listed as %s", ErrUnstable, folderPin(info), pin)
	}
	if err != nil {
		return nil, errors.Join(&DeliveryError{File: name, Err: err}, file.Close())
	}
	return folderFile{file}, nil
}

type folderFile struct{ *os.File }

// Range implements Content.
func (f folderFile) Range(off, n int64) (io.ReadCloser, error) {
	if off < 0 || n < 0 || off+n < off {
		return nil, fmt.Errorf("no such range: %d bytes from %d", n, off)
	}
	return io.NopCloser(&exactly{r: io.NewSectionReader(f.File, off, n), left: n}), nil
}

// exactly reads n bytes and then ends; a stream that ends before is an error.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(b []byte) (int, error) {
	n, err := e.r.Read(b)
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
