package focus

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/klauspost/compress/gzip"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
)

// A table is a dataset of few rows.
type table struct {
	fields []field
	rows   [][]any // string, number, time.Time, or nil for NULL
}

func (t *table) add(values ...any) {
	for i, v := range values {
		if v == "" {
			values[i] = nil
		}
	}
	t.rows = append(t.rows, values)
}

// InvoiceDetail writes the lines of the month's documents and of the corrections issued in it:
// what InvoiceId and InvoiceDetailId of Cost and Usage lead to. A draft has no invoice, and so no
// row. Lines of 0.00 are left out.
func InvoiceDetail(out io.Writer, m Month, f Format) (Summary, error) {
	t := &table{fields: []field{
		{name: "BilledCost", kind: kindCost}, {name: "BillingAccountId"}, {name: "BillingCurrency"},
		{name: "BillingPeriodEnd", kind: kindTime}, {name: "BillingPeriodStart", kind: kindTime}, {name: "ChargeCategory"},
		{name: "InvoiceDetailCreated", kind: kindTime}, {name: "InvoiceDetailDescription", null: true},
		{name: "InvoiceDetailGrain", kind: kindJSON, null: true}, {name: "InvoiceDetailId"},
		{name: "InvoiceDetailLastUpdated", kind: kindTime}, {name: "InvoiceId"}, {name: "InvoiceIssueDate", kind: kindTime, null: true},
		{name: "InvoiceIssueStatus"}, {name: "InvoiceIssuerName"}, {name: "PaymentCurrency"}, {name: "PaymentCurrencyBilledCost", kind: kindCost},
		{name: "PaymentCurrencyInvoiceDetailId"}, {name: "PaymentDueDate", kind: kindTime, null: true}, {name: "PaymentTerms"},
		{name: "PurchaseOrderNumber", null: true}, {name: "ReferenceInvoiceId"},
	}}
	sum := currency.Zero
	documents := append(append([]invoice.Document{}, m.Documents...), m.Corrections...)
	for _, d := range documents {
		if d.Number == nil || d.IssueDate == nil {
			continue
		}
		b := newBill(d)
		add := func(position, category, text string, amount currency.Decimal, grain map[string]string) error {
			if amount.IsZero() {
				return nil
			}
			n, err := numberOf(amount, costPlaces)
			if err != nil {
				return err
			}
			g, err := json.Marshal(grain)
			if err != nil {
				return err
			}
			sum = sum.Add(amount)
			issued, reference := d.IssueDate.Time(), b.number
			if d.Corrects != nil {
				reference = d.Corrects.Number
			}
			var due any
			terms := "Due on receipt"
			if d.DueDate != nil {
				due = d.DueDate.Time()
				terms = "Net " + strconv.Itoa(int(d.DueDate.Time().Sub(issued).Hours()/24))
			}
			t.add(n, m.Agreement, string(d.Currency), m.Month.End(), m.Month.Start(), category, issued, text, string(g), b.detail(position),
				issued, b.number, issued, "Issued", d.Seller.Name, string(d.Currency), n, b.detail(position), due, terms, d.PurchaseOrder, reference)
			return nil
		}
		for _, l := range b.Lines {
			grain := map[string]string{"ServiceName": l.Label, "x_InvoiceSection": string(l.Section)}
			if l.Account != nil {
				grain["SubAccountId"] = *l.Account
			}
			if l.AWSInvoice != nil {
				grain["x_AwsInvoiceId"] = *l.AWSInvoice
			}
			category, _ := correctionCategory(l.Section)
			if err := add(strconv.Itoa(l.Position), category, l.Label, l.Net.Number, grain); err != nil {
				return Summary{}, err
			}
		}
		for i, x := range b.Tax {
			if err := add("tax-"+strconv.Itoa(i+1), "Tax", taxText(x), x.Amount.Number, map[string]string{"x_TaxCategory": x.Category}); err != nil {
				return Summary{}, err
			}
		}
	}
	return Summary{Rows: int64(len(t.rows)), Sums: map[string]currency.Decimal{"BilledCost": sum}}, t.write(out, f)
}

