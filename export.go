package arrears

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/export"
	"github.com/arrears-billing/arrears/invoice"
)

// An ExportedFile says what an export wrote.
type ExportedFile struct {
	Path   string           `json:"path"`
	Rows   int              `json:"rows"`
	Sum    currency.Decimal `json:"sum"`
	SHA256 string           `json:"sha256"`
}

// Export makes the files of one month for another system from issued documents. The caller
// writes them; the result describes them.
func (e *Engine) Export(ctx context.Context, kind string, m calendar.Month, agreements []string) ([]export.File, error) {
	dir, err := e.directory(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range agreements {
		if _, err := dir.agreement(id); err != nil {
			return nil, err
		}
	}
	all, err := e.Documents(ctx, m, "")
	if err != nil {
		return nil, err
	}
	issued := slices.DeleteFunc(all, func(d invoice.Document) bool {
		return d.Number == nil || len(agreements) > 0 && !slices.Contains(agreements, d.Agreement)
	})
	switch kind {
	case "postings":
		f, err := export.Postings(issued)
		return []export.File{f}, err
	}
	return nil, wrong("unknown_export", "there is: postings", "no export %q", kind)
}

// Describe says what a file is, for the report of an export.
func Describe(path string, f export.File) ExportedFile {
	sum := sha256.Sum256(f.Data)
	return ExportedFile{Path: path, Rows: f.Rows, Sum: f.Sum, SHA256: hex.EncodeToString(sum[:])}
}
