package cur

import (
	"fmt"
	"slices"
	"strings"
)

// A column is one of the columns that are read, whatever its place in the file.
type column int

// The columns that are read. Which of them make a charge is said in ingest.Key.
const (
	colPayer column = iota
	colAccount
	colProduct
	colType
	colBillingEntity
	colBillType
	colInvoicingEntity
	colLegalEntity
	colInvoice
	colCurrency
	colOperation
	colTaxType
	colReservation
	colDescription
	colPeriod
	colUnblended
	colNet
	colDiscount
	colProductName
	colProductMap
	colUsageType
	colUsageStart

	// The columns from here on are read for exports only: no charge depends on them.
	colLineItem
	colAccountName
	colUsageEnd
	colUsageAmount
	colNormalizedAmount
	colUnblendedRate
	colZone
	colResource
	colPricingUnit
	colPricingTerm
	colPublicRate
	colRateCode
	colSKU
	colRegionCode
	colRegion
	colFromRegionCode
	colToRegionCode
	colLocation
	colFromLocation
	colToLocation
	colInstanceType
	colInstanceFamily
	colProductFamily
	colSavingsPlan
	colSavingsPlanEffective
	colSavingsPlanTotal
	colSavingsPlanUsed
	colReservationEffective
	colReservationUnusedUpfront
	colReservationUnusedRecurring
	colReservationUnits
	colReservationNormalizedUnits
	colReservationUnused
	colReservationNormalizedUnused
	colCapacity
	colCapacityStatus
	colTags
	colCategories
	numColumns

	firstWide = colLineItem
)

// A kind is what the values of a column are.
type kind int

const (
	kindText  kind = iota
	kindMoney      // DOUBLE, DECIMAL or text
	kindTime       // INT96, INT64 or text
	kindMoneyMap
	kindTextMap
)

// columns gives each column its name in CUR 2.0, which is the name that legacy names are brought
// to by normal. Required columns are those without which no charge can be told from another
// (design 4); any other may be missing and is then NULL in every row.
var columns = [numColumns]struct {
	name     string
	kind     kind
	required bool
}{
	colPayer:           {"bill_payer_account_id", kindText, true},
	colAccount:         {"line_item_usage_account_id", kindText, true},
	colProduct:         {"line_item_product_code", kindText, true},
	colType:            {"line_item_line_item_type", kindText, true},
	colBillingEntity:   {"bill_billing_entity", kindText, true},
	colBillType:        {"bill_bill_type", kindText, true},
	colInvoicingEntity: {"bill_invoicing_entity", kindText, false},
	colLegalEntity:     {"line_item_legal_entity", kindText, false},
	colInvoice:         {"bill_invoice_id", kindText, true},
	colCurrency:        {"line_item_currency_code", kindText, true},
	colOperation:       {"line_item_operation", kindText, false},
	colTaxType:         {"line_item_tax_type", kindText, false},
	colReservation:     {"reservation_reservation_a_r_n", kindText, false},
	colDescription:     {"line_item_line_item_description", kindText, false},
	colPeriod:          {"bill_billing_period_start_date", kindTime, false},
	colUnblended:       {"line_item_unblended_cost", kindMoney, true},
	colNet:             {"line_item_net_unblended_cost", kindMoney, false},
	colDiscount:        {"discount", kindMoneyMap, false},
	colProductName:     {"product_product_name", kindText, false},
	colProductMap:      {"product", kindTextMap, false},
	colUsageType:       {"line_item_usage_type", kindText, false},
	colUsageStart:      {"line_item_usage_start_date", kindTime, false},

	colLineItem:         {"identity_line_item_id", kindText, false},
	colAccountName:      {"line_item_usage_account_name", kindText, false},
	colUsageEnd:         {"line_item_usage_end_date", kindTime, false},
	colUsageAmount:      {"line_item_usage_amount", kindMoney, false},
	colNormalizedAmount: {"line_item_normalized_usage_amount", kindMoney, false},
	colUnblendedRate:    {"line_item_unblended_rate", kindMoney, false},
	colZone:             {"line_item_availability_zone", kindText, false},
	colResource:         {"line_item_resource_id", kindText, false},
	colPricingUnit:      {"pricing_unit", kindText, false},
	colPricingTerm:      {"pricing_term", kindText, false},
	colPublicRate:       {"pricing_public_on_demand_rate", kindMoney, false},
	colRateCode:         {"pricing_rate_code", kindText, false},
	colSKU:              {"product_sku", kindText, false},
	colRegionCode:       {"product_region_code", kindText, false},
	colRegion:           {"product_region", kindText, false},
	colFromRegionCode:   {"product_from_region_code", kindText, false},
	colToRegionCode:     {"product_to_region_code", kindText, false},
	colLocation:         {"product_location", kindText, false},
	colFromLocation:     {"product_from_location", kindText, false},
	colToLocation:       {"product_to_location", kindText, false},
	colInstanceType:     {"product_instance_type", kindText, false},
	colInstanceFamily:   {"product_instance_family", kindText, false},
	colProductFamily:    {"product_product_family", kindText, false},
	colSavingsPlan:      {"savings_plan_savings_plan_a_r_n", kindText, false},

	colSavingsPlanEffective:        {"savings_plan_savings_plan_effective_cost", kindMoney, false},
	colSavingsPlanTotal:            {"savings_plan_total_commitment_to_date", kindMoney, false},
	colSavingsPlanUsed:             {"savings_plan_used_commitment", kindMoney, false},
	colReservationEffective:        {"reservation_effective_cost", kindMoney, false},
	colReservationUnusedUpfront:    {"reservation_unused_amortized_upfront_fee_for_billing_period", kindMoney, false},
	colReservationUnusedRecurring:  {"reservation_unused_recurring_fee", kindMoney, false},
	colReservationUnits:            {"reservation_total_reserved_units", kindMoney, false},
	colReservationNormalizedUnits:  {"reservation_total_reserved_normalized_units", kindMoney, false},
	colReservationUnused:           {"reservation_unused_quantity", kindMoney, false},
	colReservationNormalizedUnused: {"reservation_unused_normalized_unit_quantity", kindMoney, false},

	colCapacity:       {"capacity_reservation_capacity_reservation_arn", kindText, false},
	colCapacityStatus: {"capacity_reservation_capacity_reservation_status", kindText, false},
	colTags:           {"resource_tags", kindTextMap, false},
	colCategories:     {"cost_category", kindTextMap, false},
}

