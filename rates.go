package arrears

import "context"

// references are the imported reference rates, and what identifies them.
func (e *Engine) references(context.Context) (References, string, error) {
	return nil, "", nil
}
