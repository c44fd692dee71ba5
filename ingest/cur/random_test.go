package cur

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding"
	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/ingest"
)

var march = calendar.MustMonth("2026-03")

// A testRow is a row before it is packed in one way or another. Texts that are missing are empty;
// maps may hold NULLs.
type testRow struct {
	texts    map[string]string
	money    map[string]float64
	times    map[string]time.Time
	discount map[string]*float64
	product  map[string]*string
}

// texts and values that rows draw from, few enough for groups to have several rows.
var drawn = map[string][]string{
	"bill_payer_account_id":            {"111122223333", "444455556666"},
	"line_item_usage_account_id":       {"111122223333", "123456789012", "999900001111", "000000000001"},
	"line_item_product_code":           {"AmazonEC2", "AmazonS3", "a1b2c3marketplace", "x9y8z7marketplace", "ünïcode"},
	"line_item_line_item_type":         {"Usage", "Usage", "Usage", "Tax", "Credit", "Refund", "Discount", "SppDiscount", "Fee", "RIFee"},
	"bill_billing_entity":              {"AWS", "AWS", "AWS Marketplace"},
	"bill_bill_type":                   {"Anniversary", "Anniversary", "Purchase", "Refund"},
	"bill_invoicing_entity":            {"Amazon Web Services EMEA SARL", ""},
	"line_item_legal_entity":           {"Amazon Web Services EMEA SARL", "Vendor, Inc.", ""},
	"bill_invoice_id":                  {"EUINDE26-1", "EUINDE26-2", ""},
	"line_item_currency_code":          {"USD", "USD", "CNY"},
	"line_item_operation":              {"RunInstances", "EKSPod-EC2", "ECSTask-EC2", "", "GetObject"},
	"line_item_tax_type":               {"", "", "VAT"},
	"reservation_reservation_a_r_n":    {"", "", "arn:aws:ec2:eu-central-1:111122223333:reserved-instances/1"},
	"line_item_line_item_description":  {"", "AWS SPP Discount", "Something else", "Enterprise Discount Program", "$0.1 per GB"},
	"product_product_name":             {"", "", "Product of a vendor"},
	"line_item_usage_type":             {"EUC1-BoxUsage", ""},
	"line_item_resource_id":            {"i-1", "i-2"}, // nobody reads it
	"split_line_item_parent_resource_": {"", "i-1"},
}

