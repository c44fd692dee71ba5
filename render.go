package arrears

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/document"
	"github.com/arrears-billing/arrears/store"
)

// Render gives a document in a format (document.Formats). What is made of an issued document is
// kept with the version of its template and never made again: it stays what was sent, whatever
// later templates look like. Drafts are rendered anew each time, where their format allows it.
func (e *Engine) Render(ctx context.Context, id, format string) ([]byte, error) {
	if !slices.Contains(document.Formats, format) {
		return nil, wrong("unknown_format", "one of "+strings.Join(document.Formats, ", "), "not a format: %q", format)
	}
	d, err := e.Document(ctx, id)
	if err != nil {
		return nil, err
	}
	if d.Number == nil {
		b, err := document.Render(d, format)
		if errors.Is(err, document.ErrNotIssued) {
			return nil, wrong("not_issued", "arrears invoice issue "+d.ID, "%s has no number yet, and %s needs one", d.ID, format)
		}
		return b, err
	}
	kept, err := e.DB.Renderings(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	for _, r := range kept {
		if r.Format == format { // the oldest template is what was sent
			return e.DB.Blob(ctx, r.Blob)
		}
	}
	b, err := document.Render(d, format)
	if err != nil {
		return nil, err
	}
	name, err := e.DB.PutBlob(ctx, b)
	if err != nil {
		return nil, err
	}
	_, err = e.DB.PutRendering(ctx, store.Rendering{Document: d.ID, Format: format, Template: document.TemplateVersion, Blob: name})
	return b, err
}
