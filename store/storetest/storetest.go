// Package storetest is the contract of package store: what every engine must keep. Each rule is a
// subtest whose name says it; extend the suite, not one engine's test.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/store"
)

// A Place is where one store lies, empty at first. Opening it again shows the same data.
type Place interface {
	// Open opens the store; the options' Dir and URL are filled in.
	Open(ctx context.Context, o store.Options) (*store.DB, error)

	// Reset makes the place empty again; no store may be open.
	Reset(t *testing.T)

	// Exec changes rows behind the store's back, with the database's own checks switched off.
	Exec(t *testing.T, statements ...string)
}

// Run checks that stores at the places that newPlace returns keep their promises.
func Run(t *testing.T, newPlace func(*testing.T) Place) {
	for _, rule := range []struct {
		name string
		test func(*testing.T, Place)
	}{
		{"a place without data is ErrNone unless it may be created", none},
		{"a second writer is told who holds the data", secondWriter},
		{"shared writers work side by side", sharedWriters},
		{"without Write every write is ErrReadOnly", readOnly},
		{"a schema newer than the program is refused", newerSchema},
		{"an object gets a new version when it changed and only then", objectVersions},
		{"objects are put all or none", objectsAllOrNone},
		{"lists are in bytewise order", bytewise},
		{"a month comes back as it was saved", monthRoundTrip},
		{"a brief month cannot be saved", briefMonths},
		{"a month is replaced only at the version that was read", monthConflict},
		{"months are saved all or none", monthsAllOrNone},
		{"one of many writers of a month wins", monthRace},
		{"an approval is of the draft that was shown", approvals},
		{"numbers of a series are without gaps and start again each year", numbers},
		{"what fails spends no number", noNumberSpent},
		{"an issue date never goes back within a series", issueDates},
		{"an organisation's month is billed once", billedOnce},
		{"parts and whole exclude each other", parts},
		{"corrections may be many", corrections},
		{"64 issuers at a time leave no gap and no number twice", parallelIssuers},
		{"of many who bill one organisation-month one wins", parallelBilling},
		{"readers see the state before while one writes", readersNotBlocked},
		{"an issued document comes back by id and by number", documentRoundTrip},
		{"a rendering is made once", renderings},
		{"a waiver is kept once", waivers},
		{"the first scan of a file and pin stays", scans},
		{"a corrected rate is a new version", rates},
		{"a record is replaced only at the version that was read, events come with it", records},
		{"a batch of records, objects and events is written as one or not at all", batches},
		{"a blob comes back under its hash", blobs},
		{"the audit log names who did what, in a chain", audit},
		{"runs are kept, newest first", runs},
		{"of many who take a firing of a task one gets it", tasks},
		{"what was written checks without a finding", checkClean},
		{"whatever is changed behind the store is found", tamper},
		{"dumps are equal when contents are", dump},
		{"a cancelled context stops a write before it happens", cancelled},
	} {
		t.Run(rule.name, func(t *testing.T) {
			t.Parallel()
			rule.test(t, newPlace(t))
		})
	}
}

var (
	march = calendar.MustMonth("2026-03")
	now   = time.Date(2026, 4, 8, 9, 30, 0, 0, time.UTC)
)

// clock is the real time of a test: it stands still.
func clock() time.Time { return now }

func open(t *testing.T, p Place, o store.Options) *store.DB {
	t.Helper()
	if o.Now == nil {
		o.Now = clock
	}
	db, err := p.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func create(t *testing.T, p Place) *store.DB {
	t.Helper()
	return open(t, p, store.Options{Create: true, Command: "test", By: "tester"})
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: error %v, want %v", what, got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// race runs n at a time and returns how many had no error; the errors of the others go to lost.
func race(n int, run func(i int) error, lost func(error)) (won int) {
	errs := make(chan error)
	for i := range n {
		go func() { errs <- run(i) }()
	}
	for range n {
		if err := <-errs; err == nil {
			won++
		} else {
			lost(err)
		}
	}
	return won
}

// wantClean checks that the store finds nothing wrong with itself.
func wantClean(t *testing.T, db *store.DB) []store.Certificate {
	t.Helper()
	findings, certificates, err := db.Check(t.Context())
	must(t, err)
	for _, f := range findings {
		t.Errorf("finding %s: %s: %s", f.Code, f.Object, f.Text)
	}
	return certificates
}
