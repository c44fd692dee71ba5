package cur

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/arrears-billing/arrears/ingest"
)

// A packing is how a file's rows are packed.
type packing int

const (
	formatParquet packing = iota
	formatCSV
	formatGzip // of one csv
	formatZip  // of one csv
)

// open opens a file and says by its first bytes, and for csv by its name, what it is.
func open(ctx context.Context, f ingest.File) (ingest.Content, packing, error) {
	if f.Size == 0 {
		return nil, 0, errors.New("the file is empty")
	}
	c, err := f.Open(ctx)
	if err != nil {
		return nil, 0, err
	}
	head := make([]byte, min(f.Size, 4))
	if err := readRange(c, 0, head); err != nil {
		return nil, 0, firstOf(err, c.Close())
	}
	name := strings.ToLower(f.Name)
	switch parquet := strings.HasSuffix(name, ".parquet"); {
	case string(head) == "PAR1":
		return c, formatParquet, nil
	case string(head) == "PARE":
		err = errors.New("encrypted parquet cannot be read")
	case parquet:
		err = fmt.Errorf("not a parquet file: it begins with %q", head)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return c, formatGzip, nil
	case string(head) == "PK\x03\x04":
		return c, formatZip, nil
	case strings.HasSuffix(name, ".gz") || strings.HasSuffix(name, ".zip"):
		err = fmt.Errorf("not a %s file: it begins with %q", name[strings.LastIndexByte(name, '.')+1:], head)
	case strings.HasSuffix(name, ".csv"):
		return c, formatCSV, nil
	default:
		err = errors.New("neither parquet nor csv")
	}
	return nil, 0, firstOf(err, c.Close())
}

// readRange fills b from offset off.
func readRange(c ingest.Content, off int64, b []byte) error {
	r, err := c.Range(off, int64(len(b)))
	if err != nil {
		return err
	}
	_, err = io.ReadFull(r, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return firstOf(err, r.Close())
}
