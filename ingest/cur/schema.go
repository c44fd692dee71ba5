package cur

import (
	"errors"
	"fmt"
	"strings"
)

// A schemaNode is an element of the schema with what is below it.
type schemaNode struct {
	leafType
	name     string
	typed    bool
	optional bool
	repeated bool
	children int64
	nodes    []*schemaNode
	first    int // index of its first leaf
}

// maxSchema is the most elements a schema may have: AWS allows 500 cost allocation tags, and
// legacy reports have a column for each.
const maxSchema = 20_000

func (m *metadata) readSchema(t *compact, bind func(names []string) (layout, error)) error {
	var flat []*schemaNode
	t.list(func(typ byte) {
		if typ != thriftStruct || len(flat) >= maxSchema {
			t.fail()
			return
		}
		flat = append(flat, readElement(t))
	})
	if t.err != nil || len(flat) == 0 {
		return errors.New("the footer's schema is broken")
	}
	leaves := 0
	root, rest, ok := buildNode(flat, &leaves, 0)
	if !ok || len(rest) > 0 {
		return errors.New("the footer's schema is broken")
	}
	for _, n := range root.nodes {
		m.names = append(m.names, n.name)
	}
	l, err := bind(m.names)
	if err != nil {
		return err
	}
	m.layout = l
	for c, i := range l.at {
		if i < 0 {
			continue
		}
		n := root.nodes[i]
		switch k := columns[c].kind; {
		case n.typed:
			m.flat[c], err = m.want(n, n, nil, columns[c].name, k)
		case k == kindMoneyMap || k == kindTextMap:
			err = m.wantMap(column(c), n)
		default:
			err = &Error{Err: errors.New("is a group of columns"), Hint: typeHint(n.leafType, columns[c].kind)}
		}
		if err != nil {
			return atType(columns[c].name, err)
		}
	}
	for _, p := range l.parts {
		n := root.nodes[p.at]
		if !n.typed {
			return &Error{Column: partPrefix + p.key, Err: errors.New("is a group of columns"), Hint: typeHint(n.leafType, kindMoney)}
		}
		leaf, err := m.want(n, n, nil, partPrefix+p.key, kindMoney)
		if err != nil {
			return atType(partPrefix+p.key, err)
		}
		m.parts = append(m.parts, leaf)
	}
	for _, g := range l.tags {
		n := root.nodes[g.at]
		if !n.typed {
			return atCell(0, n.name, errors.New("is a group of columns"))
		}
		leaf, err := m.want(n, n, nil, n.name, kindText)
		if err != nil {
			return atCell(0, n.name, err)
		}
		m.tags = append(m.tags, leaf)
	}
	return nil
}

// wantMap finds the keys and values of a map: a group with one repeated group of two columns.
func (m *metadata) wantMap(c column, n *schemaNode) (err error) {
	if n.repeated || len(n.nodes) != 1 || !n.nodes[0].repeated || len(n.nodes[0].nodes) != 2 ||
		!n.nodes[0].nodes[0].typed || !n.nodes[0].nodes[1].typed {
		return &Error{Err: errors.New("is neither a map nor text"), Hint: typeHint(n.leafType, columns[c].kind)}
	}
	entries := n.nodes[0]
	if m.keys[c], err = m.want(n, entries.nodes[0], entries, columns[c].name, kindText); err != nil {
		return within("keys", err)
	}
	k := kindText
	if columns[c].kind == kindMoneyMap {
		k = kindMoney
	}
	if m.values[c], err = m.want(n, entries.nodes[1], entries, columns[c].name, k); err != nil {
		return within("values", err)
	}
	return nil
}

// want notes that the leaf n, which is top or below it, is read as kind.
func (m *metadata) want(top, n, entries *schemaNode, name string, k kind) (*leaf, error) {
	l := &leaf{leafType: n.leafType, name: name, path: n.name, index: n.first}
	if entries != nil {
		l.path = strings.Join([]string{top.name, entries.name, n.name}, ".")
		l.maxDef, l.maxRep, l.entryDef = 1, 1, 1
		if n.optional {
			l.maxDef++
		}
	}
	if top.optional {
		l.maxDef++
		l.entryDef++
	}
	if n.repeated || !l.fits(k) {
		t := typeNames[l.physical]
		if n.repeated {
			t = "repeated " + t
		}
		return nil, &Error{Err: fmt.Errorf("cannot be read from %s", t), Hint: typeHint(l.leafType, k)}
	}
	m.wanted[l.index] = l
	return l, nil
}

