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
	numColumns
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
}

// A partColumn is a column that states one kind of discount.
type partColumn struct {
	key string // "spp_discount"
	at  int
}

// bind finds the columns by their names. It is an error when a required one is missing, or when
// two columns have the name of one that is read: nobody could say which of them is the money.
func bind(names []string) (layout, error) {
	l := layout{}
	for i := range l.at {
		l.at[i] = -1
	}
	var twice []string
	for i, name := range names {
		name = normal(name)
		if c, ok := columnsByName[name]; ok {
			if l.at[c] >= 0 {
				twice = append(twice, name)
			}
			l.at[c] = i
			continue
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
