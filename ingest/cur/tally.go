package cur

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// maxOff is how far a row's net cost may be from unblended cost and parts, in units (design 4).
const maxOff = 10_000

// A tally adds up batches to charges. One worker has one; tallies of workers are merged.
type tally struct {
	*grouper
	month    calendar.Month
	from, to int64 // the month in seconds; from == to accepts any

	costs []groupCost // by group
	sums  []groupSum  // by group
	rows  int64
	texts map[string]string // smallest description of Discount rows of class none, by product

	parts    []string // keys of parts, by number
	partOf   map[string]int
	columnOf []int // the numbers of the part columns
	keyDict  *dict // that keyParts is for
	keyParts []int
	stamps   []int64 // the last row in which the map had the part
	row      []partAmount

	class    []uint8
	typeDict *dict
	classy   []bool                      // by id of the type: its rows have a class
	classOf  map[string]map[string]uint8 // by type and description
}

// A groupCost is what every row of a group adds to. It is small, so that those of many groups
// stay in the processor's cache.
type groupCost struct {
	units   wide
	rows    int64
	nonZero int64
}

// A groupSum is what few rows of a group add to.
type groupSum struct {
	odd      sum // unblended costs that have no units
	compared bool
	parts    []sum // by number
	present  []bool
	rest     sum
	off      int64
}

// A partAmount is a discount inside a row.
type partAmount struct {
	part   int
	amount number
}

// noPart is the number of map keys that are no parts: the total.
const noPart = -1

func newTally(month calendar.Month, parts []partColumn) *tally {
	t := &tally{
		grouper: newGrouper(), month: month, texts: map[string]string{}, partOf: map[string]int{},
		class: make([]uint8, batchRows), classOf: map[string]map[string]uint8{},
	}
	if !month.IsZero() {
		t.from, t.to = month.Start().Unix(), month.End().Unix()
	}
	for _, p := range parts {
		t.columnOf = append(t.columnOf, t.part(p.key))
	}
	return t
}

// part returns the number of a part's key.
func (t *tally) part(key string) int {
	if key == ingest.PartTotal {
		return noPart
	}
	n, ok := t.partOf[key]
	if !ok {
		n = len(t.parts)
		key = strings.Clone(key)
		t.partOf[key] = n
		t.parts = append(t.parts, key)
		t.stamps = append(t.stamps, 0)
	}
	return n
}

// add adds the rows of a batch.
func (t *tally) add(b *batch) error {
	if err := t.check(b); err != nil {
		return err
	}
	if err := t.group(b, func() ([]uint8, error) { return t.classes(b) }); err != nil {
		return err
	}
	for len(t.sums) < len(t.groups) {
		t.sums = append(t.sums, groupSum{compared: compared(t.groups[len(t.sums)].key)})
		t.costs = append(t.costs, groupCost{})
	}
	t.rows += int64(b.n)
	unblended := b.cols[colUnblended]
	ids := t.ids[:b.n]
	if unblended.same {
		unblended.expand(b.n)
	}
	for i, u := range unblended.nums[:b.n] {
		g := &t.costs[ids[i]]
		g.rows++
		if u == 0 {
			continue
		}
		g.nonZero++
		if u == odd {
			t.sums[ids[i]].odd.addNumber(unblended.odd[i])
			continue
		}
		g.units.add(u)
	}
	return t.addDiscounts(b)
}

// check refuses rows without a cost, with one that is no number, and of another month.
func (t *tally) check(b *batch) error {
	if p := b.cols[colPeriod]; p != nil && t.from < t.to {
		if p.same && p.nums[0] != null && (p.nums[0] < t.from || p.nums[0] >= t.to) {
			p.expand(b.n)
		}
		if !p.same {
			for i, s := range p.nums[:b.n] {
				if (s < t.from || s >= t.to) && s != null {
					return &Error{
						Row: b.first + int64(i), Column: columns[colPeriod].name, Err: checkPeriod(unixTime(s), t.month),
						Hint: "a file of another month lies among this month's: copy the delivery again, as AWS laid it out",
					}
				}
			}
		}
	}
	if err := b.cols[colUnblended].check(b, columns[colUnblended].name, true); err != nil {
		return err
	}
	if net := b.cols[colNet]; net != nil {
		if err := net.check(b, columns[colNet].name, false); err != nil {
			return err
		}
	}
	for i, p := range b.parts {
		if err := p.check(b, partPrefix+t.parts[t.columnOf[i]], false); err != nil {
			return err
		}
	}
	return nil
}