var columnsByName = func() map[string]column {
	m := make(map[string]column, numColumns)
	for c, col := range columns {
		m[col.name] = column(c)
	}
	return m
}()

// partPrefix begins the names of the columns that state one kind of discount each (legacy, and
// discount_bundled_discount in CUR 2.0); what follows is the key of the CUR 2.0 map.
const partPrefix = "discount_"

// A layout says where in a file the columns are.
type layout struct {
	at    [numColumns]int // index among the file's columns, -1 if it is missing
	parts []partColumn    // ascending by key
	tags  []tagColumn     // in the file's order; read for exports only
}

// A tagColumn states the value of one tag or cost category, the way legacy reports do.
type tagColumn struct {
	of  column // colTags or colCategories
	key string // "user_team"
	at  int
}

// tagPrefixes begin the names of tag columns.
var tagPrefixes = map[column]string{colTags: "resource_tags_", colCategories: "cost_category_"}

// A partColumn is a column that states one kind of discount.
type partColumn struct {
	key string // "spp_discount"
	at  int
}

// bind finds the columns by their names. It is an error when a required one is missing, or when
// two columns have the name of one that is read: nobody could say which of them is the money.
func bind(names []string) (layout, error) { return bindColumns(names, false) }

// bindWide finds the columns that are read for exports, too. Two columns of one name that no
// charge depends on are no error: the first one counts.
func bindWide(names []string) (layout, error) { return bindColumns(names, true) }

func bindColumns(names []string, wide bool) (layout, error) {
	l := layout{}
	for i := range l.at {
		l.at[i] = -1
	}
	var twice []string
	for i, name := range names {
		name = normal(name)
		if c, ok := columnsByName[name]; ok && (wide || c < firstWide) {
			if l.at[c] >= 0 && c < firstWide {
				twice = append(twice, name)
			}
			if l.at[c] < 0 || c < firstWide {
				l.at[c] = i
			}
			continue
		}
		if wide {
			for of, prefix := range tagPrefixes {
				if key, ok := strings.CutPrefix(name, prefix); ok && key != "" {
					l.tags = append(l.tags, tagColumn{of, key, i})
				}
			}
		}
		key, ok := strings.CutPrefix(name, partPrefix)
		if !ok || key == "total_discount" {
			continue
		}
		if slices.ContainsFunc(l.parts, func(p partColumn) bool { return p.key == key }) {
			twice = append(twice, name)
		}
		l.parts = append(l.parts, partColumn{key, i})
	}
	if len(twice) > 0 {
		return l, &Error{
			Err:  fmt.Errorf("more than one column of the name %s", strings.Join(twice, ", ")),
			Hint: "an export's query must give no two columns the same name",
		}
	}
	var missing []string
	for c, col := range columns {
		if col.required && l.at[c] < 0 {
			missing = append(missing, col.name)
		}
	}
	if len(missing) > 0 {
		err := &Error{Hint: "the export's query must select every column of AWS's table, under its own name"}
		if len(missing) == 1 {
			err.Err = fmt.Errorf("the required column %s is missing", missing[0])
		} else {
			err.Err = fmt.Errorf("required columns are missing: %s", strings.Join(missing, ", "))
		}
		return l, err
	}
	slices.SortFunc(l.parts, func(a, b partColumn) int { return strings.Compare(a.key, b.key) })
	return l, nil
}

// normal brings the name of a column to the form of CUR 2.0 and parquet: an underscore before
// each capital, lower case, anything but letters and digits an underscore, no two underscores in
// a row and none at the ends (aws.md 1.4): lineItem/UnblendedCost is line_item_unblended_cost.
func normal(name string) string {
	b := make([]byte, 0, len(name)+8)
	gap := func() {
		if len(b) > 0 && b[len(b)-1] != '_' {
			b = append(b, '_')
		}
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'A' && c <= 'Z':
			gap()
			b = append(b, c-'A'+'a')
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			b = append(b, c)
		default:
			gap()
		}
	}
	return strings.TrimSuffix(string(b), "_")
}
