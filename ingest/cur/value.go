package cur

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/arrears-billing/arrears/currency"
)

// parseTime reads a time as AWS writes it in text: "2026-04-01T00:00:00.000Z" in csv of Data
// Exports, "2018-06-01T00:00:00Z" and "2018-06-20 01:00:00" in legacy reports. All are UTC.
func parseTime(s string) (time.Time, error) {
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("not a time: %q", s)
}

// int96Time is the time of a parquet INT96: nanoseconds of the day, then the Julian day.
func int96Time(nanos uint64, julian uint32) time.Time {
	const unixEpoch = 2440588                                                            // the Julian day of 1970-01-01
	return time.Unix((int64(julian)-unixEpoch)*86400, 0).Add(time.Duration(nanos)).UTC() //nolint:gosec // any time but the month's is refused
}

// An entry is a key and value of a map in csv.
type entry struct{ key, value string }

// parseMap reads a map as csv states it: a JSON object of texts or numbers. Entries without a
// value are left out. A key that comes twice is an error.
func parseMap(s string) ([]entry, error) {
	if s == "" || s == "{}" {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("not a map: %q", short(s))
	}
	var entries []entry
	seen := map[string]bool{}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("not a map: %q", short(s))
		}
		key, _ := k.(string) // keys of objects are always texts
		if seen[key] {
			return nil, fmt.Errorf("the key %q comes twice", key)
		}
		seen[key] = true
		v, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("not a map: %q", short(s))
		}
		switch v := v.(type) {
		case nil:
		case string:
			entries = append(entries, entry{key, v})
		case json.Number:
			entries = append(entries, entry{key, v.String()})
		default:
			return nil, fmt.Errorf("not a map of texts or numbers: %q", short(s))
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("not a map: %q", short(s))
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("not a map: %q", short(s))
	}
	return entries, nil
}

// short cuts a text for an error message.
func short(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

var errNull = errors.New("no value: a row without a cost cannot be billed")

// setMoneyText gives row i an amount from text.
func (v *vector) setMoneyText(i int, s string) error {
	if u, ok := plainUnits(s); ok {
		v.nums[i] = u
		return nil
	}
	d, err := currency.Parse(s)
	if err != nil {
		return err
	}
	v.setNumber(i, numberOf(d))
	return nil
}

// plainUnits reads an amount in plain notation that has units: the usual case, without a detour.
func plainUnits(s string) (int64, bool) {
	digits := s
	if digits != "" && digits[0] == '-' {
		digits = digits[1:]
	}
	if digits == "" || len(digits) > 15 || digits[0] == '.' || digits[len(digits)-1] == '.' {
		return 0, false
	}
	v, places := int64(0), -1
	for i := range len(digits) {
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
			v = v*10 + int64(c-'0')
			if places >= 0 {
				places++
			}
		case c == '.' && places < 0:
			places = 0
		default:
			return 0, false
		}
	}
	for range unitPlaces - max(places, 0) {
		if v *= 10; v >= unitLimit {
			return 0, false
		}
	}
	if places > unitPlaces {
		return 0, false
	}
	if len(digits) < len(s) {
		v = -v
	}
	return v, true
}

func unixTime(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

var errNaN = errors.New("not a number: NaN or infinite")
