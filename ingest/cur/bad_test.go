package cur

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

const cost = "line_item_unblended_cost"

// ids is a page of dictionary indices: a byte of width, then one run of n times id.
func ids(n int, id byte) []byte {
	return append(binary.AppendUvarint([]byte{8}, uint64(n)<<1), id)
}

// packedCost is a file whose cost column is one packed page that states a size.
func packedCost(codec format.CompressionCodec, pack func([]byte) []byte, states int32) string {
	return forge(500, func(f *forged) {
		c := f.column(cost)
		c.codec = codec
		c.pages[0].data, c.pages[0].unpacked = pack(c.pages[0].data), states
	})
}

func lz4Block(b []byte) []byte {
	packed := make([]byte, lz4.CompressBlockBound(len(b)))
	n, err := lz4.CompressBlock(b, packed, nil)
	if err != nil {
		panic(err)
	}
	return packed[:n]
}

func brotliStream(b []byte) []byte {
	var packed bytes.Buffer
	w := brotli.NewWriter(&packed)
	if _, err := w.Write(b); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return packed.Bytes()
}

// TestPackedPages: the codecs that other programs choose are read as AWS's own.
func TestPackedPages(t *testing.T) {
	want, err := Scan(t.Context(), inMemory("a.parquet", forge(500, nil)), march)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{
		"LZ4_RAW": packedCost(format.Lz4Raw, lz4Block, 4000), "BROTLI": packedCost(format.Brotli, brotliStream, 4000),
	} {
		got, err := Scan(t.Context(), inMemory("a.parquet", file), march)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want.Set, got.Set); diff != "" {
			t.Errorf("%s (-plain +packed):\n%s", name, diff)
		}
	}
}

// TestEmptyRowGroups: row groups without rows are read past, wherever they are and whatever they
// say of their columns; a file of nothing else has no rows.
func TestEmptyRowGroups(t *testing.T) {
	empty := func(columns []format.ColumnChunk, change func(*format.ColumnMetaData)) format.RowGroup {
		g := format.RowGroup{}
		for _, c := range columns {
			c.MetaData.NumValues, c.MetaData.TotalCompressedSize, c.MetaData.DataPageOffset = 0, 0, 0
			change(&c.MetaData)
			g.Columns = append(g.Columns, c)
		}
		return g
	}
	want, err := Scan(t.Context(), inMemory("a.parquet", forge(500, nil)), march)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*format.ColumnMetaData){
		"nowhere":        func(*format.ColumnMetaData) {},
		"at the end":     func(m *format.ColumnMetaData) { m.DataPageOffset = 1 << 40 },
		"below the file": func(m *format.ColumnMetaData) { m.DataPageOffset = -1 },
	} {
		for _, at := range []string{"first", "last", "both"} {
			got, err := Scan(t.Context(), inMemory("a.parquet", forge(500, func(f *forged) {
				f.footer = func(m *format.FileMetaData) {
					e := empty(m.RowGroups[0].Columns, change)
					if at != "last" {
						m.RowGroups = append([]format.RowGroup{e, e}, m.RowGroups...)
					}
					if at != "first" {
						m.RowGroups = append(m.RowGroups, e)
					}
				}
			})), march)
			if err != nil {
				t.Errorf("%s, %s: %v", name, at, err)
				continue
			}
			if diff := cmp.Diff(want.Set, got.Set); diff != "" {
				t.Errorf("%s, %s (-without +with):\n%s", name, at, diff)
			}
		}
	}
	for n := range 3 {
		file := inMemory("a.parquet", forge(0, func(f *forged) {
			f.footer = func(m *format.FileMetaData) { m.RowGroups = slices.Repeat(m.RowGroups, n) }
		}))
		got, err := Scan(t.Context(), file, march)
		if err != nil || got.Set.Rows != 0 || len(got.Set.Charges) != 0 || got.Digest == "" {
			t.Errorf("%d empty row groups: %v, %v", n, got, err)
		}
		rows, err := Rows(t.Context(), file, march, func(ingest.Key) bool { return true }, 0)
		if err != nil || len(rows) != 0 {
			t.Errorf("rows of %d empty row groups: %v, %v", n, rows, err)
		}
	}
}

