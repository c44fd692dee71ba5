package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

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
		written = 0
		digests := map[string]bool{}
		for _, r := range rates {
			var last string
			r.Version = 0
			err := one(ctx, x, []any{&r.Version, &last}, `select version, value from rates
				where source = $1 and from_code = $2 and to_code = $3 and date = $4 order by version desc limit 1`,
				r.Source, r.From, r.To, r.Date.String())
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			if err == nil && last == r.Value {
				continue
			}
			_, err = x.ExecContext(ctx, `insert into rates (source, from_code, to_code, date, version, value, digest) values ($1, $2, $3, $4, $5, $6, $7)`,
				r.Source, r.From, r.To, r.Date.String(), r.Version+1, r.Value, r.Digest)
			if err != nil {
				return fmt.Errorf("%s %s/%s %s: %w", r.Source, r.From, r.To, r.Date, err)
			}
			written++
			digests[r.Digest] = true
		}
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

// A RateFilter narrows Rates; empty fields ask for nothing.
type RateFilter struct {
	Source       string
	From, To     string        // currencies
	Since, Until calendar.Date // first and last day, both included
}

// Rates returns the newest version of the rates that the filter asks for, by source, pair and date.
func (db *DB) Rates(ctx context.Context, f RateFilter) ([]Rate, error) {
	w := where{conds: []string{`version = (select max(version) from rates n where n.source = r.source
		and n.from_code = r.from_code and n.to_code = r.to_code and n.date = r.date)`}}
	w.and("source = $%d", f.Source)
	w.and("from_code = $%d", f.From)
	w.and("to_code = $%d", f.To)
	w.and("date >= $%d", f.Since.String())
	w.and("date <= $%d", f.Until.String())
	list, err := rateRows(ctx, db.read, w.String()+rateOrder, w.args...)
	if err != nil {
		return nil, fmt.Errorf("rates: %w", err)
	}
	return list, nil
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
		list = append(list, r)
		return list[len(list)-1].Date.UnmarshalText([]byte(date))
	}, `select source, from_code, to_code, date, version, value, digest from rates r`+rest, args...)
	return list, err
}