// check refuses money that is no number, and NULL if it is required.
func (v *vector) check(b *batch, name string, required bool) error {
	n := b.n
	if v.same {
		n = 1
	}
	least := int64(0)
	for _, u := range v.nums[:n] {
		least = min(least, u)
	}
	if least >= special {
		return nil
	}
	for i, u := range v.nums[:n] {
		if u == broken {
			return atCell(b.first+int64(i), name, errNaN)
		}
		if u == null && required {
			return atCell(b.first+int64(i), name, errNull)
		}
	}
	return nil
}

// classes returns the discount class of each row, as an index of classes; nil if no row has one.
func (t *tally) classes(b *batch) ([]uint8, error) {
	types := b.cols[colType]
	if t.typeDict != types.dict {
		t.typeDict, t.classy = types.dict, t.classy[:0]
	}
	t.classy = t.classy[:min(len(t.classy), types.dict.stable+1)]
	anyClassy := false
	for id := len(t.classy); id < types.dict.len(); id++ {
		t.classy = append(t.classy, ingest.ClassOf(string(types.dict.text(uint32(id))), "") != "") //nolint:gosec // an id
	}
	if types.same {
		anyClassy = t.classy[types.ids[0]]
	} else if slices.Contains(t.classy, true) {
		for _, id := range types.ids[:b.n] {
			anyClassy = anyClassy || t.classy[id]
		}
	}
	if !anyClassy {
		return nil, nil
	}
	descriptions, err := b.describe()
	if err != nil {
		return nil, err
	}
	for i := range b.n {
		t.class[i] = 0
		if !t.classy[types.id(i)] {
			continue
		}
		if t.class[i], err = t.classify(types.text(i), descriptions.text(i)); err != nil {
			return nil, atCell(b.first+int64(i), columns[colDescription].name, err)
		}
		if classes[t.class[i]] == ingest.ClassNone && string(types.text(i)) == ingest.TypeDiscount {
			product, text := string(b.cols[colProduct].text(i)), string(descriptions.text(i))
			if old, ok := t.texts[product]; !ok || text < old {
				t.texts[product] = text
			}
		}
	}
	return t.class, nil
}

// classify returns the class of a description, as an index of classes. Texts that were seen are
// remembered, as long as there are not too many of them.
func (t *tally) classify(typ, description []byte) (uint8, error) {
	known := t.classOf[string(typ)]
	if c, ok := known[string(description)]; ok {
		return c, nil
	}
	if !utf8.Valid(description) {
		return 0, fmt.Errorf("not UTF-8 text: %q", short(string(description)))
	}
	class := ingest.ClassOf(string(typ), string(description))
	i := slices.Index(classes, class)
	if i < 0 {
		return 0, fmt.Errorf("no such class: %s", class)
	}
	if known == nil || len(known) >= batchRows {
		known = map[string]uint8{}
		t.classOf[string(typ)] = known
	}
	known[string(description)] = uint8(i) //nolint:gosec // few classes
	return uint8(i), nil                  //nolint:gosec // as above
}

