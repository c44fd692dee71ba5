package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/calendar"
)

// memory is a journal that loses nothing.
type memory struct {
	mu    sync.Mutex
	tasks map[string]arrears.TaskState
	down  bool
}

func (m *memory) Tasks(context.Context) ([]arrears.TaskState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return nil, errors.New("no connection")
	}
	return slices.Collect(maps.Values(m.tasks)), nil
}

func (m *memory) PutTask(_ context.Context, t arrears.TaskState) (arrears.TaskState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return t, errors.New("no connection")
	}
	if m.tasks[t.Name].Version != t.Version {
		return t, arrears.ErrConflict
	}
	t.Version++
	m.tasks[t.Name] = t
	return t, nil
}

func newMemory() *memory { return &memory{tasks: map[string]arrears.TaskState{}} }

// quickClock is the bubble's clock, without looking up every minute.
type quickClock struct{ RealClock }

func (quickClock) Wait(ctx context.Context, t time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(t)):
		return ctx.Err()
	}
}

func schedule(j Journal, holder string, tasks ...Task) *Schedule {
	return &Schedule{Tasks: tasks, Journal: j, Holder: holder, Clock: quickClock{}, Log: slog.New(slog.DiscardHandler)}
}

// Eighteen months, two schedulers over one journal, each of which is down at random for minutes to
// weeks and is killed in the middle of its work: every month is closed once, in order, and none is
// missed; a firing is never at work twice at the same time.
func TestEighteenMonthsWithOutages(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { eighteenMonths(t, seed) })
		})
	}
}

func eighteenMonths(t *testing.T, seed uint64) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	random := rand.New(rand.NewPCG(seed, 1))
	from := calendar.MonthOf(time.Now())

	var mu sync.Mutex
	var closed []calendar.Month
	atWork := map[string]int{}
	fired := map[string]int{}
	work := func(ctx context.Context, f Firing, d time.Duration, do func()) error {
		mu.Lock()
		if atWork[f.Task]++; atWork[f.Task] > 1 {
			t.Errorf("%s of %s is at work twice", f.Task, f.Due)
		}
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			atWork[f.Task]--
		}()
		if err := (quickClock{}).Wait(ctx, time.Now().Add(d)); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		fired[f.Task]++
		do()
		return nil
	}
	closing := Task{Name: "close", Cron: mustCron(t, "30 2 8-31 * *", "Europe/Berlin"), Do: func(ctx context.Context, f Firing) (string, bool, error) {
		for { // everything that is due, oldest first
			mu.Lock()
			next := from.Add(len(closed))
			mu.Unlock()
			if !next.Add(1).Day(8).Time().Before(f.Now) {
				return "", false, nil
			}
			err := work(ctx, f, 40*time.Minute, func() { closed = append(closed, next) })
			if err != nil {
				return "", false, err
			}
		}
	}}
	watch := Task{Name: "watch", Cron: mustCron(t, "20 * * * *", ""), Do: func(ctx context.Context, f Firing) (string, bool, error) {
		return "", false, work(ctx, f, time.Duration(1+f.Due.Minute())*time.Minute, func() {})
	}}

	j := newMemory()
	var programs sync.WaitGroup
	for _, holder := range []string{"one", "two"} {
		lives := rand.New(rand.NewPCG(seed, uint64(holder[0])))
		programs.Go(func() {
			for ctx.Err() == nil {
				life, end := context.WithTimeout(ctx, time.Duration(lives.IntN(10*24*60))*time.Minute)
				_ = schedule(j, holder, closing, watch).Run(life)
				end()
				down := time.Duration(lives.IntN(300)) * time.Minute
				if lives.IntN(5) == 0 {
					down = time.Duration(lives.IntN(21*24)) * time.Hour
				}
				_ = (quickClock{}).Wait(ctx, time.Now().Add(down))
			}
		})
	}
	time.Sleep(547*24*time.Hour + time.Duration(random.IntN(1000))*time.Minute)
	cancel()
	programs.Wait()

	// Both may have been down in the last days: a third comes and finds the rest.
	final, end := context.WithTimeout(t.Context(), 6*time.Hour)
	defer end()
	last := schedule(j, "three", closing, watch)
	var ended []arrears.TaskState
	last.Fired = func(_ Firing, s arrears.TaskState) { mu.Lock(); ended = append(ended, s); mu.Unlock() }
	_ = last.Run(final)

	want := 0
	for !from.Add(want + 1).Day(8).Time().After(time.Now().Add(-12 * time.Hour)) {
		want++
	}
	if len(closed) < want || len(closed) > want+1 {
		t.Errorf("%d months closed, want %d", len(closed), want)
	}
	for i, m := range closed {
		if m != from.Add(i) {
			t.Errorf("month %d closed is %s, want %s", i, m, from.Add(i))
		}
	}
	if fired["watch"] < 6000 {
		t.Errorf("watch fired %d times", fired["watch"])
	}
	if len(ended) == 0 {
		t.Error("nobody was told of the last firings")
	}
}

func TestFailedFiringIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begin := time.Now()
		task := Task{Name: "close", Cron: mustCron(t, "0 0 1 * *", ""), Do: func(context.Context, Firing) (string, bool, error) {
			at = append(at, time.Since(begin))
			if len(at) == 3 {
				panic("a bug")
			}
			if len(at) < 5 {
				return "", false, errors.New("no disk\nand more")
			}
			return "drafted 3", true, nil
		}}
		j := newMemory()
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		_ = schedule(j, "one", task).Run(ctx)
		want := []time.Duration{0, time.Minute, 3 * time.Minute, 7 * time.Minute, 15 * time.Minute}
		if !slices.Equal(at, want) {
			t.Errorf("tried at %v, want %v", at, want)
		}
		if s := j.tasks["close"]; s.Outcome != Look || s.Failures != 0 || s.Note != "drafted 3" {
			t.Errorf("the journal says %+v", s)
		}
	})
}

func TestOverlappingFiringIsSkippedAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fired := 0
		task := Task{Name: "watch", Cron: mustCron(t, "*/10 * * * *", ""), Do: func(ctx context.Context, _ Firing) (string, bool, error) {
			fired++
			return "", false, (quickClock{}).Wait(ctx, time.Now().Add(25*time.Minute))
		}}
		j := newMemory()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		_ = schedule(j, "one", task).Run(ctx)
		if s := j.tasks["watch"]; fired > 8 || s.Skipped.IsZero() {
			t.Errorf("fired %d times, skipped %v", fired, s.Skipped)
		}
	})
}

// A holder that dies keeps a firing only until its lease ends; one that lives and whose journal is
// away for a while does not lose it.
func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		j := newMemory()
		j.tasks["close"] = arrears.TaskState{Name: "close", Version: 7, Due: begin, Started: begin, Lease: begin.Add(2 * time.Minute), Holder: "dead"}
		var at []time.Duration
		task := Task{Name: "close", Cron: mustCron(t, "0 0 1 * *", ""), Do: func(ctx context.Context, _ Firing) (string, bool, error) {
			at = append(at, time.Since(begin))
			return "", false, (quickClock{}).Wait(ctx, time.Now().Add(time.Hour))
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Hour)
		defer cancel()
		var programs sync.WaitGroup
		for _, holder := range []string{"one", "two"} {
			programs.Go(func() { _ = schedule(j, holder, task).Run(ctx) })
		}
		time.Sleep(30 * time.Minute)
		j.mu.Lock()
		j.down = true
		j.mu.Unlock()
		time.Sleep(time.Minute)
		j.mu.Lock()
		j.down = false
		j.mu.Unlock()
		programs.Wait()
		if want := []time.Duration{2 * time.Minute}; !slices.Equal(at, want) {
			t.Errorf("fired at %v, want %v", at, want)
		}
		if s := j.tasks["close"]; s.Outcome != Done {
			t.Errorf("the journal says %+v", s)
		}
	})
}

func TestAskAgain(t *testing.T) {
	since := time.Date(2026, 4, 8, 6, 0, 0, 0, time.UTC)
	var asked []time.Duration
	previous := since.Add(-time.Minute)
	for now := since; now.Before(since.Add(48 * time.Hour)); now = now.Add(5 * time.Minute) {
		if AskAgain(since, previous, now) {
			asked = append(asked, now.Sub(since))
		}
		previous = now
	}
	want := []time.Duration{0, 15 * time.Minute, 45 * time.Minute, 105 * time.Minute, 225 * time.Minute, 465 * time.Minute}
	for len(want) < len(asked) {
		want = append(want, want[len(want)-1]+6*time.Hour)
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked after %v, want %v", asked, want)
	}
	if !AskAgain(since, since.Add(time.Hour), since.Add(300*time.Hour)) {
		t.Error("who was not asked for long is asked")
	}
}
