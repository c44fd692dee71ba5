package arrears

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/store"
)

// A Sink takes events to where they are acted on: a mail server, a webhook, a file.
type Sink interface {
	// Takes says whether the sink delivers events of a kind.
	Takes(kind string) bool
	// Deliver delivers one event. An event may come again after a crash or an error of another
	// sink; receivers know it by its ID.
	Deliver(ctx context.Context, n Notice) error
}

// A Notice is an event on its way out.
type Notice struct {
	ID   string          `json:"id"` // AGR-0001-000007
	Kind string          `json:"kind"`
	Body json.RawMessage `json:"body"`
}

// A TickReport says what a tick did.
type TickReport struct {
	AsOf       time.Time             `json:"as_of"`
	Agreements []TickRow             `json:"agreements"` // those that changed
	Orders     []agreement.OrderView `json:"orders"`     // those that changed
	Delivered  int                   `json:"delivered"`  // events
	Pending    int                   `json:"pending"`    // events that no sink took or that failed
	Troubles   []Trouble             `json:"troubles"`   // what did not answer; the next tick tries again
}

// A TickRow is an agreement that a tick changed.
type TickRow struct {
	Agreement string           `json:"agreement"`
	Status    agreement.Status `json:"status"`
}

// A Trouble is something that did not answer.
type Trouble struct {
	Agreement string `json:"agreement,omitempty"`
	Event     string `json:"event,omitempty"`
	Text      string `json:"text"`
}

// Tick does everything that is due: it asks AWS what has come of orders and agreements, moves them
// on, reminds, enforces deadlines, makes and watches deliveries, ends what has ended, and delivers
// the events. It may run at any time and as often as wanted: what is done is not done again, and
// an agreement whose AWS does not answer does not hold up the others.
func (e *Engine) Tick(ctx context.Context) (TickReport, error) {
	r := TickReport{AsOf: e.AsOf, Agreements: []TickRow{}, Orders: []agreement.OrderView{}, Troubles: []Trouble{}}
	d, err := e.desk(ctx)
	if err != nil {
		return r, err
	}
	if e.AWS != nil {
		d.aws = &onceAWS{AWS: e.AWS, exports: map[agreement.AccountID][]agreement.Export{}}
	}
	for i := range d.dir.book.Agreements {
		if err := d.tick(ctx, d.dir.book.Agreements[i].ID, &r); err != nil {
			return r, err
		}
	}
	return r, e.deliver(ctx, &r)
}

// onceAWS lists the exports of a payer once a tick: there may be a thousand, five on a page, and
// every agreement looks for its own among them.
type onceAWS struct {
	agreement.AWS
	exports map[agreement.AccountID][]agreement.Export
}

// Exports implements agreement.AWS.
func (o *onceAWS) Exports(ctx context.Context, payer agreement.AccountID) ([]agreement.Export, error) {
	if list, ok := o.exports[payer]; ok {
		return list, nil
	}
	list, err := o.AWS.Exports(ctx, payer)
	if err == nil {
		o.exports[payer] = list
	}
	return list, err
}

// CreateExport implements agreement.AWS; the next look is a fresh one.
func (o *onceAWS) CreateExport(ctx context.Context, payer agreement.AccountID, in agreement.NewExport) (agreement.Export, error) {
	x, err := o.AWS.CreateExport(ctx, payer, in)
	if err != nil {
		delete(o.exports, payer)
	} else if list, ok := o.exports[payer]; ok {
		o.exports[payer] = append(slices.Clip(list), x)
	}
	return x, err
}

// DeleteExport implements agreement.AWS; the next look is a fresh one.
func (o *onceAWS) DeleteExport(ctx context.Context, payer agreement.AccountID, x agreement.Export) error {
	delete(o.exports, payer)
	return o.AWS.DeleteExport(ctx, payer, x)
}

// tick moves one agreement on. Its case is the desk's own: what it changes, the next one sees.
func (d *desk) tick(ctx context.Context, id string, r *TickReport) error {
	c, err := d.open(ctx, id)
	if err != nil {
		return err
	}
	if !managed(c) {
		return nil
	}
	before, orderBefore := d.lifeVersion[id], int64(0)
	if c.Order != nil {
		orderBefore = d.orderVersion[c.Order.ID]
	}
	if err := d.advance(ctx, c); err != nil {
		if ctx.Err() != nil || len(agreement.Reasons(err)) == 0 {
			return err
		}
		r.Troubles = append(r.Troubles, Trouble{Agreement: id, Text: err.Error()})
		return nil
	}
	for _, t := range c.Troubles() {
		r.Troubles = append(r.Troubles, Trouble{Agreement: id, Text: t.Error()})
	}
	if d.lifeVersion[id] != before {
		r.Agreements = append(r.Agreements, TickRow{id, c.Life.Status})
	}
	if c.Order != nil && d.orderVersion[c.Order.ID] != orderBefore {
		r.Orders = append(r.Orders, c.Order.View())
	}
	return nil
}

// managed says whether the lifecycle has anything to do with an agreement: one that an order made,
// or one of the book whose transfer is named. Agreements of the legacy product are billed elsewhere.
func managed(c *agreement.Case) bool {
	if c.Order != nil {
		return true
	}
	return c.Agreement.Transfer.ID != "" || len(c.Life.Moves) > 1
}

// deliver takes the events to the sinks, in order. One that fails is kept, and so are the later
// ones of its agreement, so that a receiver sees them in order.
func (e *Engine) deliver(ctx context.Context, r *TickReport) error {
	events, err := e.DB.Events(ctx, 0)
	if err != nil {
		return err
	}
	stuck := map[string]bool{}
	for _, ev := range events {
		subject := subjectOf(ev)
		taken, err := false, error(nil)
		for _, s := range e.Sinks {
			if err == nil && s.Takes(ev.Kind) && !stuck[subject] {
				taken = true
				err = s.Deliver(ctx, Notice{ID: noticeID(ev), Kind: ev.Kind, Body: ev.Body})
			}
		}
		if !taken || err != nil {
			r.Pending++
		}
		switch {
		case err != nil:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			stuck[subject] = true
			r.Troubles = append(r.Troubles, Trouble{Event: noticeID(ev), Text: err.Error()})
		case taken:
			if err := e.DB.MarkDelivered(ctx, ev.ID); err != nil {
				return err
			}
			r.Delivered++
		}
	}
	return nil
}

// noticeID is the event's own id, or the store's where it has none.
func noticeID(ev store.Event) string {
	if ev.Subject != "" {
		return ev.Subject
	}
	return fmt.Sprint(ev.ID)
}

// subjectOf is whose events are kept in order: those of one agreement.
func subjectOf(ev store.Event) string {
	var v struct {
		Agreement string `json:"agreement"`
	}
	if json.Unmarshal(ev.Body, &v) == nil && v.Agreement != "" {
		return v.Agreement
	}
	return ev.Subject
}

// Pending returns the events that were not delivered, oldest first.
func (e *Engine) Pending(ctx context.Context) ([]Notice, error) {
	events, err := e.DB.Events(ctx, 0)
	if err != nil {
		return nil, err
	}
	list := []Notice{}
	for _, ev := range events {
		list = append(list, Notice{ID: noticeID(ev), Kind: ev.Kind, Body: ev.Body})
	}
	return slices.Clip(list), nil
}
