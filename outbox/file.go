// Package outbox takes the lifecycle's events out: mails by SMTP, the rest to a webhook or a file.
//
// It does not decide what is sent or when; arrears.Engine's Tick hands it one event at a time, in
// order, and hands an event again that was not delivered. Receivers know a repetition by its id.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/arrears-billing/arrears"
)

// A File appends events to a file, one JSON object a line.
type File struct {
	Path string
}

// Takes says that a file takes everything.
func (File) Takes(string) bool { return true }

// Deliver appends the event and waits until it is on the disk.
func (f File) Deliver(_ context.Context, n arrears.Notice) (err error) {
	line, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("event %s: %w", n.ID, err)
	}
	w, err := os.OpenFile(f.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("event %s: %w", n.ID, err)
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("event %s: %w", n.ID, err)
	}
	return w.Sync()
}
