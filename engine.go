package arrears

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/book"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/store"
)

// An Engine does what the commands say: it joins the store, AWS's deliveries and invoices, and the
// pure packages. Its verbs stand one to a file.
type Engine struct {
	DB   *store.DB // nil: nothing is stored yet, which only Apply with dryRun can work with
	AsOf time.Time // what "now" is for everything that enters a result
	By   string    // who acts, for the audit log

	Workers int // deliveries read side by side; 0: one for each processor

	// Open opens the source of a delivery; nil opens folders.
	Open func(location string) (ingest.Store, error)
	// Invoices lists AWS's bills of a payer whose book says invoices: api; nil refuses it.
	Invoices func(ctx context.Context, payer agreement.AccountID, m calendar.Month) ([]ingest.Bill, error)
	// AWS is what the lifecycle asks; nil: there is no way to AWS.
	AWS agreement.AWS
	// Lifecycle are the reseller's settings for orders and agreements; nil: the defaults.
	Lifecycle *agreement.Settings
	// Sinks take the lifecycle's events out.
	Sinks []Sink
	// Progress hears of every agreement done; nil is quiet. It is called from one goroutine at a time.
	Progress func(Progress)

	dry bool // write nothing
}

func (e *Engine) writes() bool { return !e.dry }

// Progress is how far a run has come.
type Progress struct {
	Done, Of int // agreements
	Rows     int64
}

func (e *Engine) workers() int {
	if e.Workers > 0 {
		return e.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// An Error is a failure that a person can do something about.
type Error struct {
	Code string // for scripts
	Text string
	Hint string // what to do next; may be empty
	Err  error
}

func (e *Error) Error() string { return e.Text }

func (e *Error) Unwrap() error { return e.Err }

// wrong is an error of usage: an unknown id, a state that does not allow it. Nothing was changed.
func wrong(code, hint, format string, args ...any) error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...), Hint: hint}
}

// Kinds of objects in the store.
const (
	kindSeller    = "seller"
	kindBuyer     = "buyer"
	kindPayer     = "payer"
	kindAgreement = "agreement"
)

// directory is the stored book, to be looked things up in.
type directory struct {
	book     book.Book
	versions map[string]string // "kind/id": version
	hashes   map[string]string // "kind/id": hash
}

// directory loads the newest version of every object.
func (e *Engine) directory(ctx context.Context) (*directory, error) {
	d := &directory{versions: map[string]string{}, hashes: map[string]string{}}
	if e.DB == nil {
		return d, nil
	}
	objects, err := e.DB.Objects(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		var err error
		switch o.Kind {
		case kindSeller:
			d.book.Sellers, err = decodeTo(d.book.Sellers, o)
		case kindBuyer:
			d.book.Buyers, err = decodeTo(d.book.Buyers, o)
		case kindPayer:
			d.book.Payers, err = decodeTo(d.book.Payers, o)
		case kindAgreement:
			d.book.Agreements, err = decodeTo(d.book.Agreements, o)
		}
		if err != nil {
			return nil, err
		}
		d.versions[o.Kind+"/"+o.ID] = fmt.Sprint(o.Version)
		d.hashes[o.Kind+"/"+o.ID] = o.Hash
	}
	slices.SortFunc(d.book.Agreements, func(a, b agreement.Agreement) int { return strings.Compare(a.ID, b.ID) })
	return d, nil
}

func decodeTo[T any](list []T, o store.Object) ([]T, error) {
	var v T
	if err := json.Unmarshal(o.Body, &v); err != nil {
		return nil, fmt.Errorf("stored %s %s: %w", o.Kind, o.ID, err)
	}
	return append(list, v), nil
}

func (d *directory) agreement(id string) (*agreement.Agreement, error) {
	for i := range d.book.Agreements {
		if d.book.Agreements[i].ID == id {
			return &d.book.Agreements[i], nil
		}
	}
	return nil, wrong("unknown_id", "arrears agreement list shows them", "no agreement %s", id)
}

func (d *directory) seller(id string) (agreement.Seller, bool) {
	i := slices.IndexFunc(d.book.Sellers, func(s agreement.Seller) bool { return s.ID == id })
	if i < 0 {
		return agreement.Seller{}, false
	}
	return d.book.Sellers[i], true
}

func (d *directory) buyer(id string) (agreement.Buyer, bool) {
	i := slices.IndexFunc(d.book.Buyers, func(b agreement.Buyer) bool { return b.ID == id })
	if i < 0 {
		return agreement.Buyer{}, false
	}
	return d.book.Buyers[i], true
}

func (d *directory) payer(id agreement.AccountID) (agreement.Payer, bool) {
	i := slices.IndexFunc(d.book.Payers, func(p agreement.Payer) bool { return p.Account == id })
	if i < 0 {
		return agreement.Payer{}, false
	}
	return d.book.Payers[i], true
}
