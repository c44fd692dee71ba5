package currency

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// A FileError says what is wrong with a file of rates, and where; line and column count from 1 and
// are 0 where there are none.
type FileError struct {
	File         string
	Line, Column int
	Text, Hint   string
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Text)
}

const ratesHint = "what is read: the ECB's eurofxref files (CSV, XML, or the zip of either), its data portal's CSV, or a CSV with the columns source,from,to,date,rate"

// maxRates bounds an unpacked file of rates; the ECB's, since 1999, has less than 2 MB.
const maxRates = 64 << 20

// ParseRates reads a file of published rates, whose name serves for errors and which is known by
// its content: the ECB's eurofxref files as CSV or XML, the zip that they come in, the CSV of the
// ECB's data portal, or a CSV with the header source,from,to,date,rate, in which one unit of from
// is rate units of to. Every rate gets the SHA-256 of data as its digest. Any error is a *FileError, and then there are no rates.
func ParseRates(name string, data []byte) ([]Rate, error) {
	sum := sha256.Sum256(data)
	f := &rateFile{name: name, digest: "sha256:" + hex.EncodeToString(sum[:]), seen: map[string]int{}}
	if bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		var err error
		if data, err = f.unpack(data); err != nil {
			return nil, err
		}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if bytes.HasPrefix(bytes.TrimSpace(data[:min(len(data), 512)]), []byte("<")) {
		return f.readXML(data)
	}
	return f.read(data)
}

type rateFile struct {
	name, digest string
	csv          *csv.Reader
	pos          func(field int) (line, column int) // of what was read last
	rates        []Rate
	seen         map[string]int // source, pair and date, to the line
}

// unpack returns the one CSV or XML in a zip.
func (f *rateFile) unpack(data []byte) ([]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, &FileError{File: f.name, Text: "not a zip: " + err.Error()}
	}
	var found *zip.File
	for _, file := range z.File {
		if ext := path.Ext(file.Name); ext != ".csv" && ext != ".xml" {
			continue
		}
		if found != nil {
			return nil, &FileError{File: f.name, Text: "more than one file of rates in it", Hint: ratesHint}
		}
		found = file
	}
	if found == nil {
		return nil, &FileError{File: f.name, Text: "no CSV or XML in it", Hint: ratesHint}
	}
	f.name += "/" + found.Name
	r, err := found.Open()
	if err != nil {
		return nil, &FileError{File: f.name, Text: err.Error()}
	}
	defer r.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(r, maxRates+1))
	if err != nil {
		return nil, &FileError{File: f.name, Text: err.Error()}
	}
	if len(text) > maxRates {
		return nil, &FileError{File: f.name, Text: fmt.Sprintf("more than %d bytes unpacked", maxRates)}
	}
	return text, nil
}

func (f *rateFile) read(text []byte) ([]Rate, error) {
	f.csv = csv.NewReader(bytes.NewReader(text))
	f.csv.Comment = '#'
	f.csv.TrimLeadingSpace = true
	f.csv.FieldsPerRecord = -1
	f.pos = f.csv.FieldPos
	header, err := f.next()
	if err != nil {
		return nil, err
	}
	row := f.row
	switch {
	case header == nil:
		return nil, &FileError{File: f.name, Text: "empty", Hint: ratesHint}
	case strings.Join(header, ",") == "source,from,to,date,rate":
	case header[0] == "KEY" && slices.Contains(header, "OBS_VALUE"):
		if row, err = f.sdmxRow(header); err != nil {
			return nil, err
		}
	case header[0] == "Date" && len(header) > 1:
		for i, c := range header[1:] {
			if !codeForm.MatchString(c) && c != "" {
				return nil, f.at(i+1, fmt.Sprintf("not an ISO 4217 currency code: %q", c), ratesHint)
			}
		}
		row = func(record []string) error { return f.ecbRow(header, record) }
	default:
		return nil, f.at(0, "not a file of rates: its header is "+strings.Join(header, ","), ratesHint)
	}
	for {
		record, err := f.next()
		if err != nil {
			return nil, err
		}
		if record == nil {
			break
		}
		if len(record) != len(header) {
			return nil, f.at(0, fmt.Sprintf("%d fields, and the header has %d", len(record), len(header)), "")
		}
		if err := row(record); err != nil {
			return nil, err
		}
	}
	if len(f.rates) == 0 {
		return nil, &FileError{File: f.name, Text: "no rates in it"}
	}
	return f.rates, nil
}

