package cur

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/csv"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/arrears-billing/arrears/ingest"
)

// Limits of csv files. They keep memory bounded and stop files made to explode.
const (
	// maxRecord is the most bytes a row may have: AWS's widest rows, with every tag of the largest
	// quota (50 tags of 128 + 256 characters, four bytes each), stay below 100 KiB.
	maxRecord = 4 << 20
	// maxRatio is how much larger than its packed form a csv may be, beyond the first minUnpacked
	// bytes. Reports pack 10 to 40 times; deflate can do 1,032 times at the very most.
	maxRatio    = 100
	minUnpacked = 16 << 20
)

// csvRows reads the rows of a csv file, packed or not, as they stream by.
type csvRows struct {
	header []string

	raw    *bufio.Reader // the file, hashed
	text   *boundedReader
	csv    *csv.Reader
	crc    uint32 // zip: what the unpacked text must hash to
	check  hash.Hash32
	closer io.Closer
}

// openCSV opens a csv file of the format and reads its header. With a sum the file's bytes are
// hashed as they go by.
func openCSV(c ingest.Content, form packing, size int64, sum hash.Hash) (*csvRows, error) {
	r := &csvRows{}
	var member *zip.File
	if form == formatZip {
		var err error
		if member, err = onlyMember(c, size); err != nil {
			return nil, err
		}
	}
	stream, err := c.Range(0, size)
	if err != nil {
		return nil, err
	}
	r.closer = stream
	var raw io.Reader = stream
	if sum != nil {
		raw = io.TeeReader(stream, sum)
	}
	r.raw = bufio.NewReaderSize(raw, 256<<10)
	text, err := r.unpack(form, member)
	if err != nil {
		return nil, firstOf(err, r.Close())
	}
	r.text = &boundedReader{r: text, left: max(minUnpacked, size*maxRatio), record: maxRecord}
	b := bufio.NewReaderSize(r.text, 64<<10)
	if bom, err := b.Peek(3); err == nil && bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		_, _ = b.Discard(3) // cannot fail: just peeked
	}
	r.csv = csv.NewReader(b)
	r.csv.ReuseRecord = true
	header, err := r.csv.Read()
	if err != nil {
		if err == io.EOF {
			err = errors.New("no header")
		}
		return nil, firstOf(fmt.Errorf("header: %w", err), r.Close())
	}
	for _, name := range header {
		r.header = append(r.header, strings.Clone(name))
	}
	return r, nil
}

func (r *csvRows) unpack(form packing, member *zip.File) (io.Reader, error) {
	switch form {
	case formatGzip:
		return gzip.NewReader(r.raw)
	case formatZip:
		off, err := member.DataOffset()
		if err != nil {
			return nil, err
		}
		if _, err := io.CopyN(io.Discard, r.raw, off); err != nil {
			return nil, err
		}
		packed := io.LimitReader(r.raw, int64(member.CompressedSize64)) //nolint:gosec // checked by onlyMember
		r.check, r.crc = crc32.NewIEEE(), member.CRC32
		if member.Method == zip.Store {
			return io.TeeReader(packed, r.check), nil
		}
		return io.TeeReader(flate.NewReader(packed), r.check), nil
	default:
		return r.raw, nil
	}
}

// next returns the next row's fields, which it reuses, and io.EOF after the last one.
// Then the whole file has been read, checked and hashed.
func (r *csvRows) next() ([]string, error) {
	r.text.record = maxRecord
	fields, err := r.csv.Read()
	if err != io.EOF {
		if parse, ok := errors.AsType[*csv.ParseError](err); ok {
			err = parse.Err // its line is not the row; the caller knows the row
		}
		return fields, err
	}
	if r.check != nil && r.check.Sum32() != r.crc {
		return nil, errors.New("the unpacked text does not fit its checksum")
	}
	if _, err := io.Copy(io.Discard, r.raw); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// Close ends the reading.
func (r *csvRows) Close() error { return r.closer.Close() }

// A boundedReader refuses texts without end and rows without end.
type boundedReader struct {
	r      io.Reader
	left   int64 // bytes that the text may still have
	record int64 // bytes that may be read before the next row is asked for
}

func (b *boundedReader) Read(p []byte) (int, error) {
	switch {
	case b.left <= 0:
		return 0, fmt.Errorf("unpacks to more than %d times its size", maxRatio)
	case b.record <= 0:
		return 0, fmt.Errorf("a row of more than %d bytes", maxRecord)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.record -= int64(n)
	return n, err
}

// onlyMember returns the csv in a zip file, which must be alone.
func onlyMember(c ingest.Content, size int64) (*zip.File, error) {
	z, err := zip.NewReader(&rangeReaderAt{c: c, size: size}, size)
	if err != nil {
		return nil, err
	}
	var found *zip.File
	for _, f := range z.File {
		switch {
		case f.FileInfo().IsDir():
		case found != nil:
			return nil, errors.New("the zip file holds more than one file")
		default:
			found = f
		}
	}
	switch {
	case found == nil:
		return nil, errors.New("the zip file is empty")
	case found.Flags&1 != 0:
		return nil, errors.New("the zip file is encrypted")
	case found.Method != zip.Deflate && found.Method != zip.Store:
		return nil, fmt.Errorf("the zip file is packed by method %d, want deflate", found.Method)
	case found.CompressedSize64 > uint64(size): //nolint:gosec // sizes of files are not negative
		return nil, errors.New("the zip file states a size beyond its own")
	}
	return found, nil
}

// A rangeReaderAt reads a content at any place. It keeps the last block it read, since a zip
// directory is read in small pieces.
type rangeReaderAt struct {
	c     ingest.Content
	size  int64
	start int64
	block []byte
}

func (r *rangeReaderAt) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		at := off + int64(n)
		if at < 0 || at >= r.size {
			return n, io.EOF
		}
		if at < r.start || at >= r.start+int64(len(r.block)) {
			const size = 64 << 10
			start := at / size * size
			block := make([]byte, min(size, r.size-start))
			if err := readRange(r.c, start, block); err != nil {
				return n, err
			}
			r.start, r.block = start, block
		}
		n += copy(p[n:], r.block[at-r.start:])
	}
	return n, nil
}