// TestTypeHints: a column of a type that AWS does not write says what has happened to the file.
func TestTypeHints(t *testing.T) {
	for _, tt := range []struct {
		column string
		typ    format.Type
		want   string
	}{
		{"bill_payer_account_id", format.Int64, "leading zeros"},
		{"bill_invoice_id", format.Double, "leading zeros"},
		{"line_item_product_code", format.Boolean, "as text"},
		{cost, format.Int64, "as DOUBLE, DECIMAL or text"},
		{cost, format.Float, "as DOUBLE, DECIMAL or text"},
		{"bill_billing_period_start_date", format.Double, "as a timestamp"},
		{"line_item_net_unblended_cost", format.Int32, "as DOUBLE, DECIMAL or text"},
		{"discount_spp_discount", format.Int64, "as DOUBLE, DECIMAL or text"},
		{"discount", format.Int64, "as a map"},
	} {
		_, err := Scan(t.Context(), inMemory("a.parquet", forge(3, func(f *forged) {
			if i := slices.IndexFunc(f.columns, func(c forgedColumn) bool { return c.name == tt.column }); i >= 0 {
				f.columns[i].typ = tt.typ
				return
			}
			f.columns = append(f.columns, forgedColumn{name: tt.column, typ: tt.typ})
		})), march)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Column != tt.column || !strings.Contains(e.Hint, tt.want) || !strings.Contains(e.Hint, "written the file anew") {
			t.Errorf("%s as %s: %v, hint %q; want %q", tt.column, tt.typ, err, e.Hint, tt.want)
		}
	}
}

