package cur

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"runtime"
	"sync"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/ingest"
)

// maxWorkers is how many row groups of a file are read at a time at most: callers read files side
// by side, too, and each worker has a page of every column in memory.
const maxWorkers = 4

// scan reads a file; sums says that only unblended costs are wanted.
func scan(ctx context.Context, f ingest.File, month calendar.Month, sums bool) (_ ingest.Scan, err error) {
	c, form, err := open(ctx, f)
	if err != nil {
		return ingest.Scan{}, err
	}
	defer func() { err = firstOf(err, c.Close()) }()
	if form != formatParquet {
		return scanCSV(ctx, c, form, f.Size, month) // the whole text has to be read anyway
	}
	m, err := readFooter(c, f.Size)
	if err != nil {
		return ingest.Scan{}, err
	}
	return scanParquet(ctx, c, m, month, sums)
}

// scanParquet reads the row groups of a file, several at a time. Neither their order nor the
// number of workers can be seen in the result, and of several errors the first in the file counts.
func scanParquet(ctx context.Context, c ingest.Content, m *metadata, month calendar.Month, sums bool) (ingest.Scan, error) {
	s := &parquetScan{content: c, meta: m, month: month, sums: sums, names: newNames(), digests: make([][]byte, len(m.groups)), failed: len(m.groups)}
	workers := max(1, min(runtime.GOMAXPROCS(0), maxWorkers, len(m.groups)))
	sets := make([]ingest.ChargeSet, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() { sets[w] = s.work(ctx) })
	}
	wg.Wait()
	if s.err != nil {
		return ingest.Scan{}, s.err
	}
	sum := sha256.New()
	sum.Write(m.footer)
	for _, d := range s.digests {
		sum.Write(d)
	}
	set := sets[0]
	if workers > 1 {
		set = ingest.Merge(sets...)
	}
	s.names.to(set.Names)
	return ingest.Scan{Digest: "d1:" + hex.EncodeToString(sum.Sum(nil)), Set: set}, nil
}

// A parquetScan is what the workers of a file share.
type parquetScan struct {
	content ingest.Content
	meta    *metadata
	month   calendar.Month
	sums    bool // only unblended costs are wanted
	names   *names
	digests [][]byte // by row group; each has one writer

	mu     sync.Mutex
	next   int   // the next row group to read
	failed int   // the first row group with an error
	err    error // its error
}

// take returns the next row group to read. After an error those behind it are not read any more.
func (s *parquetScan) take() (int, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next >= s.failed {
		return 0, false
	}
	s.next++
	return s.next - 1, true
}

func (s *parquetScan) fail(group int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil || group < s.failed {
		s.failed, s.err = group, err
	}
}

// work reads row groups until there are no more.
func (s *parquetScan) work(ctx context.Context) ingest.ChargeSet {
	t := newTally(s.month, s.partColumns())
	b := &batch{}
	for {
		i, ok := s.take()
		if !ok {
			return t.charges()
		}
		if err := s.group(ctx, i, t, b); err != nil {
			s.fail(i, err)
		}
	}
}

func (s *parquetScan) partColumns() []partColumn {
	if s.sums {
		return nil
	}
	return s.meta.layout.parts
}

// group reads one row group into the tally.
func (s *parquetScan) group(ctx context.Context, i int, t *tally, b *batch) error {
	before := t.rowsByGroup()
	want := chargeColumns
	if s.sums {
		want[colNet], want[colDiscount] = false, false
	}
	r, err := openGroup(s.content, s.meta, s.meta.groups[i], want, !s.sums, true, !s.sums)
	if err != nil {
		return err
	}
	err = addAll(ctx, r, t, b, nil)
	if err = firstOf(err, r.close()); err != nil {
		return err
	}
	if s.sums {
		return nil
	}
	s.digests[i] = r.digest()
	return s.findNames(ctx, i, t.productsSince(before))
}

// addAll adds all batches to the tally, and calls each with every batch if it is not nil.
func addAll(ctx context.Context, r batches, t *tally, b *batch, each func() error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch err := r.next(b); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if err := t.add(b); err != nil {
			return err
		}
		if each == nil {
			continue
		}
		if err := each(); err != nil {
			return err
		}
	}
}

func scanCSV(ctx context.Context, c ingest.Content, form packing, size int64, month calendar.Month) (_ ingest.Scan, err error) {
	sum := sha256.New()
	rows, err := openCSV(c, form, size, sum)
	if err != nil {
		return ingest.Scan{}, err
	}
	defer func() { err = firstOf(err, rows.Close()) }()
	l, err := bind(rows.header)
	if err != nil {
		return ingest.Scan{}, err
	}
	want := chargeColumns
	want[colProductName], want[colProductMap] = true, true
	r := &csvReader{rows: rows, layout: l, want: want}
	t := newTally(month, l.parts)
	b := &batch{}
	found := newNames()
	if err := addAll(ctx, r, t, b, func() error { return found.find(b, 0, nil) }); err != nil {
		return ingest.Scan{}, err
	}
	set := t.charges()
	found.to(set.Names)
	return ingest.Scan{Digest: "d1:" + hex.EncodeToString(sum.Sum(nil)), Set: set}, nil
}
