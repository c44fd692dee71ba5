package cur

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/arrears-billing/arrears/ingest"
)

// Limits of pages. Writers cut pages at 1 MiB or 20,000 rows by default, and dictionaries at
// 1 MiB; the limits are what keeps a hostile file from taking all memory (design 4).
const (
	maxPage       = 64 << 20 // bytes unpacked
	maxPageValues = 1 << 24
	maxDict       = 1 << 20  // entries of a dictionary
	maxHeader     = 64 << 10 // bytes of a page header; statistics of long texts make it large
)

// padding is how far beyond the end of a page bits are unpacked at once (bitpack.Unpack, and one
// group of eight values of 32 bits).
const padding = 64

// Types of pages.
const (
	pageData   = 0
	pageDict   = 2
	pageDataV2 = 3
)

// Encodings.
const (
	encPlain           = 0
	encPlainDictionary = 2
	encRLE             = 3
	encBitPacked       = 4
	encDeltaPacked     = 5
	encDeltaLength     = 6
	encDeltaBytes      = 7
	encDictionary      = 8
	encByteStreamSplit = 9
)

// A pageHeader is what stands before a page.
type pageHeader struct {
	typ      int64
	unpacked int64
	packed   int64
	crc      uint32
	hasCRC   bool

	values   int64
	encoding int64
	defs     int64 // encoding of definition levels, or their bytes (v2)
	reps     int64 // the same for repetition levels
	nulls    int64 // v2
	rows     int64 // v2
	plain    bool  // v2: the values are not packed
}

func readPageHeader(b []byte) (h pageHeader, n int, err error) {
	t := &compact{b: b}
	h.nulls, h.rows, h.values, h.encoding = -1, -1, -1, -1
	t.fields(func(id int16, typ byte) {
		switch {
		case id == 1 && typ == thriftI32:
			h.typ = t.int()
		case id == 2 && typ == thriftI32:
			h.unpacked = t.int()
		case id == 3 && typ == thriftI32:
			h.packed = t.int()
		case id == 4 && typ == thriftI32:
			h.crc, h.hasCRC = uint32(t.int()), true //nolint:gosec // the bits of a signed number
		case (id == 5 || id == 7) && typ == thriftStruct: // v1, dictionary
			t.fields(func(id int16, typ byte) {
				switch {
				case id == 1 && typ == thriftI32:
					h.values = t.int()
				case id == 2 && typ == thriftI32:
					h.encoding = t.int()
				case id == 3 && typ == thriftI32:
					h.defs = t.int()
				case id == 4 && typ == thriftI32:
					h.reps = t.int()
				default:
					t.skip(typ)
				}
			})
		case id == 8 && typ == thriftStruct: // v2
			t.fields(func(id int16, typ byte) {
				switch {
				case id == 1 && typ == thriftI32:
					h.values = t.int()
				case id == 2 && typ == thriftI32:
					h.nulls = t.int()
				case id == 3 && typ == thriftI32:
					h.rows = t.int()
				case id == 4 && typ == thriftI32:
					h.encoding = t.int()
				case id == 5 && typ == thriftI32:
					h.defs = t.int()
				case id == 6 && typ == thriftI32:
					h.reps = t.int()
				case id == 7:
					h.plain = typ == thriftFalse
				default:
					t.skip(typ)
				}
			})
		default:
			t.skip(typ)
		}
	})
	return h, t.pos, t.err
}

// A chunk streams the pages of a column in a row group.
type chunk struct {
	chunkMeta
	stream io.ReadCloser
	r      *bufio.Reader
	left   int64 // bytes that are not read yet
	sum    hash.Hash
	header pageHeader
	raw    []byte // the page as it is stored; reused
	page   []byte // unpacked, with padding beyond its length; reused
	dict   []byte // the dictionary page as it is stored, until it is needed
	dictH  pageHeader
	paged  bool // a data page has been seen
}

