package focus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/shopspring/decimal"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/ingest/cur"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
)

func dec(s string) currency.Decimal { return currency.MustParse(s) }

// text is a file of a delivery that is given as text.
type text string

func (t text) Range(off, n int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(string(t)[off : off+n])), nil
}

func (t text) Close() error { return nil }

// fileOf is a file of a delivery.
func fileOf(name, s string) ingest.File {
	return ingest.File{Name: name, Size: int64(len(s)), Pin: "x", Open: func(context.Context) (ingest.Content, error) { return text(s), nil }}
}

var seller = agreement.Seller{
	ID: "SEL-DE", Name: "Seller GmbH", Country: "DE", TaxID: "DE136695976", Currency: "EUR",
	Address: agreement.Address{Street: "Hauptstr. 1", City: "Berlin", PostalCode: "10115", Country: "DE"}, Payment: agreement.Payment{Days: 30},
}

var buyer = agreement.Buyer{
	ID: "BUY-0001", Name: "Kunde AG", Country: "DE", TaxID: "DE129274202",
	Address: agreement.Address{Street: "Weg 1", City: "Bonn", PostalCode: "53113", Country: "DE"},
}

// billed rates and issues the month of a file, at a rate to the terms' currency, and returns it for
// export with its rows.
func billed(tb testing.TB, f ingest.File, m calendar.Month, terms agreement.Terms, value string, change ...func(*rating.Input)) (Month, Rows) {
	tb.Helper()
	scan, err := cur.Scan(tb.Context(), f, m)
	if err != nil {
		tb.Fatal(err)
	}
	payer := scan.Set.Payers()[0]
	in := rating.Input{
		Month: m, Charges: scan.Set.Charges, Names: scan.Set.Names, Payer: payer, Proven: true, Terms: terms, Discounts: true,
		Rate: func(from currency.Code, id string) (currency.Rate, error) {
			return currency.Rate{From: from, To: terms.Currency, Value: dec(value), Source: "fixed", Date: m.First(), AWSInvoice: id}, nil
		},
	}
	for _, c := range change {
		c(&in)
	}
	rated := rating.Rate(in)
	if len(rated.Blocks) > 0 {
		tb.Fatalf("blocked: %v", rated.Blocks)
	}
	d, reasons := invoice.Draft(invoice.Input{
		ID: "AGR-0001-" + m.String(), Agreement: "AGR-0001", Month: m, Seller: seller, Buyer: buyer, Currency: terms.Currency,
		Priced: rated.Priced, SellerLines: rated.Seller,
		NationalRate: func(from, to currency.Code, day calendar.Date) (currency.Rate, error) {
			return currency.Rate{From: from, To: to, Value: dec("0.9"), Source: "ecb", Date: day}, nil
		},
	})
	if len(reasons) > 0 {
		tb.Fatalf("no draft: %v", reasons)
	}
	d = d.Issue("DE-0001", m.Add(1).Day(8), 30)
	month := Month{
		Agreement: "AGR-0001", Organisation: payer, Month: m, Currency: terms.Currency, Seller: seller.Name, Buyer: buyer.Name,
		Documents: []invoice.Document{d}, Charges: scan.Set.Charges, Rated: rated, Names: scan.Set.Names, Rate: in.Rate,
	}
	return month, func(ctx context.Context, each func(*cur.Batch) error) error {
		_, err := cur.Wide(ctx, f, m, each)
		return err
	}
}

var plain = agreement.Terms{Support: agreement.Resold, Currency: "EUR", PrivatePricing: agreement.PrivateBlock, SharedFees: "payer"}

// A line is a row that was written, by column; NULL is not there.
type line map[string]string

// export writes a month as parquet and reads it back.
func export(t *testing.T, m Month, rows Rows, o Options) []line {
	t.Helper()
	var b bytes.Buffer
	if _, err := Write(t.Context(), &b, m, rows, o, Parquet); err != nil {
		t.Fatal(err)
	}
	return lines(t, b.Bytes())
}

