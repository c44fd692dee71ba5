package cur

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"math/big"

	"github.com/shopspring/decimal"

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
	first  int // for v2: rows that have begun, to compare with the header
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

// newVector returns a vector for a batch of the cursor's kind.
func (c *cursor) newVector() *vector {
	v := &vector{}
	if c.kind == kindText {
		v.ids, v.dict = make([]uint32, batchRows), c.dict
	} else {
		v.nums = make([]int64, batchRows)
	}
	return v
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

// spread decodes the values whose definition level is the highest to their rows, the others are NULL.
func (c *cursor) spread(v *vector, pos int, defs []uint32) error {
	most := uint32(c.maxDef) //nolint:gosec // at most 3
	k := 0
	for _, d := range defs {
		if d > most {
			return errLevel
		}
		if d == most {
			k++
		}
	}
	if _, err := c.decode(v, pos, k, false); err != nil {
		return err
	}
	j := pos + k - 1
	for i := len(defs) - 1; i >= 0 && j < pos+i; i-- {
		if defs[i] != most {
			c.setNull(v, pos+i)
			continue
		}
		if c.kind == kindText {
			v.ids[pos+i] = v.ids[j]
		} else {
			v.nums[pos+i] = v.nums[j]
			if v.odd != nil {
				v.odd[pos+i] = v.odd[j]
			}
		}
		j--
	}
	return nil
}

func (c *cursor) setNull(v *vector, i int) {
	if c.kind == kindText {
		v.ids[i] = 0
	} else {
		v.nums[i] = null
	}
}

var errLevel = errors.New("a page with a level beyond its column's")

// decode takes k values of the current page to v at pos.
func (c *cursor) decode(v *vector, pos, k int, mayBeSame bool) (bool, error) {
	if k == 0 {
		return false, nil
	}
	c.some = true
	if !c.hasIDs {
		return false, c.decodePlain(v, pos, k)
	}
	id, same := c.ids.same(k)
	if same && mayBeSame {
		k = 1
	}
	var ids []uint32
	if c.kind == kindText {
		ids = v.ids[pos : pos+k]
	} else {
		if cap(c.idbuf) < k {
			c.idbuf = make([]uint32, max(k, batchRows))
		}
		ids = c.idbuf[:k]
	}
	if same {
		for i := range ids {
			ids[i] = id
		}
	} else if err := c.ids.fill(ids); err != nil {
		return false, err
	}
	if c.kind == kindText {
		return same && mayBeSame, c.lookUpTexts(ids)
	}
	return same && mayBeSame, c.lookUp(v, pos, ids)
}

// lookUpTexts turns indices of the dictionary into ids, which are larger by one.
func (c *cursor) lookUpTexts(ids []uint32) error {
	most := uint32(0)
	for i, id := range ids {
		most = max(most, id)
		ids[i] = id + 1
	}
	if int(most) >= c.dict.stable {
		return errDict
	}
	return nil
}

// lookUp turns indices of the dictionary into money or times.
func (c *cursor) lookUp(v *vector, pos int, ids []uint32) error {
	nums := c.nums
	out := v.nums[pos : pos+len(ids)]
	least := int64(math.MaxInt64)
	for i, id := range ids {
		if int(id) >= len(nums) {
			return errDict
		}
		out[i] = nums[id]
		least = min(least, out[i])
	}
	if least <= odd {
		for i, id := range ids {
			if nums[id] == odd {
				v.setOdd(pos+i, c.odds[id])
			}
		}
	}
	return nil
}

var errDict = errors.New("a page points beyond its dictionary")

// setOdd gives row i an amount that has no units.
func (v *vector) setOdd(i int, n number) {
	if len(v.odd) < len(v.nums) {
		v.odd = append(v.odd, make([]number, len(v.nums)-len(v.odd))...)
	}
	v.nums[i] = odd
	v.odd[i] = n
}

// decodePlain takes k values that are in the page itself.
func (c *cursor) decodePlain(v *vector, pos, k int) error {
	if f, ok := c.plain.(*fixed); ok && c.physical == typeDouble {
		if len(f.b) < 8*k {
			return errShort
		}
		for i := range k {
			d := math.Float64frombits(binary.LittleEndian.Uint64(f.b[8*i:]))
			if q, ok := units(d); ok {
				v.nums[pos+i] = q
			} else {
				c.setDouble(v, pos+i, d)
			}
		}
		f.b = f.b[8*k:]
		return nil
	}
	for i := pos; i < pos+k; i++ {
		b, err := c.plain.next()
		if err != nil {
			return err
		}
		if err := c.set(v, i, b); err != nil {
			return err
		}
	}
	return nil
}

// Limits of texts: one of them, and those of a batch that are not in a dictionary. The longest
// of AWS's are descriptions and map values, well below 1 KiB.
const (
	maxText  = 64 << 10
	maxTexts = 256 << 20
)

// set gives row i a stored value.
func (c *cursor) set(v *vector, i int, b []byte) error {
	switch {
	case c.kind == kindText:
		if len(b) == 0 {
			v.ids[i] = 0
			return nil
		}
		if len(b) > maxText || len(c.dict.data) > maxTexts {
			return fmt.Errorf("a text of %d bytes, %d in a batch", len(b), len(c.dict.data))
		}
		v.ids[i] = c.dict.add(b)
	case c.physical == typeDouble:
		c.setDouble(v, i, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	case c.kind == kindMoney:
		return c.setMoney(v, i, b)
	default:
		return c.setTime(v, i, b)
	}
	return nil
}

func (c *cursor) setDouble(v *vector, i int, d float64) {
	switch q, ok := units(d); {
	case ok:
		v.nums[i] = q
	case math.IsNaN(d) || math.IsInf(d, 0):
		v.nums[i] = broken
	default:
		v.setOdd(i, shortest(d))
	}
}

func (v *vector) setNumber(i int, n number) {
	if u, ok := n.units(); ok {
		v.nums[i] = u
	} else {
		v.setOdd(i, n)
	}
}

func (c *cursor) setMoney(v *vector, i int, b []byte) error {
	switch {
	case c.decimal && (c.scale < 0 || c.scale > 40):
		return fmt.Errorf("a decimal of scale %d", c.scale)
	case c.physical == typeInt32:
		v.setNumber(i, number{mantissa: int64(int32(binary.LittleEndian.Uint32(b))), exponent: -c.scale}) //nolint:gosec // bits
	case c.physical == typeInt64:
		v.setNumber(i, number{mantissa: int64(binary.LittleEndian.Uint64(b)), exponent: -c.scale}) //nolint:gosec // bits
	case c.decimal:
		// A DECIMAL in bytes is an integer in two's complement, most significant byte first.
		if len(b) > 32 {
			return fmt.Errorf("a decimal of %d bytes", len(b))
		}
		n := new(big.Int).SetBytes(b)
		if len(b) > 0 && b[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b)))) //nolint:gosec // at most 32
		}
		v.setNumber(i, numberOf(decimal.NewFromBigInt(n, -c.scale)))
	case len(b) == 0:
		v.nums[i] = null
	default:
		return v.setMoneyText(i, string(b))
	}
	return nil
}

