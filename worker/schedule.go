// Package worker is the scheduled pipeline: tasks that fire by the clock, each of which asks the
// store what is due and has the root package do it. It holds no rule and no SQL.
//
// The schedule is level-triggered. A firing is a hint: what was missed while the program was down
// is found by the next one, and one firing too many changes nothing. What the store remembers of a
// task (its last firing) keeps two programs from doing the same at once.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/arrears-billing/arrears"
)

// A Task is what is done again and again.
type Task struct {
	Name string
	Cron Cron
	// Do does what is due now. Its note is one line for a person; look says that a person must look.
	Do func(ctx context.Context, f Firing) (note string, look bool, err error)
}

// A Firing is one time at which a task is done.
type Firing struct {
	Task     string
	Due      time.Time // the time of the schedule
	Now      time.Time
	Previous time.Time // the firing before; zero: there was none
}

// Outcomes of a firing.
const (
	Done   = "done"
	Look   = "look"   // done, and a person must look
	Failed = "failed" // tried again, with growing pauses
)

// A Journal remembers the last firing of every task; *arrears.Engine is one.
type Journal interface {
	Tasks(ctx context.Context) ([]arrears.TaskState, error)
	PutTask(ctx context.Context, t arrears.TaskState) (arrears.TaskState, error)
}

// A Clock tells the time and waits.
type Clock interface {
	Now() time.Time
	// Wait returns nil when it is t, or ctx's error.
	Wait(ctx context.Context, t time.Time) error
}

// A Schedule fires tasks. Any number of them, on any number of machines, may hold the same tasks
// over one journal: each firing is done by one.
type Schedule struct {
	Tasks   []Task
	Journal Journal
	Holder  string // who this is, for the journal: unique among those that share it
	Clock   Clock
	Log     *slog.Logger

	// Lease is how long a holder that does not answer is believed to be at work; 0: two minutes.
	Lease time.Duration
	// One at a time: no two tasks of this schedule at once, as on SQLite.
	OneAtATime bool
	// Fired hears of every firing that ended; nil is quiet.
	Fired func(Firing, arrears.TaskState)
}

// Run fires until the context ends. What is being done then is cancelled and given back: the
// firing counts as not done.
func (s *Schedule) Run(ctx context.Context) error {
	if s.Lease <= 0 {
		s.Lease = 2 * time.Minute
	}
	var one sync.Mutex
	var loops sync.WaitGroup
	for _, t := range s.Tasks {
		loops.Go(func() {
			for ctx.Err() == nil {
				if err := s.Clock.Wait(ctx, s.turn(ctx, t, &one)); err != nil {
					return
				}
			}
		})
	}
	loops.Wait()
	return ctx.Err()
}

// turn fires a task if it is due, and returns when to look again.
func (s *Schedule) turn(ctx context.Context, t Task, one *sync.Mutex) time.Time {
	if s.OneAtATime {
		one.Lock()
		defer one.Unlock()
	}
	now := s.Clock.Now()
	state, err := s.state(ctx, t.Name)
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Error("schedule: the journal does not answer", "task", t.Name, "error", err)
		}
		return now.Add(time.Minute)
	}
	due, next := due(t.Cron, state, now)
	if due.IsZero() {
		return next
	}
	f := Firing{Task: t.Name, Due: due, Now: now, Previous: state.Due}
	if due.Equal(state.Due) { // the same firing again: one that failed, or whose holder is gone
		f.Previous = t.Cron.Last(due.Add(-time.Second))
	}
	taken := state
	taken.Name, taken.Due, taken.Holder, taken.Started = t.Name, due, s.Holder, now
	taken.Lease, taken.Finished, taken.Outcome, taken.Note = now.Add(s.Lease), time.Time{}, "", ""
	taken, err = s.Journal.PutTask(ctx, taken)
	switch {
	case errors.Is(err, arrears.ErrConflict): // somebody was faster
		return now.Add(time.Second)
	case err != nil:
		s.Log.Error("schedule: a firing cannot be taken", "task", t.Name, "error", err)
		return now.Add(time.Minute)
	}
	s.fire(ctx, t, f, taken)
	return s.Clock.Now()
}

func (s *Schedule) state(ctx context.Context, task string) (arrears.TaskState, error) {
	list, err := s.Journal.Tasks(ctx)
	for _, t := range list {
		if t.Name == task {
			return t, err
		}
	}
	return arrears.TaskState{Name: task}, err
}

