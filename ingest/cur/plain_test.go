package cur

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
	"github.com/shopspring/decimal"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// The plain reader: one row at a time, everything in memory, decimals throughout. It is what the
// fast reader is compared with, so nothing here is clever.

// A plainRow is a row by column name: string, currency.Decimal, time.Time, or a map of texts
// (entries) or decimals. NULL, empty and missing values are not in it.
type plainRow struct {
	values [numColumns]any
	parts  map[string]currency.Decimal // of the columns discount_...
}

func (r *plainRow) text(c column) string {
	s, _ := r.values[c].(string)
	return s
}

func (r *plainRow) key() ingest.Key {
	op := r.text(colOperation)
	return ingest.Key{
		Payer:           r.text(colPayer),
		Account:         r.text(colAccount),
		Product:         r.text(colProduct),
		Type:            r.text(colType),
		BillingEntity:   r.text(colBillingEntity),
		BillType:        r.text(colBillType),
		InvoicingEntity: r.text(colInvoicingEntity),
		LegalEntity:     r.text(colLegalEntity),
		Invoice:         r.text(colInvoice),
		Currency:        currency.Code(r.text(colCurrency)),
		Commitment:      r.text(colReservation) != "",
		Split:           op == "EKSPod-EC2" || op == "ECSTask-EC2",
		Taxed:           r.text(colTaxType) != "",
		Class:           ingest.ClassOf(r.text(colType), r.text(colDescription)),
	}
}

// signedParts returns the discounts inside the row, with the sign of net - unblended; without a
// net cost they are reductions. Parts of zero are none.
func (r *plainRow) signedParts() map[string]currency.Decimal {
	parts := map[string]currency.Decimal{}
	maps.Copy(parts, r.parts)
	if m, ok := r.values[colDiscount].(map[string]currency.Decimal); ok {
		maps.Copy(parts, m)
	}
	delete(parts, ingest.PartTotal)
	maps.DeleteFunc(parts, func(_ string, d currency.Decimal) bool { return d.IsZero() })
	net, ok := r.values[colNet].(currency.Decimal)
	sum := currency.Zero
	for _, p := range parts {
		sum = sum.Add(p)
	}
	for k, p := range parts {
		switch {
		case !ok:
			parts[k] = p.Abs().Neg()
		case sum.Sign()*net.Cmp(r.values[colUnblended].(currency.Decimal)) < 0:
			parts[k] = p.Neg()
		}
	}
	return parts
}

func plainScan(ctx context.Context, f ingest.File, month calendar.Month) (ingest.Scan, error) {
	type sums struct {
		ingest.Charge
		parts map[string]currency.Decimal
	}
	charges := map[ingest.Key]*sums{}
	scan := ingest.Scan{Set: ingest.ChargeSet{Names: map[string]string{}, Descriptions: map[string]string{}}}
	digest, err := plainRead(ctx, f, month, func(_ int64, r *plainRow) error {
		k := r.key()
		c := charges[k]
		if c == nil {
			c = &sums{Charge: ingest.Charge{Key: k}, parts: map[string]currency.Decimal{}}
			charges[k] = c
		}
		scan.Set.Rows++
		c.Rows++
		unblended := r.values[colUnblended].(currency.Decimal)
		c.Unblended = c.Unblended.Add(unblended)
		if !unblended.IsZero() {
			c.NonZero++
		}
		parts := r.signedParts()
		rest := unblended.Neg()
		for key, p := range parts {
			c.parts[key] = c.parts[key].Add(p)
			rest = rest.Sub(p)
		}
		if net, ok := r.values[colNet].(currency.Decimal); ok && compared(k) {
			rest = rest.Add(net)
			c.Rest = c.Rest.Add(rest)
			if rest.Abs().GreaterThan(currency.MustParse("0.000001")) {
				c.Off++
			}
		}
		if _, known := ingest.ProductName(k.Product); !known && k.Product != "" && scan.Set.Names[k.Product] == "" {
			name := r.text(colProductName)
			if m, ok := r.values[colProductMap].(map[string]string); ok && name == "" {
				name = m["product_name"]
			}
			if name == "" { // a map in csv
				entries, err := parseMap(r.text(colProductMap))
				if err != nil {
					return err
				}
				for _, e := range entries {
					if e.key == "product_name" {
						name = e.value
					}
				}
			}
			if name != "" {
				scan.Set.Names[k.Product] = name
			}
		}
		if k.Type == ingest.TypeDiscount && k.Class == ingest.ClassNone {
			d := r.text(colDescription)
			if old, ok := scan.Set.Descriptions[k.Product]; !ok || d < old {
				scan.Set.Descriptions[k.Product] = d
			}
		}
		return nil
	})
	if err != nil {
		return ingest.Scan{}, err
	}
	scan.Digest = digest
	for _, c := range charges {
		for _, key := range slices.Sorted(maps.Keys(c.parts)) {
			c.Parts = append(c.Parts, ingest.Part{Key: key, Amount: c.parts[key]})
		}
		scan.Set.Charges = append(scan.Set.Charges, c.Charge)
	}
	slices.SortFunc(scan.Set.Charges, func(a, b ingest.Charge) int { return ingest.CompareKeys(a.Key, b.Key) })
	return scan, nil
}

