package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/calendar"
)

// Open opens the data for the time of do, with the engine's "now" and who acts set.
type Open func(ctx context.Context, f Firing, do func(*arrears.Engine) error) error

// Close drafts every month that is due and not settled, oldest first; with issue it also issues
// what has no warning. A month that was missed while nothing ran is among them.
func Close(open Open, issue bool) func(context.Context, Firing) (string, bool, error) {
	return func(ctx context.Context, f Firing) (note string, look bool, err error) {
		err = open(ctx, f, func(e *arrears.Engine) error {
			months, err := openMonths(ctx, e, func(arrears.OpenMonth) bool { return true })
			for _, m := range months {
				if err == nil {
					note, look, err = runMonth(ctx, e, arrears.RunOptions{Month: m.month, Issue: issue}, note, look)
				}
			}
			return err
		})
		return note, look, err
	}
}

// Watch asks again for what is waited for, with pauses that grow (AskAgain). Months that were never
// run are Close's.
func Watch(open Open, issue bool) func(context.Context, Firing) (string, bool, error) {
	return func(ctx context.Context, f Firing) (note string, look bool, err error) {
		err = open(ctx, f, func(e *arrears.Engine) error {
			months, err := openMonths(ctx, e, func(o arrears.OpenMonth) bool {
				never := slices.ContainsFunc(o.Reasons, func(r arrears.Reason) bool { return r.Code == "not_run" })
				return o.Status == arrears.Waiting && !never && AskAgain(o.Since, f.Previous, f.Now)
			})
			for _, m := range months {
				if err == nil {
					note, _, err = runMonth(ctx, e, arrears.RunOptions{Month: m.month, Agreements: m.agreements, Issue: issue}, note, look)
				}
			}
			return err
		})
		return note, false, err // what is waited for needs nobody yet
	}
}

// agreementMonths are the agreements of one month that something is to be done for.
type agreementMonths struct {
	month      calendar.Month
	agreements []string
}

// openMonths groups what is open by month, oldest first.
func openMonths(ctx context.Context, e *arrears.Engine, wanted func(arrears.OpenMonth) bool) ([]agreementMonths, error) {
	open, err := e.OpenMonths(ctx)
	if err != nil {
		return nil, err
	}
	var list []agreementMonths
	for _, o := range open {
		if !wanted(o) {
			continue
		}
		if n := len(list); n == 0 || list[n-1].month != o.Month {
			list = append(list, agreementMonths{month: o.Month})
		}
		last := &list[len(list)-1]
		last.agreements = append(last.agreements, o.Agreement)
	}
	return list, nil
}

// conflicts is how often a month is run that others write at the same time.
const conflicts = 5

// runMonth runs a month and adds what came of it to the note.
func runMonth(ctx context.Context, e *arrears.Engine, o arrears.RunOptions, note string, look bool) (string, bool, error) {
	r, err := e.Run(ctx, o)
	for try := 1; errors.Is(err, arrears.ErrConflict) && try < conflicts; try++ {
		r, err = e.Run(ctx, o) // another task or a person was at the same month: it is run again as it is now
	}
	if err != nil {
		return note, look, fmt.Errorf("%s: %w", o.Month, err)
	}
	count := map[string]int{}
	for _, a := range r.Agreements {
		count[a.Status]++
	}
	var parts []string
	for _, s := range []string{
		arrears.Issued, arrears.Approved, arrears.Drafted, arrears.Waiting, arrears.Blocked, arrears.Held, arrears.Restated,
		arrears.NothingToBill, arrears.Corrected, arrears.Credited,
	} {
		if count[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[s], s))
		}
	}
	parts = slices.DeleteFunc([]string{note, strings.TrimSuffix(fmt.Sprintf("%s: %s", o.Month, strings.Join(parts, ", ")), ": ")}, func(s string) bool { return s == "" })
	return strings.Join(parts, "; "), look || !r.Complete, nil
}

// Tick moves orders and agreements on, and delivers events.
func Tick(open Open) func(context.Context, Firing) (string, bool, error) {
	return func(ctx context.Context, f Firing) (note string, look bool, err error) {
		err = open(ctx, f, func(e *arrears.Engine) error {
			r, err := e.Tick(ctx)
			note = fmt.Sprintf("%d agreements and %d orders changed, %d events delivered, %d pending", len(r.Agreements), len(r.Orders), r.Delivered, r.Pending)
			if len(r.Troubles) > 0 {
				note, look = note+"; "+r.Troubles[0].Text, true
			}
			return err
		})
		return note, look, err
	}
}

// Verify proves what is stored.
func Verify(open Open) func(context.Context, Firing) (string, bool, error) {
	return func(ctx context.Context, f Firing) (note string, look bool, err error) {
		err = open(ctx, f, func(e *arrears.Engine) error {
			r, err := e.Verify(ctx, "")
			if len(r.Findings) > 0 {
				note, look = fmt.Sprintf("%d findings, the first: %s %s", len(r.Findings), r.Findings[0].Object, r.Findings[0].Text), true
			}
			return err
		})
		return note, look, err
	}
}