// due returns the firing that is to be done now, or zero and when to look again. Of several that
// were missed the last is done, once: it finds what the others would have done.
func due(c Cron, state arrears.TaskState, now time.Time) (fire, next time.Time) {
	last := c.Last(now)
	working := state.Version > 0 && state.Finished.IsZero()
	switch {
	case working && now.Before(state.Lease): // here or elsewhere; overlapping firings are skipped
		return time.Time{}, state.Lease
	case working: // its holder is gone
		return later(last, state.Due), time.Time{}
	case state.Version == 0: // the first time ever: whatever is due, it is not known yet
		return later(last, now.Truncate(time.Second)), time.Time{}
	case last.After(state.Due):
		return last, time.Time{}
	}
	next = c.Next(now)
	if state.Outcome == Failed {
		again := state.Finished.Add(pause(state.Failures))
		if !again.After(now) {
			return state.Due, time.Time{}
		}
		if again.Before(next) {
			next = again
		}
	}
	return time.Time{}, next
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// pause is how long a task that failed n times in a row is left alone: a minute, then twice as
// long each time, an hour at the most.
func pause(n int) time.Duration {
	return min(time.Minute<<max(0, min(n-1, 10)), time.Hour)
}

// fire does a task and writes down what came of it.
func (s *Schedule) fire(ctx context.Context, t Task, f Firing, taken arrears.TaskState) {
	log := s.Log.With("task", t.Name, "due", f.Due)
	log.Debug("task begins")
	kept, note, look, err := s.holding(ctx, t, f, taken)
	end := kept
	end.Finished = s.Clock.Now()
	end.Outcome, end.Note, end.Failures = Done, note, 0
	switch {
	case err != nil && ctx.Err() != nil:
		// Given back: the lease is over at once, and whoever is there next does it again.
		end.Finished, end.Outcome, end.Note, end.Lease = time.Time{}, "", "interrupted", end.Finished
		end.Failures = kept.Failures
	case err != nil:
		end.Outcome, end.Note, end.Failures = Failed, firstLine(err.Error()), kept.Failures+1
	case look:
		end.Outcome, end.Succeeded = Look, end.Finished
	default:
		end.Succeeded = end.Finished
	}
	if missed := t.Cron.Last(s.Clock.Now()); end.Outcome != "" && missed.After(f.Due) && t.Cron.Next(f.Due).After(f.Now) {
		end.Skipped = missed
		log.Warn("task took longer than to its next firing, which is skipped", "skipped", missed)
	}
	saved, put := s.Journal.PutTask(context.WithoutCancel(ctx), end)
	switch {
	case put != nil:
		log.Error("task has ended and the journal does not take it", "error", put)
	case err != nil && ctx.Err() != nil:
		log.Info("task is given back")
	case err != nil:
		log.Error("task failed", "error", err, "again_after", pause(end.Failures))
	default:
		log.Info("task ended", "outcome", end.Outcome, "note", note)
	}
	if s.Fired != nil && put == nil {
		s.Fired(f, saved)
	}
}

// errLost ends a task whose lease another one has taken over.
var errLost = errors.New("another program has taken over")

// holding does a task and renews its lease meanwhile. It returns the journal's last word.
func (s *Schedule) holding(ctx context.Context, t Task, f Firing, taken arrears.TaskState) (_ arrears.TaskState, note string, look bool, err error) {
	working, stop := context.WithCancelCause(ctx)
	var renewer sync.WaitGroup
	renewer.Go(func() {
		pause := s.Lease / 3
		for {
			if s.Clock.Wait(working, s.Clock.Now().Add(pause)) != nil {
				return
			}
			renewed := taken
			renewed.Lease = s.Clock.Now().Add(s.Lease)
			kept, err := s.Journal.PutTask(working, renewed)
			switch {
			case errors.Is(err, arrears.ErrConflict):
				stop(errLost)
				return
			case err == nil:
				taken, pause = kept, s.Lease/3
			default:
				pause = s.Lease / 12 // the journal is away: soon again, before the lease is over
			}
		}
	})
	note, look, err = doSafely(working, t, f)
	if errors.Is(context.Cause(working), errLost) {
		err = errLost
	}
	stop(nil)
	renewer.Wait()
	return taken, note, look, err
}

// doSafely turns a panic of a task into its error: the other tasks go on.
func doSafely(ctx context.Context, t Task, f Firing) (note string, look bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return t.Do(ctx, f)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// AskAgain says whether somebody who has waited since a moment is to be asked in the time after
// previous and up to now: at once, then after pauses that grow from 15 minutes to 6 hours. It
// needs no memory: two who ask the same get the same answer.
func AskAgain(since, previous, now time.Time) bool {
	for pause, at := 15*time.Minute, since; !at.After(now); at, pause = at.Add(pause), min(2*pause, 6*time.Hour) {
		if at.After(previous) {
			return true
		}
	}
	return false
}
