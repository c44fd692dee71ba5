package cur

import (
	"errors"
	"fmt"
)

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
