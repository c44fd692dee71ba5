package focus

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest/cur"
	"github.com/arrears-billing/arrears/rating"
)

// A Format is how a dataset is written.
type Format string

// The formats.
const (
	Parquet Format = "parquet" // zstd
	CSV     Format = "csv"     // gzip
)

// Extension is how the names of files end.
func (f Format) Extension() string {
	if f == CSV {
		return "csv.gz"
	}
	return string(f)
}

// Rows reads the rows of a month's files: it calls each with every batch of every file, in order.
type Rows func(ctx context.Context, each func(*cur.Batch) error) error

// A Summary says what was written.
type Summary struct {
	Rows    int64
	Sums    map[string]currency.Decimal // of the columns that are costs, by their names
	Unknown []string                    // products that the table of services lacks: filed under Other
	Changed currency.Decimal            // what AWS's files of today miss of what was billed, in absolute terms
}

// Write writes the month's Cost and Usage. A month whose rows do not come to what its documents
// say is an error, unless it is known that AWS changed them.
func Write(ctx context.Context, out io.Writer, m Month, rows Rows, o Options, f Format) (Summary, error) {
	if err := checkMonth(m, o); err != nil {
		return Summary{}, err
	}
	e, err := newEncoder(out, o.Version.fields(), f)
	if err != nil {
		return Summary{}, err
	}
	p := newPipe(e)
	w := newWriter(m, o, p)
	err = w.write(ctx, rows)
	sums, encodeErr := p.close()
	if encodeErr != nil {
		return Summary{}, encodeErr // what the writer met is its echo
	}
	if err != nil {
		return Summary{}, fmt.Errorf("focus %s of %s %s: %w", o.Version, m.Agreement, m.Month, err)
	}
	s := Summary{Rows: w.rows, Sums: map[string]currency.Decimal{}, Unknown: slices.Sorted(maps.Keys(w.unknown)), Changed: w.changed}
	for _, x := range o.Version.fields() {
		if x.kind == kindCost && x.column != cPricingCurrencyEffectiveCost { // which is in several currencies
			s.Sums[x.name] = decimalOf(sums[slots[x.column]], costPlaces)
		}
	}
	return s, nil
}

// A writer turns a month into sheets.
type writer struct {
	m          Month
	o          Options
	start, end int64 // the month in seconds
	bills      []*bill
	ratings    [][]rating.Priced // by charge
	rates      map[string]rate   // by AWS invoice
	anyRate    *rate             // nil: none is known
	plans      []*plan           // by the charge's number in the current file
	source     any               // the current file
	in         *input
	cells      *cells
	figures    figures
	sheet      *sheet
	pipe       *pipe
	services   map[string]service // by name
	prices     map[string]string  // SkuPriceDetails by SkuPriceId
	priceCache map[priceKey]number
	unknown    map[string]bool
	accounts   map[string]string // names of usage accounts, as the rows state them
	rows       int64
	strangers  int
	unbilled   number // billed by rows that stand on no document: it comes to nothing
	changed    currency.Decimal
	err        error
}

func newWriter(m Month, o Options, p *pipe) *writer {
	w := &writer{
		m: m, o: o, start: m.Month.Start().Unix(), end: m.Month.End().Unix(), in: newInput(), pipe: p, sheet: p.take(),
		services: map[string]service{}, prices: map[string]string{}, priceCache: map[priceKey]number{}, unknown: map[string]bool{}, accounts: map[string]string{},
	}
	w.cells = newCells(w.sheet)
	for _, d := range m.Documents {
		w.bills = append(w.bills, newBill(d))
	}
	return w
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// room makes room for two rows: hands the sheet on when it is full.
func (w *writer) room() {
	if w.sheet.rows+2 > sheetRows {
		w.hand()
		w.sheet = w.pipe.take()
		w.cells.sheet = w.sheet
	}
}

// hand gives the sheet to the encoder.
func (w *writer) hand() {
	w.sheet.settle()
	w.rows += int64(w.sheet.rows)
	if err := w.pipe.give(w.sheet); err != nil {
		w.fail(err)
	}
	w.sheet = nil
}

func (w *writer) write(ctx context.Context, rows Rows) error {
	loose := w.indexPriced()
	if err := rows(ctx, w.batch); err != nil {
		return err
	}
	if err := w.loose(loose); err != nil {
		return err
	}
	for _, b := range w.bills {
		for _, step := range []func(*bill) error{w.sellerLines, w.round, func(b *bill) error { return w.taxes(b, "") }} {
			if err := step(b); err != nil {
				return err
			}
		}
	}
	// Less than a cent is no document, and rows of it stand there as they are.
	if cent := one.Shift(-w.m.Currency.MinorUnits()); len(w.bills) == 0 && !w.m.Changed && decimalOf(w.unbilled, costPlaces).Abs().GreaterThanOrEqual(cent) {
		return fmt.Errorf("rows come to %s %s, and there is no document", currency.Plain(decimalOf(w.unbilled, costPlaces)), w.m.Currency)
	}
	for _, d := range w.m.Corrections {
		if err := w.correction(newBill(d)); err != nil {
			return err
		}
	}
	w.hand()
	return w.err
}
