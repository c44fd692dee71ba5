package focus

import (
	"fmt"
	"math/big"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/shopspring/decimal"

	"github.com/arrears-billing/arrears/currency"
)

// A number is an exact amount of 128 bits; how many of its digits are decimal places is said by
// its column.
type number = decimal128.Num

// pow10 are the powers of ten that 64 bits hold.
var pow10 = func() (p [20]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// product returns a x b x 10^shift, and false when it has no room or shift is not 0 to 19.
func product(a, b int64, shift int32) (number, bool) {
	if shift < 0 || int(shift) >= len(pow10) {
		return number{}, false
	}
	negative := (a < 0) != (b < 0)
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	over, l := bits.Mul64(lo, pow10[shift])
	over2, h := bits.Mul64(hi, pow10[shift])
	h, carry := bits.Add64(h, over, 0)
	if over2 != 0 || carry != 0 || h >= 1<<62 { // beyond 38 digits: 10^38 is 0x4b... of 128 bits
		return number{}, false
	}
	n := decimal128.New(int64(h), l) //nolint:gosec // below 1 << 62
	if negative {
		n = n.Negate()
	}
	return n, true
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v) //nolint:gosec // two's complement
	}
	return uint64(v)
}

// numberOf returns a decimal as a number with so many places, rounded half away from zero when it
// has more of them.
func numberOf(d currency.Decimal, places int32) (number, error) {
	d = d.Round(places)
	n := new(big.Int).Mul(d.Coefficient(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d.Exponent()+places)), nil))
	if n.CmpAbs(limit) >= 0 {
		return number{}, fmt.Errorf("%s has no room in %d digits with %d places", currency.Plain(d), precision, places)
	}
	return decimal128.FromBigInt(n), nil
}

// limit is beyond what 38 digits hold.
var limit = new(big.Int).Exp(big.NewInt(10), big.NewInt(precision), nil)

// decimalOf is the number with so many places as a decimal.
func decimalOf(n number, places int32) currency.Decimal {
	return decimal.NewFromBigInt(n.BigInt(), -places)
}

// small returns a decimal as a mantissa of 64 bits and its places; false when it has no room.
func small(d currency.Decimal) (mantissa int64, places int32, ok bool) {
	c := d.Coefficient()
	switch {
	case !c.IsInt64():
		return 0, 0, false
	case d.Exponent() <= 0:
		return c.Int64(), -d.Exponent(), true
	}
	n, ok := product(c.Int64(), 1, d.Exponent())
	if !ok || !n.BigInt().IsInt64() {
		return 0, 0, false
	}
	return n.BigInt().Int64(), 0, true
}

// An amount is money or a quantity as a row of AWS's file states it: in units of 1e-10 where it is
// a whole number of them, which nearly all are, else as a decimal.
type amount struct {
	units   int64
	odd     bool
	decimal currency.Decimal // when odd
}

func amountOf(d currency.Decimal) amount { return amount{odd: true, decimal: d} }

func (a amount) value() currency.Decimal {
	if a.odd {
		return a.decimal
	}
	return decimal.New(a.units, -quantityPlaces)
}

func (a amount) sign() int {
	switch {
	case a.odd:
		return a.decimal.Sign()
	case a.units < 0:
		return -1
	case a.units > 0:
		return 1
	}
	return 0
}

func (a amount) abs() amount {
	switch {
	case a.sign() >= 0:
		return a
	case a.odd:
		return amountOf(a.decimal.Neg())
	}
	return amount{units: -a.units}
}

func (a amount) neg() amount {
	if a.odd {
		return amountOf(a.decimal.Neg())
	}
	return amount{units: -a.units}
}

func (a amount) add(b amount) amount {
	if a.odd || b.odd {
		return amountOf(a.value().Add(b.value()))
	}
	return amount{units: a.units + b.units} // both are below 1e15
}

// number returns the amount with so many places.
func (a amount) number(places int32) (number, error) {
	if !a.odd {
		if n, ok := product(a.units, 1, places-quantityPlaces); ok {
			return n, nil
		}
	}
	return numberOf(a.value(), places)
}

// at returns the amount at an exchange rate, with so many places.
func (a amount) at(r rate, places int32) (number, error) {
	if !a.odd && r.quick && r.places <= places-quantityPlaces {
		if n, ok := product(a.units, r.mantissa, places-quantityPlaces-r.places); ok {
			return n, nil
		}
	}
	return numberOf(a.value().Mul(r.value), places)
}

// split shares the amount by weights, exactly.
func (a amount) split(weights []currency.Decimal) []amount {
	parts := currency.Split(a.value(), weights, currency.SharePlaces)
	out := make([]amount, len(weights))
	for i := range out {
		switch {
		case parts != nil:
			out[i] = amountOf(parts[i])
		case i == 0:
			out[i] = a // nobody has a weight
		default:
			out[i] = amountOf(currency.Zero)
		}
	}
	return out
}

// times returns price x quantity: exactly, as their places add up to those of a cost.
func times(price, quantity number) (number, error) {
	if fits(price) && fits(quantity) {
		if n, ok := product(int64(price.LowBits()), int64(quantity.LowBits()), costPlaces-pricePlaces-quantityPlaces); ok { //nolint:gosec // they fit
			return n, nil
		}
	}
	return numberOf(decimalOf(price, pricePlaces).Mul(decimalOf(quantity, quantityPlaces)), costPlaces)
}

// fits says that a number has room in 64 bits.
func fits(n number) bool {
	return n.HighBits() == 0 && n.LowBits() < 1<<63 || n.HighBits() == -1 && n.LowBits() >= 1<<63
}
