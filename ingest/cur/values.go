package cur

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// A stored gives the values of a page one after the other, as bytes: texts and decimals as they
// are, numbers least significant byte first.
type stored interface {
	next() ([]byte, error)
	end() error // whether all of them have been taken
}

// newStored returns the values of a page by their encoding; n is the most values it may have.
func newStored(b []byte, enc int64, t leafType, n int) (stored, error) {
	size := 0
	switch t.physical {
	case typeInt32:
		size = 4
	case typeInt64, typeDouble:
		size = 8
	case typeInt96:
		size = 12
	case typeFixed:
		size = int(t.length)
	}
	switch {
	case enc == encPlain && size > 0:
		return &fixed{b: b, size: size}, nil
	case enc == encPlain:
		return &prefixed{b: b}, nil
	case enc == encByteStreamSplit && size > 0 && t.physical != typeInt96:
		if len(b)%size != 0 {
			return nil, errShort
		}
		return &split{b: b, n: len(b) / size, value: make([]byte, size)}, nil
	case enc == encDeltaPacked && (t.physical == typeInt32 || t.physical == typeInt64):
		d, err := newDelta(b)
		if err != nil {
			return nil, err
		}
		return &deltaNumbers{d: d, value: make([]byte, 8)[:size]}, nil
	case enc == encDeltaLength && t.physical == typeByteArray:
		return newDeltaLength(b, n)
	case enc == encDeltaBytes && (t.physical == typeByteArray || t.physical == typeFixed):
		return newDeltaBytes(b, n)
	}
	return nil, fmt.Errorf("encoding %d of %s is not read", enc, typeNames[t.physical])
}

// fixed is PLAIN for values of one size.
type fixed struct {
	b    []byte
	size int
}

func (f *fixed) next() ([]byte, error) {
	if len(f.b) < f.size {
		return nil, errShort
	}
	v := f.b[:f.size]
	f.b = f.b[f.size:]
	return v, nil
}

func (f *fixed) end() error { return noRest(len(f.b)) }

func noRest(n int) error {
	if n > 0 {
		return errLong
	}
	return nil
}

// prefixed is PLAIN for texts: each after its length.
type prefixed struct{ b []byte }

func (p *prefixed) next() ([]byte, error) {
	if len(p.b) < 4 {
		return nil, errShort
	}
	n := uint64(binary.LittleEndian.Uint32(p.b))
	if n > uint64(len(p.b)-4) {
		return nil, errShort
	}
	v := p.b[4 : 4+n]
	p.b = p.b[4+n:]
	return v, nil
}

func (p *prefixed) end() error { return noRest(len(p.b)) }

// split is BYTE_STREAM_SPLIT: first bytes of all values, then second bytes, and so on.
type split struct {
	b     []byte
	i, n  int
	value []byte
}

func (s *split) next() ([]byte, error) {
	if s.i == s.n {
		return nil, errShort
	}
	for k := range s.value {
		s.value[k] = s.b[k*s.n+s.i]
	}
	s.i++
	return s.value, nil
}

func (s *split) end() error { return noRest(s.n - s.i) }

// A delta decodes DELTA_BINARY_PACKED: the first value, then differences in blocks, each block
// with its least difference and the widths of its miniblocks.
type delta struct {
	b      []byte
	pos    int
	mini   int // values in a miniblock
	minis  int // miniblocks in a block
	total  int
	taken  int
	last   int64
	least  int64
	widths []byte // of the block's miniblocks that are still to come
	bits   []byte // the current miniblock
	width  uint
	bit    int
	inMini int // values left in the miniblock
}

var errDelta = errors.New("broken DELTA encoding")

// maxBlock bounds the values of a block; writers use 128.
const maxBlock = 1 << 16

func newDelta(b []byte) (*delta, error) {
	d := &delta{b: b}
	block, minis, total := d.uvarint(), d.uvarint(), d.uvarint()
	first := d.uvarint()
	if d.pos < 0 || block == 0 || block > maxBlock || minis == 0 || minis > block || block%minis != 0 ||
		block/minis%8 != 0 || total > maxPageValues {
		return nil, errDelta
	}
	d.mini, d.minis, d.total = int(block/minis), int(minis), int(total) //nolint:gosec // bounded above
	d.last = unzigzag(first)
	return d, nil
}

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) } //nolint:gosec // zigzag

// uvarint reads a number; after a broken one pos is negative.
func (d *delta) uvarint() uint64 {
	if d.pos < 0 {
		return 0
	}
	v, n := binary.Uvarint(d.b[d.pos:])
	if n <= 0 {
		d.pos = -1
		return 0
	}
	d.pos += n
	return v
}

