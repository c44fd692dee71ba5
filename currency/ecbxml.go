package currency

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/arrears-billing/arrears/calendar"
)

// readXML reads the ECB's eurofxref-daily.xml, eurofxref-hist-90d.xml or eurofxref-hist.xml: a Cube
// a day, and in it a Cube for what one euro is worth in each currency. Withdrawn currencies are
// passed over.
func (f *rateFile) readXML(text []byte) ([]Rate, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	f.pos = func(int) (line, column int) { return d.InputPos() }
	var day calendar.Date
	root := true
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, f.at(0, "not XML: "+err.Error(), ratesHint)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if root && e.Name.Local != "Envelope" {
			return nil, f.at(0, fmt.Sprintf("not the ECB's file of rates: it begins with <%s>", e.Name.Local), ratesHint)
		}
		root = false
		if e.Name.Local != "Cube" {
			continue
		}
		attributes := map[string]string{}
		for _, a := range e.Attr {
			attributes[a.Name.Local] = a.Value
		}
		if at, ok := attributes["time"]; ok {
			if day, err = f.date(0, at); err != nil {
				return nil, err
			}
		}
		code, isRate := attributes["currency"]
		if !isRate {
			continue
		}
		switch {
		case !codeForm.MatchString(code):
			return nil, f.at(0, fmt.Sprintf("not an ISO 4217 currency code: %q", code), ratesHint)
		case day.IsZero():
			return nil, f.at(0, "a rate without a day", ratesHint)
		case !Code(code).Known():
			continue
		}
		if err := f.add(0, Rate{From: "EUR", To: Code(code), Source: ECB, Date: day}, attributes["rate"]); err != nil {
			return nil, err
		}
	}
	if len(f.rates) == 0 {
		return nil, &FileError{File: f.name, Text: "no rates in it"}
	}
	return f.rates, nil
}

// sdmxColumns are those of the ECB data portal's CSV (data set EXR) that say what a row is.
var sdmxColumns = []string{"FREQ", "CURRENCY", "CURRENCY_DENOM", "EXR_TYPE", "EXR_SUFFIX", "TIME_PERIOD", "OBS_VALUE"}

// sdmxRow returns what reads a row of the ECB data portal's CSV: daily reference rates (series
// EXR.D.USD.EUR.SP00.A), of which one euro is OBS_VALUE of CURRENCY. Days without a value, such as
// holidays, are passed over; other series of the data set are no reference rates and are refused.
func (f *rateFile) sdmxRow(header []string) (func(record []string) error, error) {
	at := map[string]int{}
	for i, name := range header {
		at[name] = i
	}
	for _, name := range sdmxColumns {
		if _, ok := at[name]; !ok {
			return nil, f.at(0, "the ECB data portal's CSV has no column "+name, "download the series whole, as CSV")
		}
	}
	wanted := map[string]string{"FREQ": "D", "CURRENCY_DENOM": "EUR", "EXR_TYPE": "SP00", "EXR_SUFFIX": "A"}
	return func(record []string) error {
		for _, name := range sdmxColumns {
			if want := wanted[name]; want != "" && record[at[name]] != want {
				return f.at(at[name], fmt.Sprintf("not a daily euro reference rate: %s is %q", name, record[at[name]]), "download series such as EXR.D.USD.EUR.SP00.A")
			}
		}
		code, value := record[at["CURRENCY"]], record[at["OBS_VALUE"]]
		if !codeForm.MatchString(code) {
			return f.at(at["CURRENCY"], fmt.Sprintf("not an ISO 4217 currency code: %q", code), "")
		}
		day, err := f.date(at["TIME_PERIOD"], record[at["TIME_PERIOD"]])
		if err != nil || value == "" || value == "NaN" || !Code(code).Known() {
			return err
		}
		return f.add(at["OBS_VALUE"], Rate{From: "EUR", To: Code(code), Source: ECB, Date: day}, value)
	}, nil
}
