package book

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
)

// Neither root nor other credentials have a place in any input (domain.md R47, R48).
var (
	credentialKey   = regexp.MustCompile(`(?i)passw|passphrase|secret|credential|access_?key|private_?key|session_?token|api_?key|^mfa|^root`)
	credentialValue = regexp.MustCompile(`\b(AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY`)
)

// scalar returns the text of a scalar key as it was written.
func (o *object) scalar(key string) (n *yaml.Node, path string) {
	n, path = o.get(key)
	if n == nil {
		return nil, path
	}
	if n.Kind != yaml.ScalarNode {
		o.fail(path, codeType, "want a text, not "+kind(n), "")
		return nil, path
	}
	return n, path
}

// maxText bounds a text of a book; what is longer is a mistake in the quotes.
const maxText = 2000

// text reads a text; an empty one is as good as none. Numbers and dates are taken as they are written (postal codes, ids).
func (o *object) text(key string, to *string) {
	n, path := o.scalar(key)
	if n == nil {
		return
	}
	switch s := strings.TrimSpace(n.Value); {
	case n.ShortTag() == "!!bool" || n.ShortTag() == "!!binary":
		o.fail(path, codeType, "want a text, not "+kind(n), `put it in quotes: "`+n.Value+`"`)
	case credentialValue.MatchString(s):
		o.fail(path, codeCredentials, "this looks like a credential; the book takes none", "arrears uses roles; remove it, and revoke it where it was made")
	case strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) || c == unicode.ReplacementChar }):
		o.fail(path, codeMalformed, fmt.Sprintf("line breaks and control characters do not belong into a text: %.60q", s), "")
	case len(s) > maxText:
		o.fail(path, codeMalformed, fmt.Sprintf("a text of %d bytes, at most %d are allowed", len(s), maxText), "")
	default:
		*to = s
	}
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// id reads an id: it becomes part of file names and document ids.
func (o *object) id(key string, to *string) {
	var s string
	if o.text(key, &s); s == "" {
		return
	}
	if !idForm.MatchString(s) {
		o.fail(joinPath(o.path, key), codeMalformed, fmt.Sprintf("not an id: %q", s), "letters, digits, dot, hyphen and underscore, at most 64")
		return
	}
	*to = s
}

// word reads one of some words.
func (o *object) word(key string, to *string, words ...string) {
	var s string
	if o.text(key, &s); s == "" {
		return
	}
	if !slices.Contains(words, s) {
		hint := ""
		if near := nearest(s, words); near != "" {
			hint = "did you mean " + near + "?"
		}
		o.fail(joinPath(o.path, key), codeUnknownValue, fmt.Sprintf("%q is not one of: %s", s, strings.Join(words, ", ")), hint)
		return
	}
	*to = s
}

const accountHint = `twelve digits in quotes, such as "111122223333"`

func (o *object) account(key string, to *agreement.AccountID) {
	var s string
	if o.text(key, &s); s == "" {
		return
	}
	if !agreement.AccountID(s).Valid() {
		o.fail(joinPath(o.path, key), codeAccountID, fmt.Sprintf("not an AWS account id: %q", s), accountHint)
		return
	}
	*to = agreement.AccountID(s)
}

func (o *object) country(key string, to *string) {
	var s string
	if o.text(key, &s); s == "" {
		return
	}
	if !invoice.KnownCountry(s) {
		o.fail(joinPath(o.path, key), codeCountry, fmt.Sprintf("not a country: %q", s), countryHint(s))
		return
	}
	*to = s
}

func countryHint(s string) string {
	if u := strings.ToUpper(s); u != s && invoice.KnownCountry(u) {
		return "write it in capitals: " + u
	}
	switch s {
	case "EL":
		return "Greece is GR; only its VAT ids begin with EL"
	case "UK":
		return "the United Kingdom is GB"
	}
	return "two capital letters of ISO 3166-1, such as DE"
}

func (o *object) code(key string, to *currency.Code) {
	var s string
	if o.text(key, &s); s == "" {
		return
	}
	if c, err := currency.ParseCode(s); err != nil {
		o.fail(joinPath(o.path, key), codeCurrency, err.Error(), currencyHint(s))
	} else {
		*to = c
	}
}

