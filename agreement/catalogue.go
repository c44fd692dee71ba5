package agreement

import (
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/calendar"
)

//go:embed data/catalogue.csv
var catalogueCSV string

// A Catalogue says what can be ordered on a day, and why the rest cannot (domain.md R2-R10).
// It is a dated table: a switch is thrown by a new row.
type Catalogue struct {
	rules []rule // in the file's order
}

type rule struct {
	kind, key  string // product | model | region | country | customer
	from       calendar.Date
	open       bool
	code, text string
}

// DefaultCatalogue returns the table that comes with the program.
func DefaultCatalogue() Catalogue {
	c, err := ParseCatalogue(strings.NewReader(catalogueCSV))
	if err != nil {
		panic("data/catalogue.csv: " + err.Error()) // the file is part of the program; a test reads it
	}
	return c
}

// ParseCatalogue reads a catalogue table: kind,key,from,open,code,text with a header line;
// lines that begin with # are comments.
func ParseCatalogue(r io.Reader) (Catalogue, error) {
	rows, err := readTable(r, "kind", "key", "from", "open", "code", "text")
	if err != nil {
		return Catalogue{}, err
	}
	var c Catalogue
	for i, row := range rows {
		at := fmt.Sprintf("catalogue row %d (%s %s)", i+1, row[0], row[1])
		if !slices.Contains([]string{"product", "model", "region", "country", "customer"}, row[0]) {
			return Catalogue{}, fmt.Errorf("%s: unknown kind", at)
		}
		from, err := calendar.ParseDate(row[2])
		if err != nil {
			return Catalogue{}, fmt.Errorf("%s: from: %w", at, err)
		}
		if row[3] != "yes" && row[3] != "no" {
			return Catalogue{}, fmt.Errorf("%s: open: %q is neither yes nor no", at, row[3])
		}
		if row[3] == "no" && row[4] == "" {
			return Catalogue{}, fmt.Errorf("%s: not open, but no code says why", at)
		}
		c.rules = append(c.rules, rule{row[0], row[1], from, row[3] == "yes", row[4], row[5]})
	}
	return c, nil
}

// find returns the newest rule of a kind and key that is in force on the day.
func (c Catalogue) find(kind, key string, day calendar.Date) (rule, bool) {
	var found rule
	ok := false
	for _, r := range c.rules {
		if r.kind == kind && r.key == key && !r.from.After(day) && (!ok || !r.from.Before(found.from)) {
			found, ok = r, true
		}
	}
	return found, ok
}

// A Purchase is what the catalogue judges.
type Purchase struct {
	Product        string
	Model          string // billing_transfer | ecam | spam | tier2 | private_pricing
	PrivatePricing bool   // the customer has a Private Pricing Agreement
	Regions        []string
	Country        string // of the seller: a legal entity must be able to issue the invoice; empty: there is none
	Government     bool   // the customer is a government's
	HoldsLegacy    bool   // the client holds an active agreement for the legacy product
}

// Check returns every reason why a purchase is refused on a day; none means that it is open.
func (c Catalogue) Check(p Purchase, day calendar.Date) []Reason {
	var reasons []Reason
	refuse := func(code, format string, args ...any) {
		reasons = append(reasons, Reason{Code: code, Text: fmt.Sprintf(format, args...)})
	}

	switch r, ok := c.find("product", p.Product, day); {
	case !ok:
		refuse(CodeUnknownProduct, "product %q is not in the catalogue on %s", p.Product, day)
	case !r.open && (p.Product != ProductLegacy || !p.HoldsLegacy):
		refuse(r.code, "%s", r.text)
	}

	models := []string{p.Model}
	if p.PrivatePricing && p.Model != ModelPrivatePricing {
		models = append(models, ModelPrivatePricing)
	}
	for _, m := range models {
		// The legacy product is the one that runs on the legacy account models.
		if p.Product == ProductLegacy && (m == ModelECAM || m == ModelSPAM) {
			continue
		}
		switch r, ok := c.find("model", m, day); {
		case !ok:
			refuse(CodeUnknownModel, "account model %q is not in the catalogue", m)
		case !r.open:
			refuse(r.code, "%s", r.text)
		}
	}

	for _, region := range p.Regions {
		switch r, ok := c.find("region", region, day); {
		case !ok:
			refuse(CodeRegion, "region %q is not an AWS region that supports billing transfer", region)
		case !r.open:
			refuse(r.code, "region %s: %s", region, r.text)
		}
	}

	if p.Country == "" {
		refuse(CodeCountry, "no legal entity of the seller can issue the invoice")
	} else if r, ok := c.find("country", p.Country, day); ok && !r.open {
		refuse(r.code, "%s", r.text)
	}
	if r, ok := c.find("customer", "government", day); ok && p.Government && !r.open {
		refuse(r.code, "%s", r.text)
	}
	return reasons
}

// Advice returns what a customer should know before ordering, where nothing is refused (domain.md D9).
func (c Catalogue) Advice(p Purchase, day calendar.Date) []Reason {
	if r, ok := c.find("customer", "government", day); ok && p.Government && r.open && r.code != "" {
		return []Reason{{Code: r.code, Text: r.text}}
	}
	return nil
}

// The account models (domain.md R8, R10).
const (
	ModelBillingTransfer = "billing_transfer"
	ModelECAM            = "ecam"
	ModelSPAM            = "spam"
	ModelTier2           = "tier2"
	ModelPrivatePricing  = "private_pricing"
)

// readTable reads a data file of the program: csv with # comments and exactly these columns.
func readTable(r io.Reader, columns ...string) ([][]string, error) {
	in := csv.NewReader(r)
	in.Comment = '#'
	in.FieldsPerRecord = len(columns)
	rows, err := in.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || !slices.Equal(rows[0], columns) {
		return nil, errors.New("the first line must be " + strings.Join(columns, ","))
	}
	return rows[1:], nil
}
