package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/store"
)

// tasks: of many who take a firing one gets it, and what was kept comes back.
func tasks(t *testing.T, p Place) {
	db := create(t, p)
	first := store.Task{Name: "watch", Due: now, Holder: "a", Started: now, Lease: now.Add(time.Minute)}
	kept, err := db.PutTask(t.Context(), first)
	must(t, err)
	if kept.Version != 1 {
		t.Errorf("version %d, want 1", kept.Version)
	}
	_, err = db.PutTask(t.Context(), first)
	wantErr(t, "a task that is there already", err, store.ErrConflict)

	var won atomic.Int32
	var racers sync.WaitGroup
	for range 8 {
		racers.Go(func() {
			next := kept
			next.Due = now.Add(time.Hour)
			if _, err := db.PutTask(t.Context(), next); err == nil {
				won.Add(1)
			} else if !errors.Is(err, store.ErrConflict) {
				t.Error(err)
			}
		})
	}
	racers.Wait()
	if won.Load() != 1 {
		t.Errorf("%d took the firing, want 1", won.Load())
	}
	done := kept
	done.Version, done.Due = 2, now.Add(time.Hour)
	done.Finished, done.Outcome, done.Note, done.Failures, done.Skipped = now.Add(2*time.Hour), "failed", "no disk", 3, now.Add(time.Minute)
	done, err = db.PutTask(t.Context(), done)
	must(t, err)
	got, err := db.Tasks(t.Context())
	must(t, err)
	if diff := cmp.Diff([]store.Task{done}, got); diff != "" {
		t.Errorf("tasks mismatch (-want +got):\n%s", diff)
	}
	wantClean(t, db)
}
