package focus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
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

	scratch [encoders]scratch
}

// encoders is how many columns are encoded at a time: one less than the processors of a small
// machine, since the next sheet is filled meanwhile, would leave none.
const encoders = 2

// arrowType is how a column is typed. JSON is text: parquet has a type of its own for it, which some
// readers take for bytes.
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
		if f.kind == kindID {
			options = append(options, parquet.WithDictionaryFor(f.name, false))
		}
		if f.kind == kindTime {
			options = append(options, parquet.WithStatsFor(f.name, true))
		}
	}
	p := &parquetFile{fields: fields, schema: schemaOf(fields)}
	props := parquet.NewWriterProperties(options...)
	schema, err := pqarrow.ToParquet(p.schema, props, pqarrow.NewArrowWriterProperties())
	if err != nil {
		return nil, err
	}
	p.file, err = file.NewParquetWriterWithError(out, schema.Root(), file.WithWriterProps(props))
	return p, err
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
			for errs[e] == nil {
				i := int(next.Add(1)) - 1
				if i >= len(p.fields) {
					return
				}
				errs[e] = p.column(group, i, s, &p.scratch[e])
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

// column writes column i of a row group. What Arrow's own writer of arrays does for every array is
// done here once: the sheet has the dictionaries already.
func (p *parquetFile) column(group file.BufferedRowGroupWriter, i int, s *sheet, scratch *scratch) error {
	cw, err := group.Column(i)
	if err != nil {
		return err
	}
	f, k := p.fields[i], slots[p.fields[i].column]
	switch {
	case f.kind == kindTime:
		_, err = cw.(*file.Int64ColumnChunkWriter).WriteBatch(s.times[k][:s.rows], nil, nil)
	case f.kind.decimal():
		err = scratch.numbers(cw.(*file.FixedLenByteArrayColumnChunkWriter), f, s.nums[k].values[:s.rows], s.nums[k].has[:s.rows])
	case f.kind == kindID:
		err = scratch.bytes(cw.(*file.ByteArrayColumnChunkWriter), s.texts[k].ids[:s.rows], &s.texts[k])
	default:
		err = scratch.texts(cw, f, s.texts[k].ids[:s.rows], s.texts[k].values)
	}
	if err != nil {
		return fmt.Errorf("column %s: %w", f.name, err)
	}
	// Pack what is left of the column here and not when the group is closed, one column after the
	// other. Closing puts the column into the file, and that has an order.
	if page, ok := cw.(interface{ FlushCurrentPage() error }); ok && cw.RowsWritten() < s.rows { // else the last page is full and packed
		return page.FlushCurrentPage()
	}
	return nil
}

// scratch is memory that one encoder uses again and again.
type scratch struct {
	defs   []int16
	valid  []byte
	ids    []int32
	slots  []int32
	values []number
	packed []byte
}

var errNoValue = errors.New("a row has no value, which the specification does not allow")

// levels says which of the ids are NULL: in defs for the file, which are nil when no row may be
// NULL, and in valid, by bits, for the encoder.
func (c *scratch) levels(null bool, ids []int32) (nulls int, err error) {
	n := len(ids)
	c.defs, c.valid = slices.Grow(c.defs[:0], n)[:n], slices.Grow(c.valid[:0], n/8+1)[:n/8+1]
	defs := c.defs
	there := 0
	for i, id := range ids {
		d := int16(1 ^ uint32(id)>>31) //nolint:gosec // 0 or 1: NULL is the one negative id
		defs[i] = d
		there += int(d)
	}
	if there < n {
		if !null {
			return 0, errNoValue
		}
		clear(c.valid)
		for i, d := range defs {
			c.valid[i/8] |= byte(d) << (i % 8) //nolint:gosec // 0 or 1
		}
	}
	if !null {
		c.defs = c.defs[:0:0]
	}
	return n - there, nil
}

// nulls writes a column that is NULL in every row.
func (c *scratch) nulls(cw *file.ByteArrayColumnChunkWriter, n int) error {
	c.defs = slices.Grow(c.defs[:0], n)[:n]
	clear(c.defs)
	_, err := cw.WriteBatch(nil, c.defs, nil)
	return err
}

// texts writes a column of texts by their ids.
func (c *scratch) texts(cw file.ColumnChunkWriter, f field, ids []int32, values []string) error {
	if len(values) == 0 && f.null {
		return c.nulls(cw.(*file.ByteArrayColumnChunkWriter), len(ids))
	}
	nulls, err := c.levels(f.null, ids)
	if err != nil {
		return err
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(values, nil)
	dictionary := b.NewArray()
	defer dictionary.Release()
	return c.write(cw, dictionary, ids, nulls)
}

// write writes a column by the ids of its values in a dictionary, which has each value once.
func (c *scratch) write(cw file.ColumnChunkWriter, dictionary arrow.Array, ids []int32, nulls int) error {
	encoder, ok := cw.CurrentEncoder().(interface{ PutDictionary(arrow.Array) error })
	if !ok {
		return errors.New("its encoder takes no dictionary")
	}
	if err := encoder.PutDictionary(dictionary); err != nil {
		return err
	}
	var valid *memory.Buffer
	if nulls > 0 {
		valid = memory.NewBufferBytes(c.valid)
	}
	data := array.NewData(arrow.PrimitiveTypes.Int32, len(ids), []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(ids))}, nil, nulls, 0)
	defer data.Release()
	indices := array.NewInt32Data(data)
	defer indices.Release()
	return cw.WriteDictIndices(indices, c.levelsOrNil(), nil)
}

