package ingest

import (
	"crypto/sha256"
	_ "embed"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// The tables say by data, not by code, what AWS's codes and descriptions mean. Each file's head
// tells its columns, sources and date.
var (
	//go:embed data/discount_classes.csv
	classesCSV string
	//go:embed data/discount_keys.csv
	keysCSV string
	//go:embed data/products.csv
	productsCSV string
	//go:embed data/support.csv
	supportCSV string
)

// Tables identifies the tables: another text in one of them is another version of what charges are
// and of what they cost. It is part of the rule version, and of the key of kept charge sets.
var Tables = func() string {
	sum := sha256.Sum256([]byte(classesCSV + keysCSV + productsCSV + supportCSV))
	return hex.EncodeToString(sum[:6])
}()

// table reads an embedded table. A broken one is a bug in the program, found by any test.
func table(name, text string, columns int) [][]string {
	r := csv.NewReader(strings.NewReader(text))
	r.Comment = '#'
	r.FieldsPerRecord = columns
	rows, err := r.ReadAll()
	if err != nil {
		panic(fmt.Sprintf("ingest: data/%s: %v", name, err))
	}
	return rows
}

type classPattern struct {
	class Class
	words string // lower case, a space between words and at both ends
}

var classPatterns = func() []classPattern {
	var ps []classPattern
	for _, row := range table("discount_classes.csv", classesCSV, 3) {
		ps = append(ps, classPattern{Class(row[0]), words(row[1])})
	}
	return ps
}()

// ClassOf says what a row of type Discount, Refund or Credit is by its description (design 4,
// "Discounts in disguise"): the class of the first pattern that fits, ClassNone when none does,
// and the empty class for rows of any other type.
func ClassOf(lineItemType, description string) Class {
	switch lineItemType {
	case TypeDiscount, TypeRefund, TypeCredit:
	default:
		return ""
	}
	return describedAs(description)
}

// Class says what a discount in the breakdown of AWS's invoice is, such as ClassPartner for
// "Discount (AWS SPP Discount)", and ClassNone when no pattern fits.
func (d BillDiscount) Class() Class { return describedAs(d.Description) }

func describedAs(description string) Class {
	d := words(description)
	for _, p := range classPatterns {
		if strings.Contains(d, p.words) {
			return p.class
		}
	}
	return ClassNone
}

// words puts a text in lower case, with one space around each run of letters and digits.
func words(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte(' ')
	gap := true
	for _, r := range s {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(unicode.ToLower(r))
			gap = false
		case !gap:
			b.WriteByte(' ')
			gap = true
		}
	}
	if !gap {
		b.WriteByte(' ')
	}
	return b.String()
}

// PartTotal is the key of the sum of the discounts inside a row: not a part, only compared.
const PartTotal = "total_discount"

var partClasses = func() map[string]Class {
	m := map[string]Class{}
	for _, row := range table("discount_keys.csv", keysCSV, 3) {
		m[row[1]] = Class(row[0])
	}
	return m
}()

// PartClass says what kind of discount a part inside a row is, by its key without the prefix
// "discount_", such as "spp_discount". It returns false for a key that the table lacks: rating
// blocks the month with unknown_discount (design 4, "Two forms of discounts").
func PartClass(key string) (Class, bool) {
	c, ok := partClasses[key]
	return c, ok
}

var productNames = func() map[string]string {
	m := map[string]string{}
	for _, row := range table("products.csv", productsCSV, 2) {
		m[row[0]] = row[1]
	}
	return m
}()

// ProductName returns the display name of a product code, and false when the data's own table
// lacks it, so that the name has to come from the rows (design 4).
func ProductName(code string) (string, bool) {
	n, ok := productNames[code]
	return n, ok
}

// A SupportKind says whether a product is AWS support, and which.
type SupportKind int

// Kinds of support products. SupportUnknown is a product that calls itself support and that the
// table lacks: it is rated like any other product, with the warning unknown_support_product.
const (
	NotSupport SupportKind = iota
	SupportPlan
	SupportEnterprise // what partner-led support replaces with the seller's fee
	SupportUnknown
)

// String returns the kind in words.
func (k SupportKind) String() string {
	return [...]string{"not support", "support plan", "enterprise support", "unknown support"}[k]
}

type supportProduct struct {
	kind   SupportKind
	byName bool
	value  string // lower case
	prefix bool
}

var supportProducts = func() []supportProduct {
	kinds := map[string]SupportKind{"plan": SupportPlan, "enterprise": SupportEnterprise}
	var ps []supportProduct
	for _, row := range table("support.csv", supportCSV, 4) {
		kind, known := kinds[row[0]]
		if !known || !slices.Contains([]string{"code", "name"}, row[1]) {
			panic(fmt.Sprintf("ingest: data/support.csv: %q", row))
		}
		v, prefix := strings.CutSuffix(strings.ToLower(row[2]), "*")
		ps = append(ps, supportProduct{kind, row[1] == "name", v, prefix})
	}
	return ps
}()

// Support says whether a product is AWS support by its code or its display name; the name may be
// empty. Products of Marketplace are not meant: their vendors sell support too.
func Support(code, name string) SupportKind {
	code, name = strings.ToLower(code), strings.ToLower(name)
	for _, p := range supportProducts {
		v := code
		if p.byName {
			v = name
		}
		if v == p.value || p.prefix && strings.HasPrefix(v, p.value) {
			return p.kind
		}
	}
	if strings.Contains(code, "support") || strings.Contains(name, "support") {
		return SupportUnknown
	}
	return NotSupport
}