// TestBadParquet: what a person sees of a file that is broken or lies. Each is read twice with a
// good file in between, since a reader that fills in what is missing from its memory would then
// find the good file's rows there.
func TestBadParquet(t *testing.T) {
	good := inMemory("good.parquet", forge(500, nil))
	tests := []struct {
		name string
		file string
		want string
	}{
		{"a PLAIN page that claims more values than it holds", forge(500, func(f *forged) {
			f.column(cost).pages[0].data = doubles(100, 1.25)
		}), "line_item_unblended_cost: rows 1 to 500: a page claims more values than it holds"},
		{"a PLAIN page of texts that claims more values than it holds", forge(500, func(f *forged) {
			f.column("line_item_product_code").pages[0].data = plainTexts(100, "AmazonS3")
		}), "line_item_product_code: rows 1 to 500: a page claims more values than it holds"},
		{"a dictionary page that claims more values than it holds", forge(500, func(f *forged) {
			f.column(cost).pages = []forgedPage{
				{dictionary: true, values: 1, data: doubles(1, 1.25)},
				{values: 500, encoding: format.RLEDictionary, data: ids(100, 0)},
			}
		}), "line_item_unblended_cost: rows 1 to 500: a page claims more values than it holds"},
		{"a page that holds more values than it claims", forge(500, func(f *forged) {
			f.column(cost).pages[0].data = doubles(501, 1.25)
		}), "line_item_unblended_cost: rows 1 to 500: a page holds more values than it claims"},
		{"a dictionary that claims more entries than it holds", forge(500, func(f *forged) {
			f.column("line_item_product_code").pages = []forgedPage{
				{dictionary: true, values: 2, data: plainTexts(1, "AmazonS3")},
				{values: 500, encoding: format.PlainDictionary, data: ids(500, 0)},
			}
		}), "line_item_product_code: rows 1 to 500: dictionary: a page claims more values than it holds"},
		{"an index beyond the dictionary", forge(500, func(f *forged) {
			f.column("line_item_product_code").pages = []forgedPage{
				{dictionary: true, values: 1, data: plainTexts(1, "AmazonS3")},
				{values: 500, encoding: format.PlainDictionary, data: ids(500, 1)},
			}
		}), "line_item_product_code: rows 1 to 500: a page points beyond its dictionary"},
		{"an index beyond the dictionary of costs", forge(500, func(f *forged) {
			f.column(cost).pages = []forgedPage{
				{dictionary: true, values: 1, data: doubles(1, 1.25)},
				{values: 500, encoding: format.PlainDictionary, data: ids(500, 1)},
			}
		}), "line_item_unblended_cost: rows 1 to 500: a page points beyond its dictionary"},
		{"a page of indices without a dictionary", forge(500, func(f *forged) {
			f.column(cost).pages = []forgedPage{{values: 500, encoding: format.PlainDictionary, data: ids(500, 0)}}
		}), "line_item_unblended_cost: rows 1 to 500: a page without its dictionary"},
		{"a chunk that ends early at the border of a page", forge(500, func(f *forged) {
			f.column(cost).pages = []forgedPage{plainPage(200, doubles(200, 1.25))}
		}), "line_item_unblended_cost: rows 1 to 500: ends after 200 of 500 values"},
		{"a chunk with more pages than rows", forge(500, func(f *forged) {
			c := f.column(cost)
			c.pages = append(c.pages, plainPage(100, doubles(100, 1.25)))
		}), "line_item_unblended_cost: rows 1 to 500: holds more rows than its row group"},
		{"a page beyond the limit", forge(500, func(f *forged) {
			f.column(cost).codec = format.Snappy
			f.column(cost).pages[0].unpacked = maxPage + 1
		}), "line_item_unblended_cost: rows 1 to 500: a page of 67108865 bytes, at most 67108864 are read"},
		{"a page of too many values", forge(500, func(f *forged) {
			f.column(cost).pages[0].values = maxPageValues + 1
		}), "line_item_unblended_cost: rows 1 to 500: a page of 16777217 values, at most 16777216 are read"},
		{"a page of more values than its chunk", forge(500, func(f *forged) {
			f.column(cost).pages[0].values = 501
		}), "line_item_unblended_cost: rows 1 to 500: a page of 501 values, of which 500 are left"},
		{"a dictionary beyond the limit", forge(500, func(f *forged) {
			f.column(cost).pages = []forgedPage{
				{dictionary: true, values: maxDict + 1, data: doubles(1, 1.25)},
				{values: 500, encoding: format.RLEDictionary, data: ids(500, 0)},
			}
		}), "line_item_unblended_cost: rows 1 to 500: a dictionary of 1048577 entries, at most 1048576 are read"},
		{"two dictionaries", forge(500, func(f *forged) {
			d := forgedPage{dictionary: true, values: 1, data: doubles(1, 1.25)}
			f.column(cost).pages = []forgedPage{d, d, {values: 500, encoding: format.RLEDictionary, data: ids(500, 0)}}
		}), "line_item_unblended_cost: rows 1 to 500: a dictionary that is not at the beginning"},
		{"a packed page that states another size", forge(500, func(f *forged) {
			c := f.column(cost)
			c.codec = format.Snappy
			c.pages[0].data = s2.EncodeSnappy(nil, c.pages[0].data)
			c.pages[0].unpacked = 4001
		}), "line_item_unblended_cost: rows 1 to 500: a page unpacks to 4000 bytes and states 4001"},
		{"a packed page that is broken", forge(500, func(f *forged) {
			c := f.column(cost)
			c.codec = format.Snappy
			c.pages[0].data = append(s2.EncodeSnappy(nil, c.pages[0].data)[:20], make([]byte, 10)...)
			c.pages[0].unpacked = 4000
		}), "line_item_unblended_cost: rows 1 to 500: a page cannot be unpacked by snappy"},
		{"a codec that is not read", forge(500, func(f *forged) { f.column(cost).codec = format.Lz4 }),
			"line_item_unblended_cost: rows 1 to 500: packed by LZ4 (codec 5), which is not read"},
		{"a page by LZ4 that is longer than it states", packedCost(format.Lz4Raw, lz4Block, 3999),
			"line_item_unblended_cost: rows 1 to 500: a page cannot be unpacked by LZ4, or unpacks to more than it states"},
		{"a page by LZ4 that is shorter than it states", packedCost(format.Lz4Raw, lz4Block, 4001),
			"line_item_unblended_cost: rows 1 to 500: a page unpacks to 4000 bytes and states 4001"},
		{"a broken page by LZ4", packedCost(format.Lz4Raw, func(b []byte) []byte { return lz4Block(b)[:20] }, 4000),
			"line_item_unblended_cost: rows 1 to 500: a page "},
		{"a page by Brotli that is longer than it states", packedCost(format.Brotli, brotliStream, 3999),
			"line_item_unblended_cost: rows 1 to 500: a page unpacks to 4000 bytes and states 3999"},
		{"a page by Brotli that is shorter than it states", packedCost(format.Brotli, brotliStream, 4001),
			"line_item_unblended_cost: rows 1 to 500: a page unpacks to 4000 bytes and states 4001"},
		{"a page by Brotli that is cut off", packedCost(format.Brotli, func(b []byte) []byte { return brotliStream(b)[:10] }, 4000),
			"line_item_unblended_cost: rows 1 to 500: a page cannot be unpacked: "},
		{"a page that does not fit its checksum", forge(500, func(f *forged) { f.column(cost).pages[0].crc = 12345 }),
			"line_item_unblended_cost: rows 1 to 500: a page does not fit its checksum"},
		{"NaN", forge(3, func(f *forged) {
			f.column(cost).pages[0].data = append(doubles(1, 1), doubles(2, math.NaN())...)
		}), "row 2: line_item_unblended_cost: not a number: NaN or infinite"},
		{"an infinite cost in a dictionary", forge(3, func(f *forged) {
			f.column(cost).pages = []forgedPage{
				{dictionary: true, values: 2, data: append(doubles(1, 1), doubles(1, math.Inf(-1))...)},
				{values: 3, encoding: format.RLEDictionary, data: []byte{1, 3, 0b100}},
			}
		}), "row 3: line_item_unblended_cost: not a number: NaN or infinite"},
		{"no cost", forge(3, func(f *forged) {
			c := f.column(cost)
			c.optional = true
			c.pages[0].data = append([]byte{2, 0, 0, 0, 3, 0b101}, doubles(2, 1)...)
		}), "row 2: line_item_unblended_cost: no value: a row without a cost cannot be billed"},
		{"text that is not UTF-8", forge(3, func(f *forged) {
			f.column("line_item_product_code").pages[0].data = plainTexts(3, "\xff")
		}), `line_item_product_code: rows 1 to 3: not UTF-8 text: "\xff"`},
		{"required columns missing", forge(3, func(f *forged) { f.columns = f.columns[2:] }),
			"required columns are missing: bill_payer_account_id, line_item_usage_account_id"},
		{"a required column missing", forge(3, func(f *forged) { f.columns = f.columns[1:] }),
			"the required column bill_payer_account_id is missing"},
		{"a column twice", forge(3, func(f *forged) { f.columns = append(f.columns, f.columns[0]) }),
			"more than one column of the name bill_payer_account_id"},
		{"a cost that is no money", forge(3, func(f *forged) { f.column(cost).typ = format.Boolean }),
			"line_item_unblended_cost: cannot be read from BOOLEAN"},
		{"a cost that is a whole number", forge(3, func(f *forged) { f.column(cost).typ = format.Int64 }),
			"line_item_unblended_cost: cannot be read from INT64"},
		{"a footer with other rows than its row groups", forge(3, func(f *forged) {
			f.footer = func(m *format.FileMetaData) { m.NumRows = 4 }
		}), "the footer states 4 rows, its row groups 3"},
		{"a footer with rows without end", forge(3, func(f *forged) {
			f.footer = func(m *format.FileMetaData) { m.RowGroups[0].NumRows, m.NumRows = math.MaxInt64, math.MaxInt64 }
		}), "row group 1: states 9223372036854775807 rows"},
		{"a footer with negative rows", forge(3, func(f *forged) {
			f.footer = func(m *format.FileMetaData) { m.RowGroups[0].NumRows, m.NumRows = -3, -3 }
		}), "row group 1: states -3 rows"},
		{"a chunk beyond the file", forge(3, func(f *forged) {
			f.footer = func(m *format.FileMetaData) {
				m.RowGroups[0].Columns[0].MetaData.TotalCompressedSize = math.MaxInt64
			}
		}), "bill_payer_account_id: row group 1: its values are said to be 9223372036854775807 bytes from 4, outside the file"},
		{"a chunk with other values than rows", forge(3, func(f *forged) {
			f.footer = func(m *format.FileMetaData) { m.RowGroups[0].Columns[0].MetaData.NumValues = 2 }
		}), "bill_payer_account_id: row group 1: states 2 values in 3 rows"},
		{"a chunk of another column", forge(3, func(f *forged) {
			f.footer = func(m *format.FileMetaData) { m.RowGroups[0].Columns[0].MetaData.PathInSchema = []string{"x"} }
		}), "bill_payer_account_id: row group 1: the footer's columns do not fit its schema"},
		{"a row group without a column", forge(3, func(f *forged) {
			f.footer = func(m *format.FileMetaData) { m.RowGroups[0].Columns = m.RowGroups[0].Columns[:8] }
		}), "line_item_unblended_cost: row group 1: has no values"},
		{"a footer longer than the file", "PAR1xxxx\xff\xff\xff\x7fPAR1", "the footer states 2147483647 bytes in a file of 16, at most 67108864"},
		{"a footer of nothing", "PAR1xxxx\x00\x00\x00\x00PAR1", "the footer is broken"},
		{"cut off", forge(3, nil)[:200], `the parquet file is cut off: it ends with`},
		{"another magic", "PAR2" + forge(3, nil)[4:], `not a parquet file: it begins with "PAR2"`},
		{"encrypted", "PARE" + forge(3, nil)[4:], `encrypted parquet cannot be read`},
		{"only the magic", "PAR1PAR1", "not a parquet file: too short"},
		{"empty", "", "the file is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				s, err := Scan(t.Context(), inMemory("bad.parquet", tt.file), march)
				if err == nil {
					t.Fatalf("no error: %v", s.Set)
				}
				if got, want := err.Error(), "bad.parquet: "+tt.want; got != want && !strings.HasPrefix(got, want) {
					t.Errorf("error\n%s, want\n%s", got, want)
				}
				if e, ok := errors.AsType[*Error](err); !ok || e.File != "bad.parquet" {
					t.Errorf("not an Error of the file: %#v", err)
				}
				s, err = Scan(t.Context(), good, march)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := total(s.Set), currency.MustParse("625"); !got.Equal(want) {
					t.Errorf("the good file sums to %s, want %s", got, want)
				}
			}
		})
	}
}

