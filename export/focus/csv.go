package focus

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// csvFile writes sheets as lines of text, gzipped.
type csvFile struct {
	fields []field
	zip    *gzip.Writer
	line   []byte
}

func newCSV(out io.Writer, fields []field) (*csvFile, error) {
	z, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	c := &csvFile{fields: fields, zip: z}
	for i, f := range fields {
		if i > 0 {
			c.line = append(c.line, ',')
		}
		c.line = append(c.line, f.name...)
	}
	c.line = append(c.line, '\n')
	_, err = z.Write(c.line)
	return c, err
}

func (c *csvFile) close() error { return c.zip.Close() }

func (c *csvFile) encode(s *sheet) error {
	quoted := make([][]string, len(c.fields))
	for k, f := range c.fields {
		if f.kind == kindText || f.kind == kindJSON {
			values := s.texts[slots[f.column]].values
			quoted[k] = make([]string, len(values))
			for i, v := range values {
				quoted[k][i] = quote(v)
			}
		}
	}
	b := c.line[:0]
	for i := range s.rows {
		for k, f := range c.fields {
			if k > 0 {
				b = append(b, ',')
			}
			slot := slots[f.column]
			switch {
			case f.kind == kindTime:
				b = time.UnixMicro(s.times[slot][i]).UTC().AppendFormat(b, "2006-01-02T15:04:05Z")
			case f.kind.decimal():
				if s.nums[slot].has[i] {
					b = appendNumber(b, s.nums[slot].values[i], f.kind.places())
				}
			default:
				switch id := s.texts[slot].ids[i]; {
				case id == none:
				case f.kind == kindID:
					b = append(b, quote(s.texts[slot].value(id))...)
				default:
					b = append(b, quoted[k][id]...)
				}
			}
		}
		b = append(b, '\n')
		if len(b) > 1<<20 {
			if _, err := c.zip.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	c.line = b
	_, err := c.zip.Write(b)
	return err
}

// quote puts a text between quotes where a csv needs it. A spreadsheet takes a text that begins
// with =, +, - or @ for a formula: an apostrophe before it says that it is a text.
func quote(v string) string {
	if v != "" && strings.ContainsRune("=+-@\t\r", rune(v[0])) {
		v = "'" + v
	}
	if strings.ContainsAny(v, ",\"\n\r") {
		return `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
	}
	return v
}

// appendNumber writes a number in plain notation, without zeros at its end.
func appendNumber(b []byte, n number, places int32) []byte {
	if n.HighBits() == 0 && n.LowBits() == 0 {
		return append(b, '0')
	}
	if n.Sign() < 0 {
		b = append(b, '-')
		n = n.Negate()
	}
	var digits [48]byte
	d := digits[:0]
	if n.HighBits() == 0 {
		d = strconv.AppendUint(d, n.LowBits(), 10)
	} else {
		d = n.BigInt().Append(d, 10)
	}
	whole := len(d) - int(places)
	if whole <= 0 {
		b = append(b, '0')
	} else {
		b = append(b, d[:whole]...)
	}
	end := len(d)
	for end > max(whole, 0) && d[end-1] == '0' {
		end--
	}
	if end <= max(whole, 0) {
		return b
	}
	b = append(b, '.')
	for range -whole {
		b = append(b, '0')
	}
	return append(b, d[max(whole, 0):end]...)
}
