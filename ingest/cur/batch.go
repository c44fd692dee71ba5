package cur

import (
	"math"

	"github.com/arrears-billing/arrears/currency"
)

// batchRows is the most rows of a batch: small enough for its columns to stay in the processor's
// cache, large enough for the work around a batch not to count.
const batchRows = 4096

// A batch is a run of rows of a file, by column. Parquet and csv fill it alike. Its memory is
// reused for the next one.
type batch struct {
	first int64 // its first row's number in the file, from 1
	n     int
	cols  [numColumns]*vector // nil: the column is missing, or nobody wants it; maps are in maps
	maps  [numColumns]*mapVector
	parts []*vector // as layout.parts
	tags  []*vector // as layout.tags
	// describe gives the descriptions of the batch's rows, nil if the file has none. They are read
	// only when asked for: few rows need them, and they are a large part of a file.
	describe func() (*vector, error)
}

// A vector holds one column's values, of one kind.
type vector struct {
	// same says that all rows have the value of the first one, and that only that one is filled in.
	same bool
	ids  []uint32 // texts: ids in dict; 0 is NULL
	dict *dict
	nums []int64  // money: units of 1e-10, or special; times: seconds since 1970 UTC, or null
	odd  []number // money: the values whose units are odd, at their rows; nil if there are none
}

// Special numbers: no amount in units and no time comes near them.
const (
	null = math.MinInt64
	// odd marks an amount that has no units: see vector.odd.
	odd = math.MinInt64 + 1
	// broken marks NaN and Inf, which are errors once a row has them.
	broken  = math.MinInt64 + 2
	special = math.MinInt64 + 16 // all below are special
)

// id returns the text of row i as an id.
func (v *vector) id(i int) uint32 {
	if v.same {
		return v.ids[0]
	}
	return v.ids[i]
}

// text returns the text of row i; NULL is empty.
func (v *vector) text(i int) []byte {
	if v == nil {
		return nil
	}
	return v.dict.text(v.id(i))
}

// num returns the number of row i.
func (v *vector) num(i int) int64 {
	if v.same {
		return v.nums[0]
	}
	return v.nums[i]
}

// amount returns the money of row i; false is NULL.
func (v *vector) amount(i int) (number, bool) {
	u := v.num(i)
	switch {
	case u == odd && v.same:
		return v.odd[0], true
	case u == odd:
		return v.odd[i], true
	case u < special:
		return number{}, false
	}
	return number{mantissa: u, exponent: -unitPlaces}, true
}

// decimal returns the money of row i as a decimal; false is NULL.
func (v *vector) decimal(i int) (currency.Decimal, bool) {
	if v == nil {
		return currency.Zero, false
	}
	n, ok := v.amount(i)
	if !ok {
		return currency.Zero, false
	}
	return n.decimal(), true
}

// expand fills in the rows of a vector that are the same.
func (v *vector) expand(n int) {
	if !v.same {
		return
	}
	v.same = false
	for i := 1; i < n && v.dict != nil; i++ {
		v.ids[i] = v.ids[0]
	}
	for i := 1; i < n && v.dict == nil; i++ {
		v.nums[i] = v.nums[0]
		if v.odd != nil {
			v.odd[i] = v.odd[0]
		}
	}
}

// A mapVector holds one map a row: the entries of row i are those from ends[i-1] to ends[i].
type mapVector struct {
	ends   []int
	keys   vector
	values vector
}

// from is the first entry of row i.
func (m *mapVector) from(i int) int {
	if i == 0 {
		return 0
	}
	return m.ends[i-1]
}

// A dict gives ids their texts. Id 0 is NULL; ids up to stable mean the same in every batch that
// has this dict, the others only in the current one.
type dict struct {
	data   []byte
	starts []uint32 // of each id's text, and the end of the last one
	stable int
}

func newDict() *dict { return &dict{starts: []uint32{0, 0}} }

// len is the number of ids in use, NULL included.
func (d *dict) len() int { return len(d.starts) - 1 }

// add gives a text the next id. The text is copied.
func (d *dict) add(text []byte) uint32 {
	d.data = append(d.data, text...)
	d.starts = append(d.starts, uint32(len(d.data))) //nolint:gosec // limits of pages keep it below 4 GiB
	return uint32(d.len() - 1)                       //nolint:gosec // as above
}

// keep makes all ids so far stable.
func (d *dict) keep() { d.stable = d.len() - 1 }

// reset forgets the ids that are not stable.
func (d *dict) reset() {
	d.starts = d.starts[:d.stable+2]
	d.data = d.data[:d.starts[d.stable+1]]
}

func (d *dict) text(id uint32) []byte { return d.data[d.starts[id]:d.starts[id+1]] }
