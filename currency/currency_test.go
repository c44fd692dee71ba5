package currency

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]string{
		"0": "0", "-0": "0", "0.00": "0", "100.50": "100.5", "-100.50": "-100.5", "1234567.89": "1234567.89",
		"-7.0E-10": "-0.0000000007", "1e3": "1000", "+5": "5", "007": "7",
		"0.0000000001": "0.0000000001", "827250.19": "827250.19", "0.30000000000000004": "0.30000000000000004",
		"1234567890123456789012345678901234567890": "1234567890123456789012345678901234567890",
	} {
		d, err := Parse(s)
		if err != nil || Plain(d) != want {
			t.Errorf("Parse(%q) = %s, %v; want %s", s, Plain(d), err, want)
		}
	}
	for _, s := range []string{
		"", " ", "-", ".", "e5", "1,5", "1 000", "12.3.4", "NaN", "Inf", "-inf", "0x10", "1_000", "1e", "--5", "5%", "٣",
		"12345678901234567890123456789012345678901", // 41 digits
		"1e26", "1e-41", "1e999999999", "1e-999999999", "0." + string(make([]byte, 50)),
	} {
		if d, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %s, want an error", s, Plain(d))
		}
	}
}

// anyNumber draws an amount of up to 20 digits with up to 15 of them behind the point.
func anyNumber(t *rapid.T, label string) Decimal {
	n := rapid.Int64().Draw(t, label)
	return decimalOfInt(n).Shift(-int32(rapid.IntRange(0, 15).Draw(t, label+" places")))
}

func decimalOfInt(n int64) Decimal { return MustParse(big.NewInt(n).String()) }

// Printing and parsing is the identity, and the printed form is the only one of its value.
func TestParsePlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := anyNumber(t, "d")
		back, err := Parse(Plain(d))
		if err != nil || !back.Equal(d) {
			t.Fatalf("Parse(Plain(%s)) = %s, %v", d, back, err)
		}
		more := Plain(d.Add(MustParse("1.000")).Sub(MustParse("1")))
		if more != Plain(d) {
			t.Fatalf("one value prints as %s and %s", Plain(d), more)
		}
	})
}

func TestCodes(t *testing.T) {
	for c, want := range map[Code]int32{"EUR": 2, "USD": 2, "CHF": 2, "JPY": 0, "KRW": 0, "ISK": 0, "BHD": 3, "KWD": 3, "TND": 3} {
		if got := c.MinorUnits(); got != want || !c.Known() {
			t.Errorf("%s has %d minor units, want %d", c, got, want)
		}
	}
	for _, s := range []string{"", "eur", "EU", "EURO", "XXX", "E R"} {
		if c, err := ParseCode(s); err == nil {
			t.Errorf("ParseCode(%q) = %s, want an error", s, c)
		}
	}
	if len(minorUnits) < 150 {
		t.Errorf("%d currencies, want all in circulation", len(minorUnits))
	}
}

func TestAmounts(t *testing.T) {
	a := Amount{MustParse("10.00"), "USD"}
	if got := a.Add(Amount{MustParse("-0.5"), "USD"}).String(); got != "9.5 USD" {
		t.Errorf("10 - 0.5 = %s, want 9.5 USD", got)
	}
	r := Rate{From: "USD", To: "EUR", Value: MustParse("0.92")}
	if got := r.Convert(a).String(); got != "9.2 EUR" {
		t.Errorf("10 USD at 0.92 = %s, want 9.2 EUR", got)
	}
	for name, f := range map[string]func(){
		"add two currencies":           func() { a.Add(Amount{a.Number, "EUR"}) },
		"convert at a rate of another": func() { r.Convert(Amount{a.Number, "EUR"}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic (I3)", name)
				}
			}()
			f()
		}()
	}
	if got := Plain(Percent(MustParse("1000.10"), MustParse("7.5"))); got != "75.0075" {
		t.Errorf("7.5 %% of 1000.10 = %s, want 75.0075", got)
	}
}

func rat(d Decimal) *big.Rat { return d.Rat() }

// halfEven rounds a fraction to ten places in whole numbers: the oracle for rates.
func halfEven(r *big.Rat) *big.Rat {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(RatePlaces), nil)
	scaled := new(big.Rat).Mul(r, new(big.Rat).SetInt(scale))
	double := new(big.Rat).Add(scaled, scaled)
	// floor((2x+1)/2), and on a tie the even one of the two.
	num := new(big.Int).Add(double.Num(), double.Denom())
	q, rest := new(big.Int).DivMod(num, new(big.Int).Mul(double.Denom(), big.NewInt(2)), new(big.Int))
	if rest.Sign() == 0 && q.Bit(0) == 1 {
		q.Sub(q, big.NewInt(1))
	}
	return new(big.Rat).SetFrac(q, scale)
}

