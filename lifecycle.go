package arrears

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/store"
)

// Kinds of records in the store.
const (
	kindOrder     = "order"
	kindLifecycle = "lifecycle"
)

// A desk is what the lifecycle works on: the book, every order, and where each agreement stands.
// All decisions are agreement's; the desk loads its cases and saves them as one.
type desk struct {
	e      *Engine
	aws    agreement.AWS // nil: there is no way to AWS
	dir    *directory
	orders map[string]*agreement.Order
	lives  map[string]*agreement.Lifecycle
	// versions of the records as they were read, for compare-and-swap
	orderVersion, lifeVersion map[string]int64
}

func (e *Engine) desk(ctx context.Context) (*desk, error) {
	dir, err := e.directory(ctx)
	if err != nil {
		return nil, err
	}
	d := &desk{
		e: e, dir: dir, aws: e.AWS,
		orders: map[string]*agreement.Order{}, lives: map[string]*agreement.Lifecycle{},
		orderVersion: map[string]int64{}, lifeVersion: map[string]int64{},
	}
	if err := loadRecords(ctx, e.DB, kindOrder, d.orders, d.orderVersion); err != nil {
		return nil, err
	}
	if err := loadRecords(ctx, e.DB, kindLifecycle, d.lives, d.lifeVersion); err != nil {
		return nil, err
	}
	for i := range dir.book.Agreements {
		// What the book alone made is running; its lifecycle is kept once something happens to it.
		if a := &dir.book.Agreements[i]; d.lives[a.ID] == nil {
			d.lives[a.ID] = agreement.Adopt(a, a.Transfer.Accepted)
		}
	}
	return d, nil
}

func loadRecords[T any](ctx context.Context, db *store.DB, kind string, into map[string]*T, versions map[string]int64) error {
	list, err := db.Records(ctx, kind)
	if err != nil {
		return err
	}
	for _, r := range list {
		v := new(T)
		if err := json.Unmarshal(r.Body, v); err != nil {
			return fmt.Errorf("stored %s %s: %w", kind, r.ID, err)
		}
		into[r.ID], versions[r.ID] = v, r.Version
	}
	return nil
}

// provisioning returns the agreements whose purchase is still in process.
func (e *Engine) provisioning(ctx context.Context) (map[string]bool, error) {
	lives := map[string]*agreement.Lifecycle{}
	if err := loadRecords(ctx, e.DB, kindLifecycle, lives, map[string]int64{}); err != nil {
		return nil, err
	}
	open := map[string]bool{}
	for id, l := range lives {
		if l.Status == agreement.Provisioning {
			open[id] = true
		}
	}
	return open, nil
}

// register is what an order is judged against.
func (d *desk) register() *agreement.Register {
	r := &agreement.Register{
		Catalogue: agreement.DefaultCatalogue(),
		Sellers:   map[string]agreement.Seller{}, Buyers: map[string]agreement.Buyer{}, Payers: map[agreement.AccountID]agreement.Payer{},
	}
	for _, s := range d.dir.book.Sellers {
		r.Sellers[s.ID] = s
	}
	for _, b := range d.dir.book.Buyers {
		r.Buyers[b.ID] = b
	}
	for _, p := range d.dir.book.Payers {
		r.Payers[p.Account] = p
	}
	for i := range d.dir.book.Agreements {
		a := &d.dir.book.Agreements[i]
		r.Agreements = append(r.Agreements, agreement.Standing{Agreement: a, Status: d.lives[a.ID].Status})
	}
	r.Orders = d.sortedOrders()
	return r
}

func (d *desk) sortedOrders() []*agreement.Order {
	var list []*agreement.Order
	for _, o := range d.orders {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b *agreement.Order) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func (d *desk) order(id string) (*agreement.Order, error) {
	if o := d.orders[id]; o != nil {
		return o, nil
	}
	return nil, wrong("unknown_id", "arrears order list shows them", "no order %s", id)
}

// inProcess returns the order in process of an agreement, or nil.
func (d *desk) inProcess(id string) *agreement.Order {
	for _, o := range d.sortedOrders() {
		if o.Agreement == id && o.InProcess() {
			return o
		}
	}
	return nil
}

func (d *desk) settings() *agreement.Settings {
	if d.e.Lifecycle != nil {
		return d.e.Lifecycle
	}
	return agreement.DefaultSettings()
}

// open returns the case of an agreement.
func (d *desk) open(ctx context.Context, id string) (*agreement.Case, error) {
	a, err := d.dir.agreement(id)
	if err != nil {
		return nil, err
	}
	c := &agreement.Case{Agreement: a, Life: d.lives[id], Order: d.inProcess(id), Settings: d.settings()}
	if c.Order != nil && c.Order.Follows != "" {
		prev, err := d.dir.agreement(c.Order.Follows)
		if err != nil {
			return nil, err
		}
		c.Previous = &agreement.Previous{Agreement: prev, Life: d.lives[prev.ID]}
	}
	c.Facts, err = d.facts(ctx, c)
	return c, err
}

// facts are what the store knows of an agreement and its case decides on.
func (d *desk) facts(ctx context.Context, c *agreement.Case) (agreement.Facts, error) {
	var f agreement.Facts
	now := d.e.AsOf
	if t, ok := c.Agreement.TermsAt(calendar.MonthOf(now)); ok {
		if b, ok := d.dir.buyer(t.Buyer); ok {
			f.BuyerName = b.Name
		}
	}
	for i := range d.dir.book.Agreements {
		a := &d.dir.book.Agreements[i]
		l := d.lives[a.ID]
		if a.ID == c.Life.Agreement || a.ManagementAccount != c.Agreement.ManagementAccount {
			continue
		}
		if l.Relationship != "" {
			f.Held = append(f.Held, l.Relationship)
		}
		if a.Transfer.ID != "" {
			f.Transfers = append(f.Transfers, a.Transfer.ID)
		}
		f.Others = f.Others || l.Status != agreement.Failed && l.Status != agreement.Terminated
	}
	for _, o := range d.orders {
		f.Followed = f.Followed || o.Follows == c.Life.Agreement && o.InProcess()
	}
	w, ok := c.Agreement.Window()
	if !ok {
		return f, nil
	}
	if !w.To.IsZero() {
		rec, err := d.e.DB.Month(ctx, c.Life.Agreement, w.To)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return f, err
		}
		f.Settled = rec.Status == NothingToBill || hasIssued(rec.Status)
	}
	var err error
	f.Usage, err = d.usage(ctx, c.Life.Agreement, w, calendar.MonthOf(now))
	return f, err
}

