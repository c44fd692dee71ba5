package arrears

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/book"
)

// CreateOrder takes an order file as a draft or, as a quote, without judging it. Prepared by
// Operations, it also returns the token of the link that the customer needs to submit it: it is
// shown this once, only its hash is kept.
func (e *Engine) CreateOrder(ctx context.Context, path string, byOperations, quote bool) (view agreement.OrderView, token string, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return view, "", &Error{Code: "unreadable_order", Text: err.Error(), Err: err}
	}
	o, errs := book.ParseOrder(path, data)
	if len(errs) > 0 {
		all := make([]error, len(errs))
		for i, x := range errs {
			all[i] = x
		}
		return view, "", errors.Join(all...)
	}
	d, err := e.desk(ctx)
	if err != nil {
		return view, "", err
	}
	o.ID = nextID("ORD-", d.orders)
	d.complete(&o)
	if byOperations {
		secret := make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			return view, "", fmt.Errorf("link token: %w", err)
		}
		token = base64.RawURLEncoding.EncodeToString(secret)
		o.ByOperations, o.Link = true, agreement.NewLink(token, e.AsOf)
	}
	take := d.register().Draft
	if quote {
		take = d.register().Quote
	}
	if err := take(&o, e.AsOf); err != nil {
		return view, "", refused(err)
	}
	r, err := d.record(kindOrder, o.ID, 0, &o)
	if err != nil {
		return view, "", err
	}
	if _, err := e.DB.PutRecord(ctx, r, nil); err != nil {
		return view, "", err
	}
	return o.View(), token, nil
}

// complete fills in what an order leaves out and the book knows: the only payer, and the parties
// of the agreement that it is about.
func (d *desk) complete(o *agreement.Order) {
	if payers := d.dir.book.Payers; o.Payer == "" && len(payers) == 1 {
		o.Payer = payers[0].Account
	}
	a, err := d.dir.agreement(o.Agreement)
	if err != nil || o.Type == agreement.Buy {
		return
	}
	o.Payer, o.Product = a.Payer, a.Product
	if o.Client == "" {
		o.Client = a.Client
	}
	if len(a.Terms) == 0 {
		return // a legacy agreement needs none here
	}
	last := a.Terms[len(a.Terms)-1]
	if o.Buyer == "" {
		o.Buyer = last.Buyer
	}
	if o.Seller == "" {
		o.Seller = last.Seller
	}
}

// nextID returns the id after the highest of a kind: ids are counted, never drawn.
func nextID[T any](prefix string, taken map[string]T) string {
	highest := 0
	for id := range taken {
		if n, err := strconv.Atoi(strings.TrimPrefix(id, prefix)); err == nil && strings.HasPrefix(id, prefix) {
			highest = max(highest, n)
		}
	}
	return fmt.Sprintf("%s%04d", prefix, highest+1)
}

// A Submission is the customer's word: who, which terms, and the link's token for a draft that
// Operations prepared.
type Submission struct {
	By     string
	Accept []string
	Token  string
}

// SubmitOrder submits an order for the customer; a purchase makes its agreement.
func (e *Engine) SubmitOrder(ctx context.Context, id string, s Submission) (agreement.OrderView, error) {
	d, err := e.desk(ctx)
	if err != nil {
		return agreement.OrderView{}, err
	}
	o, err := d.order(id)
	if err != nil {
		return agreement.OrderView{}, err
	}
	c := &agreement.Case{Settings: d.settings()}
	if o.Type != agreement.Buy {
		if c, err = d.open(ctx, o.Agreement); err != nil {
			return agreement.OrderView{}, err
		}
	}
	deleted, err := d.register().Submit(o, c, agreement.Submission{
		By: s.By, Accept: s.Accept, Token: s.Token, Versions: d.settings().Terms, Agreement: nextID("AGR-", d.lives),
	}, e.AsOf)
	if err != nil {
		return agreement.OrderView{}, refused(err)
	}
	if err := d.save(ctx, c, deleted...); err != nil {
		return agreement.OrderView{}, err
	}
	return o.View(), nil
}

// ProcessOrder checks what an order waits for now, instead of at the next tick (domain.md R26). It
// never resets a deadline.
func (e *Engine) ProcessOrder(ctx context.Context, id string) (agreement.OrderView, []error, error) {
	d, c, err := e.caseOf(ctx, id)
	if err != nil {
		return agreement.OrderView{}, nil, err
	}
	if err := d.advance(ctx, c); err != nil {
		return agreement.OrderView{}, nil, err
	}
	return c.Order.View(), c.Troubles(), nil
}

