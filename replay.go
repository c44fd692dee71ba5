package arrears

import (
	"cmp"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
)

// A LineDifference is a line of the month that is not as it was issued: exact amounts, signed.
type LineDifference struct {
	Key        LineKey          `json:"-"`
	Name       string           `json:"key"`
	Issued     currency.Decimal `json:"issued"`
	Now        currency.Decimal `json:"now"`
	Difference currency.Decimal `json:"difference"`
	Cause      string           `json:"cause"`
}

// A LineKey is what a line is, whatever its label and its rate.
type LineKey struct{ Section, Account, Product, Invoice, Label string }

func keyOf(l invoice.Line) LineKey {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	k := LineKey{Section: string(l.Section), Account: text(l.Account), Product: text(l.Product), Invoice: text(l.AWSInvoice)}
	if l.Source == nil {
		k.Label = l.Label // the seller's own lines have nothing else
	}
	return k
}

func (k LineKey) String() string {
	parts := []string{k.Section}
	for _, p := range []string{k.Account, k.Product, k.Label, k.Invoice} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " / ")
}

// compareLines compares what a month comes to now with what was issued for it, net of corrections,
// line by line and exactly. Equal lines are left out; the tax of a document follows its lines.
func compareLines(issued, now []invoice.Document) []LineDifference {
	type sums struct{ issued, now currency.Decimal }
	lines := map[LineKey]sums{}
	for _, d := range issued {
		for _, l := range d.Signed().Lines {
			s := lines[keyOf(l)]
			s.issued = s.issued.Add(l.Exact)
			lines[keyOf(l)] = s
		}
	}
	for _, d := range now {
		for _, l := range d.Signed().Lines {
			s := lines[keyOf(l)]
			s.now = s.now.Add(l.Exact)
			lines[keyOf(l)] = s
		}
	}
	var out []LineDifference
	for k, s := range lines {
		if diff := s.now.Sub(s.issued); !diff.IsZero() {
			out = append(out, LineDifference{Key: k, Name: k.String(), Issued: s.issued, Now: s.now, Difference: diff})
		}
	}
	slices.SortFunc(out, func(a, b LineDifference) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
