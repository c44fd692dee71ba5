package arrears

import (
	"context"

	"github.com/arrears-billing/arrears/store"
)

// A TaskState is the last firing of a task of the schedule.
type TaskState = store.Task

// ErrConflict means that somebody else was faster: look again, and do it again if it is still to do.
var ErrConflict = store.ErrConflict

// Tasks returns the last firing of every task that ever fired, by name.
func (e *Engine) Tasks(ctx context.Context) ([]TaskState, error) { return e.DB.Tasks(ctx) }

// PutTask replaces what is known of a task, if it is still what was read; else ErrConflict.
func (e *Engine) PutTask(ctx context.Context, t TaskState) (TaskState, error) {
	return e.DB.PutTask(ctx, t)
}
