package cur

import (
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// keyTexts are the columns whose texts are part of a charge's key.
var keyTexts = [...]column{
	colPayer, colAccount, colProduct, colType, colBillingEntity, colBillType, colInvoicingEntity, colLegalEntity,
	colInvoice, colCurrency,
}

// A field is a part of a key: a text of keyTexts, or one of the flags behind them.
const (
	fieldCommitment = len(keyTexts) + iota
	fieldSplit
	fieldTaxed
	fieldClass
	numFields
)

// flagColumns are the columns of which only one thing matters, and what it is.
var flagColumns = [...]struct {
	field  int
	column column
	is     func(text []byte) bool
}{
	{fieldCommitment, colReservation, func(b []byte) bool { return len(b) > 0 }},
	{fieldSplit, colOperation, func(b []byte) bool { return string(b) == "EKSPod-EC2" || string(b) == "ECSTask-EC2" }},
	{fieldTaxed, colTaxType, func(b []byte) bool { return len(b) > 0 }},
}

var classes = []ingest.Class{
	"", ingest.ClassNone, ingest.ClassPartner, ingest.ClassDistributor, ingest.ClassEnterprise,
	ingest.ClassPrivateRate, ingest.ClassBundled, ingest.ClassRIVolume,
}

// A grouper says for each row which group it belongs to: the rows with one key.
//
// Each text of a key gets a number, and the numbers of a row are packed into one word or a few;
// the packed word is looked up in a hash table. What is the same in all rows of a batch, as most
// of a key is, is packed once a batch, and texts are looked up once a dictionary.
type grouper struct {
	fields [numFields]field
	words  int        // how many words a packed key has
	keys   [][]uint64 // of the batch's rows, by word
	ids    []uint32   // the group of each row

	groups []groupKey
	packed []uint64 // the keys of groups, words at a time
	table  []uint32 // open addressing; group + 1, 0 is free
}

// A groupKey is the key of a group, as numbers and as texts.
type groupKey struct {
	numbers [numFields]uint32
	key     ingest.Key
}

// A field turns the texts of one part of the key into numbers, and those into bits of a word.
type field struct {
	numbers map[string]uint32
	texts   []string
	word    int
	shift   uint
	width   uint

	dict  *dict // that codes is for
	codes []uint64
}

func newGrouper() *grouper {
	g := &grouper{ids: make([]uint32, batchRows), table: make([]uint32, 1024)}
	for i := range g.fields {
		g.fields[i].numbers = map[string]uint32{"": 0}
		g.fields[i].texts = []string{""}
	}
	g.layOut()
	return g
}

// layOut gives each field bits for twice the texts it has, and packs all groups anew.
func (g *grouper) layOut() {
	word, shift := 0, uint(0)
	for i := range g.fields {
		f := &g.fields[i]
		f.width = uint(bits.Len(uint(len(f.texts)))) + 1 //nolint:gosec // not negative
		switch {
		case i >= fieldCommitment && i < fieldClass:
			f.width = 1
		case i == fieldClass:
			f.width = uint(bits.Len(uint(len(classes)))) //nolint:gosec // not negative
		}
		if shift+f.width > 64 {
			word, shift = word+1, 0
		}
		f.word, f.shift = word, shift
		f.dict = nil
		shift += f.width
	}
	g.words = word + 1
	for len(g.keys) < g.words {
		g.keys = append(g.keys, make([]uint64, batchRows))
	}
	g.packed = g.packed[:0]
	for _, k := range g.groups {
		words := make([]uint64, g.words)
		for i, n := range k.numbers {
			words[g.fields[i].word] |= uint64(n) << g.fields[i].shift
		}
		g.packed = append(g.packed, words...)
	}
	g.rehash(len(g.table))
}

// number returns the number of a text in the field, a new one if need be.
func (f *field) number(text []byte) (uint32, error) {
	if n, ok := f.numbers[string(text)]; ok {
		return n, nil
	}
	if !utf8.Valid(text) {
		return 0, fmt.Errorf("not UTF-8 text: %q", text)
	}
	n := uint32(len(f.texts)) //nolint:gosec // memory ends before
	f.texts = append(f.texts, string(text))
	f.numbers[f.texts[n]] = n
	return n, nil
}

// encode brings codes up to date with a vector's dictionary. It returns false when the field has
// too few bits for its texts.
func (f *field) encode(d *dict, code func(text []byte) (uint32, error)) (bool, error) {
	if f.dict != d {
		f.dict, f.codes = d, f.codes[:0]
	}
	f.codes = f.codes[:min(len(f.codes), d.stable+1)]
	for id := len(f.codes); id < d.len(); id++ {
		n, err := code(d.text(uint32(id))) //nolint:gosec // an id
		if err != nil {
			return false, err
		}
		if n>>f.width != 0 {
			f.dict = nil
			return false, nil
		}
		f.codes = append(f.codes, uint64(n)<<f.shift)
	}
	return true, nil
}

var errNarrow = errors.New("a field with too few bits")

// group finds the group of each row of the batch; ids holds them.
func (g *grouper) group(b *batch, classOf func() ([]uint8, error)) error {
	for {
		err := g.pack(b, classOf)
		if err == nil {
			break
		}
		if err != errNarrow {
			return err
		}
		g.layOut()
	}
	if g.words == 1 {
		g.find(b.n)
	} else {
		g.findWide(b.n)
	}
	return nil
}

// pack packs the keys of the batch's rows.
func (g *grouper) pack(b *batch, classOf func() ([]uint8, error)) error {
	var base [numFields]uint64 // by word; there are never more words than fields
	type varying struct {
		f *field
		v *vector
	}
	var vary [numFields]varying
	n := 0
	add := func(i int, v *vector, code func([]byte) (uint32, error)) error {
		if v == nil {
			return nil
		}
		f := &g.fields[i]
		if ok, err := f.encode(v.dict, code); err != nil {
			return err
		} else if !ok {
			return errNarrow
		}
		if v.same {
			base[f.word] |= f.codes[v.ids[0]]
			return nil
		}
		vary[n] = varying{f, v}
		n++
		return nil
	}
	for i, c := range keyTexts {
		if err := add(i, b.cols[c], g.fields[i].number); err == errNarrow {
			return err
		} else if err != nil {
			return atCell(0, columns[c].name, fmt.Errorf("rows %d to %d: %w", b.first, b.first+int64(b.n)-1, err))
		}
	}
	for _, flag := range flagColumns {
		if err := add(flag.field, b.cols[flag.column], func(text []byte) (uint32, error) {
			if flag.is(text) {
				return 1, nil
			}
			return 0, nil
		}); err != nil {
			return err
		}
	}
	for w := range g.words {
		keys := g.keys[w][:b.n]
		for i := range keys {
			keys[i] = base[w]
		}
	}
	for _, x := range vary[:n] {
		keys, ids, codes := g.keys[x.f.word][:b.n], x.v.ids[:b.n], x.f.codes
		for i, id := range ids {
			keys[i] |= codes[id]
		}
	}
	class, err := classOf()
	if err != nil || class == nil {
		return err
	}
	f := &g.fields[fieldClass]
	for i, c := range class[:b.n] {
		g.keys[f.word][i] |= uint64(c) << f.shift
	}
	return nil
}

// find looks the packed keys up, where a key is one word.
func (g *grouper) find(n int) {
	keys := g.keys[0][:n]
	last, id := ^keys[0], uint32(0)
	for i, k := range keys {
		if k != last {
			last = k
			slot := mix(k) & uint64(len(g.table)-1) //nolint:gosec // a power of two
			for {
				e := g.table[slot]
				if e == 0 {
					id = g.add(i)
					break
				}
				if g.packed[e-1] == k {
					id = e - 1
					break
				}
				slot = (slot + 1) & uint64(len(g.table)-1) //nolint:gosec // as above
			}
		}
		g.ids[i] = id
	}
}

// findWide is find for keys of several words.
func (g *grouper) findWide(n int) {
	for i := range n {
		slot := g.hashRow(i) & uint64(len(g.table)-1) //nolint:gosec // a power of two
	probe:
		for {
			e := g.table[slot]
			if e == 0 {
				g.ids[i] = g.add(i)
				break
			}
			for w := range g.words {
				if g.packed[int(e-1)*g.words+w] != g.keys[w][i] {
					slot = (slot + 1) & uint64(len(g.table)-1) //nolint:gosec // as above
					continue probe
				}
			}
			g.ids[i] = e - 1
			break
		}
	}
}

// mix spreads the bits of a key.
func mix(k uint64) uint64 {
	hi, lo := bits.Mul64(k^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return hi ^ lo
}

func (g *grouper) hashRow(i int) uint64 {
	h := uint64(0)
	for w := range g.words {
		h = mix(h ^ g.keys[w][i])
	}
	if g.words == 1 {
		return mix(g.keys[0][i])
	}
	return h
}

// add makes a group of row i's key.
func (g *grouper) add(i int) uint32 {
	var k groupKey
	for f := range g.fields {
		x := &g.fields[f]
		k.numbers[f] = uint32(g.keys[x.word][i] >> x.shift & (1<<x.width - 1)) //nolint:gosec // width bits
	}
	text := func(c column) string {
		for f, col := range keyTexts {
			if col == c {
				return g.fields[f].texts[k.numbers[f]]
			}
		}
		return ""
	}
	k.key = ingest.Key{
		Payer:           text(colPayer),
		Account:         text(colAccount),
		Product:         text(colProduct),
		Type:            text(colType),
		BillingEntity:   text(colBillingEntity),
		BillType:        text(colBillType),
		InvoicingEntity: text(colInvoicingEntity),
		LegalEntity:     text(colLegalEntity),
		Invoice:         text(colInvoice),
		Currency:        currency.Code(text(colCurrency)),
		Commitment:      k.numbers[fieldCommitment] == 1,
		Split:           k.numbers[fieldSplit] == 1,
		Taxed:           k.numbers[fieldTaxed] == 1,
		Class:           classes[k.numbers[fieldClass]],
	}
	g.groups = append(g.groups, k)
	for w := range g.words {
		g.packed = append(g.packed, g.keys[w][i])
	}
	if len(g.groups)*2 > len(g.table) {
		g.rehash(len(g.table) * 2)
	} else {
		g.place(len(g.groups) - 1)
	}
	return uint32(len(g.groups) - 1) //nolint:gosec // memory ends before
}

// rehash makes the table anew, of size slots, a power of two.
func (g *grouper) rehash(size int) {
	g.table = make([]uint32, size)
	for i := range g.groups {
		g.place(i)
	}
}

// place puts a group into the table.
func (g *grouper) place(group int) {
	h := uint64(0)
	words := g.packed[group*g.words : (group+1)*g.words]
	if g.words == 1 {
		h = mix(words[0])
	} else {
		for _, w := range words {
			h = mix(h ^ w)
		}
	}
	slot := h & uint64(len(g.table)-1) //nolint:gosec // a power of two
	for g.table[slot] != 0 {
		slot = (slot + 1) & uint64(len(g.table)-1) //nolint:gosec // as above
	}
	g.table[slot] = uint32(group + 1) //nolint:gosec // memory ends before
}
