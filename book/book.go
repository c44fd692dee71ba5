// Package book reads the book: the YAML files in which a reseller writes down its sellers, buyers,
// payers and agreements, and what an order file or a terms file says (contract.md, docs/BOOK.md).
//
// A book is taken in two stages. Parse and Load look at the form of each value and know its line.
// Check looks at the whole: what is stored already together with what the book brings. Both report
// everything that is wrong at once, each error with position, text and hint, so that a person
// repairs a book in one go; nothing is applied from a book with an error.
//
// A book changes what it names: Merge replaces the keys that are written and keeps the others.
package book

import (
	"encoding/base64"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/agreement"
)

// A Book is a set of sellers, buyers, payers and agreements: what one or more files say, what is
// stored, or both merged. Its JSON is itself a valid book.
type Book struct {
	Sellers    []agreement.Seller    `json:"sellers,omitempty"`
	Buyers     []agreement.Buyer     `json:"buyers,omitempty"`
	Payers     []agreement.Payer     `json:"payers,omitempty"`
	Agreements []agreement.Agreement `json:"agreements,omitempty"`

	// Where the objects above were written, by index. A nil or missing entry is an object whose
	// origin is unknown; entry stored is one that no book brought.
	from struct{ sellers, buyers, payers, agreements []*origin }
}

// An origin remembers where an object of a book was written, and which of its keys were.
type origin struct {
	file  string
	path  string              // of the object in its file: agreements[0]
	at    map[string]position // by path inside the object: terms[0].from; "" is the object
	bad   map[string]bool     // paths at which Parse reported an error
	named keys
}

type position struct{ line, column int }

// keys are the keys that a book names in an object; below a scalar or a list there are none.
type keys map[string]keys

// stored is the origin of objects that no book brought.
var stored = &origin{}

func originOf(list []*origin, i int) *origin {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// Load reads books from files and joins them. The errors of all files come at once, sorted; err is
// a file that cannot be read. Sellers' logos are read too and become base64.
func Load(paths ...string) (Book, []Error, error) {
	var all Book
	var errs []Error
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return Book{}, nil, fmt.Errorf("read book: %w", err)
		}
		b, e := Parse(path, data)
		errs = append(errs, e...)
		all.join(b)
	}
	for i := range all.Sellers {
		if e, ok := loadLogo(&all.Sellers[i], all.from.sellers[i]); !ok {
			errs = append(errs, e)
		}
	}
	return all, Sort(errs), nil
}

// maxLogo bounds a logo: it is kept with every version of its seller and every issued document.
const maxLogo = 128 << 10

// loadLogo replaces the path of a seller's logo by the file's content in base64, so that an issued
// document does not depend on the file (I8).
func loadLogo(s *agreement.Seller, o *origin) (Error, bool) {
	if s.Logo == "" {
		return Error{}, true
	}
	data, err := os.ReadFile(s.Logo)
	switch {
	case err != nil:
		return o.error("logo", codeFile, err.Error(), "the path is relative to the book's own folder"), false
	case !strings.HasPrefix(string(data), "\x89PNG\r\n\x1a\n"):
		return o.error("logo", codeFile, "not a PNG file: "+s.Logo, ""), false
	case len(data) > maxLogo:
		return o.error("logo", codeFile, fmt.Sprintf("%s has %d bytes, a logo may have %d", s.Logo, len(data), maxLogo), ""), false
	}
	s.Logo = base64.StdEncoding.EncodeToString(data)
	return Error{}, true
}

// error returns an error at a path inside the object, or at the nearest key around it that was
// written.
func (o *origin) error(path, code, text, hint string) Error {
	e := Error{Path: path, Code: code, Text: text, Hint: hint}
	if o == nil {
		return e
	}
	e.File = o.file
	e.Path = joinPath(o.path, path)
	for {
		if p, ok := o.at[path]; ok {
			e.Line, e.Column = p.line, p.column
			return e
		}
		if path == "" {
			return e
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

func joinPath(a, b string) string {
	if a == "" || b == "" || b[0] == '[' {
		return a + b
	}
	return a + "." + b
}

func (b *Book) join(c Book) {
	b.Sellers = append(b.Sellers, c.Sellers...)
	b.Buyers = append(b.Buyers, c.Buyers...)
	b.Payers = append(b.Payers, c.Payers...)
	b.Agreements = append(b.Agreements, c.Agreements...)
	b.from.sellers = append(b.from.sellers, c.from.sellers...)
	b.from.buyers = append(b.from.buyers, c.from.buyers...)
	b.from.payers = append(b.from.payers, c.from.payers...)
	b.from.agreements = append(b.from.agreements, c.from.agreements...)
}

// Merge returns the whole as it will be once b is applied to what is stored: stored objects in
// their order, changed by what b names, then b's new ones. What b does not name stays, down to
// single keys; a list that b names replaces the stored one; a key written as null falls back to
// its default. Nothing of b or stored is changed.
func (b Book) Merge(before Book) Book {
	var m Book
	m.Sellers, m.from.sellers = merge(before.Sellers, b.Sellers, b.from.sellers, func(s agreement.Seller) string { return s.ID })
	m.Buyers, m.from.buyers = merge(before.Buyers, b.Buyers, b.from.buyers, func(x agreement.Buyer) string { return x.ID })
	m.Payers, m.from.payers = merge(before.Payers, b.Payers, b.from.payers, func(p agreement.Payer) string { return string(p.Account) })
	m.Agreements, m.from.agreements = merge(before.Agreements, b.Agreements, b.from.agreements, func(a agreement.Agreement) string { return a.ID })
	return m
}

func merge[T any](before, brought []T, from []*origin, id func(T) string) ([]T, []*origin) {
	all := slices.Clone(before)
	origins := make([]*origin, 0, len(all)+len(brought))
	index := make(map[string]int, len(all))
	for i, x := range all {
		origins = append(origins, stored)
		index[id(x)] = i
	}
	for i, x := range brought {
		o := originOf(from, i)
		// An id that the book has twice meets a stored object once; the second is kept apart for
		// Check to see.
		if j, ok := index[id(x)]; ok && origins[j] == stored {
			if o == nil {
				all[j] = x
			} else {
				overlay(reflect.ValueOf(&all[j]).Elem(), reflect.ValueOf(x), o.named)
			}
			origins[j] = o
			continue
		}
		all = append(all, x)
		origins = append(origins, o)
	}
	return all, origins
}

// overlay copies the fields that named names from src to dst, both of one struct type. A field is
// named by its JSON key, which is its key in the book.
func overlay(dst, src reflect.Value, named keys) {
	for i := range dst.NumField() {
		key, _, _ := strings.Cut(dst.Type().Field(i).Tag.Get("json"), ",")
		below, ok := named[key]
		switch {
		case !ok:
		case below == nil:
			dst.Field(i).Set(src.Field(i))
		default:
			overlay(dst.Field(i), src.Field(i), below)
		}
	}
}