var drawnMoney = []string{
	"line_item_unblended_cost", "line_item_net_unblended_cost", "discount_bundled_discount", "discount_spp_discount",
	"discount_total_discount", "line_item_blended_cost",
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// amount makes up an amount: mostly as AWS states them, now and then one that is hard to add.
func amount(r *rand.Rand) float64 {
	f := 0.0
	switch r.IntN(12) {
	case 0:
	case 1:
		f = pick(r, []float64{827250.19, 0.30000000000000004, 1e15, 1e-30, 1e-11, 123456.789, 99999.9999999999, 1e5, 2.5e-10, 0.1})
	case 2:
		f = r.NormFloat64()
	case 3:
		f = float64(r.IntN(1_000_000)) / 100
	default:
		f = float64(r.Int64N(1_000_000_000)) / 1e10
	}
	if r.IntN(4) == 0 {
		f = -f
	}
	return f
}

func makeRows(r *rand.Rand, n int) []testRow {
	rows := make([]testRow, n)
	run := 1 + r.IntN(40) // how often a row repeats the texts of the one before
	for i := range rows {
		row := testRow{texts: map[string]string{}, money: map[string]float64{}, times: map[string]time.Time{}}
		for _, name := range sortedKeys(drawn) {
			row.texts[name] = pick(r, drawn[name])
			if i > 0 && r.IntN(run) > 0 {
				row.texts[name] = rows[i-1].texts[name]
			}
		}
		row.money["line_item_unblended_cost"] = amount(r)
		if r.IntN(2) == 0 {
			row.money["line_item_net_unblended_cost"] = row.money["line_item_unblended_cost"]
		}
		if r.IntN(4) == 0 {
			row.money["line_item_net_unblended_cost"] = amount(r)
		}
		for _, name := range drawnMoney[2:] {
			if r.IntN(6) == 0 {
				row.money[name] = amount(r)
			}
		}
		if r.IntN(8) > 0 {
			row.times["bill_billing_period_start_date"] = march.Start()
		}
		row.times["line_item_usage_start_date"] = march.Start().Add(time.Duration(r.IntN(700)) * time.Hour)
		if r.IntN(2) == 0 {
			row.discount = map[string]*float64{}
			for _, key := range []string{"spp_discount", "bundled_discount", "total_discount", "new_discount"} {
				if f := amount(r); r.IntN(3) == 0 {
					row.discount[key] = &f
				} else if r.IntN(9) == 0 {
					row.discount[key] = nil
				}
			}
		}
		if r.IntN(2) == 0 {
			row.product = map[string]*string{}
			if s := fmt.Sprintf("Product %d", r.IntN(3)); r.IntN(2) == 0 {
				row.product["product_name"] = &s
			} else if r.IntN(4) == 0 {
				row.product["product_name"] = nil
			}
			if s := "eu-central-1"; r.IntN(2) == 0 {
				row.product["region"] = &s
			}
		}
		rows[i] = row
	}
	return rows
}

// A packer packs rows into a parquet file, in ways drawn from r.
type packer struct {
	r       *rand.Rand
	decimal bool // money may be DECIMAL: no amount needs more than ten places
	group   parquet.Group
	cells   []func(row *testRow) []parquet.Value // by leaf, in the schema's order
	byName  map[string][]func(row *testRow) []parquet.Value
}

func packParquet(r *rand.Rand, rows []testRow, decimals bool) []byte {
	p := &packer{r: r, decimal: decimals, group: parquet.Group{}, byName: map[string][]func(*testRow) []parquet.Value{}}
	for _, name := range sortedKeys(drawn) {
		p.text(name)
	}
	for _, name := range drawnMoney {
		p.money(name)
	}
	p.time("bill_billing_period_start_date")
	p.time("line_item_usage_start_date")
	p.maps()
	schema := parquet.NewSchema("spark_schema", p.group)
	for _, f := range p.group.Fields() {
		p.cells = append(p.cells, p.byName[f.Name()]...)
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[any](&b, schema,
		parquet.DataPageVersion(1+r.IntN(2)),
		parquet.PageBufferSize(pick(r, []int{64, 300, 4096, 1 << 20})),
		parquet.DictionaryMaxBytes(pick(r, []int64{0, 40, 400, 1 << 20})),
		parquet.DataPageStatistics(r.IntN(2) == 0),
		// Not LZ4_RAW: parquet-go reads back other values than it wrote (TestPackedPages has it).
		parquet.Compression(pick(r, []compress.Codec{&parquet.Snappy, &parquet.Gzip, &parquet.Zstd, &parquet.Uncompressed, &parquet.Brotli})),
	)
	for i, row := range rows {
		var values parquet.Row
		for leaf, cell := range p.cells {
			for _, v := range cell(&row) {
				values = append(values, v.Level(v.RepetitionLevel(), v.DefinitionLevel(), leaf))
			}
		}
		if _, err := w.WriteRows([]parquet.Row{values}); err != nil {
			panic(err)
		}
		if i > 0 && r.IntN(1+len(rows)/3) == 0 {
			if err := w.Flush(); err != nil {
				panic(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func (p *packer) encoded(n parquet.Node, encs ...encoding.Encoding) parquet.Node {
	return parquet.Encoded(n, pick(p.r, append(encs, &parquet.Plain, &parquet.RLEDictionary, &parquet.PlainDictionary)))
}

func (p *packer) text(name string) {
	n := p.encoded(parquet.String(), &parquet.DeltaByteArray, &parquet.DeltaLengthByteArray)
	if optional := p.r.IntN(4) > 0; optional {
		p.group[name] = parquet.Optional(n)
		p.byName[name] = one(func(row *testRow) parquet.Value {
			if row.texts[name] == "" {
				return parquet.NullValue()
			}
			return parquet.ByteArrayValue([]byte(row.texts[name])).Level(0, 1, 0)
		})
		return
	}
	p.group[name] = n
	p.byName[name] = one(func(row *testRow) parquet.Value { return parquet.ByteArrayValue([]byte(row.texts[name])) })
}

func one(f func(*testRow) parquet.Value) []func(*testRow) []parquet.Value {
	return []func(*testRow) []parquet.Value{func(row *testRow) []parquet.Value { return []parquet.Value{f(row)} }}
}

func (p *packer) money(name string) {
	n, value := p.moneyLeaf()
	p.group[name] = parquet.Optional(n)
	p.byName[name] = one(func(row *testRow) parquet.Value {
		if f, ok := row.money[name]; ok {
			return value(f).Level(0, 1, 0)
		}
		return parquet.NullValue()
	})
}

func (p *packer) moneyLeaf() (parquet.Node, func(float64) parquet.Value) {
	form := p.r.IntN(6)
	if !p.decimal {
		form = form%2 + 4
	}
	switch form {
	case 0:
		return p.encoded(parquet.Decimal(10, 18, parquet.Int64Type), &parquet.DeltaBinaryPacked), func(f float64) parquet.Value {
			return parquet.Int64Value(tenPlaces(f).Int64())
		}
	case 1, 2:
		size := 16
		t := parquet.FixedLenByteArrayType(size)
		return p.encoded(parquet.Decimal(10, 38, t)), func(f float64) parquet.Value {
			return parquet.FixedLenByteArrayValue(twosComplement(tenPlaces(f), size))
		}
	case 3, 4:
		return p.encoded(parquet.String(), &parquet.DeltaByteArray, &parquet.DeltaLengthByteArray), func(f float64) parquet.Value {
			return parquet.ByteArrayValue([]byte(strconv.FormatFloat(f, 'g', -1, 64)))
		}
	default:
		return p.encoded(parquet.Leaf(parquet.DoubleType), &parquet.ByteStreamSplit), parquet.DoubleValue
	}
}

// tenPlaces is an amount of at most ten places as a whole number of 1e-10.
func tenPlaces(f float64) *big.Int {
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(f, 'f', -1, 64))
	r.Mul(r, big.NewRat(1e10, 1))
	if !r.IsInt() {
		panic(f)
	}
	return r.Num()
}

func twosComplement(n *big.Int, size int) []byte {
	if n.Sign() < 0 {
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	return n.FillBytes(make([]byte, size))
}

func (p *packer) time(name string) {
	var n parquet.Node
	var value func(time.Time) parquet.Value
	switch p.r.IntN(4) {
	case 0:
		n = p.encoded(parquet.Leaf(parquet.Int96Type))
		value = func(t time.Time) parquet.Value {
			days := t.Unix()/86400 + 2440588
			nanos := uint64(t.Unix()%86400) * 1e9
			return parquet.Int96Value(deprecated.Int96{uint32(nanos), uint32(nanos >> 32), uint32(days)})
		}
	case 1:
		n = p.encoded(parquet.Timestamp(parquet.Millisecond), &parquet.DeltaBinaryPacked)
		value = func(t time.Time) parquet.Value { return parquet.Int64Value(t.UnixMilli()) }
	case 2:
		n = p.encoded(parquet.Timestamp(parquet.Nanosecond), &parquet.DeltaBinaryPacked)
		value = func(t time.Time) parquet.Value { return parquet.Int64Value(t.UnixNano()) }
	default:
		n = p.encoded(parquet.String())
		form := pick(p.r, []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05.000Z"})
		value = func(t time.Time) parquet.Value { return parquet.ByteArrayValue([]byte(t.Format(form))) }
	}
	p.group[name] = parquet.Optional(n)
	p.byName[name] = one(func(row *testRow) parquet.Value {
		if t, ok := row.times[name]; ok {
			return value(t).Level(0, 1, 0)
		}
		return parquet.NullValue()
	})
}

func (p *packer) maps() {
	n, value := p.moneyLeaf()
	p.group["discount"] = parquet.Optional(parquet.Map(p.encoded(parquet.String()), parquet.Optional(n)))
	p.byName["discount"] = mapCells(func(r *testRow) map[string]*float64 { return r.discount }, value)
	p.group["product"] = parquet.Optional(parquet.Map(p.encoded(parquet.String()), parquet.Optional(p.encoded(parquet.String()))))
	p.byName["product"] = mapCells(func(r *testRow) map[string]*string { return r.product }, func(s string) parquet.Value {
		return parquet.ByteArrayValue([]byte(s))
	})
}

func mapCells[T any](of func(*testRow) map[string]*T, value func(T) parquet.Value) []func(*testRow) []parquet.Value {
	cells := func(keys bool) func(row *testRow) []parquet.Value {
		return func(row *testRow) []parquet.Value {
			m := of(row)
			if len(m) == 0 {
				def := 1
				if m == nil {
					def = 0
				}
				return []parquet.Value{parquet.NullValue().Level(0, def, 0)}
			}
			var values []parquet.Value
			for i, k := range sortedKeys(m) {
				rep := min(i, 1)
				switch {
				case keys:
					values = append(values, parquet.ByteArrayValue([]byte(k)).Level(rep, 2, 0))
				case m[k] == nil:
					values = append(values, parquet.NullValue().Level(rep, 2, 0))
				default:
					values = append(values, value(*m[k]).Level(rep, 3, 0))
				}
			}
			return values
		}
	}
	return []func(*testRow) []parquet.Value{cells(true), cells(false)}
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// legacyNames are names as legacy reports have them in csv.
var legacyNames = map[string]string{
	"bill_payer_account_id": "bill/PayerAccountId", "line_item_usage_account_id": "lineItem/UsageAccountId",
	"line_item_unblended_cost": "lineItem/UnblendedCost", "reservation_reservation_a_r_n": "reservation/ReservationARN",
	"product_product_name": "product/ProductName", "discount_spp_discount": "discount/SppDiscount",
	"bill_billing_period_start_date": "bill/BillingPeriodStartDate",
}

// packCSV packs rows into csv text.
func packCSV(r *rand.Rand, rows []testRow, legacy bool) []byte {
	texts, times := sortedKeys(drawn), []string{"bill_billing_period_start_date", "line_item_usage_start_date"}
	header := slices.Concat(texts, drawnMoney, times, []string{"discount", "product"})
	for i, name := range header {
		if l, ok := legacyNames[name]; ok && legacy {
			header[i] = l
		}
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(header)
	for _, row := range rows {
		var cells []string
		for _, name := range texts {
			cells = append(cells, row.texts[name])
		}
		for _, name := range drawnMoney {
			cell := ""
			if f, ok := row.money[name]; ok {
				cell = strconv.FormatFloat(f, pick(r, []byte("gGe")), -1, 64)
			}
			cells = append(cells, cell)
		}
		for _, name := range times {
			cell := ""
			if t, ok := row.times[name]; ok {
				cell = t.Format("2006-01-02T15:04:05.000Z")
			}
			cells = append(cells, cell)
		}
		discount, _ := json.Marshal(row.discount)
		product, _ := json.Marshal(row.product)
		_ = w.Write(append(cells, noNull(discount), noNull(product)))
	}
	w.Flush()
	return b.Bytes()
}

func noNull(b []byte) string {
	if string(b) == "null" {
		return ""
	}
	return string(b)
}

func gzipped(b []byte) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.String()
}

// TestFastIsPlain: on files packed in any way the fast reader says what the plain one says, and
// the same rows in csv give the same charges.
func TestFastIsPlain(t *testing.T) {
	rapid.Check(t, fastIsPlain)
}

// TestBatchBorders is TestFastIsPlain where batches end.
func TestBatchBorders(t *testing.T) {
	for i, n := range []int{batchRows, batchRows + 1, 2*batchRows + 3} {
		r := rand.New(rand.NewPCG(uint64(i), 2))
		got, want := compare(t, inMemory("a.parquet", string(packParquet(r, makeRows(r, n), false))))
		if diff := diffScans(want, got); diff != "" {
			t.Errorf("%d rows: Scan differs from the plain reader (-plain +fast):\n%s", n, diff)
		}
	}
}

func fastIsPlain(t *rapid.T) {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	n := rapid.IntRange(0, 60).Draw(t, "rows")
	rows := makeRows(r, n)
	decimals := rapid.Bool().Draw(t, "decimals")
	if decimals {
		for _, row := range rows {
			for k, f := range row.money {
				row.money[k] = inTenPlaces(f)
			}
			for _, f := range row.discount {
				if f != nil {
					*f = inTenPlaces(*f)
				}
			}
		}
	}
	inParquet := inMemory("a.parquet", string(packParquet(r, rows, decimals)))
	got, want := compare(t, inParquet)
	if diff := diffScans(want, got); diff != "" {
		t.Fatalf("Scan differs from the plain reader (-plain +fast):\n%s", diff)
	}
	inCSV, want := compare(t, inMemory("a.csv", string(packCSV(r, rows, rapid.Bool().Draw(t, "legacy")))))
	if diff := diffScans(want, inCSV); diff != "" {
		t.Fatalf("Scan of csv differs from the plain reader (-plain +fast):\n%s", diff)
	}
	if diff := diffScans(ingest.Scan{Set: got.Set}, ingest.Scan{Set: inCSV.Set}); diff != "" {
		t.Fatalf("csv differs from parquet:\n%s", diff)
	}
	if got.Set.Fingerprint() != inCSV.Set.Fingerprint() {
		t.Fatal("csv and parquet have different fingerprints")
	}
}

// diffScans is cmp.Diff, which takes long, unless short ways say that both are the same.
func diffScans(want, got ingest.Scan) string {
	if want.Digest == got.Digest && want.Set.Rows == got.Set.Rows && want.Set.Fingerprint() == got.Set.Fingerprint() {
		want.Set.Charges, got.Set.Charges = nil, nil
	}
	return cmp.Diff(want, got)
}

// inTenPlaces is an amount of at most ten places and 18 digits.
func inTenPlaces(f float64) float64 {
	if f > 1e7 || f < -1e7 {
		f = 1e7
	}
	f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'f', 8, 64), 64)
	return f
}

// compare scans a file with both readers. Rows of the file are compared, too.
func compare(t interface {
	rapid.TB
	Context() context.Context
}, f ingest.File) (fast, plain ingest.Scan) {
	fast, err := Scan(t.Context(), f, march)
	if err != nil {
		t.Fatalf("Scan: %v", err)
	}
	if plain, err = plainScan(t.Context(), f, march); err != nil {
		t.Fatalf("plain: %v", err)
	}
	taxed := func(k ingest.Key) bool { return k.Taxed }
	rows, err := Rows(t.Context(), f, march, taxed, 20)
	if err != nil {
		t.Fatalf("Rows: %v", err)
	}
	want, err := plainRows(t.Context(), f, march, taxed, 20)
	if err != nil {
		t.Fatalf("plain rows: %v", err)
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Fatalf("Rows differ (-plain +fast):\n%s", diff)
	}
	return fast, plain
}

// TestAnyPartition: any order of rows in any number of files gives the same charges.
func TestAnyPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		rows := makeRows(r, rapid.IntRange(0, 40).Draw(t, "rows"))
		whole, err := Scan(t.Context(), inMemory("a.csv.gz", gzipped(packCSV(r, rows, false))), march)
		if err != nil {
			t.Fatal(err)
		}
		r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		var sets []ingest.ChargeSet
		for len(rows) > 0 || len(sets) == 0 {
			n := r.IntN(len(rows) + 1)
			content, name := string(packParquet(r, rows[:n], false)), "a.parquet"
			if r.IntN(2) == 0 {
				content, name = string(packCSV(r, rows[:n], true)), "a.csv"
			}
			s, err := Scan(t.Context(), inMemory(name, content), march)
			if err != nil {
				t.Fatal(err)
			}
			sets = append(sets, s.Set)
			rows = rows[n:]
		}
		parts := ingest.Merge(sets...)
		if diff := cmp.Diff(whole.Set.Charges, parts.Charges); diff != "" {
			t.Fatalf("charges of the parts differ (-whole +parts):\n%s", diff)
		}
		if got, want := parts.Fingerprint(), whole.Set.Fingerprint(); got != want {
			t.Fatalf("fingerprint %s, want %s", got, want)
		}
		if diff := cmp.Diff(whole.Set.Descriptions, parts.Descriptions); diff != "" {
			t.Fatalf("descriptions differ:\n%s", diff)
		}
	})
}