// next returns the next record, trimmed, and nil at the end.
func (f *rateFile) next() ([]string, error) {
	record, err := f.csv.Read()
	var syntax *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case errors.As(err, &syntax):
		return nil, &FileError{File: f.name, Line: syntax.Line, Column: syntax.Column, Text: "not CSV: " + syntax.Err.Error()}
	case err != nil:
		return nil, &FileError{File: f.name, Text: err.Error()}
	}
	for i := range record {
		record[i] = strings.TrimSpace(record[i])
	}
	return record, nil
}

// at is an error at a field of the record that was read last.
func (f *rateFile) at(field int, text, hint string) error {
	line, column := f.pos(field)
	return &FileError{File: f.name, Line: line, Column: column, Text: text, Hint: hint}
}

var codeForm = regexp.MustCompile(`^[A-Z]{3}$`)

// ecbRow reads a day of the ECB's file: a date, and what one euro is worth in each currency of the
// header, or N/A. Its history has currencies that were withdrawn long ago (CYP, HRK, ...), in which
// nobody can bill; they are passed over.
func (f *rateFile) ecbRow(header, record []string) error {
	day, err := f.date(0, record[0])
	if err != nil {
		return err
	}
	for i := 1; i < len(header); i++ {
		if !Code(header[i]).Known() || record[i] == "" || record[i] == "N/A" {
			continue
		}
		if err := f.add(i, Rate{From: "EUR", To: Code(header[i]), Source: ECB, Date: day}, record[i]); err != nil {
			return err
		}
	}
	return nil
}

var sourceForm = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)

func (f *rateFile) row(record []string) error {
	r := Rate{Source: record[0]}
	if !sourceForm.MatchString(r.Source) || r.Source == "aws_invoice" || r.Source == "fixed" || r.Source == "same" {
		return f.at(0, fmt.Sprintf("not a source of published rates: %q", r.Source), "such as ecb, bazg, hmrc, norges_bank: small letters, digits, underscores")
	}
	for i, c := range []*Code{&r.From, &r.To} {
		code, err := ParseCode(record[i+1])
		if err != nil {
			return f.at(i+1, err.Error(), "")
		}
		*c = code
	}
	if r.From == r.To {
		return f.at(2, "a rate from "+string(r.From)+" to itself", "")
	}
	var err error
	if r.Date, err = f.date(3, record[3]); err != nil {
		return err
	}
	if publishers[r.Source].monthly && !r.Date.Equal(r.Date.Month().First()) {
		return f.at(3, fmt.Sprintf("%s publishes one rate a month, to be dated with its first day", name(r.Source)), r.Date.Month().First().String())
	}
	return f.add(4, r, record[4])
}

func (f *rateFile) add(field int, r Rate, value string) error {
	v, err := Parse(value)
	if err != nil {
		return f.at(field, err.Error(), "")
	}
	if v.Sign() <= 0 || !v.Equal(v.Truncate(RatePlaces)) {
		return f.at(field, fmt.Sprintf("not a rate: %s", value), fmt.Sprintf("more than 0, at most %d decimal places", RatePlaces))
	}
	line, _ := f.pos(field)
	key := r.Source + string(r.From) + string(r.To) + r.Date.String()
	if first, ok := f.seen[key]; ok {
		return f.at(field, fmt.Sprintf("a second rate from %s to %s on %s, the first is in line %d", r.From, r.To, r.Date, first), "")
	}
	f.seen[key] = line
	r.Value, r.Digest = v, f.digest
	f.rates = append(f.rates, r)
	return nil
}

// date reads a day as 2026-03-31 or, as in eurofxref.csv, 31 March 2026.
func (f *rateFile) date(field int, s string) (calendar.Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t, err = time.Parse("2 January 2006", s)
	}
	if err != nil || t.Year() < 1990 || t.Year() > 2199 {
		return calendar.Date{}, f.at(field, fmt.Sprintf("not a date, want YYYY-MM-DD: %q", s), "")
	}
	return calendar.DateOf(t), nil
}
