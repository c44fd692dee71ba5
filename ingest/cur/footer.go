package cur

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/ingest"
)

// maxFooter is the most bytes a footer may have: 131 columns with statistics take about 40 KiB a
// row group, so this is 1,600 row groups, hundreds of millions of rows.
const maxFooter = 64 << 20

// maxGroups is the most row groups a file may have: the format numbers them in 16 bits.
const maxGroups = math.MaxInt16

// Physical types of parquet.
const (
	typeInt32     = 1
	typeInt64     = 2
	typeInt96     = 3
	typeDouble    = 5
	typeByteArray = 6
	typeFixed     = 7
)

var typeNames = map[int64]string{
	0: "BOOLEAN", 1: "INT32", 2: "INT64", 3: "INT96", 4: "FLOAT", 5: "DOUBLE", 6: "BYTE_ARRAY", 7: "FIXED_LEN_BYTE_ARRAY",
}

// A leafType says how a column's values are stored and what they mean.
type leafType struct {
	physical int64
	length   int64 // of typeFixed, in bytes
	decimal  bool
	scale    int32 // of a decimal
	unit     int64 // of a timestamp, per second; 0 if it is none
	date     bool
	maxDef   int
	maxRep   int
	entryDef uint32 // of a map: the level from which there is an entry
}

// A leaf is one of a file's columns that has values, read for column.
type leaf struct {
	leafType
	name  string // as errors call it: "discount"
	path  string // with points: "discount.key_value.key"
	index int    // among the file's leaves
}

// A metadata is what the footer of a parquet file says, as far as it is needed.
type metadata struct {
	footer []byte
	layout layout
	names  []string
	flat   [numColumns]*leaf // nil: missing, or a map
	keys   [numColumns]*leaf // of maps
	values [numColumns]*leaf
	parts  []*leaf // as layout.parts
	tags   []*leaf // as layout.tags
	groups []rowGroup
	wanted map[int]*leaf // by index
}

// A rowGroup is a run of a file's rows, with the place of each column's values.
type rowGroup struct {
	first  int64 // its first row's number, from 1
	rows   int64
	chunks map[int]chunkMeta // by the leaf's index
}

// A chunkMeta says where the values of a column in a row group are.
type chunkMeta struct {
	start, size int64
	values      int64
	codec       int64
}

// readFooter reads and checks a file's footer, for the columns that charges depend on.
func readFooter(c ingest.Content, size int64) (*metadata, error) { return readFooterFor(c, size, bind) }