// TestCutAnywhere: a file that is cut off, wherever, or has a byte too many, is an error.
func TestCutAnywhere(t *testing.T) {
	whole := forge(3, nil)
	for n := range len(whole) {
		if _, err := Scan(t.Context(), inMemory("a.parquet", whole[:n]), march); err == nil {
			t.Errorf("no error for %d of %d bytes", n, len(whole))
		}
	}
	zipped := zipOf(map[string]string{"a.csv": minimalCSV})
	gz := gzipped([]byte(minimalCSV))
	for name, whole := range map[string]string{"a.csv.zip": zipped, "a.csv.gz": gz} {
		for n := range len(whole) {
			if _, err := Scan(t.Context(), inMemory(name, whole[:n]), march); err == nil {
				t.Errorf("%s: no error for %d of %d bytes", name, n, len(whole))
			}
		}
		if s, err := Scan(t.Context(), inMemory(name, whole), march); err != nil || s.Set.Rows != 2 {
			t.Errorf("%s: %d rows, %v", name, s.Set.Rows, err)
		}
	}
}

func zipOf(files map[string]string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range sortedKeys(files) {
		f, err := w.Create(name)
		if err != nil {
			panic(err)
		}
		_, _ = f.Write([]byte(files[name]))
	}
	_ = w.Close()
	return b.String()
}

