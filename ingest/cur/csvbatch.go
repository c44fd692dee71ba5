package cur

import (
	"fmt"
	"io"
)

// A csvReader makes batches of the rows of a csv file.
type csvReader struct {
	rows   *csvRows
	layout layout
	want   columnSet
	done   int64 // rows so far
}

// next implements batches.
func (r *csvReader) next(b *batch) error {
	b.first, b.n = r.done+1, 0
	for c := range numColumns {
		if r.want[c] && r.layout.at[c] >= 0 {
			b.cols[c] = cleared(b.cols[c], columns[c].kind)
		} else {
			b.cols[c] = nil
		}
	}
	for len(b.parts) < len(r.layout.parts) {
		b.parts = append(b.parts, nil)
	}
	for i := range b.parts {
		b.parts[i] = cleared(b.parts[i], kindMoney)
	}
	for len(b.tags) < len(r.layout.tags) {
		b.tags = append(b.tags, nil)
	}
	for i := range b.tags {
		b.tags[i] = cleared(b.tags[i], kindText)
	}
	for b.n < batchRows {
		fields, err := r.rows.next()
		if err == io.EOF {
			break
		}
		row := r.done + 1
		if err != nil {
			return atCell(row, "", err)
		}
		for c, v := range b.cols {
			if v == nil {
				continue
			}
			if err := v.setText(columns[c].kind, b.n, fields[r.layout.at[c]]); err != nil {
				return atCell(row, columns[c].name, err)
			}
		}
		for i, p := range r.layout.parts {
			if err := b.parts[i].setText(kindMoney, b.n, fields[p.at]); err != nil {
				return atCell(row, partPrefix+p.key, err)
			}
		}
		for i, g := range r.layout.tags {
			if err := b.tags[i].setText(kindText, b.n, fields[g.at]); err != nil {
				return atCell(row, g.key, err)
			}
		}
		b.n++
		r.done++
	}
	if b.n == 0 {
		return io.EOF
	}
	if texts := b.cols[colDiscount]; texts != nil {
		if b.maps[colDiscount] == nil {
			b.maps[colDiscount] = &mapVector{ends: make([]int, batchRows)}
		}
		if err := b.maps[colDiscount].parse(texts, b); err != nil {
			return err
		}
	}
	b.describe = func() (*vector, error) { return b.cols[colDescription], nil }
	return nil
}

// cleared returns a vector to fill row by row, in v's memory if there is one.
func cleared(v *vector, k kind) *vector {
	if v == nil {
		v = &vector{}
		if k == kindMoney || k == kindTime {
			v.nums = make([]int64, batchRows)
		} else {
			v.ids, v.dict = make([]uint32, batchRows), newDict()
		}
	}
	v.odd = nil
	if v.dict != nil {
		v.dict.reset()
	}
	return v
}

// setText gives row i a value from text; the empty text is NULL. Texts like the one before share
// its id: reports have long runs of them.
func (v *vector) setText(k kind, i int, s string) error {
	switch {
	case s == "" && v.dict != nil:
		v.ids[i] = 0
	case s == "":
		v.nums[i] = null
	case k == kindMoney:
		return v.setMoneyText(i, s)
	case k == kindTime:
		t, err := parseTime(s)
		if err != nil {
			return err
		}
		v.nums[i] = t.Unix()
	case i > 0 && string(v.dict.text(v.ids[i-1])) == s:
		v.ids[i] = v.ids[i-1]
	case len(s) > maxText || len(v.dict.data) > maxTexts:
		return fmt.Errorf("a text of %d bytes, %d in a batch", len(s), len(v.dict.data))
	default:
		v.ids[i] = v.dict.add([]byte(s))
	}
	return nil
}

// parse fills the map of discounts from its JSON texts, the way csv states maps.
func (m *mapVector) parse(texts *vector, b *batch) error {
	name := columns[colDiscount].name
	m.keys.dict = newDict()
	m.values.odd = nil
	n := 0
	for i := range b.n {
		m.ends[i] = n
		if i > 0 && texts.id(i) == texts.id(i-1) && m.from(i-1) == n {
			continue // empty like the one before
		}
		entries, err := parseMap(string(texts.text(i)))
		if err == nil && len(entries) > maxEntries {
			err = fmt.Errorf("a map of more than %d entries", maxEntries)
		}
		if err != nil {
			return atCell(b.first+int64(i), name, err)
		}
		m.keys.grow(n + len(entries))
		m.values.grow(n + len(entries))
		for _, e := range entries {
			m.keys.ids[n] = m.keys.dict.add([]byte(e.key))
			if err := m.values.setText(kindMoney, n, e.value); err != nil {
				return atCell(b.first+int64(i), name, fmt.Errorf("%s: %w", e.key, err))
			}
			n++
		}
		m.ends[i] = n
	}
	return nil
}
