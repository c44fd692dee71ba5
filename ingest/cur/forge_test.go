package cur

import (
	"encoding/binary"
	"math"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A forged is a parquet file put together piece by piece, so that any of them can lie.
type forged struct {
	rows    int64
	columns []forgedColumn
	footer  func(*format.FileMetaData) // last changes
}

type forgedColumn struct {
	name     string
	typ      format.Type
	optional bool
	codec    format.CompressionCodec
	pages    []forgedPage
}

type forgedPage struct {
	dictionary bool
	values     int32
	encoding   format.Encoding
	data       []byte
	unpacked   int32 // 0: what data has
	crc        int32
}

// forge returns a file of rows rows of the required columns, each one page of PLAIN values: every
// cost is 1.25. change may make it worse.
func forge(rows int, change func(*forged)) string {
	f := &forged{rows: int64(rows)}
	for _, c := range columns {
		switch {
		case !c.required:
		case c.kind == kindMoney:
			f.columns = append(f.columns, forgedColumn{name: c.name, typ: format.Double, pages: []forgedPage{plainPage(rows, doubles(rows, 1.25))}})
		default:
			f.columns = append(f.columns, forgedColumn{name: c.name, typ: format.ByteArray, pages: []forgedPage{plainPage(rows, plainTexts(rows, "111122223333"))}})
		}
	}
	if change != nil {
		change(f)
	}
	return f.bytes()
}

func (f *forged) column(name string) *forgedColumn {
	for i := range f.columns {
		if f.columns[i].name == name {
			return &f.columns[i]
		}
	}
	panic(name)
}

func plainPage(values int, data []byte) forgedPage {
	return forgedPage{values: int32(values), encoding: format.Plain, data: data}
}

func doubles(n int, v float64) []byte {
	var b []byte
	for range n {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func plainTexts(n int, text string) []byte {
	var b []byte
	for range n {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
	}
	return b
}

func (f *forged) bytes() string {
	file := []byte("PAR1")
	meta := format.FileMetaData{Version: 1, NumRows: f.rows}
	children := int32(len(f.columns))
	meta.Schema = append(meta.Schema, format.SchemaElement{Name: "spark_schema", NumChildren: thrift.New(children)})
	group := format.RowGroup{NumRows: f.rows}
	for _, c := range f.columns {
		repetition := format.Required
		if c.optional {
			repetition = format.Optional
		}
		meta.Schema = append(meta.Schema, format.SchemaElement{Name: c.name, Type: thrift.New(c.typ), RepetitionType: thrift.New(repetition)})
		start := int64(len(file))
		chunk := format.ColumnMetaData{
			Type: c.typ, PathInSchema: []string{c.name}, NumValues: f.rows, Codec: c.codec, DataPageOffset: start,
		}
		for _, p := range c.pages {
			h := format.PageHeader{UncompressedPageSize: p.unpacked, CompressedPageSize: int32(len(p.data)), CRC: p.crc}
			if p.unpacked == 0 {
				h.UncompressedPageSize = int32(len(p.data))
			}
			if p.dictionary {
				h.Type = format.DictionaryPage
				h.DictionaryPageHeader = thrift.New(format.DictionaryPageHeader{NumValues: p.values, Encoding: p.encoding})
			} else {
				h.Type = format.DataPage
				h.DataPageHeader = thrift.New(format.DataPageHeader{
					NumValues: p.values, Encoding: p.encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.BitPacked,
				})
			}
			b, err := thrift.Marshal(new(thrift.CompactProtocol), &h)
			if err != nil {
				panic(err)
			}
			file = append(append(file, b...), p.data...)
		}
		chunk.TotalCompressedSize = int64(len(file)) - start
		chunk.TotalUncompressedSize = chunk.TotalCompressedSize
		group.Columns = append(group.Columns, format.ColumnChunk{MetaData: chunk})
	}
	meta.RowGroups = []format.RowGroup{group}
	if f.footer != nil {
		f.footer(&meta)
	}
	b, err := thrift.Marshal(new(thrift.CompactProtocol), &meta)
	if err != nil {
		panic(err)
	}
	return string(file) + string(binary.LittleEndian.AppendUint32(b, uint32(len(b)))) + "PAR1"
}