// openChunk opens a chunk; with a sum all its bytes are hashed as they go by.
func openChunk(c ingest.Content, m chunkMeta, sum hash.Hash) (*chunk, error) {
	stream, err := c.Range(m.start, m.size)
	if err != nil {
		return nil, err
	}
	var r io.Reader = stream
	if sum != nil {
		r = io.TeeReader(stream, sum)
	}
	reused, _ := chunks.Get().(*chunk)
	if reused == nil {
		reused = &chunk{r: bufio.NewReaderSize(nil, maxHeader)}
	}
	reused.r.Reset(r)
	*reused = chunk{chunkMeta: m, stream: stream, r: reused.r, left: m.size, sum: sum, raw: reused.raw, page: reused.page}
	return reused, nil
}

// next goes to the next data page and reads its header. It returns io.EOF at the end of the chunk.
func (c *chunk) next() error {
	for {
		if c.left == 0 {
			return io.EOF
		}
		b, err := c.r.Peek(int(min(c.left, maxHeader)))
		if err != nil && len(b) == 0 {
			return err
		}
		h, n, err := readPageHeader(b)
		if err != nil {
			return errors.New("a page header is broken")
		}
		c.left -= int64(n)
		_, _ = c.r.Discard(n) // cannot fail: just peeked
		if h.packed < 0 || h.packed > c.left {
			return fmt.Errorf("a page of %d bytes, of which the file holds %d", h.packed, c.left)
		}
		if h.unpacked < 0 || h.unpacked > maxPage || h.packed > maxPage {
			return fmt.Errorf("a page of %d bytes, at most %d are read", max(h.unpacked, h.packed), maxPage)
		}
		switch h.typ {
		case pageData, pageDataV2:
			if h.values < 0 || h.values > maxPageValues {
				return fmt.Errorf("a page of %d values, at most %d are read", h.values, maxPageValues)
			}
			c.header, c.paged = h, true
			return nil
		case pageDict:
			if c.paged || c.dict != nil {
				return errors.New("a dictionary that is not at the beginning")
			}
			if h.values < 0 || h.values > maxDict {
				return fmt.Errorf("a dictionary of %d entries, at most %d are read", h.values, maxDict)
			}
			if h.encoding != encPlain && h.encoding != encPlainDictionary {
				return fmt.Errorf("a dictionary of encoding %d", h.encoding)
			}
			c.dict, c.dictH = make([]byte, h.packed), h
			c.left -= h.packed
			if _, err := io.ReadFull(c.r, c.dict); err != nil {
				return err
			}
		default: // index pages, and what later versions of the format may bring
			c.left -= h.packed
			if _, err := io.CopyN(io.Discard, c.r, h.packed); err != nil {
				return err
			}
		}
	}
}

// skip goes over the data page whose header was read.
func (c *chunk) skip() error {
	c.left -= c.header.packed
	_, err := c.r.Discard(int(c.header.packed))
	return err
}

// read reads the data page whose header was read and returns it unpacked. It is valid until the
// next call; bytes up to padding beyond its length can be read.
func (c *chunk) read() ([]byte, error) {
	h := c.header
	c.left -= h.packed
	c.raw = sized(c.raw, int(h.packed))
	if _, err := io.ReadFull(c.r, c.raw); err != nil {
		return nil, err
	}
	levels := 0
	if h.typ == pageDataV2 {
		if h.defs < 0 || h.reps < 0 || h.defs+h.reps > min(h.packed, h.unpacked) {
			return nil, errors.New("levels beyond the page")
		}
		levels = int(h.defs + h.reps)
	}
	codec := c.codec
	if h.plain {
		codec = codecNone
	}
	var err error
	c.page, err = unpack(c.page, c.raw, levels, int(h.unpacked), codec, h)
	return c.page, err
}

// readDict returns the dictionary page unpacked, which the caller keeps.
func (c *chunk) readDict() ([]byte, error) {
	if c.dict == nil {
		return nil, errors.New("a dictionary is missing")
	}
	b, err := unpack(nil, c.dict, 0, int(c.dictH.unpacked), c.codec, c.dictH)
	c.dict = []byte{} // present, but used up
	return b, err
}

// end says whether the chunk has been read to its end, and hashes what nobody asked for.
func (c *chunk) end() error {
	if c.sum == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, c.r)
	return err
}

// close ends the reading. The chunk's memory is used again.
func (c *chunk) close() error {
	err := c.stream.Close()
	if cap(c.raw)+cap(c.page) <= maxKept {
		c.r.Reset(nil)
		chunks.Put(c)
	}
	return err
}