func TestQuotient(t *testing.T) {
	for _, tt := range []struct{ a, b, want string }{
		{"1", "3", "0.3333333333"}, {"2", "3", "0.6666666667"}, {"-2", "3", "-0.6666666667"}, {"2", "-3", "-0.6666666667"},
		{"1", "1", "1"}, {"0", "7", "0"}, {"1", "8", "0.125"},
		// ties: to the even digit, in both signs
		{"0.00000000005", "1", "0"}, {"0.00000000015", "1", "0.0000000002"}, {"0.00000000025", "1", "0.0000000002"},
		{"-0.00000000005", "1", "0"}, {"-0.00000000015", "1", "-0.0000000002"}, {"-0.00000000025", "1", "-0.0000000002"},
		{"0.0000000001", "2", "0"}, {"0.0000000003", "2", "0.0000000002"}, {"0.0000000005", "-2", "-0.0000000002"},
		{"0.00000000005000000000000001", "1", "0.0000000001"},
	} {
		if got := Plain(quotient(MustParse(tt.a), MustParse(tt.b))); got != tt.want {
			t.Errorf("%s / %s = %s, want %s", tt.a, tt.b, got, tt.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyNumber(t, "a"), anyNumber(t, "b")
		// Half the time a tie: an odd number of half units.
		if rapid.Bool().Draw(t, "tie") {
			b = MustParse("2")
			a = decimalOfInt(rapid.Int64Range(-1e15, 1e15).Draw(t, "odd")*2 + 1).Shift(-RatePlaces)
		}
		if b.IsZero() {
			t.Skip("no quotient")
		}
		want := halfEven(new(big.Rat).Quo(rat(a), rat(b)))
		if got := quotient(a, b); rat(got).Cmp(want) != 0 {
			t.Fatalf("%s / %s = %s, want %s", a, b, got, want.FloatString(12))
		}
	})
}

// A rate turned round is within half a unit of the true one, and is none where ten places are too
// few to say anything.
func TestInverse(t *testing.T) {
	half := big.NewRat(1, 20_000_000_000)
	rapid.Check(t, func(t *rapid.T) {
		v := decimalOfInt(rapid.Int64Range(1, 1e14).Draw(t, "v")).Shift(-RatePlaces)
		r, err := Rate{From: "USD", To: "EUR", Value: v}.Inverse()
		if err != nil {
			t.Fatal(err)
		}
		if r.From != "EUR" || r.To != "USD" {
			t.Fatalf("the inverse goes from %s to %s", r.From, r.To)
		}
		off := new(big.Rat).Sub(rat(r.Value), new(big.Rat).Inv(rat(v)))
		if off.Abs(off).Cmp(half) > 0 {
			t.Fatalf("1 / %s = %s", v, r.Value)
		}
	})
	for _, v := range []string{"0", "-0.92", "20000000001", "1e25"} {
		if r, err := (Rate{From: "USD", To: "EUR", Value: MustParse(v)}).Inverse(); err == nil {
			t.Errorf("the inverse of %s is %s, want an error", v, Plain(r.Value))
		}
	}
}

func TestWithMarkup(t *testing.T) {
	for _, tt := range []struct{ rate, percent, want, note string }{
		{"0.92", "0", "0.92", ""},
		{"0.92", "1.5", "0.9338", "1.5"},
		{"0.8697164724", "1", "0.8784136371", "1"}, // 0.878413637124
		{"0.0000000050", "1", "0.000000005", "1"},  // a tie, to even: 0.00000000505
		{"0.0000000150", "1", "0.0000000152", "1"}, // a tie, to even: 0.00000001515
	} {
		r := Rate{From: "USD", To: "EUR", Value: MustParse(tt.rate)}.WithMarkup(MustParse(tt.percent))
		if Plain(r.Value) != tt.want || r.Markup != tt.note {
			t.Errorf("%s with %s %% = %s (%q), want %s (%q)", tt.rate, tt.percent, Plain(r.Value), r.Markup, tt.want, tt.note)
		}
	}
}

func TestSplit(t *testing.T) {
	tests := []struct {
		name, total string
		weights     []string
		places      int32
		want        []string
	}{
		{"even", "10", []string{"1", "1"}, 2, []string{"5", "5"}},
		{"a tie goes to the earlier part", "0.01", []string{"1", "1"}, 2, []string{"0.01", "0"}},
		{"thirds", "10", []string{"1", "1", "1"}, 2, []string{"3.34", "3.33", "3.33"}},
		{"the largest remainder wins", "1", []string{"10", "45", "45"}, 1, []string{"0.1", "0.5", "0.4"}},
		{"negative", "-10", []string{"1", "1", "1"}, 2, []string{"-3.34", "-3.33", "-3.33"}},
		{"nobody with weight 0 gets anything", "10", []string{"0", "1", "0"}, 2, []string{"0", "10", "0"}},
		{"what lies below the unit goes to the first part with a weight", "10.005", []string{"0", "1", "1"}, 2, []string{"0", "5.005", "5"}},
		{"negative dust too", "-0.001", []string{"0", "0", "2"}, 2, []string{"0", "0", "-0.001"}},
		{"nothing", "0", []string{"3", "4"}, 2, []string{"0", "0"}},
		{"ten places", "1", []string{"1", "2"}, 10, []string{"0.3333333333", "0.6666666667"}},
		{"nobody to give to", "10", []string{"0", "0"}, 2, nil},
		{"no weights", "10", nil, 2, nil},
		{"a negative weight", "10", []string{"2", "-1"}, 2, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var weights []Decimal
			for _, w := range tt.weights {
				weights = append(weights, MustParse(w))
			}
			got := Split(MustParse(tt.total), weights, tt.places)
			if len(got) != len(tt.want) {
				t.Fatalf("Split = %v, want %v", got, tt.want)
			}
			for i := range got {
				if Plain(got[i]) != tt.want[i] {
					t.Errorf("Split = %v, want %v", got, tt.want)
					break
				}
			}
		})
	}
}