// addDiscounts adds what the rows say of their net cost and the discounts inside them.
func (t *tally) addDiscounts(b *batch) error {
	net, m := b.cols[colNet], b.maps[colDiscount]
	if net != nil && net.same && net.nums[0] == null {
		net = nil
	}
	if m != nil && m.ends[b.n-1] == 0 {
		m = nil
	}
	stated := m != nil
	for _, p := range b.parts {
		stated = stated || !p.same || (p.nums[0] != null && p.nums[0] != 0)
	}
	switch {
	case net == nil && !stated:
		return nil
	case !stated && net.odd == nil && b.cols[colUnblended].odd == nil:
		net.expand(b.n)
		t.addRests(b, net)
		return nil
	}
	if m != nil {
		if err := t.mapParts(m); err != nil {
			return atCell(0, columns[colDiscount].name, fmt.Errorf("rows %d to %d: %w", b.first, b.first+int64(b.n)-1, err))
		}
	}
	unblended := b.cols[colUnblended]
	if net != nil {
		net.expand(b.n)
	}
	for i := range b.n {
		if m != nil && m.from(i) < m.ends[i] || t.partStated(b, i) {
			if err := t.rowParts(b, m, i); err != nil {
				return atCell(b.first+int64(i), columns[colDiscount].name, err)
			}
			t.addRow(b, net, i)
		} else if net != nil && net.nums[i] != null && (net.nums[i] != unblended.nums[i] || net.nums[i] == odd) {
			t.row = t.row[:0]
			t.addRow(b, net, i)
		}
	}
	return nil
}

// partStated says whether a column of discounts has a value in row i.
func (t *tally) partStated(b *batch, i int) bool {
	for _, p := range b.parts {
		if p.num(i) != null {
			return true
		}
	}
	return false
}

// addRests is addRow for batches without discounts inside the rows.
func (t *tally) addRests(b *batch, net *vector) {
	ids, unblended := t.ids[:b.n], b.cols[colUnblended].nums
	for i, u := range net.nums[:b.n] {
		rest := u - unblended[i]
		if rest == 0 || u == null {
			continue
		}
		if g := &t.sums[ids[i]]; g.compared {
			g.rest.wide.add(rest)
			if rest > maxOff || rest < -maxOff {
				g.off++
			}
		}
	}
}

// mapParts gives the keys of a map's dictionary the numbers of parts.
func (t *tally) mapParts(m *mapVector) error {
	d := m.keys.dict
	if t.keyDict != d {
		t.keyDict, t.keyParts = d, t.keyParts[:0]
	}
	t.keyParts = t.keyParts[:min(len(t.keyParts), d.stable+1)]
	for id := len(t.keyParts); id < d.len(); id++ {
		key := d.text(uint32(id)) //nolint:gosec // an id
		if !utf8.Valid(key) {
			return fmt.Errorf("not UTF-8 text: %q", short(string(key)))
		}
		t.keyParts = append(t.keyParts, t.part(string(key)))
	}
	return nil
}

// rowParts collects the discounts inside row i, those of zero left out. Where the map and a column
// state the same kind, the map counts.
func (t *tally) rowParts(b *batch, m *mapVector, i int) error {
	t.row = t.row[:0]
	row := b.first + int64(i)
	if m != nil {
		total := false
		for e := m.from(i); e < m.ends[i]; e++ {
			part := t.keyParts[m.keys.ids[e]]
			if part == noPart {
				if total {
					return fmt.Errorf("the key %q comes twice", ingest.PartTotal)
				}
				total = true
				continue
			}
			if t.stamps[part] == row {
				return fmt.Errorf("the key %q comes twice", t.parts[part])
			}
			t.stamps[part] = row
			if m.values.nums[e] == broken {
				return fmt.Errorf("%s: %w", t.parts[part], errNaN)
			}
			if a, ok := m.values.amount(e); ok {
				t.row = append(t.row, partAmount{part, a})
			} else {
				t.stamps[part] = -row // NULL: a column may state it
			}
		}
	}
	for p, v := range b.parts {
		if part := t.columnOf[p]; t.stamps[part] != row {
			if a, ok := v.amount(i); ok {
				t.row = append(t.row, partAmount{part, a})
			}
		}
	}
	t.row = slices.DeleteFunc(t.row, func(p partAmount) bool { return p.amount.zero() })
	return nil
}

