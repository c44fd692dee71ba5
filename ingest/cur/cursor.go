package cur

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/arrears-billing/arrears/ingest"
)

// A cursor reads one column of a row group, batch by batch, as texts, money or times.
type cursor struct {
	*leaf
	kind  kind
	chunk *chunk
	rows  int64 // rows of the row group that are still to come
	taken int64 // values of the chunk so far, NULLs included

	// The current page.
	left   int // values that are still to come, NULLs included
	reps   hybrid
	defs   hybrid
	ids    hybrid // where hasIDs
	plain  stored // else
	hasIDs bool
	some   bool // a value has been taken from the page

	dict *dict // texts
	// Money and times: the dictionary's values.
	nums []int64
	odds []number

	levels [2][]uint32 // scratch; of a map: levels of the page that were decoded ahead
	ahead  int         // how many of them are used up
	ready  int         // how many there are
	idbuf  []uint32
	ends   []int // scratch for the values of a map
}

// openCursor opens the column l of a row group. With a sum, the chunk's bytes are hashed.
func openCursor(c ingest.Content, g rowGroup, l *leaf, k kind, sum hash.Hash) (*cursor, error) {
	ch, err := openChunk(c, g.chunks[l.index], sum)
	if err != nil {
		return nil, atCell(0, l.name, err)
	}
	return &cursor{leaf: l, kind: k, chunk: ch, rows: g.rows, dict: newDict()}, nil
}

// close ends the reading. The rest of the chunk is hashed if it has to be.
func (c *cursor) close(hashed bool) error {
	var err error
	if hashed {
		err = c.chunk.end()
	}
	return firstOf(err, c.chunk.close())
}

// fill reads the next n rows of a flat column into v.
func (c *cursor) fill(v *vector, n int) error {
	if c.kind == kindText {
		c.dict.reset()
		v.dict = c.dict
	}
	v.same, v.odd = false, nil
	for pos := 0; pos < n; {
		if c.left == 0 {
			if err := c.page(); err != nil {
				return err
			}
			continue
		}
		m := min(n-pos, c.left)
		same, err := c.flat(v, pos, m, m == n)
		if err != nil {
			return err
		}
		v.same = same
		pos += m
		if err := c.took(m); err != nil {
			return err
		}
	}
	c.rows -= int64(n)
	return c.atEnd()
}

// atEnd says, once all rows have been read, whether the chunk holds nothing more.
func (c *cursor) atEnd() error {
	if c.rows > 0 {
		return nil
	}
	if c.left > 0 {
		return errLong
	}
	for {
		switch err := c.chunk.next(); {
		case err == io.EOF:
			if c.taken != c.chunk.values {
				return fmt.Errorf("holds %d values and states %d", c.taken, c.chunk.values)
			}
			return nil
		case err != nil:
			return err
		case c.chunk.header.values > 0:
			return errors.New("holds more rows than its row group")
		}
		if err := c.chunk.skip(); err != nil {
			return err
		}
	}
}

// skip goes over the next n rows of a flat column. Whole pages are not even unpacked.
func (c *cursor) skip(n int) error {
	c.rows -= int64(n)
	var v *vector
	for n > 0 {
		if c.left == 0 {
			if err := c.nextHeader(); err != nil {
				return err
			}
			if h := c.chunk.header; h.values <= int64(n) {
				c.taken += h.values
				n -= int(h.values)
				if err := c.chunk.skip(); err != nil {
					return err
				}
				continue
			}
			if err := c.unpackPage(); err != nil {
				return err
			}
		}
		if v == nil {
			v = c.newVector()
		}
		m := min(n, c.left, batchRows)
		if c.kind == kindText {
			c.dict.reset()
		}
		if _, err := c.flat(v, 0, m, false); err != nil {
			return err
		}
		if err := c.took(m); err != nil {
			return err
		}
		n -= m
	}
	return nil
}

// flat decodes m values of the current page, NULLs included, to v at pos. If they may be and are
// all the same, it fills in only the first one and says so.
func (c *cursor) flat(v *vector, pos, m int, mayBeSame bool) (bool, error) {
	if c.maxDef == 0 {
		return c.decode(v, pos, m, mayBeSame)
	}
	if level, ok := c.defs.same(m); ok {
		switch {
		case level > 1:
			return false, errLevel
		case level == 1:
			return c.decode(v, pos, m, mayBeSame)
		case mayBeSame:
			c.setNull(v, pos)
			return true, nil
		}
		for i := pos; i < pos+m; i++ {
			c.setNull(v, i)
		}
		return false, nil
	}
	defs, err := c.fillLevels(0, &c.defs, m)
	if err != nil {
		return false, err
	}
	return false, c.spread(v, pos, defs)
}

