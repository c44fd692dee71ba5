package cur

import (
	"context"
	"io"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/ingest"
)

// rowColumns are the columns that Row shows or that its key depends on.
var rowColumns = func() (s columnSet) {
	for c := colPayer; c <= colUnblended; c++ {
		s[c] = true
	}
	s[colUsageType], s[colUsageStart] = true, true
	return s
}()

func findRows(ctx context.Context, f ingest.File, month calendar.Month, match func(ingest.Key) bool, limit int) (_ []Row, err error) {
	c, form, err := open(ctx, f)
	if err != nil {
		return nil, err
	}
	defer func() { err = firstOf(err, c.Close()) }()
	find := &rowFinder{file: f.Name, match: match, limit: limit, tally: newTally(month, nil)}
	if form != formatParquet {
		rows, err := openCSV(c, form, f.Size, nil)
		if err != nil {
			return nil, err
		}
		defer func() { _ = rows.Close() }() // nothing was written
		l, err := bind(rows.header)
		if err != nil {
			return nil, err
		}
		l.parts = nil
		err = find.all(ctx, &csvReader{rows: rows, layout: l, want: rowColumns})
		return find.rows, err
	}
	m, err := readFooter(c, f.Size)
	if err != nil {
		return nil, err
	}
	for _, g := range m.groups {
		if len(find.rows) >= limit {
			break
		}
		r, err := openGroup(c, m, g, rowColumns, false, false, false)
		if err != nil {
			return nil, err
		}
		if err := firstOf(find.all(ctx, r), r.close()); err != nil {
			return nil, err
		}
	}
	return find.rows, nil
}

// A rowFinder collects the rows whose key matches.
type rowFinder struct {
	*tally
	file    string
	match   func(ingest.Key) bool
	limit   int
	matches []bool // by group
	rows    []Row
}

func (r *rowFinder) all(ctx context.Context, from batches) error {
	b := &batch{}
	for len(r.rows) < r.limit {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch err := from.next(b); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if err := r.add(b); err != nil {
			return err
		}
		for len(r.matches) < len(r.groups) {
			r.matches = append(r.matches, r.match(r.groups[len(r.matches)].key))
		}
		for i := 0; i < b.n && len(r.rows) < r.limit; i++ {
			if group := r.ids[i]; r.matches[group] {
				r.rows = append(r.rows, r.row(b, i, r.groups[group].key))
			}
		}
	}
	return nil
}

func (r *rowFinder) row(b *batch, i int, k ingest.Key) Row {
	row := Row{
		File: r.file, Number: b.first + int64(i), Key: k,
		UsageType: string(b.cols[colUsageType].text(i)), Description: string(b.cols[colDescription].text(i)),
	}
	row.Unblended, _ = b.cols[colUnblended].decimal(i)
	if v := b.cols[colUsageStart]; v != nil && v.num(i) != null {
		row.UsageStart = unixTime(v.num(i))
	}
	return row
}
