package cur

import (
	"context"
	"io"
	"sync"

	"github.com/arrears-billing/arrears/ingest"
)

// names collects display names of the products that the data's own table lacks: for each code the
// name in the first row of the file that has one. Row groups may be searched in any order.
type names struct {
	mu    sync.Mutex
	found map[string]foundName
}

type foundName struct {
	name  string
	group int // the row group it comes from
}

func newNames() *names { return &names{found: map[string]foundName{}} }

// nameless says whether a product's name has to come from the rows.
func nameless(code string) bool {
	if code == "" {
		return false
	}
	_, known := ingest.ProductName(code)
	return !known
}

// to adds the names to a charge set's.
func (n *names) to(m map[string]string) {
	for code, f := range n.found {
		m[code] = f.name
	}
}

// missing returns the codes that have no name from a row group before the given one.
func (n *names) missing(codes []string, group int) map[string]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := map[string]bool{}
	for _, code := range codes {
		if f, ok := n.found[code]; !ok || f.group > group {
			m[code] = true
		}
	}
	return m
}

// find looks for names in the rows of a batch of the row group, which come in the file's order:
// those of the missing codes, or with nil of all codes without a name so far. What it finds is
// taken from missing.
func (n *names) find(b *batch, group int, missing map[string]bool) error {
	codes := b.cols[colProduct]
	if b.cols[colProductName] == nil && b.cols[colProductMap] == nil && b.maps[colProductMap] == nil {
		return nil
	}
	last, skip := uint32(0), true // the same code as in the row before, and done with
	for i := range b.n {
		id := codes.id(i)
		if id == last && skip {
			continue
		}
		last = id
		code := string(codes.dict.text(id))
		if skip = missing != nil && !missing[code] || !nameless(code) || missing == nil && n.has(code); skip {
			continue
		}
		name, err := productName(b, i)
		if err != nil {
			return err
		}
		if name == "" {
			continue
		}
		skip = true
		delete(missing, code)
		n.mu.Lock()
		if f, ok := n.found[code]; !ok || f.group > group {
			n.found[code] = foundName{name, group}
		}
		n.mu.Unlock()
	}
	return nil
}

func (n *names) has(code string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.found[code]
	return ok
}

// productName is the display name that a row states: product_product_name, else the key
// product_name of the map product.
func productName(b *batch, i int) (string, error) {
	if name := b.cols[colProductName].text(i); len(name) > 0 {
		return string(name), nil
	}
	if m := b.maps[colProductMap]; m != nil {
		for e := m.from(i); e < m.ends[i]; e++ {
			if string(m.keys.text(e)) == "product_name" {
				return string(m.values.text(e)), nil
			}
		}
		return "", nil
	}
	entries, err := parseMap(string(b.cols[colProductMap].text(i)))
	if err != nil {
		return "", atCell(b.first+int64(i), columns[colProductMap].name, err)
	}
	for _, e := range entries {
		if e.key == "product_name" {
			return e.value, nil
		}
	}
	return "", nil
}

// rowsByGroup returns the number of rows of each group so far.
func (t *tally) rowsByGroup() []int64 {
	rows := make([]int64, len(t.costs))
	for i := range t.costs {
		rows[i] = t.costs[i].rows
	}
	return rows
}

// productsSince returns the products without a name that rows have come for since.
func (t *tally) productsSince(before []int64) []string {
	var codes []string
	for i := range t.costs {
		if i < len(before) && before[i] == t.costs[i].rows {
			continue
		}
		if code := t.groups[i].key.Product; nameless(code) {
			codes = append(codes, code)
		}
	}
	return codes
}

// findNames reads the names of products from a row group, if there are codes that lack one.
func (s *parquetScan) findNames(ctx context.Context, group int, codes []string) error {
	missing := s.names.missing(codes, group)
	var want columnSet
	want[colProduct], want[colProductName], want[colProductMap] = true, true, true
	if len(missing) == 0 || s.meta.flat[colProductName] == nil && s.meta.flat[colProductMap] == nil && s.meta.keys[colProductMap] == nil {
		return nil
	}
	r, err := openGroup(s.content, s.meta, s.meta.groups[group], want, false, false, false)
	if err != nil {
		return err
	}
	b := &batch{}
	for err == nil && len(missing) > 0 {
		if err = ctx.Err(); err == nil {
			err = r.next(b)
		}
		if err == nil {
			err = s.names.find(b, group, missing)
		}
	}
	if err == io.EOF {
		err = nil
	}
	if err != nil {
		err = within("names of products", err)
	}
	return firstOf(err, r.close())
}
