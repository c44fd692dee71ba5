package currency

import (
	"slices"
)

// SharePlaces is the number of decimal places in which shares and allocations work (design 5).
const SharePlaces = 10

// Split divides total in proportion to weights, in whole units of 10^-places, by largest
// remainder: every part is cut toward zero, then the missing units go one each to the parts with
// the largest remainders, ties to the earlier part. What of total lies below the unit goes to
// the first part with a weight. The parts always sum to total, exactly.
//
// Weights must not be negative and one must be positive; otherwise Split returns nil, since
// there is nobody to give the money to, and the caller decides.
func Split(total Decimal, weights []Decimal, places int32) []Decimal {
	sum := Zero
	first := -1
	for i, w := range weights {
		if w.Sign() < 0 {
			return nil
		}
		if w.Sign() > 0 && first < 0 {
			first = i
		}
		sum = sum.Add(w)
	}
	if first < 0 {
		return nil
	}
	whole := total.Truncate(places)
	parts := make([]Decimal, len(weights))
	rests := make([]Decimal, len(weights))
	given := Zero
	for i, w := range weights {
		parts[i], rests[i] = whole.Mul(w).QuoRem(sum, places)
		given = given.Add(parts[i])
	}
	order := make([]int, len(weights))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return rests[b].Abs().Cmp(rests[a].Abs()) })
	unit := MustParse("1").Shift(-places)
	if total.Sign() < 0 {
		unit = unit.Neg()
	}
	for _, i := range order {
		if given.Equal(whole) {
			break
		}
		parts[i] = parts[i].Add(unit)
		given = given.Add(unit)
	}
	parts[first] = parts[first].Add(total.Sub(whole))
	return parts
}
