package currency

import (
	"fmt"

	"github.com/arrears-billing/arrears/calendar"
)

// RatePlaces is the number of decimal places a rate is kept with. A computed rate (inverse,
// cross, implied, with markup) is rounded half to even to it before use (design 5).
const RatePlaces = 10

// A Rate says what one unit of From is worth in To, where that is stated and for which day.
// A rate on an issued document never changes.
type Rate struct {
	From       Code          `json:"from"`
	To         Code          `json:"to"`
	Value      Decimal       `json:"rate"`
	Source     string        `json:"source"` // aws_invoice, ecb, fixed, same
	Date       calendar.Date `json:"date"`
	AWSInvoice string        `json:"aws_invoice,omitempty"` // whose rate it is, for source aws_invoice
	Markup     string        `json:"markup_percent,omitempty"`
	Digest     string        `json:"digest,omitempty"` // of the file that an imported rate came from
}

// Convert returns the exact product of an amount in From and the rate, in To.
// An amount in another currency is a bug in the program and panics (I3).
func (r Rate) Convert(a Amount) Amount {
	if a.Currency != r.From {
		panic(fmt.Sprintf("currency: %s at a rate from %s", a.Currency, r.From))
	}
	return Amount{a.Number.Mul(r.Value), r.To}
}

// Same is the rate of a currency to itself: 1.
func Same(c Code) Rate { return Rate{From: c, To: c, Value: MustParse("1"), Source: "same"} }

// Inverse returns the rate in the other direction, rounded half to even to ten places. A rate
// that is not positive has none, and so has one so large that ten places say 0.
func (r Rate) Inverse() (Rate, error) {
	if r.Value.Sign() <= 0 {
		return Rate{}, fmt.Errorf("rate %s/%s is not positive: %s", r.From, r.To, Plain(r.Value))
	}
	v := quotient(MustParse("1"), r.Value)
	if v.IsZero() {
		return Rate{}, fmt.Errorf("rate %s/%s of %s is too large to be turned round at %d places", r.From, r.To, Plain(r.Value), RatePlaces)
	}
	r.From, r.To, r.Value = r.To, r.From, v
	return r, nil
}

// WithMarkup returns the rate raised by percent, rounded half to even to ten places.
func (r Rate) WithMarkup(percent Decimal) Rate {
	if percent.IsZero() {
		return r
	}
	r.Value = r.Value.Add(Percent(r.Value, percent)).RoundBank(RatePlaces)
	r.Markup = Plain(percent)
	return r
}

// quotient divides and rounds half to even to RatePlaces.
func quotient(a, b Decimal) Decimal { return PerUnit(a, b, RatePlaces) }

// PerUnit returns amount / quantity, rounded half to even to so many places: a unit price, to be
// shown. The quantity must not be 0.
func PerUnit(amount, quantity Decimal, places int32) Decimal {
	q, rest := amount.QuoRem(quantity, places) // q is cut toward zero, amount = q*quantity + rest
	if rest.IsZero() {
		return q
	}
	unit := MustParse("1").Shift(-places)
	if amount.Sign()*quantity.Sign() < 0 {
		unit = unit.Neg()
	}
	switch rest.Abs().Add(rest.Abs()).Cmp(quantity.Abs().Shift(-places)) {
	case 1:
		return q.Add(unit)
	case 0:
		if !q.Shift(places).Mod(MustParse("2")).IsZero() {
			return q.Add(unit)
		}
	}
	return q
}
