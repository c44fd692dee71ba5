package focus

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// newEncoder returns the encoder of a format.
func newEncoder(out io.Writer, fields []field, f Format) (encoder, error) {
	if f == CSV {
		return newCSV(out, fields)
	}
	return newParquet(out, fields)
}

// parquetFile writes sheets as row groups, the columns of one side by side.
type parquetFile struct {
	fields []field
	schema *arrow.Schema
	file   *file.Writer
	props  pqarrow.ArrowWriterProperties
}

// encoders is how many columns are encoded at a time: one less than the processors of a small
// machine, since the next sheet is filled meanwhile, would leave none.
const encoders = 2

// arrowType is how a column is typed, in a schema or as the values of a record.
func (f field) arrowType() arrow.DataType {
	switch {
	case f.kind == kindTime:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	case f.kind.decimal():
		return &arrow.Decimal128Type{Precision: precision, Scale: f.kind.places()}
	}
	return arrow.BinaryTypes.String
}

func schemaOf(fields []field) *arrow.Schema {
	fs := make([]arrow.Field, len(fields))
	for i, f := range fields {
		fs[i] = arrow.Field{Name: f.name, Type: f.arrowType(), Nullable: f.null}
	}
	return arrow.NewSchema(fs, nil)
}

func newParquet(out io.Writer, fields []field) (*parquetFile, error) {
	options := []parquet.WriterProperty{
		parquet.WithVersion(parquet.V2_LATEST), parquet.WithCreatedBy("arrears"),
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1),
		parquet.WithDictionaryPageSizeLimit(64 << 20), parquet.WithDataPageSize(1 << 20), parquet.WithStats(false),
	}
	for _, f := range fields {
		if f.kind == kindID || f.kind.decimal() || f.kind == kindTime {
			options = append(options, parquet.WithDictionaryFor(f.name, f.kind == kindTime))
		}
		if f.kind == kindTime || f.column == cInvoiceID || f.column == cBilledCost {
			options = append(options, parquet.WithStatsFor(f.name, true))
		}
	}
	p := &parquetFile{fields: fields, schema: schemaOf(fields), props: pqarrow.NewArrowWriterProperties()}
	props := parquet.NewWriterProperties(options...)
	schema, err := pqarrow.ToParquet(p.schema, props, p.props)
	if err != nil {
		return nil, err
	}
	p.file = file.NewParquetWriter(out, schema.Root(), file.WithWriterProps(props))
	return p, nil
}

func (p *parquetFile) close() error { return p.file.Close() }

// encode writes a row group.
func (p *parquetFile) encode(s *sheet) error {
	if s.rows == 0 {
		return nil
	}
	group, err := p.file.AppendBufferedRowGroupChecked()
	if err != nil {
		return err
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, encoders)
	for e := range encoders {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(p.fields) || errs[e] != nil {
					return
				}
				errs[e] = p.column(group, i, s)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return group.Close()
}

// column writes column i of a row group.
func (p *parquetFile) column(group file.BufferedRowGroupWriter, i int, s *sheet) error {
	cw, err := group.Column(i)
	if err != nil {
		return err
	}
	a, err := s.array(p.fields[i])
	if err != nil {
		return err
	}
	defer a.Release()
	if !p.fields[i].null && a.NullN() > 0 {
		return fmt.Errorf("column %s: a row has no value, which the specification does not allow", p.fields[i].name)
	}
	var defs []int16
	if p.fields[i].null {
		defs = make([]int16, s.rows)
		for k := range defs {
			if a.IsValid(k) {
				defs[k] = 1
			}
		}
	}
	ctx := pqarrow.NewArrowWriteContext(context.Background(), &p.props)
	if err := pqarrow.WriteArrowToColumn(ctx, cw, a, defs, nil, p.fields[i].null); err != nil {
		return err
	}
	// Pack what is left of the column here and not when the group is closed, one column after the
	// other. Closing puts the column into the file, and that has an order.
	if page, ok := cw.(interface{ FlushCurrentPage() error }); ok && s.rows > 0 {
		return page.FlushCurrentPage()
	}
	return nil
}

// array returns a column of the sheet as Arrow has it: texts with their dictionary.
func (s *sheet) array(f field) (arrow.Array, error) {
	k := slots[f.column]
	mem := memory.DefaultAllocator
	switch {
	case f.kind == kindTime:
		b := array.NewTimestampBuilder(mem, f.arrowType().(*arrow.TimestampType))
		defer b.Release()
		b.AppendValues(arrow.TimestampTraits.CastFromBytes(arrow.Int64Traits.CastToBytes(s.times[k][:s.rows])), nil)
		return b.NewArray(), nil
	case f.kind.decimal():
		b := array.NewDecimal128Builder(mem, f.arrowType().(*arrow.Decimal128Type))
		defer b.Release()
		b.AppendValues(s.nums[k].values[:s.rows], s.nums[k].has[:s.rows])
		return b.NewArray(), nil
	case f.kind == kindID:
		b := array.NewStringBuilder(mem)
		defer b.Release()
		for _, id := range s.texts[k].ids[:s.rows] {
			if id == none {
				b.AppendNull()
			} else {
				b.Append(s.texts[k].values[id])
			}
		}
		return b.NewArray(), nil
	}
	values := array.NewStringBuilder(mem)
	defer values.Release()
	values.AppendValues(s.texts[k].values, nil)
	ids := array.NewInt32Builder(mem)
	defer ids.Release()
	ids.Reserve(s.rows)
	for _, id := range s.texts[k].ids[:s.rows] {
		if id == none {
			ids.UnsafeAppendBoolToBitmap(false)
		} else {
			ids.UnsafeAppend(id)
		}
	}
	dictionary, indices := values.NewArray(), ids.NewArray()
	defer dictionary.Release()
	defer indices.Release()
	t := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	return array.NewDictionaryArray(t, indices, dictionary), nil
}
