package invoice

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
)

//go:embed data/vatex.csv
var vatexCSV string

var vatex = func() map[string]string {
	m := map[string]string{}
	for _, f := range readTable(vatexCSV, 2, func(f []string) ([]string, error) { return f, nil }) {
		m[f[0]] = f[1]
	}
	return m
}()

// ReasonText returns the code (BT-121) and the text (BT-120) of a tax line's reason: a VATEX code
// has its text, a free text has no code. Categories S and Z have neither (BR-S-10, BR-Z-10).
func (t TaxLine) ReasonText() (code, text string) {
	if t.Category == CategoryStandard || t.Category == CategoryZero {
		return "", ""
	}
	if text, ok := vatex[t.Reason]; ok {
		return t.Reason, text
	}
	return "", t.Reason
}

// A Violation is a rule of EN 16931 that a document breaks, by the rule's id, or one of ours (A-...).
type Violation struct {
	Rule string `json:"rule"`
	Text string `json:"text"`
}

func (v Violation) String() string { return v.Rule + ": " + v.Text }

// Check says which business rules of EN 16931-1 a document breaks: those that its data can break.
// What the renderings keep by construction (order, code lists of fixed values, BR-27, no VAT ids
// with category O) is left to the official validators. It is run before a number is spent, so a
// draft may lack number and dates.
func Check(d Document) []Violation {
	c := &checker{Document: d}
	c.header()
	c.parties()
	c.lines()
	c.tax()
	c.totals()
	return c.found
}

// Reasons turns violations into the reasons of a state.
func Reasons(found []Violation) []agreement.Reason {
	var reasons []agreement.Reason
	for _, v := range found {
		reasons = append(reasons, agreement.Reason{Code: v.Rule, Text: v.Text})
	}
	return reasons
}

type checker struct {
	Document
	found []Violation
}

// must notes a violation of the rule unless ok.
func (c *checker) must(ok bool, rule, format string, args ...any) {
	if !ok {
		c.found = append(c.found, Violation{rule, fmt.Sprintf(format, args...)})
	}
}

func (c *checker) header() {
	if c.Status == StatusIssued {
		c.must(c.Number != nil && *c.Number != "", "BR-02", "an issued document has a number")
		c.must(c.IssueDate != nil && !c.IssueDate.IsZero(), "BR-03", "an issued document has an issue date")
		c.must(c.DueDate != nil && !c.DueDate.IsZero(), "BR-CO-25", "an amount to pay has a due date")
	}
	c.must(c.Kind == KindInvoice || c.Kind == KindCreditNote, "BR-04", "not a kind of document: %q", c.Kind)
	c.must(c.Currency.Known(), "BR-CL-04", "not a currency of ISO 4217: %q", string(c.Currency))
	c.must(c.Currency.MinorUnits() <= 2, "BR-DEC-23", "%s has more than two decimal places, which EN 16931 does not allow", c.Currency)
	c.must(!c.Period.End.Before(c.Period.Start), "BR-29", "the period ends on %s, before it starts on %s", c.Period.End, c.Period.Start)
	if c.Corrects != nil {
		c.must(c.Corrects.Number != "", "BR-55", "the document that is corrected has a number")
	}
	if iban := c.Payment.IBAN; iban != "" {
		c.must(validIBAN(iban), "A-IBAN", "not an IBAN, or its check digits are wrong: %q", iban)
	}
}

func (c *checker) parties() {
	c.must(visible(c.Seller.Name), "BR-06", "the seller has a name")
	c.must(visible(c.Buyer.Name), "BR-07", "the buyer has a name")
	c.must(KnownCountry(c.Seller.CountryCode()), "BR-09", "the seller's address has a country of ISO 3166-1: %q", c.Seller.CountryCode())
	c.must(KnownCountry(c.Buyer.CountryCode()), "BR-11", "the buyer's address has a country of ISO 3166-1: %q", c.Buyer.CountryCode())
	if c.has(CategoryNotSubject) {
		c.must(c.Seller.RegistrationID != "", "BR-CO-26", "with category O the seller is identified by its registration id, since the VAT id is left out")
		return
	}
	c.must(c.Seller.TaxID != "" || c.Seller.RegistrationID != "", "BR-CO-26", "the seller has a VAT id or a registration id")
	for _, t := range c.Tax {
		c.must(c.Seller.TaxID != "", "BR-"+t.Category+"-02", "with category %s the seller has a VAT id", t.Category)
	}
	if c.Seller.TaxID != "" {
		_, err := ParseTaxID(c.Seller.TaxID)
		c.must(err == nil, "BR-CO-09", "the seller's VAT id: %v", err)
	}
	if c.has(CategoryReverse) {
		_, err := ParseTaxID(c.Buyer.TaxID)
		c.must(err == nil, "BR-AE-02", "with category AE the buyer has a VAT id: %v", err)
	}
}

func (c *checker) has(category string) bool {
	return slices.ContainsFunc(c.Tax, func(t TaxLine) bool { return t.Category == category })
}

