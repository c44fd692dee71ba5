package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/calendar"
)

// A Rate is a published reference rate: one unit of From is Value of To.
type Rate struct {
	Source  string // such as ecb
	From    string // ISO 4217
	To      string
	Date    calendar.Date
	Version int    // 1, 2 ...: a rate that its source corrected; the store gives it
	Value   string // decimal text
	Digest  string // of the file it came from
}

// PutRates keeps the rates that are new or differ from the newest version, all or none, and
// returns how many. What is there is kept: a corrected rate is a new version.
func (db *DB) PutRates(ctx context.Context, by string, rates []Rate) (written int, err error) {
	err = db.update(ctx, "rates", func(x *tx) error {
		last, err := newestRates(ctx, x, rates)
		if err != nil {
			return err
		}
		var fresh []Rate
		digests := map[string]bool{}
		for _, r := range rates {
			before := last[r.key()]
			if before.Version > 0 && before.Value == r.Value {
				continue
			}
			r.Version = before.Version + 1
			last[r.key()] = r
			fresh = append(fresh, r)
			digests[r.Digest] = true
		}
		for chunk := range slices.Chunk(fresh, insertRates) {
			if err := x.putRates(ctx, chunk); err != nil {
				return err
			}
		}
		written = len(fresh)
		for _, digest := range slices.Sorted(maps.Keys(digests)) {
			rows, err := rateRows(ctx, x, ` where digest = $1`+rateOrder, digest)
			if err != nil {
				return err
			}
			if err := x.record(by, "rates imported", "rates/"+digest, rows, fmt.Sprintf("%d rates", len(rows))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("put rates: %w", err)
	}
	return written, nil
}

type rateKey struct{ source, from, to, date string }

func (r Rate) key() rateKey { return rateKey{r.Source, r.From, r.To, r.Date.String()} }

// newestRates returns the newest versions that are kept of the rates' sources, between their first
// and last date: a file holds most of what lies there, so it is read at once.
func newestRates(ctx context.Context, q queryer, rates []Rate) (map[rateKey]Rate, error) {
	spans := map[string]RateFilter{}
	for _, r := range rates {
		f, ok := spans[r.Source]
		if !ok {
			f = RateFilter{Source: r.Source, Since: r.Date, Until: r.Date}
		}
		if r.Date.Before(f.Since) {
			f.Since = r.Date
		}
		if r.Date.After(f.Until) {
			f.Until = r.Date
		}
		spans[r.Source] = f
	}
	newest := map[rateKey]Rate{}
	for _, f := range spans {
		list, err := filterRates(ctx, q, f)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			newest[r.key()] = r
		}
	}
	return newest, nil
}

// insertRates is how many rates one statement inserts. SQLite looks its parameters up by name, one
// after the other, so that more of them are slower again.
const insertRates = 20

func (x *tx) putRates(ctx context.Context, rates []Rate) error {
	var values []string
	var args []any
	for i, r := range rates {
		n := 7 * i
		values = append(values, fmt.Sprintf("($%d, $%d, $%d, $%d, $%d, $%d, $%d)", n+1, n+2, n+3, n+4, n+5, n+6, n+7))
		args = append(args, r.Source, r.From, r.To, r.Date.String(), r.Version, r.Value, r.Digest)
	}
	_, err := x.ExecContext(ctx, `insert into rates (source, from_code, to_code, date, version, value, digest) values `+strings.Join(values, ", "), args...)
	return err
}

// A RateFilter narrows Rates; empty fields ask for nothing.
type RateFilter struct {
	Source       string
	From, To     string        // currencies
	Since, Until calendar.Date // first and last day, both included
}

// Rates returns the newest version of the rates that the filter asks for, by source, pair and date.
func (db *DB) Rates(ctx context.Context, f RateFilter) ([]Rate, error) {
	list, err := filterRates(ctx, db.read, f)
	if err != nil {
		return nil, fmt.Errorf("rates: %w", err)
	}
	return list, nil
}

func filterRates(ctx context.Context, q queryer, f RateFilter) ([]Rate, error) {
	var w where
	w.and("source = $%d", f.Source)
	w.and("from_code = $%d", f.From)
	w.and("to_code = $%d", f.To)
	w.and("date >= $%d", f.Since.String())
	w.and("date <= $%d", f.Until.String())
	list, err := rateRows(ctx, q, w.String()+rateOrder, w.args...)
	if err != nil {
		return nil, err
	}
	// Of the versions of a rate the newest comes last.
	newest := list[:0]
	for _, r := range list {
		if n := len(newest); n > 0 && newest[n-1].key() == r.key() {
			newest[n-1] = r
		} else {
			newest = append(newest, r)
		}
	}
	return newest, nil
}

const rateOrder = ` order by source, from_code, to_code, date, version`

func rateRows(ctx context.Context, q queryer, rest string, args ...any) ([]Rate, error) {
	var list []Rate
	err := each(ctx, q, func(rows *sql.Rows) error {
		var r Rate
		var date string
		if err := rows.Scan(&r.Source, &r.From, &r.To, &date, &r.Version, &r.Value, &r.Digest); err != nil {
			return err
		}
		err := r.Date.UnmarshalText([]byte(date))
		if err == nil {
			list = append(list, r)
		}
		return err
	}, `select source, from_code, to_code, date, version, value, digest from rates r`+rest, args...)
	return list, err
}