// BillingPeriod writes the state of the month: closed once its documents are issued.
func BillingPeriod(out io.Writer, m Month, f Format) (Summary, error) {
	t := &table{fields: []field{
		{name: "BillingPeriodCreated", kind: kindTime}, {name: "BillingPeriodEnd", kind: kindTime}, {name: "BillingPeriodLastUpdated", kind: kindTime},
		{name: "BillingPeriodStart", kind: kindTime}, {name: "BillingPeriodStatus"}, {name: "InvoiceIssuerName"},
	}}
	status, updated := "Open", m.Month.End()
	for _, d := range m.Documents {
		if d.IssueDate != nil {
			status = "Closed"
			if at := d.IssueDate.Time(); at.After(updated) {
				updated = at
			}
		}
	}
	for _, d := range m.Corrections {
		if at := d.IssueDate.Time(); at.After(updated) {
			updated = at
		}
	}
	t.add(m.Month.Start(), m.Month.End(), updated, m.Month.Start(), status, m.Seller)
	return Summary{Rows: 1, Sums: map[string]currency.Decimal{}}, t.write(out, f)
}

func (t *table) write(out io.Writer, f Format) error {
	if f == CSV {
		return t.csv(out)
	}
	schema := schemaOf(t.fields)
	w, err := pqarrow.NewFileWriter(schema, out, parquet.NewWriterProperties(parquet.WithVersion(parquet.V2_LATEST), parquet.WithCreatedBy("arrears"),
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1)), pqarrow.NewArrowWriterProperties())
	if err != nil {
		return err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for _, row := range t.rows {
		for i, v := range row {
			switch x := b.Field(i).(type) {
			case *array.StringBuilder:
				if s, ok := v.(string); ok {
					x.Append(s)
					continue
				}
			case *array.Decimal128Builder:
				if n, ok := v.(decimal128.Num); ok {
					x.Append(n)
					continue
				}
			case *array.TimestampBuilder:
				if at, ok := v.(time.Time); ok {
					x.AppendTime(at)
					continue
				}
			}
			if !t.fields[i].null {
				return fmt.Errorf("column %s: a row has no value, which the specification does not allow", t.fields[i].name)
			}
			b.Field(i).AppendNull()
		}
	}
	r := b.NewRecordBatch()
	defer r.Release()
	if err := w.Write(r); err != nil {
		return err
	}
	return w.Close()
}

func (t *table) csv(out io.Writer) error {
	var b []byte
	for i, f := range t.fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, f.name...)
	}
	for _, row := range t.rows {
		for i, v := range row {
			if i == 0 {
				b = append(b, '\n')
			} else {
				b = append(b, ',')
			}
			switch v := v.(type) {
			case string:
				b = append(b, quote(v)...)
			case decimal128.Num:
				b = appendNumber(b, v, t.fields[i].kind.places())
			case time.Time:
				b = v.UTC().AppendFormat(b, "2006-01-02T15:04:05Z")
			}
		}
	}
	z, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, bytes.NewReader(append(b, '\n'))); err != nil {
		return err
	}
	return z.Close()
}

// schemaDate is when the columns last changed: a schema is told by its id, not by who writes it when.
const schemaDate = "2026-11-26T00:00:00Z"

// Metadata is the metadata object that the specification wants beside Cost and Usage: what
// version, what columns, of what type.
func Metadata(m Month, v Version) ([]byte, error) {
	type definition struct {
		ColumnName          string
		DataType            string
		NumericPrecision    int      `json:",omitempty"`
		NumberScale         int      `json:",omitempty"`
		StringEncoding      string   `json:",omitempty"`
		ProviderTagPrefixes []string `json:",omitempty"`
	}
	var columns []definition
	for _, f := range v.fields() {
		d := definition{ColumnName: f.name, DataType: "STRING", StringEncoding: "UTF-8"}
		switch {
		case f.kind == kindTime:
			d = definition{ColumnName: f.name, DataType: "DATETIME"}
		case f.kind.decimal():
			d = definition{ColumnName: f.name, DataType: "DECIMAL", NumericPrecision: precision, NumberScale: int(f.kind.places())}
		case f.kind == kindJSON:
			d.DataType = "JSON"
		}
		if f.column == cTags {
			d.ProviderTagPrefixes = []string{"aws:"}
		}
		columns = append(columns, d)
	}
	text, err := json.Marshal(columns)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return json.MarshalIndent(map[string]any{
		"DataGenerator": map[string]string{"DataGenerator": m.Seller},
		"Schema": map[string]any{
			"SchemaId": "arrears-focus-" + string(v) + "-" + hex.EncodeToString(sum[:4]), "FocusVersion": string(v), "CreationDate": schemaDate,
			"ColumnDefinition": columns,
		},
	}, "", "  ")
}
