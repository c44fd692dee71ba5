package ingest

import (
	"context"
	"io"
	"time"
)

// A Store gives access to what AWS delivered: a folder, or a bucket and prefix. Names in it are
// paths below its root, with slashes. Package ingest has the one for folders, package aws the one
// for S3.
type Store interface {
	// Folders returns the names of the folders directly in folder dir ("" is the root), ascending.
	// A folder that does not exist has none.
	Folders(ctx context.Context, dir string) ([]string, error)
	// Files returns the files of folder dir at any depth, ascending by name. A folder that does not
	// exist has none.
	Files(ctx context.Context, dir string) ([]File, error)
	// String is the location as the book names it, for errors.
	String() string
}

// A File is one file of a delivery, as it was listed.
type File struct {
	Name string // path within the source, with slashes: what errors and evidence call it
	Size int64
	// Pin is what is known without reading: size and version id or etag in S3, size and
	// modification time in a folder. It decides only whether to read again (design 4).
	Pin string
	// Written is when AWS wrote the file; zero where nobody knows, as in a folder, whose times are
	// those of the copy.
	Written time.Time
	// Open gives access to the content, pinned to the version listed: a file that changed since is
	// an error that wraps ErrUnstable. It may be called more than once.
	Open func(context.Context) (Content, error)
}

// Content gives streams of ranges of a file: one a column chunk, or one for a whole csv.
// Ranges may be read side by side.
type Content interface {
	// Range streams n bytes from offset off. Fewer bytes than that are an error of the stream.
	Range(off, n int64) (io.ReadCloser, error)
	Close() error
}

// A Scan is what one file holds: its charges, and the digest of what was read ("d1:" and hex),
// which is the cache key and the evidence (design 4).
type Scan struct {
	Digest string
	Set    ChargeSet
}
