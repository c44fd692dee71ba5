package cur

import (
	"math"
	"math/big"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/currency"
)

// TestUnits: the numbers at which multiplying, rounding and dividing goes wrong.
func TestUnits(t *testing.T) {
	tests := []struct {
		v     float64
		units int64
		ok    bool
	}{
		{0, 0, true},
		{math.Copysign(0, -1), 0, true},
		{1.25, 12_500_000_000, true},
		{-0.0000000001, -1, true},
		{0.1, 1_000_000_000, true},
		{99999.9999999999, 999_999_999_999_999, true},
		{827250.19, 0, false}, // beyond 10^15 units: x 10^10, rounded and divided it would be 827250.1900000001
		{100000, 0, false},
		{0.30000000000000004, 0, false}, // 17 places
		{1e-11, 0, false},
		{5e-324, 0, false},
		{math.MaxFloat64, 0, false},
		{math.Inf(1), 0, false},
		{math.NaN(), 0, false},
	}
	for _, tt := range tests {
		if got, ok := units(tt.v); got != tt.units || ok != tt.ok {
			t.Errorf("units(%v) = %d, %v, want %d, %v", tt.v, got, ok, tt.units, tt.ok)
		}
	}
}

// TestSumIsExact: a sum of doubles is the sum of their shortest decimals, for any finite doubles
// in any order.
func TestSumIsExact(t *testing.T) {
	cost := rapid.OneOf(
		rapid.Float64(),
		rapid.Float64Range(-1e6, 1e6),
		rapid.SampledFrom([]float64{827250.19, 0.30000000000000004, 5e-324, math.MaxFloat64, -math.MaxFloat64, 99999.9999999999, 1e-10}),
		rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.Int64Range(-1e15, 1e15).Draw(t, "units")) / 1e10 }),
	)
	rapid.Check(t, func(t *rapid.T) {
		var got sum
		want := new(big.Rat)
		for _, v := range rapid.SliceOfN(cost, 0, 50).Draw(t, "costs") {
			if u, ok := units(v); ok {
				got.wide.add(u)
			} else {
				got.addNumber(shortest(v))
			}
			r, _ := new(big.Rat).SetString(strconv.FormatFloat(v, 'g', -1, 64))
			want.Add(want, r)
		}
		if got.decimal().Rat().Cmp(want) != 0 {
			t.Fatalf("sum %s, want %s", got.decimal(), want.FloatString(30))
		}
	})
}

// TestTextUnits: the short way from text gives what the long way gives.
func TestTextUnits(t *testing.T) {
	for _, s := range []string{"", "-", ".", "1.", ".5", "-.5", "1.2.3", "--1", "1e5", "99999.9999999999", "100000", "0.00000000001", "-0", "00012.50", "-7.0E-10", "1234567890.12345"} {
		u, ok := plainUnits(s)
		if !ok {
			continue
		}
		d, err := currency.Parse(s)
		if err != nil {
			t.Errorf("plainUnits(%q) = %d, want an error: %v", s, u, err)
		} else if got := (number{mantissa: u, exponent: -unitPlaces}).decimal(); !got.Equal(d) {
			t.Errorf("plainUnits(%q) = %s, want %s", s, got, d)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`-?[0-9]{1,12}(\.[0-9]{1,12})?`).Draw(t, "text")
		d, err := currency.Parse(s)
		if err != nil {
			t.Skip()
		}
		v := &vector{nums: make([]int64, 1)}
		if err := v.setMoneyText(0, s); err != nil {
			t.Fatal(err)
		}
		if got, ok := v.decimal(0); !ok || !got.Equal(d) {
			t.Fatalf("%q is %s, want %s", s, got, d)
		}
	})
}