func splitConserves(t *rapid.T) {
	total := anyNumber(t, "total")
	places := int32(rapid.IntRange(0, 12).Draw(t, "places"))
	weights := make([]Decimal, rapid.IntRange(1, 12).Draw(t, "parts"))
	sum := Zero
	for i := range weights {
		w := Zero
		if rapid.IntRange(0, 3).Draw(t, "some") > 0 {
			w = decimalOfInt(rapid.Int64Range(0, 1e12).Draw(t, "weight")).Shift(-int32(rapid.IntRange(0, 8).Draw(t, "weight places")))
		}
		weights[i] = w
		sum = sum.Add(w)
	}
	parts := Split(total, weights, places)
	if sum.IsZero() {
		if parts != nil {
			t.Fatalf("parts %v without a weight", parts)
		}
		return
	}
	unit := rat(MustParse("1").Shift(-places))
	all, first := Zero, true
	for i, p := range parts {
		all = all.Add(p)
		if weights[i].IsZero() {
			if !p.IsZero() {
				t.Fatalf("part %d has no weight and gets %s", i, p)
			}
			continue
		}
		if p.Sign() != 0 && p.Sign() != total.Sign() {
			t.Fatalf("part %d is %s of %s", i, p, total)
		}
		if !first && !p.Equal(p.Truncate(places)) {
			t.Fatalf("part %d is %s, no whole units", i, p)
		}
		// Each part is less than one unit from its exact share; the first may hold the dust too.
		exact := new(big.Rat).Quo(new(big.Rat).Mul(rat(total), rat(weights[i])), rat(sum))
		off := new(big.Rat).Sub(rat(p), exact)
		bound := new(big.Rat).Set(unit)
		bound.Add(bound, rat(total.Sub(total.Truncate(places)).Abs()))
		if off.Abs(off).Cmp(bound) > 0 {
			t.Fatalf("part %d is %s, its exact share %s", i, p, exact.FloatString(14))
		}
		first = false
	}
	if !all.Equal(total) {
		t.Fatalf("the parts sum to %s, not %s", all, total)
	}
}

func TestSplitConserves(t *testing.T) { rapid.Check(t, splitConserves) }
func FuzzSplitConserves(f *testing.F) { f.Fuzz(rapid.MakeFuzz(splitConserves)) }

// TestParseBounds: 40 digits are read, more are out of range, and far more are no number at all.
func TestParseBounds(t *testing.T) {
	for digits, want := range map[int]string{
		40: "", 41: "number out of range", 43: "number out of range", 44: "not a number", 1000: "not a number",
	} {
		_, err := Parse(strings.Repeat("1", digits))
		if got := fmt.Sprint(err); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(got, want) {
			t.Errorf("%d digits: %v, want %q", digits, err, want)
		}
	}
}

// TestSplitNegative: the missing units of a negative total go to the largest remainders, without
// their sign.
func TestSplitNegative(t *testing.T) {
	three, one := MustParse("3"), MustParse("1")
	if got := fmt.Sprint(Split(MustParse("-10"), []Decimal{three, three, one}, 0)); got != "[-4 -4 -2]" {
		t.Errorf("got %s, want [-4 -4 -2]", got)
	}
	if got := fmt.Sprint(Split(MustParse("10"), []Decimal{three, three, one}, 0)); got != "[4 4 2]" {
		t.Errorf("got %s, want [4 4 2]", got)
	}
}