func (c *scratch) levelsOrNil() []int16 {
	if len(c.defs) == 0 {
		return nil
	}
	return c.defs
}

// bytes writes a column of texts that are nearly all different.
func (c *scratch) bytes(cw *file.ByteArrayColumnChunkWriter, ids []int32, t *texts) error {
	if _, err := c.levels(true, ids); err != nil {
		return err
	}
	// Every row with a text has the next one: the offsets leave out what is NULL.
	_, err := cw.WriteBatchArrow(t.data, t.offsets, c.defs, nil)
	return err
}

// numbers writes a column of decimals: by a dictionary when the first thousands of rows repeat
// themselves, as prices do.
func (c *scratch) numbers(cw *file.FixedLenByteArrayColumnChunkWriter, f field, values []number, has []bool) error {
	few := c.distinct(values, has)
	nulls, err := c.levels(f.null, c.ids)
	if err != nil {
		return err
	}
	if few {
		c.pack(c.values, nil)
		data := array.NewData(&arrow.FixedSizeBinaryType{ByteWidth: 16}, len(c.values), []*memory.Buffer{nil, memory.NewBufferBytes(bytes.Clone(c.packed))}, nil, 0, 0)
		defer data.Release()
		dictionary := array.NewFixedSizeBinaryData(data)
		defer dictionary.Release()
		return c.write(cw, dictionary, c.ids, nulls)
	}
	cw.FallbackToPlain()
	c.pack(values, has)
	_, err = cw.WriteBatchArrow(c.packed, c.levelsOrNil(), nil)
	return err
}

// pack writes numbers as parquet has them: most significant byte first, NULL left out.
func (c *scratch) pack(values []number, has []bool) {
	c.packed = slices.Grow(c.packed[:0], 16*len(values))
	for i, n := range values {
		if has == nil || has[i] {
			c.packed = binary.BigEndian.AppendUint64(c.packed, uint64(n.HighBits())) //nolint:gosec // bits
			c.packed = binary.BigEndian.AppendUint64(c.packed, n.LowBits())
		}
	}
}

// distinct gives the different numbers ids. It returns false when there are too many of them for a
// dictionary to be worth it.
func (c *scratch) distinct(values []number, has []bool) bool {
	const size = 1 << 17 // twice the rows of a sheet
	c.slots = slices.Grow(c.slots[:0], size)[:size]
	clear(c.slots)
	c.ids, c.values = slices.Grow(c.ids[:0], len(values))[:len(values)], c.values[:0]
	for i, n := range values {
		if !has[i] {
			c.ids[i] = none
			continue
		}
		h := (n.LowBits() ^ uint64(n.HighBits())*0x9e3779b97f4a7c15) * 0xd6e8feb86659fd93 //nolint:gosec // bits
		slot := h >> 47
		for {
			id := c.slots[slot]
			if id == 0 {
				if len(c.values) > 4096 && len(c.values) > i/4 {
					for k := i; k < len(values); k++ { // which rows are NULL is asked all the same
						if c.ids[k] = none; has[k] {
							c.ids[k] = 0
						}
					}
					return false
				}
				c.values = append(c.values, n)
				id = int32(len(c.values)) //nolint:gosec // at most the rows of a sheet
				c.slots[slot] = id
			} else if c.values[id-1] != n {
				slot = (slot + 1) % size
				continue
			}
			c.ids[i] = id - 1
			break
		}
	}
	return len(c.values) > 0
}