func currencyHint(s string) string {
	if u := strings.ToUpper(s); u != s && currency.Code(u).Known() {
		return "write it in capitals: " + u
	}
	return "three capital letters, such as EUR"
}

// decimal reads an amount, a percentage or a rate, which must be text: a YAML number has been
// through a float in most editors and tools before it gets here.
func (o *object) decimal(key string, to *currency.Decimal) (path string, ok bool) {
	n, path := o.scalar(key)
	if n == nil {
		return path, false
	}
	if tag := n.ShortTag(); tag == "!!int" || tag == "!!float" {
		o.fail(path, codeNotText, "amounts and percentages are text, not numbers", `put it in quotes: "`+n.Value+`"`)
		return path, false
	}
	d, err := currency.Parse(strings.TrimSpace(n.Value))
	if err != nil {
		hint := `digits with a point, such as "12.50"`
		if strings.ContainsAny(n.Value, "%,") {
			hint = `without % and thousands separators, with a decimal point, such as "12.50"`
		}
		o.fail(path, codeMalformed, err.Error(), hint)
		return path, false
	}
	*to = d
	return path, true
}

var hundred = currency.MustParse("100")

// percent reads a percentage from 0 to 100.
func (o *object) percent(key string, to *currency.Decimal) {
	var d currency.Decimal
	path, ok := o.decimal(key, &d)
	if !ok {
		return
	}
	if d.Sign() < 0 || d.Cmp(hundred) > 0 {
		o.fail(path, codeRange, fmt.Sprintf("a percentage is 0 to 100, not %s", currency.Plain(d)), "")
		return
	}
	*to = d
}

// integer reads a whole number from low to high.
func (o *object) integer(key string, to *int, low, high int) {
	n, path := o.scalar(key)
	if n == nil {
		return
	}
	v, err := strconv.Atoi(n.Value)
	switch {
	case err != nil || n.ShortTag() != "!!int":
		o.fail(path, codeMalformed, fmt.Sprintf("not a whole number: %q", n.Value), "")
	case v < low || v > high:
		o.fail(path, codeRange, fmt.Sprintf("want %d to %d, not %d", low, high, v), "")
	default:
		*to = v
	}
}

// Years outside these are typing errors; AWS sent its first bill in 2006.
const firstYear, lastYear = 2000, 2199

func (o *object) month(key string, to *calendar.Month) {
	n, path := o.scalar(key)
	if n == nil || n.Value == "" {
		return
	}
	m, err := calendar.ParseMonth(n.Value)
	if err != nil {
		hint := "such as 2026-03"
		if d, err := calendar.ParseDate(n.Value); err == nil {
			hint = "a month, not a day: " + d.Month().String()
		}
		o.fail(path, codeMalformed, err.Error(), hint)
		return
	}
	if o.year(path, m.Start().Year()) {
		*to = m
	}
}

func (o *object) date(key string, to *calendar.Date) {
	n, path := o.scalar(key)
	if n == nil || n.Value == "" {
		return
	}
	d, err := calendar.ParseDate(n.Value)
	if err != nil {
		o.fail(path, codeMalformed, err.Error(), "such as 2027-02-28")
		return
	}
	if o.year(path, d.Year()) {
		*to = d
	}
}

// time reads an instant and keeps it in UTC.
func (o *object) time(key string, to *time.Time) {
	n, path := o.scalar(key)
	if n == nil || n.Value == "" {
		return
	}
	t, err := time.Parse(time.RFC3339, n.Value)
	if err != nil {
		hint := "such as 2026-03-01T00:00:00Z"
		if d, err := calendar.ParseDate(n.Value); err == nil {
			hint = "write the time too: " + d.String() + "T00:00:00Z"
		}
		o.fail(path, codeMalformed, fmt.Sprintf("not a time, want RFC 3339: %q", n.Value), hint)
		return
	}
	if o.year(path, t.UTC().Year()) {
		*to = t.UTC()
	}
}

func (o *object) year(path string, y int) bool {
	if y < firstYear || y > lastYear {
		o.fail(path, codeRange, fmt.Sprintf("the year %d is out of range", y), "")
		return false
	}
	return true
}
