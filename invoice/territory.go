package invoice

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"regexp"
	"strings"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// The tables of VAT law that tax follows (design 7). Each row has its date and source.
//
//go:embed data/vat_territories.csv
var territoriesCSV string

//go:embed data/vat_areas.csv
var areasCSV string

//go:embed data/vat_rates.csv
var ratesCSV string

//go:embed data/countries.csv
var countriesCSV string

// A Territory is a territory of VAT law: a member state of the EU without the parts that stand
// outside, Switzerland with Liechtenstein, Great Britain with the Isle of Man, Norway, or a part
// or country outside all of these.
type Territory struct {
	ID       string        // such as DE, CH, ES-CN
	Area     string        // EU, CH, GB or NO; empty outside
	Currency currency.Code // in which tax is declared; empty outside
}

// An area says how a seller in it invoices buyers outside, and whose rates turn tax into the
// national currency.
type area struct {
	outside string // tax category of services to buyers outside
	reason  string // VATEX code or text of it
	rates   string // ecb, bazg, hmrc, norges_bank
}

type territoryRow struct {
	country string
	postal  *regexp.Regexp // nil: the rest of the country
	from    calendar.Date
	place   Territory
}

type rateRow struct {
	territory string
	from      calendar.Date
	percent   currency.Decimal
}

var (
	territories = readTable(territoriesCSV, 6, func(f []string) (territoryRow, error) {
		row := territoryRow{country: f[0], place: Territory{ID: f[2], Area: f[3], Currency: currency.Code(f[4])}}
		var err error
		if row.from, err = calendar.ParseDate(f[5]); err != nil {
			return row, err
		}
		if f[1] != "" {
			row.postal, err = regexp.Compile(f[1])
		}
		return row, err
	})
	areas = func() map[string]area {
		m := map[string]area{}
		for _, f := range readTable(areasCSV, 4, func(f []string) ([]string, error) { return f, nil }) {
			m[f[0]] = area{f[1], f[2], f[3]}
		}
		return m
	}()
	vatRates = readTable(ratesCSV, 3, func(f []string) (rateRow, error) {
		from, err := calendar.ParseDate(f[1])
		if err != nil {
			return rateRow{}, err
		}
		percent, err := currency.Parse(f[2])
		return rateRow{f[0], from, percent}, err
	})
	countries = func() map[string]bool {
		m := map[string]bool{}
		for _, c := range readTable(countriesCSV, 1, func(f []string) (string, error) { return f[0], nil }) {
			m[c] = true
		}
		return m
	}()
)

// readTable reads an embedded table of at least n columns. The tables are part of the program, so
// what is wrong with one is found by the first test, and panics.
func readTable[T any](table string, n int, row func([]string) (T, error)) []T {
	r := csv.NewReader(strings.NewReader(table))
	r.Comment = '#'
	r.FieldsPerRecord = -1
	records, err := r.ReadAll()
	if err != nil {
		panic("invoice: data: " + err.Error())
	}
	var rows []T
	for _, f := range records[1:] {
		if len(f) < n {
			panic(fmt.Sprintf("invoice: data: too few columns: %q", f))
		}
		v, err := row(f)
		if err != nil {
			panic(fmt.Sprintf("invoice: data: %q: %v", f, err))
		}
		rows = append(rows, v)
	}
	return rows
}

// KnownCountry says whether c is an ISO 3166-1 alpha-2 country code.
func KnownCountry(c string) bool { return countries[c] }

// TerritoryOf returns the VAT territory of an address on a day, and false when the country is
// unknown. Postal codes decide where a part of a country stands outside its VAT territory.
func TerritoryOf(country, postalCode string, day calendar.Date) (Territory, bool) {
	if !countries[country] {
		return Territory{}, false
	}
	postal := strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(postalCode))
	postal = strings.TrimPrefix(postal, country)
	if country == "DE" {
		postal = strings.TrimPrefix(postal, "D") // D-78266
	}
	found := Territory{ID: country} // a country of no area
	var since calendar.Date
	for _, row := range territories {
		if row.country != country || row.from.After(day) {
			continue
		}
		if row.postal != nil {
			if row.postal.MatchString(postal) {
				return row.place, true
			}
			continue
		}
		if since.IsZero() || row.from.After(since) {
			found, since = row.place, row.from
		}
	}
	return found, true
}

// RateSource is who publishes the exchange rates for tax in the territory: ecb, bazg, hmrc or
// norges_bank; empty outside.
func (t Territory) RateSource() string { return areas[t.Area].rates }

// standardRate returns the territory's standard VAT rate on a day, and false when the data has none.
func standardRate(t Territory, day calendar.Date) (currency.Decimal, bool) {
	var found rateRow
	for _, r := range vatRates {
		if r.territory == t.ID && !r.from.After(day) && (found.from.IsZero() || r.from.After(found.from)) {
			found = r
		}
	}
	return found.percent, !found.from.IsZero()
}