// lines reads a parquet file.
func lines(t *testing.T, data []byte) []line {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	pr, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 1 << 14}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	table, err := pr.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer table.Release()
	var out []line
	tr := array.NewTableReader(table, 1<<14)
	defer tr.Release()
	for tr.Next() {
		rec := tr.RecordBatch()
		from := len(out)
		for range rec.NumRows() {
			out = append(out, line{})
		}
		for c, f := range rec.Schema().Fields() {
			for i := range int(rec.NumRows()) {
				if rec.Column(c).IsNull(i) {
					continue
				}
				v := rec.Column(c).ValueStr(i)
				switch a := rec.Column(c).(type) {
				case *array.Decimal128:
					v = currency.Plain(decimal.NewFromBigInt(a.Value(i).BigInt(), -f.Type.(*arrow.Decimal128Type).Scale))
				case *array.Timestamp:
					v = a.Value(i).ToTime(f.Type.(*arrow.TimestampType).Unit).UTC().Format("2006-01-02T15:04:05Z")
				}
				out[from+i][f.Name] = v
			}
		}
	}
	return out
}

// sum adds up a column of the rows that fit.
func sum(rows []line, column string, fits func(line) bool) currency.Decimal {
	s := currency.Zero
	for _, r := range rows {
		if fits(r) {
			s = s.Add(dec(r[column]))
		}
	}
	return s
}

func sample(t *testing.T, dir string) string {
	t.Helper()
	p := filepath.Join("..", "..", "..", "shared", "samples", filepath.FromSlash(dir))
	if _, err := os.Stat(p); err != nil {
		t.Skip("no samples here:", err)
	}
	return p
}

// sampleFile is a month's file of the real account.
func sampleFile(t *testing.T, month string) ingest.File {
	t.Helper()
	d, err := ingest.Find(t.Context(), ingest.Folder(sample(t, "cur2/cid-cur2")), agreement.Source{Manifest: "none"}, calendar.MustMonth(month))
	if err != nil {
		t.Fatal(err)
	}
	return d.Files[0]
}