// usageMonths is how many closed months are looked at: one more than end an idle subscription.
const usageMonths = 4

// usage returns the accounts that had usage in the latest closed months. Only months that were
// computed to the end are known.
func (d *desk) usage(ctx context.Context, id string, w calendar.Window, now calendar.Month) ([]agreement.Usage, error) {
	var list []agreement.Usage
	for m := now.Add(-usageMonths); m.Before(now); m = m.Add(1) {
		if !w.Contains(m) {
			continue
		}
		rec, err := d.e.DB.Month(ctx, id, m)
		if errors.Is(err, store.ErrNotFound) || err == nil && len(rec.Evidence) == 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		if rec.Status != NothingToBill && rec.Status != Drafted && rec.Status != Approved && !hasIssued(rec.Status) {
			continue
		}
		v, err := d.e.lastEvidence(ctx, rec)
		if err != nil {
			return nil, err
		}
		u := agreement.Usage{Month: m}
		for _, c := range v.Set.Charges {
			if account := agreement.AccountID(c.Account); c.NonZero > 0 && account.Valid() && !slices.Contains(u.Accounts, account) {
				u.Accounts = append(u.Accounts, account)
			}
		}
		list = append(list, u)
	}
	return list, nil
}

// save keeps a case: agreement, lifecycle, order and events in one transaction.
func (d *desk) save(ctx context.Context, c *agreement.Case, others ...*agreement.Order) error {
	b := store.Batch{At: d.e.AsOf, By: d.e.By}
	agreements := []*agreement.Agreement{c.Agreement}
	lives := []*agreement.Lifecycle{c.Life}
	orders := others
	if c.Order != nil {
		orders = append(orders, c.Order)
	}
	if c.Previous != nil {
		agreements, lives = append(agreements, c.Previous.Agreement), append(lives, c.Previous.Life)
	}
	for _, a := range agreements {
		body, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("agreement %s: %w", a.ID, err)
		}
		b.Objects = append(b.Objects, store.Object{Kind: kindAgreement, ID: a.ID, Body: body})
	}
	for _, l := range lives {
		r, err := d.record(kindLifecycle, l.Agreement, d.lifeVersion[l.Agreement], l)
		if err != nil {
			return err
		}
		b.Records = append(b.Records, r)
	}
	for _, o := range orders {
		r, err := d.record(kindOrder, o.ID, d.orderVersion[o.ID], o)
		if err != nil {
			return err
		}
		b.Records = append(b.Records, r)
	}
	for _, e := range c.Events {
		body, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("event %s: %w", e.ID, err)
		}
		b.Events = append(b.Events, store.Event{Kind: e.Type, Subject: e.ID, Body: body})
	}
	saved, err := d.e.DB.Put(ctx, b)
	if err != nil {
		return err
	}
	for _, r := range saved {
		d.kept(r)
	}
	return nil
}

func (d *desk) record(kind, id string, version int64, v any) (store.Record, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return store.Record{}, fmt.Errorf("%s %s: %w", kind, id, err)
	}
	return store.Record{Kind: kind, ID: id, Version: version, Body: body, Updated: d.e.AsOf}, nil
}

func (d *desk) kept(r store.Record) {
	if r.Kind == kindOrder {
		d.orderVersion[r.ID] = r.Version
	} else {
		d.lifeVersion[r.ID] = r.Version
	}
}

// refused turns a refusal of the lifecycle into an error that a person can act on.
func refused(err error) error {
	var r *agreement.Refusal
	if !errors.As(err, &r) || len(r.Reasons) == 0 {
		return err
	}
	texts := make([]string, len(r.Reasons))
	for i, reason := range r.Reasons {
		texts[i] = reason.Text
		if len(r.Reasons) > 1 {
			texts[i] = reason.Code + ": " + reason.Text
		}
	}
	return &Error{Code: r.Reasons[0].Code, Text: strings.Join(texts, "; "), Hint: "nothing was changed", Err: err}
}