func (c *checker) lines() {
	c.must(len(c.Lines) > 0, "BR-16", "a document has a line")
	for i, l := range c.Lines {
		c.must(l.Position == i+1, "BR-21", "line %d has position %d", i+1, l.Position)
		c.must(visible(l.Label), "BR-25", "line %d has a label", l.Position)
		c.must(l.Net.Number.Equal(l.Net.Number.Truncate(2)), "BR-DEC-23", "line %d: %s has at most two decimal places", l.Position, l.Net)
	}
}

func (c *checker) tax() {
	c.must(len(c.Tax) > 0, "BR-CO-18", "a document has a tax category")
	c.must(len(c.Tax) < 2, "A-TAX", "a document has one tax category, got %d", len(c.Tax))
	for _, t := range c.Tax {
		rule := func(n string) string { return "BR-" + t.Category + "-" + n }
		code, text := t.ReasonText()
		switch t.Category {
		case CategoryStandard:
			c.must(t.Percent.Sign() > 0, rule("05"), "category S has a rate above 0, got %s", currency.Plain(t.Percent))
		case CategoryZero, CategoryExempt, CategoryReverse, CategoryExport, CategoryNotSubject:
			c.must(t.Percent.IsZero(), rule("05"), "category %s has no rate, got %s", t.Category, currency.Plain(t.Percent))
			c.must(t.Amount.Number.IsZero(), rule("09"), "category %s has no tax, got %s", t.Category, t.Amount)
			c.must(t.Category == CategoryZero || visible(text), rule("10"), "category %s has a reason", t.Category)
		default:
			c.must(false, "BR-CL-18", "not a tax category: %q", t.Category)
		}
		c.must(code != "" || !strings.HasPrefix(t.Reason, "VATEX-") || t.Category == CategoryStandard || t.Category == CategoryZero,
			"BR-CL-22", "not a code of the VATEX list: %q", t.Reason)
		want := currency.Percent(t.Base.Number, t.Percent).Round(t.Amount.Places)
		// EN 16931 leaves room for rounding; the last of several credit notes gives back the tax
		// that the others left, a few cents beside its own.
		if room := currency.MustParse("1"); c.Corrects == nil {
			c.must(t.Amount.Number.Equal(want), "BR-CO-17", "tax of %s at %s %% is %s, got %s", t.Base, currency.Plain(t.Percent), want, t.Amount)
		} else {
			c.must(t.Amount.Number.Sub(want).Abs().Cmp(room) < 0, "BR-CO-17", "tax of %s at %s %% is %s, got %s", t.Base, currency.Plain(t.Percent), want, t.Amount)
		}
	}
	if n := c.TaxNational; n != nil {
		c.must(n.Currency.Known(), "BR-CL-05", "not a currency of ISO 4217: %q", string(n.Currency))
		c.must(n.Currency != c.Currency, "BR-53", "tax is stated in another currency than the document's")
		c.must(n.Amount.Number.Sign() == c.Totals.Tax.Number.Sign() || n.Amount.Number.IsZero(), "BR-53", "tax in %s has the sign of the tax", n.Currency)
	}
}

func (c *checker) totals() {
	lines, base, tax := currency.Zero, currency.Zero, currency.Zero
	for _, l := range c.Lines {
		lines = lines.Add(l.Net.Number)
	}
	for _, t := range c.Tax {
		base, tax = base.Add(t.Base.Number), tax.Add(t.Amount.Number)
	}
	t := c.Totals
	c.must(lines.Equal(t.Net.Number), "BR-CO-10", "lines sum to %s, the net total is %s", lines, t.Net)
	c.must(base.Equal(t.Net.Number), "BR-CO-13", "tax is on %s, the net total is %s", base, t.Net)
	c.must(tax.Equal(t.Tax.Number), "BR-CO-14", "tax sums to %s, the total is %s", tax, t.Tax)
	c.must(t.Net.Number.Add(t.Tax.Number).Equal(t.Gross.Number), "BR-CO-15", "%s + %s is not %s", t.Net, t.Tax, t.Gross)
	c.must(t.Gross.Number.Sign() > 0, "A-POSITIVE", "an invoice or credit note is of more than 0, got %s", t.Gross)
}

// CountryCode is the country of the party's address (BT-40, BT-55).
func (p Party) CountryCode() string {
	if p.Address.Country != "" {
		return p.Address.Country
	}
	return p.Country
}

// visible says whether a text has something to read.
func visible(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsPrint(r) && !unicode.IsSpace(r) })
}

// validIBAN checks form and check digits (ISO 13616, ISO 7064 MOD 97-10).
func validIBAN(s string) bool {
	s = strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	if len(s) < 15 || len(s) > 34 {
		return false
	}
	n := 0
	for _, r := range s[4:] + s[:4] {
		switch {
		case r >= '0' && r <= '9':
			n = (n*10 + int(r-'0')) % 97
		case r >= 'A' && r <= 'Z':
			n = (n*100 + int(r-'A') + 10) % 97
		default:
			return false
		}
	}
	return n == 1
}
