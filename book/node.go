package book

import (
	"errors"
	"fmt"
	"io"
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

// A reader takes a YAML document apart and collects what is wrong with it.
type reader struct {
	file   string
	folder string // that relative paths are relative to
	errs   []Error
	visits int
}

// maxVisits bounds the values that are read from one file. Aliases let a short file mean a very
// long one; a book of ten thousand agreements has some 500,000 values.
const maxVisits = 1_000_000

// An object reads one mapping key by key. Each of its readers takes a key, notes it as known and
// leaves its target alone where the key is absent, null or wrong. done reports the other keys.
type object struct {
	r      *reader
	o      *origin
	path   string // inside o
	node   *yaml.Node
	values map[string]*yaml.Node
	known  []string
	named  keys
}

// parseYAML returns the root of the one document in data, or false when there is none.
func (r *reader) parseYAML(data []byte) (root *yaml.Node, ok bool) {
	top := &origin{file: r.file}
	// The library promises errors, not panics; a book is input, so its promise is not relied on.
	defer func() {
		if p := recover(); p != nil {
			r.errs = append(r.errs, top.error("", codeSyntax, fmt.Sprintf("not YAML: %v", p), ""))
			root, ok = nil, false
		}
	}()
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || (err == nil && isNull(doc.Content[0])) {
		r.errs = append(r.errs, top.error("", codeEmpty, "nothing is written here", ""))
		return nil, false
	}
	if err != nil {
		r.errs = append(r.errs, syntaxError(top, err))
		return nil, false
	}
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			r.errs = append(r.errs, syntaxError(top, err))
		} else {
			top.at = map[string]position{"": {second.Line, second.Column}}
			r.errs = append(r.errs, top.error("", codeSyntax, "a second YAML document begins here", "write one document a file, without ---"))
		}
		return nil, false
	}
	return doc.Content[0], true
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

// syntaxError takes the line out of the library's message, which has no column.
func syntaxError(top *origin, err error) Error {
	text := err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			top.at = map[string]position{"": {n, 1}}
		}
		text = text[len(m[0]):]
	}
	return top.error("", codeSyntax, "not YAML: "+strings.TrimPrefix(text, "yaml: "),
		"often a missing space after a colon, a tab, or an indentation that differs from the lines around it")
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// value follows an alias to what it stands for.
func (r *reader) value(n *yaml.Node) *yaml.Node {
	r.visits++
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// fail notes an error at a path of an object and marks the path, so that Check does not report
// what follows from it.
func (r *reader) fail(o *origin, path, code, text, hint string) {
	o.bad[path] = true
	r.errs = append(r.errs, o.error(path, code, text, hint))
}

// object begins to read a mapping. It returns false when the value is none.
func (r *reader) object(o *origin, path string, n *yaml.Node) (*object, bool) {
	n = r.value(n)
	if _, ok := o.at[path]; !ok {
		o.at[path] = position{n.Line, n.Column}
	}
	if n.Kind != yaml.MappingNode {
		r.fail(o, path, codeType, "want keys and values, not "+kind(n), "")
		return nil, false
	}
	if r.visits > maxVisits {
		r.fail(o, path, codeSyntax, "too many values: aliases that multiply each other", "")
		return nil, false
	}
	obj := &object{r: r, o: o, path: path, node: n, values: map[string]*yaml.Node{}, named: keys{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at := joinPath(path, k.Value)
		switch {
		case k.Kind != yaml.ScalarNode:
			o.at[at] = position{k.Line, k.Column}
			r.fail(o, at, codeType, "a key must be a word, not "+kind(k), "")
		case k.Value == "<<" && k.ShortTag() == "!!merge":
			o.at[at] = position{k.Line, k.Column}
			r.fail(o, at, codeUnknownKey, "merge keys are not supported", "write the keys out, or use an alias for a whole value")
		case obj.values[k.Value] != nil:
			first := o.at[at]
			o.at[at] = position{k.Line, k.Column}
			r.fail(o, at, codeDuplicateKey, fmt.Sprintf("written twice, first in line %d", first.line), "keep one of them")
		default:
			obj.values[k.Value] = v
			o.at[at] = position{k.Line, k.Column}
		}
	}
	return obj, true
}

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	default:
		return fmt.Sprintf("%q", n.Value)
	}
}

