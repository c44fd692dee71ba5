package focus

import (
	"cmp"
	"slices"
)

// A field is a column as a file has it.
type field struct {
	column
	name string
	kind kind
	null bool
}

// fields are the columns of a version's Cost and Usage in the order of the file: those of the
// specification by name, then our own by name. 1.2 has no InvoiceDetailId, and without it nobody
// could tie rows to a printed line, so there it is a column of our own.
func (v Version) fields() []field {
	var fs []field
	for c := range numColumns {
		if v == V12 && only14[c] && c != cInvoiceDetailID {
			continue
		}
		f := field{c, v.name(c), columns[c].kind, columns[c].null}
		if v == V12 && c == cInvoiceDetailID {
			f.name = "x_InvoiceDetailId"
		}
		fs = append(fs, f)
	}
	own := func(f field) int {
		if f.name[0] == 'x' {
			return 1
		}
		return 0
	}
	slices.SortFunc(fs, func(a, b field) int { return cmp.Or(cmp.Compare(own(a), own(b)), cmp.Compare(a.name, b.name)) })
	return fs
}