// fillLevels decodes m levels to the scratch memory k.
func (c *cursor) fillLevels(k int, h *hybrid, m int) ([]uint32, error) {
	if c.levels[k] == nil {
		c.levels[k] = make([]uint32, batchRows)
	}
	levels := c.levels[k][:m]
	return levels, h.fill(levels)
}

var errLevel = errors.New("a page with a level beyond its column's")

// took notes that m values of the page have been taken.
func (c *cursor) took(m int) error {
	c.left -= m
	c.taken += int64(m)
	if c.left > 0 {
		return nil
	}
	// The page must hold exactly what it claims.
	if c.maxRep > 0 {
		if err := c.reps.end(); err != nil {
			return err
		}
	}
	if c.maxDef > 0 {
		if err := c.defs.end(); err != nil {
			return err
		}
	}
	switch {
	case !c.some: // nothing but NULLs: writers differ in what they leave
		return nil
	case c.hasIDs:
		return c.ids.end()
	default:
		return c.plain.end()
	}
}

// nextHeader goes to the next data page that has values.
func (c *cursor) nextHeader() error {
	for {
		if err := c.chunk.next(); err == io.EOF {
			return fmt.Errorf("ends after %d of %d values", c.taken, c.chunk.values)
		} else if err != nil {
			return err
		}
		h := c.chunk.header
		if h.values > c.chunk.values-c.taken {
			return fmt.Errorf("a page of %d values, of which %d are left", h.values, c.chunk.values-c.taken)
		}
		if h.values > 0 {
			return nil
		}
		if err := c.chunk.skip(); err != nil {
			return err
		}
	}
}

// page goes to the next data page and unpacks it.
func (c *cursor) page() error {
	if err := c.nextHeader(); err != nil {
		return err
	}
	return c.unpackPage()
}

func (c *cursor) unpackPage() error {
	b, err := c.chunk.read()
	if err != nil {
		return err
	}
	h := c.chunk.header
	c.left, c.some = int(h.values), false
	if h.typ == pageDataV2 {
		err = c.levelsV2(b, h)
		b = b[h.reps+h.defs:]
	} else {
		b, err = c.levelsV1(b, h)
	}
	if err != nil {
		return err
	}
	c.hasIDs = h.encoding == encPlainDictionary || h.encoding == encDictionary
	if !c.hasIDs {
		c.plain, err = newStored(b, h.encoding, c.leafType, c.left)
		return err
	}
	if c.chunk.dictH.typ != pageDict {
		return errors.New("a page without its dictionary")
	}
	if len(c.chunk.dict) > 0 {
		if err := c.readDict(); err != nil {
			return fmt.Errorf("dictionary: %w", err)
		}
	}
	if len(b) == 0 { // nothing but NULLs
		c.ids = hybrid{}
		return nil
	}
	c.ids, err = newHybrid(b[1:], uint(b[0]))
	return err
}

func (c *cursor) levelsV2(b []byte, h pageHeader) (err error) {
	if h.rows < 0 || h.rows > h.values || h.nulls > h.values || c.maxRep == 0 && h.rows != h.values {
		return fmt.Errorf("a page of %d values, %d rows and %d NULLs", h.values, h.rows, h.nulls)
	}
	if c.reps, err = newHybrid(b[:h.reps], widthOf(c.maxRep)); err != nil {
		return err
	}
	c.defs, err = newHybrid(b[h.reps:h.reps+h.defs], widthOf(c.maxDef))
	return err
}

func (c *cursor) levelsV1(b []byte, h pageHeader) (_ []byte, err error) {
	if c.maxRep > 0 {
		if c.reps, b, err = levelV1(b, h.reps, c.maxRep, c.left); err != nil {
			return nil, err
		}
	}
	if c.maxDef > 0 {
		if c.defs, b, err = levelV1(b, h.defs, c.maxDef, c.left); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// levelV1 returns the levels at the beginning of a page's bytes, and what follows them.
func levelV1(b []byte, enc int64, most, n int) (hybrid, []byte, error) {
	width := widthOf(most)
	switch enc {
	case encRLE:
		if len(b) < 4 {
			return hybrid{}, nil, errShort
		}
		size := uint64(binary.LittleEndian.Uint32(b))
		if size > uint64(len(b)-4) {
			return hybrid{}, nil, errShort
		}
		h, err := newHybrid(b[4:4+size], width)
		return h, b[4+size:], err
	case encBitPacked:
		size := (n*int(width) + 7) / 8
		if size > len(b) {
			return hybrid{}, nil, errShort
		}
		h, err := newHybrid(b[:size], width)
		h.msb = true
		return h, b[size:], err
	}
	return hybrid{}, nil, fmt.Errorf("levels of encoding %d", enc)
}
