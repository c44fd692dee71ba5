package cur

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
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