// The rows of a month of a real account, told in dollars, are AWS's own FOCUS rows of that month,
// column by column. What differs on purpose is listed in docs/FOCUS.md with the clause.
func TestSameWordsAsAWS(t *testing.T) {
	aws, err := os.ReadFile(filepath.Join(sample(t, "focus/aws-1.0/billing_period=2025-03"), "focus1-00001.snappy.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	terms := plain
	terms.Currency = "USD"
	m, rows := billed(t, sampleFile(t, "2025-03"), calendar.MustMonth("2025-03"), terms, "1")
	for _, v := range []Version{V14} {
		own := slices.DeleteFunc(export(t, m, rows, Options{v, MSP}), func(r line) bool {
			return r["ChargeCategory"] == "Tax" || r["x_ChargeSubType"] == "Rounding"
		})
		theirs := slices.DeleteFunc(lines(t, aws), func(r line) bool { return r["ChargeCategory"] == "Tax" })
		if len(own) != len(theirs) {
			t.Fatalf("%s: %d rows, AWS has %d", v, len(own), len(theirs))
		}
		key := func(r line) string {
			number := func(s string) string { return dec(s).StringFixed(10) }
			return r["ChargePeriodStart"] + r["ChargePeriodEnd"] + r["x_ServiceCode"] + r["x_UsageType"] + " " + r["x_Operation"] + r["SubAccountId"] +
				r["SkuPriceId"] + r["RegionId"] + number(r["BilledCost"]) + number(r["PricingQuantity"]) + r["ChargeDescription"]
		}
		for _, list := range [][]line{own, theirs} {
			slices.SortFunc(list, func(a, b line) int { return bytes.Compare([]byte(key(a)), []byte(key(b))) })
		}
		differ := map[string]int{}
		for i := range own {
			a, b := own[i], theirs[i]
			for _, c := range []string{
				"AvailabilityZone", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart",
				"CommitmentDiscountId", "CommitmentDiscountStatus", "ConsumedUnit", "PricingCategory", "PricingUnit", "RegionId", "ServiceCategory",
				"ServiceName", "SkuId", "SkuPriceId", "SubAccountId", "SubAccountName", "x_Operation", "x_ServiceCode", "x_UsageType",
			} {
				if c == "ServiceCategory" && b["ServiceName"] == "Amazon Elastic Compute Cloud" && b[c] == "Storage" {
					continue // AWS files volumes and instances apart, under one name
				}
				if a[c] != b[c] {
					if differ[c]++; differ[c] == 1 {
						t.Errorf("%s: %s is %q, AWS says %q: %v", v, c, a[c], b[c], b)
					}
				}
			}
			// Prices times quantities are exact here, and rounded to ten places at AWS.
			for c, within := range map[string]string{
				"BilledCost": "0", "EffectiveCost": "0", "PricingQuantity": "0", "ConsumedQuantity": "0", "ListUnitPrice": "0",
				"ListCost": "0.0000000001", "ContractedCost": "0.0000000001",
			} {
				if dec(a[c]).Sub(dec(b[c])).Abs().GreaterThan(dec(within)) {
					if differ[c]++; differ[c] == 1 {
						t.Errorf("%s: %s is %s, AWS says %s: %v", v, c, a[c], b[c], b)
					}
				}
			}
		}
		if len(differ) > 0 {
			t.Errorf("%s: rows that differ: %v", v, differ)
		}
	}
}

// A month of several sheets has each row once, comes to the invoice, and gives the same bytes again,
// whatever the encoders do side by side.
func TestManySheets(t *testing.T) {
	const rows = sheetRows + 10_000
	m, read := billed(t, large(t, rows), march, plain, "0.92")
	for _, format := range []Format{Parquet, CSV} {
		var files [2]bytes.Buffer
		for i := range files {
			s, err := Write(t.Context(), &files[i], m, read, Options{V14, MSP}, format)
			if err != nil {
				t.Fatal(err)
			}
			if s.Rows < rows || !s.Sums["BilledCost"].Equal(m.Documents[0].Totals.Gross.Number) {
				t.Errorf("%s: %d rows come to %s, payable %s", format, s.Rows, s.Sums["BilledCost"], m.Documents[0].Totals.Gross)
			}
		}
		if !bytes.Equal(files[0].Bytes(), files[1].Bytes()) {
			t.Errorf("%s: written twice, the files differ", format)
		}
		if format == Parquet {
			r, err := file.NewParquetReader(bytes.NewReader(files[0].Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if r.NumRows() < rows || r.NumRowGroups() != 2 {
				t.Errorf("%d rows in %d row groups", r.NumRows(), r.NumRowGroups())
			}
		}
	}
}

// A file that cannot be written, and rows that cannot be read, are errors: nothing waits for ever.
func TestWriteFails(t *testing.T) {
	const rows = sheetRows + 1
	m, _ := billed(t, large(t, 5000), march, plain, "0.92")
	f := large(t, 5000)
	again := func(ctx context.Context, each func(*cur.Batch) error) error {
		for n := 0; n < rows; n += 5000 {
			if _, err := cur.Wide(ctx, f, march, each); err != nil {
				return err
			}
		}
		return errors.New("the delivery is gone")
	}
	for _, format := range []Format{Parquet, CSV} {
		if _, err := Write(t.Context(), full{}, m, again, Options{V14, MSP}, format); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("%s: %v, want disk full", format, err)
		}
		if _, err := Write(t.Context(), io.Discard, m, again, Options{V14, MSP}, format); err == nil || !strings.Contains(err.Error(), "the delivery is gone") {
			t.Errorf("%s: %v, want the delivery is gone", format, err)
		}
	}
	// Rows that do not come to the bill are refused, and told of where AWS is known to have changed them.
	none := func(context.Context, func(*cur.Batch) error) error { return nil }
	if _, err := Write(t.Context(), io.Discard, m, none, Options{V14, MSP}, Parquet); err == nil || !strings.Contains(err.Error(), "nothing was published") {
		t.Errorf("without rows: %v", err)
	}
	m.Changed = true
	out := export(t, m, none, Options{V14, MSP})
	if got := sum(out, "BilledCost", func(line) bool { return true }); !got.Equal(m.Documents[0].Totals.Gross.Number) {
		t.Errorf("changed: rows come to %s, payable %s", got, m.Documents[0].Totals.Gross)
	}
	find(t, out, "x_ChargeSubType=Delivery changed; ChargeCategory=Adjustment")
}

// full takes a little and then nothing more.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// A month that comes to less than a cent has no document; its rows are told all the same. More than
// that without a document is refused.
func TestNothingToBill(t *testing.T) {
	for amount, fine := range map[string]bool{"0.004": true, "0.02": false} {
		m, read := billed(t, fileOf("a.csv", report("unblended_cost="+amount+"; unblended_rate="+amount)), march, plain, "0.92")
		m.Documents = nil
		s, err := Write(t.Context(), io.Discard, m, read, Options{V14, MSP}, Parquet)
		if fine && (err != nil || s.Rows != 1) || !fine && err == nil {
			t.Errorf("%s: %d rows, %v", amount, s.Rows, err)
		}
	}
}
