// Package currency keeps money exact: amounts are decimals that never pass through a float,
// conversion states its rate, and splitting loses nothing. It rounds only rates (to ten places)
// and shares; amounts are rounded to minor units in package invoice alone.
package currency

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
)

// Decimal is an exact decimal number: an amount in a currency that its context names,
// a percentage, a rate.
type Decimal = decimal.Decimal

// Zero is the number 0.
var Zero = decimal.Zero

// An Amount is an exact number of units of one currency.
type Amount struct {
	Number   Decimal `json:"amount"`
	Currency Code    `json:"currency"`
}

// Add returns the sum of two amounts of one currency. Adding two currencies is a bug in the
// program, never a state of the data (I3), so it panics.
func (a Amount) Add(b Amount) Amount {
	if a.Currency != b.Currency {
		panic(fmt.Sprintf("currency: %s + %s", a.Currency, b.Currency))
	}
	return Amount{a.Number.Add(b.Number), a.Currency}
}

// String prints the amount as "12.34 EUR".
func (a Amount) String() string { return Plain(a.Number) + " " + string(a.Currency) }

// Plain prints a number in its shortest plain form: no exponent, no trailing zeros, never "-0"
// (design 7). All exact amounts in documents and JSON are printed so.
func Plain(d Decimal) string {
	s := d.String()
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" || s == "" {
		return "0"
	}
	return s
}

// maxText bounds what Parse reads: no amount of AWS or of a book has more digits, and a short
// text like 1e999999999 must not become a long number (design 4).
const (
	maxDigits   = 40
	minExponent = -40
	maxExponent = 25
)

// Parse reads a decimal number in plain or exponent notation ("-7.0E-10"). It refuses anything
// else, more than 40 digits, and exponents outside -40 to 25.
func Parse(s string) (Decimal, error) {
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' || c == 'e' || c == 'E' || c == '-' || c == '+':
		default:
			return Zero, fmt.Errorf("not a number: %q", s)
		}
	}
	if digits == 0 || digits > maxDigits+3 {
		return Zero, fmt.Errorf("not a number: %q", s)
	}
	d, err := decimal.NewFromString(s)
	if err != nil {
		return Zero, fmt.Errorf("not a number: %q", s)
	}
	if d.NumDigits() > maxDigits || d.Exponent() < minExponent || d.Exponent() > maxExponent {
		return Zero, fmt.Errorf("number out of range: %q", s)
	}
	return d, nil
}

// MustParse is Parse for numbers written in the program itself.
func MustParse(s string) Decimal {
	d, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return d
}

// Percent returns p percent of d, exactly.
func Percent(d, p Decimal) Decimal { return d.Mul(p).Shift(-2) }