func plainRows(ctx context.Context, f ingest.File, month calendar.Month, match func(ingest.Key) bool, limit int) ([]Row, error) {
	var rows []Row
	_, err := plainRead(ctx, f, month, func(n int64, r *plainRow) error {
		k := r.key()
		if !match(k) || len(rows) >= limit {
			return nil
		}
		start, _ := r.values[colUsageStart].(time.Time)
		rows = append(rows, Row{
			File: f.Name, Number: n, Key: k, Unblended: r.values[colUnblended].(currency.Decimal),
			UsageType: r.text(colUsageType), Description: r.text(colDescription), UsageStart: start,
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// plainRead calls use for each row, with its number from 1, and returns the file's digest.
func plainRead(ctx context.Context, f ingest.File, month calendar.Month, use func(int64, *plainRow) error) (string, error) {
	c, form, err := open(ctx, f)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }() // nothing was written
	n := int64(0)
	row := func(r *plainRow) error {
		n++
		if r.values[colUnblended] == nil {
			return atCell(n, columns[colUnblended].name, errNull)
		}
		if t, ok := r.values[colPeriod].(time.Time); ok {
			if err := checkPeriod(t, month); err != nil {
				return atCell(n, columns[colPeriod].name, err)
			}
		}
		return use(n, r)
	}
	if form == formatParquet {
		return plainParquet(c, f.Size, row)
	}
	return plainCSV(c, form, f.Size, row)
}

func plainCSV(c ingest.Content, form packing, size int64, use func(*plainRow) error) (string, error) {
	sum := sha256.New()
	rows, err := openCSV(c, form, size, sum)
	if err != nil {
		return "", err
	}
	defer func() { _ = rows.Close() }() // nothing was written
	l, err := bind(rows.header)
	if err != nil {
		return "", err
	}
	for n := int64(1); ; n++ {
		fields, err := rows.next()
		if err == io.EOF {
			return "d1:" + hex.EncodeToString(sum.Sum(nil)), nil
		}
		if err != nil {
			return "", atCell(n, "", err)
		}
		r := plainRow{parts: map[string]currency.Decimal{}}
		for col, i := range l.at {
			if i < 0 || fields[i] == "" {
				continue
			}
			if r.values[col], err = plainField(columns[col].kind, fields[i]); err != nil {
				return "", atCell(n, columns[col].name, err)
			}
		}
		for _, p := range l.parts {
			if fields[p.at] == "" {
				continue
			}
			if r.parts[p.key], err = currency.Parse(fields[p.at]); err != nil {
				return "", atCell(n, partPrefix+p.key, err)
			}
		}
		if err := use(&r); err != nil {
			return "", err
		}
	}
}

func plainField(k kind, s string) (any, error) {
	switch k {
	case kindMoney:
		return currency.Parse(s)
	case kindTime:
		return parseTime(s)
	case kindMoneyMap:
		entries, err := parseMap(s)
		if err != nil {
			return nil, err
		}
		money := map[string]currency.Decimal{}
		for _, e := range entries {
			if e.value == "" {
				continue
			}
			if money[e.key], err = currency.Parse(e.value); err != nil {
				return nil, fmt.Errorf("%s: %w", e.key, err)
			}
		}
		return money, nil
	default:
		return s, nil
	}
}

// plainParquet reads the columns of each row group whole.
func plainParquet(c ingest.Content, size int64, use func(*plainRow) error) (_ string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("broken parquet: %v", p)
		}
	}()
	f, err := parquet.OpenFile(&rangeReaderAt{c: c, size: size}, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return "", err
	}
	var names []string
	fields := f.Root().Columns()
	for _, field := range fields {
		names = append(names, field.Name())
	}
	l, err := bind(names)
	if err != nil {
		return "", err
	}
	for _, group := range f.RowGroups() {
		rows := make([]plainRow, group.NumRows())
		for col, i := range l.at {
			if i < 0 {
				continue
			}
			values, err := plainColumn(group, fields[i], columns[col].kind)
			if err != nil {
				return "", atCell(0, columns[col].name, err)
			}
			for n, v := range values {
				rows[n].values[col] = v
			}
		}
		for _, p := range l.parts {
			values, err := plainColumn(group, fields[p.at], kindMoney)
			if err != nil {
				return "", atCell(0, partPrefix+p.key, err)
			}
			for n, v := range values {
				if rows[n].parts == nil {
					rows[n].parts = map[string]currency.Decimal{}
				}
				if v != nil {
					rows[n].parts[p.key] = v.(currency.Decimal)
				}
			}
		}
		for n := range rows {
			if err := use(&rows[n]); err != nil {
				return "", err
			}
		}
	}
	return plainDigest(c, size, f.Metadata(), names)
}

// plainColumn returns the values of a column in a row group, one a row; nil is NULL.
func plainColumn(group parquet.RowGroup, field *parquet.Column, k kind) ([]any, error) {
	rows := make([]any, group.NumRows())
	if field.Leaf() {
		values, err := plainLeaf(group, field)
		if err != nil || len(values) != len(rows) {
			return nil, errors.Join(err, fmt.Errorf("%d values in %d rows", len(values), len(rows)))
		}
		for n, v := range values {
			if rows[n], err = plainValue(field, k, v); err != nil {
				return nil, err
			}
		}
		return rows, nil
	}
	if k != kindTextMap && k != kindMoneyMap || len(field.Columns()) != 1 || len(field.Columns()[0].Columns()) != 2 {
		return nil, errors.New("is a group of columns")
	}
	entries := field.Columns()[0]
	keys, err := plainLeaf(group, entries.Columns()[0])
	if err != nil {
		return nil, err
	}
	values, err := plainLeaf(group, entries.Columns()[1])
	if err != nil {
		return nil, err
	}
	if len(keys) != len(values) {
		return nil, fmt.Errorf("%d keys and %d values", len(keys), len(values))
	}
	n := -1
	for i, v := range values {
		if v.RepetitionLevel() == 0 {
			n++
		}
		if keys[i].IsNull() {
			continue // the map is empty or NULL
		}
		key := keys[i].String()
		if k == kindTextMap {
			texts, _ := rows[n].(map[string]string)
			if texts == nil {
				texts = map[string]string{}
				rows[n] = texts
			}
			if !v.IsNull() {
				texts[key] = v.String()
			}
			continue
		}
		money, _ := rows[n].(map[string]currency.Decimal)
		if money == nil {
			money = map[string]currency.Decimal{}
			rows[n] = money
		}
		if _, twice := money[key]; twice {
			return nil, fmt.Errorf("the key %q comes twice", key)
		}
		d, err := plainValue(entries.Columns()[1], kindMoney, v)
		if err != nil {
			return nil, err
		}
		if d != nil {
			money[key] = d.(currency.Decimal)
		}
	}
	return rows, nil
}

// plainLeaf returns all values of a leaf column in a row group, with their levels.
func plainLeaf(group parquet.RowGroup, leaf *parquet.Column) ([]parquet.Value, error) {
	var all []parquet.Value
	pages := group.ColumnChunks()[leaf.Index()].Pages()
	defer func() { _ = pages.Close() }() // nothing was written
	for {
		page, err := pages.ReadPage()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		values := make([]parquet.Value, page.NumValues())
		if n, err := page.Values().ReadValues(values); n < len(values) {
			return nil, fmt.Errorf("%d of %d values: %w", n, len(values), err)
		}
		for _, v := range values {
			all = append(all, v.Clone())
		}
		parquet.Release(page)
	}
}

// plainValue returns a value of a leaf column as what kind says; nil is NULL.
func plainValue(leaf *parquet.Column, k kind, v parquet.Value) (any, error) {
	if v.IsNull() {
		return nil, nil //nolint:nilnil // NULL is a value
	}
	logical := leaf.Type().LogicalType()
	switch v.Kind() {
	case parquet.ByteArray:
		if d, ok := logicalOf[*format.DecimalType](logical); ok && k == kindMoney {
			return bigDecimal(v.ByteArray(), -d.Scale), nil
		}
		if len(v.ByteArray()) == 0 {
			return nil, nil //nolint:nilnil // an empty text is NULL
		}
		return plainField(k, string(v.ByteArray()))
	case parquet.FixedLenByteArray:
		if d, ok := logicalOf[*format.DecimalType](logical); ok && k == kindMoney {
			return bigDecimal(v.ByteArray(), -d.Scale), nil
		}
	case parquet.Double:
		if k != kindMoney {
			break
		}
		if math.IsNaN(v.Double()) || math.IsInf(v.Double(), 0) {
			return nil, fmt.Errorf("not a number: %v", v.Double())
		}
		return decimal.NewFromString(strconv.FormatFloat(v.Double(), 'e', -1, 64))
	case parquet.Int32, parquet.Int64:
		n := v.Int64()
		if v.Kind() == parquet.Int32 {
			n = int64(v.Int32())
		}
		if d, ok := logicalOf[*format.DecimalType](logical); ok && k == kindMoney {
			return decimal.New(n, -d.Scale), nil
		}
		if ts, ok := logicalOf[*format.TimestampType](logical); ok && k == kindTime {
			switch ts.Unit.Value.(type) {
			case *format.MilliSeconds:
				return time.UnixMilli(n).UTC(), nil
			case *format.MicroSeconds:
				return time.UnixMicro(n).UTC(), nil
			case *format.NanoSeconds:
				return time.Unix(0, n).UTC(), nil
			}
		}
	case parquet.Int96:
		if k == kindTime {
			w := v.Int96()
			return int96Time(uint64(w[1])<<32|uint64(w[0]), w[2]), nil
		}
	}
	return nil, fmt.Errorf("cannot be read from %s", leaf.Type())
}

func logicalOf[T format.LogicalTypeValue](t *format.LogicalType) (T, bool) {
	var none T
	if t == nil {
		return none, false
	}
	v, ok := t.Value.(T)
	return v, ok
}

// bigDecimal reads a DECIMAL: an integer in two's complement, most significant byte first.
func bigDecimal(b []byte, exponent int32) currency.Decimal {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return decimal.NewFromBigInt(n, exponent)
}

// plainDigest is the digest d1 of a parquet file as docs/CUR.md defines it.
func plainDigest(c ingest.Content, size int64, meta *format.FileMetaData, names []string) (string, error) {
	sum := sha256.New()
	tail := make([]byte, 8)
	if err := readRange(c, size-8, tail); err != nil {
		return "", err
	}
	n := int64(binary.LittleEndian.Uint32(tail))
	footer := make([]byte, n)
	if err := readRange(c, size-8-n, footer); err != nil {
		return "", err
	}
	sum.Write(footer)
	for _, group := range meta.RowGroups {
		for _, name := range digested(names) {
			for _, chunk := range group.Columns {
				if chunk.MetaData.PathInSchema[0] != name {
					continue
				}
				start := chunk.MetaData.DataPageOffset
				if d := chunk.MetaData.DictionaryPageOffset; d > 0 {
					start = min(start, d)
				}
				b := make([]byte, chunk.MetaData.TotalCompressedSize)
				if err := readRange(c, start, b); err != nil {
					return "", err
				}
				chunkSum := sha256.Sum256(b)
				sum.Write(chunkSum[:])
			}
		}
	}
	return "d1:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// digested returns the names of the columns that the digest d1 covers, of those that a file has.
func digested(names []string) []string {
	l, err := bind(names)
	if err != nil {
		return nil
	}
	var list []string
	for c := colPayer; c <= colDiscount; c++ {
		if i := l.at[c]; i >= 0 {
			list = append(list, names[i])
		}
	}
	for _, p := range l.parts {
		list = append(list, names[p.at])
	}
	return list
}
