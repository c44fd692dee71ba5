package cur

import (
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strconv"

	"github.com/shopspring/decimal"

	"github.com/arrears-billing/arrears/currency"
)

// unitPlaces is the number of decimal places of a unit: the costs in AWS's reports have at most
// ten (aws.md 1.6).
const unitPlaces = 10

// unitLimit bounds units: amounts of 100,000 and more a row take the slower way. Below it a
// double holds every unit apart, and sums of 9,000 rows still fit 64 bits.
const unitLimit = 1e15

// units returns the shortest decimal of v in units of 1e-10, if it is a whole number of them
// below unitLimit. The multiplication may round; that the quotient is v again proves that
// q x 1e-10 is a decimal that reads as v, and with at most 15 digits it is the shortest (design 4).
func units(v float64) (int64, bool) {
	const scale = 1e10
	s := v * scale
	if !(math.Abs(s) < unitLimit) { // also when s is not a number
		return 0, false
	}
	q := math.RoundToEven(s)
	if q/scale != v {
		return 0, false
	}
	return int64(q), true
}

// A number is an exact amount: mantissa x 10^exponent, or big where the mantissa has no room.
type number struct {
	mantissa int64
	exponent int32
	big      *currency.Decimal
}

// shortest returns the shortest decimal of a finite double.
func shortest(v float64) number {
	var b [32]byte
	text := strconv.AppendFloat(b[:0], v, 'e', -1, 64)
	n := number{}
	e := slices.Index(text, 'e')
	places := int32(0)
	for i, c := range text[:e] {
		switch {
		case c >= '0' && c <= '9':
			n.mantissa = n.mantissa*10 + int64(c-'0') // at most 17 digits
		case c == '.':
			places = int32(e - i - 1) //nolint:gosec // at most 16
		}
	}
	if v < 0 {
		n.mantissa = -n.mantissa
	}
	exponent, _ := strconv.ParseInt(string(text[e+1:]), 10, 32) // of strconv's own making
	n.exponent = int32(exponent) - places
	return n
}

// numberOf returns a decimal as a number.
func numberOf(d currency.Decimal) number {
	if c := d.Coefficient(); c.IsInt64() {
		return number{mantissa: c.Int64(), exponent: d.Exponent()}
	}
	return number{big: &d}
}

// units returns the number in units, if it is a whole number of them below unitLimit.
func (n number) units() (int64, bool) {
	if n.big != nil {
		return 0, false
	}
	m, e := n.mantissa, n.exponent
	if m == 0 {
		return 0, true
	}
	for ; e < -unitPlaces && m%10 == 0; e++ {
		m /= 10
	}
	for ; e > -unitPlaces && m < unitLimit && m > -unitLimit; e-- {
		m *= 10
	}
	return m, e == -unitPlaces && m < unitLimit && m > -unitLimit
}

func (n number) decimal() currency.Decimal {
	if n.big != nil {
		return *n.big
	}
	return decimal.New(n.mantissa, n.exponent)
}

func (n number) zero() bool { return n.big == nil && n.mantissa == 0 || n.big != nil && n.big.IsZero() }

// A sum adds amounts exactly. The zero value is 0.
type sum struct {
	wide         // units
	odd  *oddSum // what has no units
}

// A wide is a signed number of 128 bits: room for 2^64 amounts of 64 bits.
type wide struct {
	lo uint64
	hi int64
}

func (w *wide) add(v int64) {
	lo, carry := bits.Add64(w.lo, uint64(v), 0) //nolint:gosec // two's complement
	w.lo = lo
	w.hi += v>>63 + int64(carry) //nolint:gosec // 0 or 1
}

func (w wide) decimal(exponent int32) currency.Decimal {
	n := new(big.Int).Lsh(big.NewInt(w.hi), 64)
	return decimal.NewFromBigInt(n.Add(n, new(big.Int).SetUint64(w.lo)), exponent)
}

// An oddSum keeps a sum for each exponent, so that adding never has to align and never overflows.
type oddSum struct {
	byExponent map[int32]*wide
	big        currency.Decimal
}

func (s *sum) addNumber(n number) {
	if s.odd == nil {
		s.odd = &oddSum{byExponent: map[int32]*wide{}}
	}
	if n.big != nil {
		s.odd.big = s.odd.big.Add(*n.big)
		return
	}
	w := s.odd.byExponent[n.exponent]
	if w == nil {
		w = &wide{}
		s.odd.byExponent[n.exponent] = w
	}
	w.add(n.mantissa)
}

// decimal returns the sum.
func (s sum) decimal() currency.Decimal {
	d := s.wide.decimal(-unitPlaces)
	if s.odd != nil {
		d = d.Add(s.odd.decimal())
	}
	return d
}

func (o *oddSum) decimal() currency.Decimal {
	d := o.big
	for e, w := range o.byExponent {
		d = d.Add(w.decimal(e))
	}
	return d
}