// typeHint says what has happened to a column whose type is not one that AWS writes, and what to
// do: AWS writes text, DOUBLE, timestamps and maps, so another program has written the file anew.
func typeHint(t leafType, k kind) string {
	const again = "AWS does not write this type: a program between AWS and here has written the file anew (pandas, a CTAS query, " +
		"a crawler or a spreadsheet guess types); read AWS's own files, or have it keep "
	switch k {
	case kindText:
		if t.physical == typeInt32 || t.physical == typeInt64 || t.physical == typeDouble {
			return again + "this column as text: as a number an account id has lost its leading zeros"
		}
		return again + "this column as text (pandas: dtype=str; SQL: cast as varchar)"
	case kindMoney:
		return again + "this column as DOUBLE, DECIMAL or text: as another number it has lost digits or cannot be told from a count"
	case kindTime:
		return again + "this column as a timestamp, a date or text"
	default:
		return again + "this column as a map of text, or as JSON text"
	}
}

// fits says whether values of the kind can be had from the type (design 4).
func (t leafType) fits(k kind) bool {
	switch t.physical {
	case typeByteArray:
		return k == kindMoney || !t.decimal
	case typeDouble:
		return k == kindMoney
	case typeFixed:
		return k == kindMoney && t.decimal && t.length > 0 && t.length <= 32
	case typeInt32:
		return k == kindMoney && t.decimal || k == kindTime && t.date
	case typeInt64:
		return k == kindMoney && t.decimal || k == kindTime && t.unit > 0
	case typeInt96:
		return k == kindTime
	default:
		return false
	}
}

func readElement(t *compact) *schemaNode {
	n := &schemaNode{}
	t.fields(func(id int16, typ byte) {
		switch {
		case id == 1 && typ == thriftI32:
			n.physical, n.typed = t.int(), true
		case id == 2 && typ == thriftI32:
			n.length = t.int()
		case id == 3 && typ == thriftI32:
			repetition := t.int()
			n.optional, n.repeated = repetition == 1, repetition == 2
		case id == 4 && typ == thriftBinary:
			n.name = string(t.text())
		case id == 5 && typ == thriftI32:
			n.children = t.int()
		case id == 6 && typ == thriftI32: // the old way to say what values mean
			switch t.int() {
			case 5:
				n.decimal = true
			case 6:
				n.date = true
			case 9:
				n.unit = 1_000
			case 10:
				n.unit = 1_000_000
			}
		case id == 7 && typ == thriftI32:
			n.scale = clampScale(t.int())
		case id == 10 && typ == thriftStruct:
			n.readLogicalType(t)
		default:
			t.skip(typ)
		}
	})
	if n.children > 0 {
		n.typed = false
	}
	return n
}

// clampScale keeps a decimal's scale within what money may have; beyond it every value fails.
func clampScale(v int64) int32 { return int32(max(-1, min(v, 41))) }

func (n *schemaNode) readLogicalType(t *compact) {
	t.fields(func(id int16, typ byte) {
		switch {
		case id == 5 && typ == thriftStruct:
			n.decimal = true
			t.fields(func(id int16, typ byte) {
				if id == 1 && typ == thriftI32 {
					n.scale = clampScale(t.int())
					return
				}
				t.skip(typ)
			})
		case id == 6 && typ == thriftStruct:
			n.date = true
			t.skip(typ)
		case id == 8 && typ == thriftStruct:
			t.fields(func(id int16, typ byte) {
				if id != 2 || typ != thriftStruct {
					t.skip(typ)
					return
				}
				t.fields(func(id int16, typ byte) {
					switch id {
					case 1:
						n.unit = 1_000
					case 2:
						n.unit = 1_000_000
					case 3:
						n.unit = 1_000_000_000
					}
					t.skip(typ)
				})
			})
		default:
			t.skip(typ)
		}
	})
}

// buildNode makes the tree of a schema, which a footer states depth first, and counts its leaves.
func buildNode(flat []*schemaNode, leaves *int, depth int) (n *schemaNode, rest []*schemaNode, ok bool) {
	if len(flat) == 0 || depth > maxDepth {
		return nil, nil, false
	}
	n, rest = flat[0], flat[1:]
	n.first = *leaves
	if n.typed {
		*leaves++
		return n, rest, true
	}
	for range n.children {
		var child *schemaNode
		if child, rest, ok = buildNode(rest, leaves, depth+1); !ok {
			return nil, nil, false
		}
		n.nodes = append(n.nodes, child)
	}
	return n, rest, true
}
