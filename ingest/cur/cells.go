package cur

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/shopspring/decimal"
)

// What is in the cells of a column: dictionaries and plain values, as texts, money and times.

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