// readFooterFor reads and checks a file's footer, for the columns that bind finds.
func readFooterFor(c ingest.Content, size int64, bind func(names []string) (layout, error)) (*metadata, error) {
	if size < 12 {
		return nil, errors.New("not a parquet file: too short")
	}
	tail := make([]byte, 8)
	if err := readRange(c, size-8, tail); err != nil {
		return nil, err
	}
	if string(tail[4:]) != "PAR1" {
		return nil, fmt.Errorf("the parquet file is cut off: it ends with %q, want \"PAR1\"", tail[4:])
	}
	n := int64(binary.LittleEndian.Uint32(tail))
	if n > size-12 || n > maxFooter {
		return nil, fmt.Errorf("the footer states %d bytes in a file of %d, at most %d", n, size, maxFooter)
	}
	m := &metadata{footer: make([]byte, n), wanted: map[int]*leaf{}}
	if err := readRange(c, size-8-n, m.footer); err != nil {
		return nil, err
	}
	rows := int64(-1)
	var err error
	schema := false
	t := &compact{b: m.footer}
	t.fields(func(id int16, typ byte) {
		switch {
		case err != nil:
			t.fail()
		case id == 2 && typ == thriftList:
			err = m.readSchema(t, bind)
			schema = true
		case id == 3 && typ == thriftI64:
			rows = t.int()
		case id == 4 && typ == thriftList && schema:
			err = m.readGroups(t, size-8-n)
		default:
			t.skip(typ)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case t.err != nil || t.pos != len(t.b) || !schema:
		return nil, errors.New("the footer is broken")
	}
	sum := int64(0)
	for _, g := range m.groups {
		sum += g.rows
	}
	if sum != rows {
		return nil, fmt.Errorf("the footer states %d rows, its row groups %d", rows, sum)
	}
	return m, nil
}

// readGroups reads the row groups. Those without rows are passed over, wherever they are: writers
// make them of empty slices of a table, and what they say of columns that have no values is
// anything.
func (m *metadata) readGroups(t *compact, end int64) error {
	var err error
	first, n := int64(1), 0
	t.list(func(typ byte) {
		if n++; n > maxGroups {
			err = fmt.Errorf("more than %d row groups", maxGroups)
		}
		if typ != thriftStruct || err != nil {
			t.fail()
			return
		}
		g := rowGroup{first: first, chunks: make(map[int]chunkMeta, len(m.wanted))}
		rows := int64(-1)
		var bad error // of a chunk: the number of rows comes after them
		t.fields(func(id int16, typ byte) {
			switch {
			case id == 1 && typ == thriftList:
				i := 0
				t.list(func(typ byte) {
					if typ != thriftStruct {
						t.fail()
						return
					}
					if e := m.readChunk(t, i, &g, end); bad == nil {
						bad = e
					}
					i++
				})
			case id == 3 && typ == thriftI64:
				rows = t.int()
			default:
				t.skip(typ)
			}
		})
		if rows == 0 {
			return
		}
		if err = bad; err == nil && t.err == nil {
			g.rows = rows
			err = m.checkGroup(g)
		}
		m.groups = append(m.groups, g)
		first += rows
	})
	if err != nil {
		return within(fmt.Sprintf("row group %d", n), err)
	}
	return nil
}

// readChunk reads where the values of leaf i are; those of leaves that nobody wants are skipped.
func (m *metadata) readChunk(t *compact, i int, g *rowGroup, end int64) error {
	l := m.wanted[i]
	if l == nil {
		t.skip(thriftStruct)
		return nil
	}
	c := chunkMeta{}
	physical, data, dict := int64(-1), int64(-1), int64(0)
	elsewhere := false
	var path []string
	t.fields(func(id int16, typ byte) {
		switch {
		case id == 1 && typ == thriftBinary:
			elsewhere = len(t.text()) > 0
		case id == 3 && typ == thriftStruct:
			t.fields(func(id int16, typ byte) {
				switch {
				case id == 1 && typ == thriftI32:
					physical = t.int()
				case id == 3 && typ == thriftList:
					t.list(func(byte) {
						if len(path) > maxDepth {
							t.fail()
							return
						}
						path = append(path, string(t.text()))
					})
				case id == 4 && typ == thriftI32:
					c.codec = t.int()
				case id == 5 && typ == thriftI64:
					c.values = t.int()
				case id == 7 && typ == thriftI64:
					c.size = t.int()
				case id == 9 && typ == thriftI64:
					data = t.int()
				case id == 11 && typ == thriftI64:
					dict = t.int()
				default:
					t.skip(typ)
				}
			})
		default:
			t.skip(typ)
		}
	})
	c.start = data
	if dict > 0 && dict < data {
		c.start = dict
	}
	switch {
	case t.err != nil:
		return errors.New("the footer is broken")
	case elsewhere || physical < 0:
		return atCell(0, l.name, errors.New("its values are not in the file, or encrypted"))
	case physical != l.physical || strings.Join(path, ".") != l.path:
		return atCell(0, l.name, errors.New("the footer's columns do not fit its schema"))
	case c.start < 4 || c.size < 0 || c.start > end || c.size > end-c.start:
		return atCell(0, l.name, fmt.Errorf("its values are said to be %d bytes from %d, outside the file", c.size, c.start))
	}
	g.chunks[i] = c
	return nil
}

// checkGroup says whether a row group has all columns that are wanted, with a value for each row.
func (m *metadata) checkGroup(g rowGroup) error {
	if g.rows < 0 || g.rows > math.MaxInt32 {
		return fmt.Errorf("states %d rows", g.rows)
	}
	for _, i := range slices.Sorted(maps.Keys(m.wanted)) {
		l := m.wanted[i]
		switch c, ok := g.chunks[i]; {
		case !ok:
			return atCell(0, l.name, errors.New("has no values"))
		case l.maxRep == 0 && c.values != g.rows, c.values < g.rows, c.values > math.MaxInt32:
			return atCell(0, l.name, fmt.Errorf("states %d values in %d rows", c.values, g.rows))
		}
	}
	return nil
}

// digestedLeaves returns the leaves whose chunks the digest d1 covers, in its order: every column
// that a charge depends on. Display names of products are labels and not among them. The list is
// part of what d1 means: another list is another digest.
func (m *metadata) digestedLeaves() []*leaf {
	var list []*leaf
	for c := colPayer; c <= colDiscount; c++ {
		for _, l := range []*leaf{m.flat[c], m.keys[c], m.values[c]} {
			if l != nil {
				list = append(list, l)
			}
		}
	}
	return slices.Concat(list, m.parts)
}