func (c *cursor) setTime(v *vector, i int, b []byte) error {
	switch c.physical {
	case typeInt96:
		v.nums[i] = int96Time(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])).Unix()
	case typeInt64:
		n := int64(binary.LittleEndian.Uint64(b)) //nolint:gosec // bits
		v.nums[i] = n / c.unit
		if n%c.unit < 0 {
			v.nums[i]--
		}
	case typeInt32:
		v.nums[i] = int64(int32(binary.LittleEndian.Uint32(b))) * 86400 //nolint:gosec // bits
	default:
		if len(b) == 0 {
			v.nums[i] = null
			return nil
		}
		t, err := parseTime(string(b))
		if err != nil {
			return err
		}
		v.nums[i] = t.Unix()
	}
	return nil
}

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

// maxEntries is the most entries a map may have in a row; AWS's largest, product, has about 60 keys.
const maxEntries = 1000

// fillMap reads the next n rows of a map's keys or values into v, and where each row's entries end.
func (c *cursor) fillMap(v *vector, ends []int, n int) error {
	if c.kind == kindText {
		c.dict.reset()
		v.dict = c.dict
	}
	v.odd = nil
	row, entries, begin := -1, 0, 0
	for row < n {
		if c.ahead == c.ready {
			if c.left == 0 {
				if c.taken == c.chunk.values {
					break
				}
				if err := c.page(); err != nil {
					return err
				}
			}
			if err := c.lookAhead(); err != nil {
				return err
			}
		}
		from := c.ahead
		reps, defs := c.levels[0][:c.ready], c.levels[1][:c.ready]
		kept := defs[:from] // the levels of entries move to the front of their stretch
		for ; c.ahead < c.ready; c.ahead++ {
			d := defs[c.ahead]
			if reps[c.ahead] == 0 {
				if row++; row > 0 {
					ends[row-1] = entries
				}
				if row == n {
					break
				}
				if begin = entries; d < c.entryDef {
					continue
				}
			} else if row < 0 || d < c.entryDef {
				return errors.New("a page that begins within a map")
			}
			if entries++; entries-begin > maxEntries {
				return fmt.Errorf("a map of more than %d entries", maxEntries)
			}
			kept = append(kept, d)
		}
		levels := kept[from:]
		v.grow(entries)
		if err := c.spread(v, entries-len(levels), levels); err != nil {
			return err
		}
		if err := c.took(c.ahead - from); err != nil {
			return err
		}
		if row == n {
			row-- // the first level of the next batch has been seen, not taken
			break
		}
	}
	if row >= 0 {
		ends[row] = entries
	}
	if row != n-1 {
		return fmt.Errorf("ends %d rows before its row group", c.rows-int64(row+1))
	}
	c.rows -= int64(n)
	return c.atEnd()
}

// lookAhead decodes levels of the current page.
func (c *cursor) lookAhead() error {
	m := min(c.left, batchRows)
	c.ahead, c.ready = 0, m
	if _, err := c.fillLevels(0, &c.reps, m); err != nil {
		return err
	}
	if _, err := c.fillLevels(1, &c.defs, m); err != nil {
		return err
	}
	return nil
}

// grow makes room for n values in all.
func (v *vector) grow(n int) {
	if v.dict != nil {
		for len(v.ids) < n {
			v.ids = append(v.ids, make([]uint32, max(len(v.ids), batchRows))...)
		}
		return
	}
	for len(v.nums) < n {
		v.nums = append(v.nums, make([]int64, max(len(v.nums), batchRows))...)
	}
	if v.odd != nil {
		v.odd = append(v.odd, make([]number, len(v.nums)-len(v.odd))...)
	}
}

// readDict reads the dictionary's entries.
func (c *cursor) readDict() error {
	b, err := c.chunk.readDict()
	if err != nil {
		return err
	}
	n := int(c.chunk.dictH.values)
	plain, err := newStored(b, encPlain, c.leafType, n)
	if err != nil {
		return err
	}
	if c.kind == kindText {
		for range n {
			text, err := plain.next()
			if err != nil {
				return err
			}
			c.dict.add(text)
		}
		c.dict.keep()
		return plain.end()
	}
	v := &vector{nums: make([]int64, n)}
	c.plain = plain
	if err := c.decodePlain(v, 0, n); err != nil {
		return err
	}
	c.nums, c.odds = v.nums, v.odd
	return plain.end()
}