// chunks keeps the memory of chunks that are closed, unless they had unusually large pages.
var chunks sync.Pool

const maxKept = 8 << 20

// Codecs.
const (
	codecNone   = 0
	codecSnappy = 1
	codecGzip   = 2
	codecBrotli = 4
	codecZstd   = 6
	codecLZ4Raw = 7
)

// codecNames are those that are not read. LZ4 without RAW is framed in ways that writers never
// agreed on.
var codecNames = map[int64]string{3: "LZO", 5: "LZ4"}

// zstdDecoder unpacks whole pages, for any number of callers at a time.
var zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxPage))
})

// unpack checks a page and unpacks all but its first levels bytes into dst, whose memory it
// reuses. What comes out has exactly size bytes.
func unpack(dst, raw []byte, levels, size int, codec int64, h pageHeader) ([]byte, error) {
	if h.hasCRC && crc32.ChecksumIEEE(raw) != h.crc {
		return nil, errors.New("a page does not fit its checksum")
	}
	// What can be said without unpacking is said before memory is taken.
	packed, want := raw[levels:], size-levels
	got := 0
	switch codec {
	case codecNone:
		got = len(packed)
	case codecSnappy:
		var err error
		if got, err = s2.DecodedLen(packed); err != nil && len(packed) > 0 {
			return nil, errors.New("a page cannot be unpacked by snappy")
		}
	default:
		got = want
	}
	if got != want {
		return nil, fmt.Errorf("a page unpacks to %d bytes and states %d", got+levels, size)
	}
	dst = sized(dst, size)
	copy(dst, raw[:levels])
	if len(packed) == 0 { // v2: no values, nothing packed
		if want != 0 {
			return nil, fmt.Errorf("a page unpacks to %d bytes and states %d", levels, size)
		}
		return dst, nil
	}
	switch codec {
	case codecNone:
		copy(dst[levels:], packed)
	case codecSnappy:
		if want == 0 {
			break
		}
		if _, err := s2.Decode(dst[levels:], packed); err != nil {
			return nil, errors.New("a page cannot be unpacked by snappy")
		}
	case codecGzip:
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err == nil {
			got, err = unpackStream(dst[levels:size+1], z)
		}
		if err != nil {
			return nil, fmt.Errorf("a page cannot be unpacked: %w", err)
		}
	case codecBrotli:
		z, _ := brotlis.Get().(*brotli.Reader)
		if z == nil {
			z = new(brotli.Reader)
		}
		err := z.Reset(bytes.NewReader(packed))
		if err == nil {
			got, err = unpackStream(dst[levels:size+1], z)
		}
		brotlis.Put(z)
		if err != nil {
			return nil, fmt.Errorf("a page cannot be unpacked: %w", err)
		}
	case codecLZ4Raw:
		var err error
		if got, err = lz4.UncompressBlock(packed, dst[levels:size]); err != nil {
			return nil, errors.New("a page cannot be unpacked by LZ4, or unpacks to more than it states")
		}
	case codecZstd:
		z, err := zstdDecoder()
		if err != nil {
			return nil, err
		}
		out, err := z.DecodeAll(packed, dst[levels:levels])
		if err != nil {
			return nil, fmt.Errorf("a page cannot be unpacked: %w", err)
		}
		if got = len(out); got == want {
			copy(dst[levels:], out) // at the same place, unless it had to grow
		}
	default:
		return nil, fmt.Errorf("packed by %s (codec %d), which is not read", codecNames[codec], codec)
	}
	if got != want {
		return nil, fmt.Errorf("a page unpacks to %d bytes and states %d", got+levels, size)
	}
	return dst, nil
}

// brotlis keeps readers, which are large.
var brotlis sync.Pool

// unpackStream reads into dst until the end of the stream or of dst, which is a byte longer than
// what is stated: so a longer page shows, and a checksum at the end is read.
func unpackStream(dst []byte, r io.Reader) (n int, err error) {
	for err == nil && n < len(dst) {
		var read int
		read, err = r.Read(dst[n:])
		n += read
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// sized returns a slice of n bytes with padding beyond, in b's memory if it is large enough.
func sized(b []byte, n int) []byte {
	if cap(b) < n+padding {
		b = make([]byte, n+padding)
	}
	return b[:n]
}
