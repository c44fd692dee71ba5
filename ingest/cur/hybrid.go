package cur

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/parquet-go/bitpack"
)

var errShort = errors.New("a page claims more values than it holds")

// A hybrid decodes parquet's mix of runs (one value, so many times) and of bit-packed values:
// the ids of dictionary pages, and levels.
type hybrid struct {
	b     []byte // may be read to padding beyond its length
	pos   int
	width uint

	left  int // values left in the current run
	run   bool
	value uint32 // of a run

	stash  [8]uint32 // unpacked and not handed out yet; part of the run's left values
	stashN int

	msb bool // the deprecated BIT_PACKED levels: no runs, most significant bit first
	bit int
}

// newHybrid decodes b, whose values have width bits.
func newHybrid(b []byte, width uint) (hybrid, error) {
	if width > 32 {
		return hybrid{}, fmt.Errorf("values of %d bits", width)
	}
	return hybrid{b: b, width: width}, nil
}

// header reads the head of the next run.
func (h *hybrid) header() error {
	v, n := binary.Uvarint(h.b[h.pos:])
	if n <= 0 || v > 1<<32 {
		return errShort
	}
	h.pos += n
	count := int(v >> 1) //nolint:gosec // below 2^31
	if v&1 == 0 {
		size := int(h.width+7) / 8
		if len(h.b)-h.pos < size {
			h.pos = len(h.b)
			return errShort
		}
		h.value = 0
		for i := range size {
			h.value |= uint32(h.b[h.pos+i]) << (8 * i)
		}
		h.pos += size
		if h.width < 32 && h.value>>h.width != 0 {
			h.pos = len(h.b)
			return errWide
		}
		h.run, h.left = true, count
		return nil
	}
	// Some writers cut the last group off behind the last value; what is there counts.
	h.run, h.left = h.width == 0, count*8
	h.value = 0
	if rest := len(h.b) - h.pos; h.width > 0 && count*int(h.width) > rest {
		h.left = rest * 8 / int(h.width)
		if h.left == 0 && count > 0 {
			h.pos = len(h.b)
			return errShort
		}
	}
	return nil
}

// same returns the value of the next n values if they are in one run, and takes them.
func (h *hybrid) same(n int) (uint32, bool) {
	if h.msb {
		return 0, false
	}
	for h.left == 0 {
		if h.header() != nil {
			return 0, false // fill tells the error
		}
	}
	if !h.run || h.left < n {
		return 0, false
	}
	h.left -= n
	return h.value, true
}

// fill decodes len(out) values.
func (h *hybrid) fill(out []uint32) error {
	if h.msb {
		return h.fillMSB(out)
	}
	for len(out) > 0 {
		if h.left == 0 {
			if err := h.header(); err != nil {
				return err
			}
			continue
		}
		n := min(h.left, len(out))
		switch {
		case h.run:
			for i := range out[:n] {
				out[i] = h.value
			}
		case h.stashN > 0:
			n = min(n, h.stashN)
			copy(out, h.stash[8-h.stashN:][:n])
			h.stashN -= n
		case n >= 8:
			n &^= 7
			size := n / 8 * int(h.width)
			bitpack.Unpack(out[:n], h.b[h.pos:len(h.b)+padding], h.width)
			h.pos = min(h.pos+size, len(h.b))
		default:
			bitpack.Unpack(h.stash[:], h.b[h.pos:len(h.b)+padding], h.width)
			h.pos = min(h.pos+int(h.width), len(h.b))
			h.stashN = 8
			continue
		}
		h.left -= n
		out = out[n:]
	}
	return nil
}

func (h *hybrid) fillMSB(out []uint32) error {
	if len(h.b)*8-h.bit < len(out)*int(h.width) {
		return errShort
	}
	for i := range out {
		v := uint32(0)
		for range h.width {
			v = v<<1 | uint32(h.b[h.bit/8]>>(7-h.bit%8)&1)
			h.bit++
		}
		out[i] = v
	}
	return nil
}

// end says whether all values have been taken. The last packed run may be filled up: by up to
// seven values in most writers, to a block of 256 in DuckDB.
func (h *hybrid) end() error {
	rest := len(h.b) - h.pos
	switch {
	case h.msb && (h.bit+7)/8 == len(h.b):
	case rest == 0 && h.left == 0:
	case (!h.run || h.width == 0) && h.left < 256 && rest*8 <= h.left*int(h.width): //nolint:gosec // at most 32
	default:
		return errLong
	}
	return nil
}

var errWide = errors.New("a page with a value of more bits than it states")

var errLong = errors.New("a page holds more values than it claims")