// caseOf opens the case of an order in process.
func (e *Engine) caseOf(ctx context.Context, id string) (*desk, *agreement.Case, error) {
	d, err := e.desk(ctx)
	if err != nil {
		return nil, nil, err
	}
	o, err := d.order(id)
	if err != nil {
		return nil, nil, err
	}
	if !o.InProcess() {
		return nil, nil, wrong(agreement.CodeState, "", "order %s is %s, not in process", id, o.Status)
	}
	c, err := d.open(ctx, o.Agreement)
	return d, c, err
}

// advance moves a case on with AWS.
func (d *desk) advance(ctx context.Context, c *agreement.Case) error {
	if d.aws == nil {
		return wrong("no_aws", "credentials come from the environment, as for every AWS client", "there is no way to AWS")
	}
	err := agreement.Advance(ctx, d.aws, c, d.e.AsOf, func(ctx context.Context, c *agreement.Case) error { return d.save(ctx, c) })
	return refused(err)
}

// FailOrder fails an order in process, by Operations. Its transfer, if accepted, is ended first:
// at once if AWS answers, else by the ticks that follow.
func (e *Engine) FailOrder(ctx context.Context, id, reason string) (agreement.OrderView, []error, error) {
	return e.decide(ctx, id, func(c *agreement.Case) error { return c.Fail(reason, e.AsOf) })
}

// CancelOrder cancels an order, by Operations: a draft is deleted, one in process fails.
func (e *Engine) CancelOrder(ctx context.Context, id, reason string) (agreement.OrderView, []error, error) {
	d, err := e.desk(ctx)
	if err != nil {
		return agreement.OrderView{}, nil, err
	}
	o, err := d.order(id)
	if err != nil {
		return agreement.OrderView{}, nil, err
	}
	if o.InProcess() {
		return e.decide(ctx, id, func(c *agreement.Case) error { return c.Cancel(reason, e.AsOf) })
	}
	if err := agreement.CancelDraft(o, reason, e.AsOf); err != nil {
		return agreement.OrderView{}, nil, refused(err)
	}
	r, err := d.record(kindOrder, id, d.orderVersion[id], o)
	if err != nil {
		return agreement.OrderView{}, nil, err
	}
	_, err = e.DB.PutRecord(ctx, r, nil)
	return o.View(), nil, err
}

// CompleteOrder lets the step that an order waits for pass, by Operations with a reason.
func (e *Engine) CompleteOrder(ctx context.Context, id, by, reason string) (agreement.OrderView, []error, error) {
	return e.decide(ctx, id, func(c *agreement.Case) error { return c.Complete(by, reason, e.AsOf) })
}

// NameAccount takes the management account that the customer names for an order.
func (e *Engine) NameAccount(ctx context.Context, id string, account agreement.AccountID, by string) (agreement.OrderView, []error, error) {
	d, err := e.desk(ctx)
	if err != nil {
		return agreement.OrderView{}, nil, err
	}
	r := d.register()
	return e.decide(ctx, id, func(c *agreement.Case) error { return c.NameAccount(r, account, by, e.AsOf) })
}

// decide saves what a person decided and then goes on as far as AWS answers. The decision stands
// even if AWS does not: that is among the troubles, and the next tick goes on.
func (e *Engine) decide(ctx context.Context, id string, do func(*agreement.Case) error) (agreement.OrderView, []error, error) {
	d, c, err := e.caseOf(ctx, id)
	if err != nil {
		return agreement.OrderView{}, nil, err
	}
	if err := do(c); err != nil {
		return agreement.OrderView{}, nil, refused(err)
	}
	if err := d.save(ctx, c); err != nil {
		return agreement.OrderView{}, nil, err
	}
	c.Events = nil
	if e.AWS == nil {
		return c.Order.View(), nil, nil
	}
	if err := d.advance(ctx, c); err != nil {
		return agreement.OrderView{}, nil, err
	}
	return c.Order.View(), c.Troubles(), nil
}

// ListOrders lists all orders by id.
func (e *Engine) ListOrders(ctx context.Context) ([]agreement.OrderView, error) {
	d, err := e.desk(ctx)
	if err != nil {
		return nil, err
	}
	views := []agreement.OrderView{}
	for _, o := range d.sortedOrders() {
		views = append(views, o.View())
	}
	return views, nil
}

// ShowOrder returns one order.
func (e *Engine) ShowOrder(ctx context.Context, id string) (agreement.OrderView, error) {
	d, err := e.desk(ctx)
	if err != nil {
		return agreement.OrderView{}, err
	}
	o, err := d.order(id)
	if err != nil {
		return agreement.OrderView{}, err
	}
	return o.View(), nil
}