const csvHeader = "bill/PayerAccountId,lineItem/UsageAccountId,lineItem/ProductCode,lineItem/LineItemType,bill/BillingEntity,bill/BillType,bill/InvoiceId,lineItem/CurrencyCode,lineItem/UnblendedCost,bill/BillingPeriodStartDate,discount/SppDiscount\n"

const minimalCSV = csvHeader +
	"111122223333,111122223333,AmazonS3,Usage,AWS,Anniversary,EUINDE26-1,USD,1.25,2026-03-01T00:00:00Z,\n" +
	"111122223333,111122223333,AmazonS3,Usage,AWS,Anniversary,EUINDE26-1,USD,-7.0E-10,2026-03-01T00:00:00Z,\n"

func TestBadCSV(t *testing.T) {
	row := func(cost, period, discount string) string {
		return csvHeader + "111122223333,111122223333,AmazonS3,Usage,AWS,Anniversary,,USD," + cost + "," + period + "," + discount + "\n"
	}
	tests := []struct {
		name    string
		file    string
		content string
		want    string
	}{
		{"a cost that is no number", "a.csv", row(`"1,5"`, "", ""), `row 1: line_item_unblended_cost: not a number: "1,5"`},
		{"a cost that is NaN", "a.csv", row("NaN", "", ""), `row 1: line_item_unblended_cost: not a number: "NaN"`},
		{"a cost of too many digits", "a.csv", row("1e26", "", ""), `row 1: line_item_unblended_cost: number out of range: "1e26"`},
		{"no cost", "a.csv", minimalCSV + "1,1,AmazonS3,Usage,AWS,Anniversary,,USD,,,\n", "row 3: line_item_unblended_cost: no value: a row without a cost cannot be billed"},
		{"another month", "a.csv", row("1", "2026-02-01T00:00:00Z", ""), "row 1: bill_billing_period_start_date: wrong billing period 2026-02, want 2026-03"},
		{"no time", "a.csv", row("1", "March", ""), `row 1: bill_billing_period_start_date: not a time: "March"`},
		{"a discount that is no number", "a.csv", row("1", "", "x"), `row 1: discount_spp_discount: not a number: "x"`},
		{"a row that is too short", "a.csv", csvHeader + "1,2\n", "row 1: wrong number of fields"},
		{"a quote without end", "a.csv", csvHeader + "\"1,2\n", `row 1: extraneous or missing " in quoted-field`},
		{"a header only, columns missing", "a.csv", "bill/PayerAccountId,lineItem/UsageAccountId,lineItem/ProductCode,lineItem/LineItemType\n",
			"required columns are missing: bill_billing_entity, bill_bill_type, bill_invoice_id, line_item_currency_code, line_item_unblended_cost"},
		{"a column twice", "a.csv", "lineItem/UnblendedCost,line_item_unblended_cost\n", "more than one column of the name line_item_unblended_cost"},
		{"a row without end", "a.csv", csvHeader + `"` + strings.Repeat("x", maxRecord+1<<20), "row 1: a row of more than 4194304 bytes"},
		{"not gzip", "a.csv.gz", minimalCSV, `not a gz file: it begins with "bill"`},
		{"neither", "a.txt", "hello", "neither parquet nor csv"},
		{"two files in a zip", "a.csv.zip", zipOf(map[string]string{"a.csv": minimalCSV, "b.csv": minimalCSV}), "the zip file holds more than one file"},
		{"no file in a zip", "a.csv.zip", "PK\x03\x04" + zipOf(nil), "the zip file is empty"},
		{"a zip bomb", "a.csv.zip", zipOf(map[string]string{"a.csv": csvHeader + strings.Repeat(minimalCSV[len(csvHeader):], minUnpacked/100)}), "row "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Scan(t.Context(), inMemory(tt.file, tt.content), march)
			if err == nil {
				t.Fatal("no error")
			}
			if got, want := err.Error(), tt.file+": "+tt.want; !strings.HasPrefix(got, want) {
				t.Errorf("error\n%s, want\n%s", got, want)
			}
		})
	}
}

// TestWrongMonth: the row and both months are named, whatever the packing of time.
func TestWrongMonth(t *testing.T) {
	for _, tt := range samples[:1] {
		_, err := Scan(t.Context(), sample(t, tt.file), calendar.MustMonth("2025-01"))
		want := fmt.Sprintf("%s: row 1: bill_billing_period_start_date: wrong billing period %s, want 2025-01", tt.file, tt.month)
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
