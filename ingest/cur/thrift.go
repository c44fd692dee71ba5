package cur

import (
	"encoding/binary"
	"errors"
)

// Parquet's footer and page headers are in Thrift's compact protocol. They are read here field by
// field: only what is needed is kept, nothing is allocated by a size that the file states, and a
// value that the bytes do not hold is an error.

var errThrift = errors.New("broken metadata")

// maxDepth is how deep metadata may nest. Parquet's own nests six levels.
const maxDepth = 16

// Types of the compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// A compact reads compact protocol from bytes. The first error stays and ends every loop.
type compact struct {
	b   []byte
	pos int
	err error
}

func (t *compact) fail() {
	if t.err == nil {
		t.err = errThrift
	}
}

func (t *compact) byte() byte {
	if t.err != nil || t.pos >= len(t.b) {
		t.fail()
		return 0
	}
	t.pos++
	return t.b[t.pos-1]
}

func (t *compact) uvarint() uint64 {
	if t.err != nil {
		return 0
	}
	v, n := binary.Uvarint(t.b[t.pos:])
	if n <= 0 {
		t.fail()
		return 0
	}
	t.pos += n
	return v
}

// int reads a number of any width.
func (t *compact) int() int64 {
	v := t.uvarint()
	return int64(v>>1) ^ -int64(v&1) //nolint:gosec // zigzag
}

// text reads a binary; it is part of the bytes read from.
func (t *compact) text() []byte {
	n := t.uvarint()
	if t.err != nil || n > uint64(len(t.b)-t.pos) {
		t.fail()
		return nil
	}
	t.pos += int(n) //nolint:gosec // at most the length of b
	return t.b[t.pos-int(n) : t.pos]
}

// fields calls field for each field of a struct; field must read the value or skip it.
func (t *compact) fields(field func(id int16, typ byte)) {
	id := int16(0)
	for t.err == nil {
		head := t.byte()
		if t.err != nil || head == 0 {
			return
		}
		if delta := head >> 4; delta != 0 {
			id += int16(delta)
		} else {
			id = int16(t.int()) //nolint:gosec // an id beyond 16 bits is none of ours
		}
		field(id, head&0xf)
	}
}

// list calls item for each item of a list, with the items' type.
func (t *compact) list(item func(typ byte)) {
	head := t.byte()
	n := uint64(head >> 4)
	if n == 15 {
		n = t.uvarint()
	}
	for ; n > 0 && t.err == nil; n-- {
		item(head & 0xf)
	}
}

// skip reads over a value.
func (t *compact) skip(typ byte) { t.skipAt(typ, 0) }

func (t *compact) skipAt(typ byte, depth int) {
	if depth > maxDepth {
		t.fail()
		return
	}
	switch typ {
	case thriftTrue, thriftFalse: // the value is in the type
	case thriftByte:
		t.byte()
	case thriftI16, thriftI32, thriftI64:
		t.uvarint()
	case thriftDouble:
		if len(t.b)-t.pos < 8 {
			t.fail()
			return
		}
		t.pos += 8
	case thriftBinary:
		t.text()
	case thriftList, thriftSet:
		t.list(func(item byte) { t.skipItem(item, depth+1) })
	case thriftMap:
		n := t.uvarint()
		if n == 0 {
			return
		}
		types := t.byte()
		for ; n > 0 && t.err == nil; n-- {
			t.skipItem(types>>4, depth+1)
			t.skipItem(types&0xf, depth+1)
		}
	case thriftStruct:
		t.fields(func(_ int16, typ byte) { t.skipAt(typ, depth+1) })
	default:
		t.fail()
	}
}

// skipItem reads over an item of a list or map, where a bool is a byte of its own.
func (t *compact) skipItem(typ byte, depth int) {
	if typ == thriftTrue || typ == thriftFalse {
		t.byte()
		return
	}
	t.skipAt(typ, depth)
}