// addRow adds the discounts inside row i, signed as net - unblended; without net they are
// reductions. It notes what they leave unexplained.
func (t *tally) addRow(b *batch, net *vector, i int) {
	g := &t.sums[t.ids[i]]
	unblended, _ := b.cols[colUnblended].amount(i)
	var after number
	hasNet := false
	if net != nil {
		after, hasNet = net.amount(i)
	}
	// Everything in units, which nearly every row is.
	u, uok := unblended.units()
	n, nok := after.units()
	explained, ok := int64(0), uok && nok
	for _, p := range t.row {
		v, vok := p.amount.units()
		explained += v // at most maxEntries of 1e15
		ok = ok && vok
	}
	if !ok {
		t.addOddRow(g, unblended, after, hasNet)
		return
	}
	flip := hasNet && (explained > 0 && n < u || explained < 0 && n > u)
	if flip {
		explained = -explained
	}
	for _, p := range t.row {
		v, _ := p.amount.units()
		if flip || !hasNet && v > 0 {
			v = -v
		}
		g.part(p.part, len(t.parts)).wide.add(v)
	}
	if !hasNet || !g.compared {
		return
	}
	if rest := n - u - explained; rest != 0 {
		g.rest.wide.add(rest)
		if rest > maxOff || rest < -maxOff {
			g.off++
		}
	}
}

// addOddRow is the end of addRow for amounts that are no whole units, or large.
func (t *tally) addOddRow(g *groupSum, unblended, after number, hasNet bool) {
	change := after.decimal().Sub(unblended.decimal())
	explained := currency.Zero
	for _, p := range t.row {
		explained = explained.Add(p.amount.decimal())
	}
	flip := hasNet && explained.Sign()*change.Sign() < 0
	rest := change
	for _, p := range t.row {
		v := p.amount.decimal()
		if flip || !hasNet && v.Sign() > 0 {
			v = v.Neg()
		}
		rest = rest.Sub(v)
		g.part(p.part, len(t.parts)).addNumber(numberOf(v))
	}
	if hasNet && g.compared && !rest.IsZero() {
		g.rest.addNumber(numberOf(rest))
		if rest.Abs().GreaterThan(number{mantissa: maxOff, exponent: -unitPlaces}.decimal()) {
			g.off++
		}
	}
}

// part returns the sum of a kind of discount, of n kinds so far, and notes that it is there.
func (g *groupSum) part(part, n int) *sum {
	if len(g.parts) < n {
		g.parts = append(g.parts, make([]sum, n-len(g.parts))...)
		g.present = append(g.present, make([]bool, n-len(g.present))...)
	}
	g.present[part] = true
	return &g.parts[part]
}

// charges returns the charges so far, in canonical order, without names.
func (t *tally) charges() ingest.ChargeSet {
	set := ingest.ChargeSet{Rows: t.rows, Names: map[string]string{}, Descriptions: t.texts}
	order := make([]int, len(t.sums))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return ingest.CompareKeys(t.groups[a].key, t.groups[b].key) })
	set.Charges = slices.Grow(set.Charges, len(order))
	for _, i := range order {
		g, cost := t.sums[i], t.costs[i]
		c := ingest.Charge{
			Key: t.groups[i].key, Unblended: cost.units.decimal(-unitPlaces).Add(g.odd.decimal()), Rows: cost.rows, NonZero: cost.nonZero,
			Rest: g.rest.decimal(), Off: g.off,
		}
		for p, there := range g.present {
			if there {
				c.Parts = append(c.Parts, ingest.Part{Key: t.parts[p], Amount: g.parts[p].decimal()})
			}
		}
		slices.SortFunc(c.Parts, func(a, b ingest.Part) int { return strings.Compare(a.Key, b.Key) })
		set.Charges = append(set.Charges, c)
	}
	return set
}

// compared says whether the net cost of a key's rows is compared with their discounts.
func compared(k ingest.Key) bool {
	return !ingest.IsDiscountType(k.Type) && (k.Class == "" || k.Class == ingest.ClassNone) &&
		k.Type != ingest.TypeTax && !k.Taxed
}
