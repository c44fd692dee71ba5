package arrears

import (
	"context"

	"github.com/arrears-billing/arrears/document"
)

// Render gives an issued document in a format (document.Formats). Renderings are pure functions of
// the stored JSON, so they are the same bytes whenever they are made.
func (e *Engine) Render(ctx context.Context, id, format string) ([]byte, error) {
	d, err := e.Document(ctx, id)
	if err != nil {
		return nil, err
	}
	if d.Number == nil {
		return nil, wrong("not_issued", "arrears invoice issue "+d.ID, "%s has no number yet: only issued documents are rendered", d.ID)
	}
	return document.Render(d, format)
}