// get returns the value of a key: nil when it is absent or null.
func (o *object) get(key string) (n *yaml.Node, path string) {
	if !slices.Contains(o.known, key) {
		o.known = append(o.known, key)
	}
	path = joinPath(o.path, key)
	n, ok := o.values[key]
	if !ok {
		return nil, path
	}
	o.named[key] = nil
	n = o.r.value(n)
	if isNull(n) {
		return nil, path
	}
	// From here on an error speaks of the value, not of its key.
	o.o.at[path] = position{n.Line, n.Column}
	return n, path
}

func (o *object) fail(path, code, text, hint string) { o.r.fail(o.o, path, code, text, hint) }

// done reports the keys that nothing asked for.
func (o *object) done() {
	for i := 0; i+1 < len(o.node.Content); i += 2 {
		k := o.node.Content[i]
		if k.Kind != yaml.ScalarNode || k.Value == "<<" || slices.Contains(o.known, k.Value) {
			continue
		}
		path := joinPath(o.path, k.Value)
		o.o.at[path] = position{k.Line, k.Column}
		if credentialKey.MatchString(k.Value) {
			o.fail(path, codeCredentials, "the book takes no credentials",
				"arrears uses roles; no key, secret or root password is ever stored")
			continue
		}
		hint := "known here: " + strings.Join(o.known, ", ")
		if near := nearest(k.Value, o.known); near != "" {
			hint = "did you mean " + near + "?"
			o.o.bad[joinPath(o.path, near)] = true // not missing, but misspelt
		}
		o.fail(path, codeUnknownKey, "unknown key", hint)
	}
}

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

// inner reads a mapping that belongs to this one, with do.
func (o *object) inner(key string, do func(*object)) {
	n, path := o.get(key)
	if n == nil {
		return
	}
	if in, ok := o.r.object(o.o, path, n); ok {
		do(in)
		in.done()
		o.named[key] = in.named
	}
}

// list reads a list with do, once for each element.
func (o *object) list(key string, do func(i int, path string, n *yaml.Node)) {
	n, path := o.get(key)
	if n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		o.fail(path, codeType, "want a list, not "+kind(n), "")
		return
	}
	for i, e := range n.Content {
		if o.r.visits > maxVisits {
			o.fail(path, codeSyntax, "too many values: aliases that multiply each other", "")
			return
		}
		at := fmt.Sprintf("%s[%d]", path, i)
		e = o.r.value(e)
		o.o.at[at] = position{e.Line, e.Column}
		do(i, at, e)
	}
}

// each reads a list of scalars, each as an object with one key, so that the readers of an object
// can check it.
func (o *object) each(key string, do func(e *object, key string)) {
	o.list(key, func(i int, path string, n *yaml.Node) {
		index := path[strings.LastIndexByte(path, '['):]
		do(&object{
			r: o.r, o: o.o, path: strings.TrimSuffix(path, index), node: n,
			values: map[string]*yaml.Node{index: n}, named: keys{},
		}, index)
	})
}

// nearest returns the word that s is most likely a misspelling of, or "".
func nearest(s string, words []string) string {
	best, found := 1+max(1, len(s)/3), ""
	for _, w := range words {
		d := distance(strings.ToLower(s), strings.ToLower(w))
		if d < best && d < len(s) {
			best, found = d, w
		}
	}
	return found
}

// distance counts the letters to insert, delete, replace or swap with their neighbour to make b
// of a.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	var before, last []int // rows i-2 and i-1
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
