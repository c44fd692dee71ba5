package cur

import (
	"context"
	"fmt"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// The columns that a Batch gives, by their names in CUR 2.0 (docs/CUR.md). A column that a file
// lacks is NULL in every row.
const (
	LineItem                    = colLineItem                    // identity_line_item_id
	AccountName                 = colAccountName                 // line_item_usage_account_name
	Operation                   = colOperation                   // line_item_operation
	Description                 = colDescription                 // line_item_line_item_description
	UsageType                   = colUsageType                   // line_item_usage_type
	UsageStart                  = colUsageStart                  // line_item_usage_start_date
	UsageEnd                    = colUsageEnd                    // line_item_usage_end_date
	UsageAmount                 = colUsageAmount                 // line_item_usage_amount
	NormalizedAmount            = colNormalizedAmount            // line_item_normalized_usage_amount
	Unblended                   = colUnblended                   // line_item_unblended_cost
	UnblendedRate               = colUnblendedRate               // line_item_unblended_rate
	Zone                        = colZone                        // line_item_availability_zone
	Resource                    = colResource                    // line_item_resource_id
	PricingUnit                 = colPricingUnit                 // pricing_unit
	PricingTerm                 = colPricingTerm                 // pricing_term
	PublicRate                  = colPublicRate                  // pricing_public_on_demand_rate
	RateCode                    = colRateCode                    // pricing_rate_code
	SKU                         = colSKU                         // product_sku
	RegionCode                  = colRegionCode                  // product_region_code
	Region                      = colRegion                      // product_region (legacy)
	FromRegionCode              = colFromRegionCode              // product_from_region_code
	ToRegionCode                = colToRegionCode                // product_to_region_code
	Location                    = colLocation                    // product_location
	FromLocation                = colFromLocation                // product_from_location
	ToLocation                  = colToLocation                  // product_to_location
	InstanceType                = colInstanceType                // product_instance_type
	InstanceFamily              = colInstanceFamily              // product_instance_family
	ProductFamily               = colProductFamily               // product_product_family
	ProductName                 = colProductName                 // product_product_name (legacy)
	SavingsPlan                 = colSavingsPlan                 // savings_plan_savings_plan_a_r_n
	SavingsPlanEffective        = colSavingsPlanEffective        // savings_plan_savings_plan_effective_cost
	SavingsPlanTotal            = colSavingsPlanTotal            // savings_plan_total_commitment_to_date
	SavingsPlanUsed             = colSavingsPlanUsed             // savings_plan_used_commitment
	Reservation                 = colReservation                 // reservation_reservation_a_r_n
	ReservationEffective        = colReservationEffective        // reservation_effective_cost
	ReservationUnusedUpfront    = colReservationUnusedUpfront    // reservation_unused_amortized_upfront_fee_for_billing_period
	ReservationUnusedRecurring  = colReservationUnusedRecurring  // reservation_unused_recurring_fee
	ReservationUnits            = colReservationUnits            // reservation_total_reserved_units
	ReservationNormalizedUnits  = colReservationNormalizedUnits  // reservation_total_reserved_normalized_units
	ReservationUnused           = colReservationUnused           // reservation_unused_quantity
	ReservationNormalizedUnused = colReservationNormalizedUnused // reservation_unused_normalized_unit_quantity
	Capacity                    = colCapacity                    // capacity_reservation_capacity_reservation_arn
	CapacityStatus              = colCapacityStatus              // capacity_reservation_capacity_reservation_status
	Product                     = colProductMap                  // product: a map
	Tags                        = colTags                        // resource_tags: a map
	CostCategories              = colCategories                  // cost_category: a map
)

// A Column is one that a Batch gives.
type Column = column

// wideColumns are the columns of Batch, and those that charges depend on.
var wideColumns = func() (s columnSet) {
	for c := range numColumns {
		s[c] = true
	}
	return s
}()

// A Batch is a run of rows of a file by column, for exports. It is good until the next one.
type Batch struct {
	b    *batch
	t    *tally
	tags []tagColumn
}

// Wide reads the rows of a file with all that exports need, batch by batch in the file's order,
// and returns the charges they make: exactly those that Scan finds, so that a caller can tell
// whether the rows are still the ones that were billed. The errors are those of Scan.
func Wide(ctx context.Context, f ingest.File, month calendar.Month, each func(*Batch) error) (ingest.ChargeSet, error) {
	set, err := readWide(ctx, f, month, each)
	return set, at(f.Name, err)
}

func readWide(ctx context.Context, f ingest.File, month calendar.Month, each func(*Batch) error) (_ ingest.ChargeSet, err error) {
	c, form, err := open(ctx, f)
	if err != nil {
		return ingest.ChargeSet{}, err
	}
	defer func() { err = firstOf(err, c.Close()) }()
	b := &batch{}
	if form != formatParquet {
		rows, err := openCSV(c, form, f.Size, nil)
		if err != nil {
			return ingest.ChargeSet{}, err
		}
		defer func() { _ = rows.Close() }() // nothing was written
		l, err := bindWide(rows.header)
		if err != nil {
			return ingest.ChargeSet{}, err
		}
		t := newTally(month, l.parts)
		w := &Batch{b, t, l.tags}
		err = addAll(ctx, &csvReader{rows: rows, layout: l, want: wideColumns}, t, b, func() error { return each(w) })
		return t.charges(), err
	}
	m, err := readFooterFor(c, f.Size, bindWide)
	if err != nil {
		return ingest.ChargeSet{}, err
	}
	t := newTally(month, m.layout.parts)
	w := &Batch{b, t, m.layout.tags}
	for _, g := range m.groups {
		r, err := openGroup(c, m, g, wideColumns, true, false, false)
		if err != nil {
			return ingest.ChargeSet{}, err
		}
		err = addAll(ctx, r, t, b, func() error { return each(w) })
		if err := firstOf(err, r.close()); err != nil {
			return ingest.ChargeSet{}, err
		}
	}
	return t.charges(), nil
}

// Len is the number of rows.
func (b *Batch) Len() int { return b.b.n }

// Source identifies the file that the batch is of.
func (b *Batch) Source() any { return b.t }

// Charge returns the number of the charge that row i belongs to: small, and the same charge has
// the same number in all batches of a file.
func (b *Batch) Charge(i int) int { return int(b.t.ids[i]) }

// Charges is how many charges have been seen.
func (b *Batch) Charges() int { return len(b.t.groups) }

// Key returns the key of a charge by its number.
func (b *Batch) Key(charge int) ingest.Key { return b.t.groups[charge].key }

// Text returns a column of texts.
func (b *Batch) Text(c Column) Text { return Text{b.b.cols[c]} }

// Time returns the time of row i in seconds since 1970 UTC; false is NULL.
func (b *Batch) Time(c Column, i int) (int64, bool) {
	v := b.b.cols[c]
	if v == nil {
		return 0, false
	}
	s := v.num(i)
	return s, s != null
}

// A Text is a column of texts. Each text has an id; what is known of an id may be kept for as long
// as Dictionary returns the same and the id is at most Kept.
type Text struct{ v *vector }

// Absent says that the column is NULL in every row.
func (t Text) Absent() bool { return t.v == nil || t.v.same && t.v.ids[0] == 0 }

// Same says that all rows have the text of the first.
func (t Text) Same() bool { return t.v == nil || t.v.same }

// ID returns the id of row i's text; 0 is NULL.
func (t Text) ID(i int) uint32 {
	if t.v == nil {
		return 0
	}
	return t.v.id(i)
}

// Value returns the text of an id. Its bytes are good until the next batch.
func (t Text) Value(id uint32) []byte { return t.v.dict.text(id) }

// At returns the text of row i; NULL is empty.
func (t Text) At(i int) []byte { return t.v.text(i) }

// Dictionary identifies what the ids mean.
func (t Text) Dictionary() any {
	if t.v == nil {
		return nil
	}
	return t.v.dict
}

// IDs is how many ids there are, NULL included; Kept is the largest that stays.
func (t Text) IDs() int {
	if t.v == nil {
		return 1
	}
	return t.v.dict.len()
}

// Kept is the largest id that means the same in later batches with this Dictionary.
func (t Text) Kept() int {
	if t.v == nil {
		return 0
	}
	return t.v.dict.stable
}

// UnitPlaces is the number of decimal places of units (see Number.Units).
const UnitPlaces = unitPlaces

// Money returns a column of amounts or quantities.
func (b *Batch) Money(c Column) Money { return Money{b.b.cols[c], b.b.first, columns[c].name} }

// Money is a column of amounts or quantities, exact.
type Money struct {
	v     *vector
	first int64
	name  string
}

// Units returns the amount of row i in units of 1e-10; false says that it is NULL, or not a
// whole number of units, or large: ask Decimal.
func (m Money) Units(i int) (int64, bool) {
	if m.v == nil {
		return 0, false
	}
	u := m.v.num(i)
	return u, u >= special
}

// Decimal returns the amount of row i; false is NULL. NaN and infinities are errors.
func (m Money) Decimal(i int) (currency.Decimal, bool, error) {
	if m.v == nil {
		return currency.Zero, false, nil
	}
	if m.v.num(i) == broken {
		return currency.Zero, false, atCell(m.first+int64(i), m.name, errNaN)
	}
	d, ok := m.v.decimal(i)
	return d, ok, nil
}

// Map calls each with the entries of a map of texts in row i, in the file's order. Values that
// are NULL are empty.
func (b *Batch) Map(c Column, i int, each func(key, value []byte)) error {
	if m := b.b.maps[c]; m != nil {
		for e := m.from(i); e < m.ends[i]; e++ {
			each(m.keys.text(e), m.values.text(e))
		}
		return nil
	}
	for g, t := range b.tags {
		if t.of == c && b.b.tags[g].id(i) != 0 {
			each([]byte(t.key), b.b.tags[g].text(i))
		}
	}
	if v := b.b.cols[c]; v != nil && v.id(i) != 0 {
		entries, err := parseMap(string(v.text(i)))
		if err != nil {
			return atCell(b.b.first+int64(i), columns[c].name, err)
		}
		for _, e := range entries {
			each([]byte(e.key), []byte(e.value))
		}
	}
	return nil
}

// SameMap says that the map of row i is that of the row before, as far as that is quickly told.
func (b *Batch) SameMap(c Column, i int) bool {
	m := b.b.maps[c]
	if m == nil || i == 0 {
		return false
	}
	from, end, before := m.from(i), m.ends[i], m.from(i-1)
	if end-from != from-before {
		return false
	}
	for e := from; e < end; e++ {
		if o := before + e - from; m.keys.ids[e] != m.keys.ids[o] || m.values.ids[e] != m.values.ids[o] {
			return false
		}
	}
	return true
}

// Where names row i for an error.
func (b *Batch) Where(i int) string { return fmt.Sprintf("row %d", b.b.first+int64(i)) }