func (d *delta) next() (int64, error) {
	if d.taken == d.total {
		return 0, errShort
	}
	d.taken++
	if d.taken == 1 {
		return d.last, nil
	}
	if d.inMini == 0 {
		if err := d.miniblock(); err != nil {
			return 0, err
		}
	}
	v := uint64(0)
	for i := uint(0); i < d.width; { // at most nine steps
		from := uint(d.bit % 8)
		take := min(8-from, d.width-i)
		v |= uint64(d.bits[d.bit/8]>>from&(1<<take-1)) << i
		i += take
		d.bit += int(take) //nolint:gosec // at most 8
	}
	d.inMini--
	d.last += d.least + int64(v) //nolint:gosec // wraps as the format says
	return d.last, nil
}

func (d *delta) miniblock() error {
	if len(d.widths) == 0 {
		d.least = unzigzag(d.uvarint())
		if d.pos < 0 || len(d.b)-d.pos < d.minis {
			return errDelta
		}
		d.widths = d.b[d.pos : d.pos+d.minis]
		d.pos += d.minis
	}
	d.width, d.widths = uint(d.widths[0]), d.widths[1:]
	// The last miniblock may be cut off behind its last value.
	size := d.mini / 8 * int(d.width)
	need := (min(d.mini, d.total-d.taken+1)*int(d.width) + 7) / 8
	if d.width > 64 || len(d.b)-d.pos < need {
		return errDelta
	}
	size = min(size, len(d.b)-d.pos)
	d.bits = d.b[d.pos : d.pos+size]
	d.pos += size
	d.bit, d.inMini = 0, d.mini
	return nil
}

// all decodes every value and returns the bytes behind them.
func (d *delta) all() ([]int64, []byte, error) {
	out := make([]int64, 0, min(d.total, 1<<16))
	for range d.total {
		v, err := d.next()
		if err != nil {
			return nil, nil, err
		}
		out = append(out, v)
	}
	return out, d.b[d.pos:], nil
}

type deltaNumbers struct {
	d     *delta
	value []byte
}

func (n *deltaNumbers) next() ([]byte, error) {
	v, err := n.d.next()
	if len(n.value) == 4 {
		binary.LittleEndian.PutUint32(n.value, uint32(v)) //nolint:gosec // INT32
	} else {
		binary.LittleEndian.PutUint64(n.value, uint64(v)) //nolint:gosec // bits
	}
	return n.value, err
}

func (n *deltaNumbers) end() error { return noRest(n.d.total - n.d.taken) }

// deltaTexts are DELTA_LENGTH_BYTE_ARRAY (all lengths, then all texts) and DELTA_BYTE_ARRAY
// (before that, how much each has in common with the one before it).
type deltaTexts struct {
	prefixes []int64 // nil without
	lengths  []int64
	b        []byte
	last     []byte
}

func newDeltaLength(b []byte, n int) (*deltaTexts, error) {
	d, err := newDelta(b)
	if err != nil {
		return nil, err
	}
	if d.total > n {
		return nil, errLong
	}
	t := &deltaTexts{}
	t.lengths, t.b, err = d.all()
	return t, err
}

func newDeltaBytes(b []byte, n int) (*deltaTexts, error) {
	d, err := newDelta(b)
	if err != nil {
		return nil, err
	}
	if d.total > n {
		return nil, errLong
	}
	prefixes, rest, err := d.all()
	if err != nil {
		return nil, err
	}
	t, err := newDeltaLength(rest, n)
	if err != nil {
		return nil, err
	}
	if len(prefixes) != len(t.lengths) {
		return nil, errDelta
	}
	t.prefixes = append([]int64{}, prefixes...)
	return t, nil
}

func (t *deltaTexts) next() ([]byte, error) {
	if len(t.lengths) == 0 {
		return nil, errShort
	}
	n := t.lengths[0]
	t.lengths = t.lengths[1:]
	if n < 0 || n > int64(len(t.b)) {
		return nil, errDelta
	}
	v := t.b[:n]
	t.b = t.b[n:]
	if t.prefixes == nil {
		return v, nil
	}
	p := t.prefixes[0]
	t.prefixes = t.prefixes[1:]
	if p < 0 || p > int64(len(t.last)) || p+n > maxText {
		return nil, errDelta
	}
	t.last = append(t.last[:p], v...)
	return t.last, nil
}

func (t *deltaTexts) end() error { return noRest(len(t.lengths) + len(t.b)) }

// widthOf is the number of bits that levels up to most take.
func widthOf(most int) uint { return uint(bits.Len(uint(most))) } //nolint:gosec // levels are small
