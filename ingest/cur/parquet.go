package cur

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/arrears-billing/arrears/ingest"
)

// A batches gives the rows of a file, or of a part of it, batch by batch.
type batches interface {
	// next fills the batch with the next rows. At the end it returns io.EOF.
	next(*batch) error
}

// A columnSet says which columns are wanted.
type columnSet [numColumns]bool

// chargeColumns are the columns that charges depend on. Descriptions are read when a row needs them.
var chargeColumns = func() (s columnSet) {
	for c := colPayer; c <= colDiscount; c++ {
		s[c] = true
	}
	return s
}()

// A groupReader reads a row group of a parquet file.
type groupReader struct {
	meta  *metadata
	group rowGroup
	first int64
	left  int64

	flat   [numColumns]*cursor
	keys   [numColumns]*cursor
	values [numColumns]*cursor
	parts  []*cursor
	tags   []*cursor
	lazy   bool // descriptions are read only when asked for

	behind int // rows of the descriptions that were passed over
	sums   map[*leaf]hash.Hash
	all    []*cursor
}

// openGroup opens the wanted columns of a row group. With digest, the columns that the digest
// covers are hashed as they go by.
func openGroup(c ingest.Content, m *metadata, g rowGroup, want columnSet, parts, lazy, digest bool) (_ *groupReader, err error) {
	r := &groupReader{meta: m, group: g, first: g.first, left: g.rows, lazy: lazy, sums: map[*leaf]hash.Hash{}}
	if digest {
		for _, l := range m.digestedLeaves() {
			r.sums[l] = sha256.New()
		}
	}
	open := func(l *leaf, k kind) *cursor {
		if l == nil || err != nil {
			return nil
		}
		var sum hash.Hash
		if s, ok := r.sums[l]; ok {
			sum = s
		}
		var cur *cursor
		if cur, err = openCursor(c, g, l, k, sum); err == nil {
			r.all = append(r.all, cur)
		}
		return cur
	}
	for col := range numColumns {
		if !want[col] {
			continue
		}
		k := columns[col].kind
		if k == kindMoneyMap || k == kindTextMap {
			r.flat[col] = open(m.flat[col], kindText) // JSON
			r.keys[col] = open(m.keys[col], kindText)
			if k == kindTextMap {
				r.values[col] = open(m.values[col], kindText)
			} else {
				r.values[col] = open(m.values[col], kindMoney)
			}
			continue
		}
		r.flat[col] = open(m.flat[col], k)
	}
	if parts {
		for _, l := range m.parts {
			r.parts = append(r.parts, open(l, kindMoney))
		}
	}
	for _, l := range m.tags {
		r.tags = append(r.tags, open(l, kindText))
	}
	if err != nil {
		return nil, firstOf(err, r.close())
	}
	return r, nil
}

// next implements batches.
func (r *groupReader) next(b *batch) error {
	n := int(min(r.left, batchRows))
	if n == 0 {
		return io.EOF
	}
	b.first, b.n, b.describe = r.first, n, nil
	r.first += int64(n)
	r.left -= int64(n)
	for col := range numColumns {
		cur := r.flat[col]
		switch {
		case cur == nil && r.keys[col] == nil:
			b.cols[col], b.maps[col] = nil, nil
			continue
		case col == colDescription && r.lazy:
			b.describe = r.description(b)
			continue
		case cur == nil:
			if b.maps[col] == nil {
				b.maps[col] = &mapVector{ends: make([]int, batchRows)}
			}
			if err := r.fillMap(col, b.maps[col], n); err != nil {
				return r.wrap(b, r.keys[col], err)
			}
			continue
		}
		if err := r.fill(&b.cols[col], cur, n); err != nil {
			return r.wrap(b, cur, err)
		}
		if col == colDiscount {
			if b.maps[col] == nil {
				b.maps[col] = &mapVector{ends: make([]int, batchRows)}
			}
			if err := b.maps[col].parse(b.cols[col], b); err != nil {
				return err
			}
		}
	}
	if b.describe == nil {
		b.describe = func() (*vector, error) { return b.cols[colDescription], nil }
	}
	for len(b.parts) < len(r.parts) {
		b.parts = append(b.parts, nil)
	}
	b.parts = b.parts[:len(r.parts)]
	for i, cur := range r.parts {
		if err := r.fill(&b.parts[i], cur, n); err != nil {
			return r.wrap(b, cur, err)
		}
	}
	for len(b.tags) < len(r.tags) {
		b.tags = append(b.tags, nil)
	}
	for i, cur := range r.tags {
		if err := r.fill(&b.tags[i], cur, n); err != nil {
			return r.wrap(b, cur, err)
		}
	}
	return nil
}

func (r *groupReader) fill(v **vector, cur *cursor, n int) error {
	if *v == nil {
		*v = cur.newVector()
	}
	return cur.fill(*v, n)
}

func (r *groupReader) fillMap(col column, m *mapVector, n int) error {
	m.keys.dict = r.keys[col].dict
	if columns[col].kind == kindTextMap {
		m.values.dict = r.values[col].dict
	}
	if err := r.keys[col].fillMap(&m.keys, m.ends, n); err != nil {
		return err
	}
	values := r.values[col]
	if values.ends == nil {
		values.ends = make([]int, batchRows)
	}
	ends := values.ends[:n]
	if err := values.fillMap(&m.values, ends, n); err != nil {
		return err
	}
	for i, e := range ends {
		if e != m.ends[i] {
			return errors.New("keys and values do not fit together")
		}
	}
	return nil
}

// description returns a function that reads the descriptions of the batch b.
func (r *groupReader) description(b *batch) func() (*vector, error) {
	cur, n, read := r.flat[colDescription], b.n, false
	r.behind += n
	return func() (*vector, error) {
		if read {
			return b.cols[colDescription], nil
		}
		read = true
		err := cur.skip(r.behind - n)
		r.behind = 0
		if err == nil {
			err = r.fill(&b.cols[colDescription], cur, n)
		}
		if err != nil {
			return nil, r.wrap(b, cur, err)
		}
		return b.cols[colDescription], nil
	}
}

// wrap says in which column and near which row a broken page is.
func (r *groupReader) wrap(b *batch, cur *cursor, err error) error {
	return atCell(0, cur.name, fmt.Errorf("rows %d to %d: %w", b.first, b.first+int64(b.n)-1, err))
}

// close ends the reading; what the digest covers is hashed to its end.
func (r *groupReader) close() error {
	var first error
	for _, cur := range r.all {
		if err := cur.close(len(r.sums) > 0); err != nil && first == nil {
			first = atCell(0, cur.name, err)
		}
	}
	return first
}

// digest returns the hashes of the row group's chunks, one after the other. The group must have
// been read and closed.
func (r *groupReader) digest() []byte {
	var d []byte
	for _, l := range r.meta.digestedLeaves() {
		d = r.sums[l].Sum(d)
	}
	return d
}
