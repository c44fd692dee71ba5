package arrears

import (
	"context"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/store"
)

// A TaskState is the last firing of a task of the schedule.
type TaskState = store.Task

// A Reason is why a month is in its state: a code for programs, a text for people.
type Reason = agreement.Reason

// ErrConflict means that somebody else was faster: look again, and do it again if it is still to do.
var ErrConflict = store.ErrConflict

// Tasks returns the last firing of every task that ever fired, by name.
func (e *Engine) Tasks(ctx context.Context) ([]TaskState, error) { return e.DB.Tasks(ctx) }

// PutTask replaces what is known of a task, if it is still what was read; else ErrConflict.
func (e *Engine) PutTask(ctx context.Context, t TaskState) (TaskState, error) {
	return e.DB.PutTask(ctx, t)
}

// OpenMonths lists the agreement-months that are due by now and not settled, oldest first (I7): what the
// schedule runs.
func (e *Engine) OpenMonths(ctx context.Context) ([]OpenMonth, error) {
	dir, err := e.directory(ctx)
	if err != nil {
		return nil, err
	}
	r := &run{Engine: e, RunOptions: RunOptions{Month: calendar.MonthOf(e.AsOf)}, view: &view{dir: dir}}
	if err := r.choose(); err != nil {
		return nil, err
	}
	return r.openMonths(ctx)
}
