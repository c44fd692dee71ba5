package agreement

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/currency"
)

// A reporter is a test or a random one.
type reporter interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Context() context.Context
}

// A world is a reseller in memory: its records, its AWS, a clock. Cases are kept as JSON, so that
// every load is what a new process would see.
type world struct {
	t        reporter
	now      time.Time
	aws      *fakeAWS
	register Register
	settings *Settings

	orders  map[string][]byte
	ended   map[string]*Order
	cases   map[string]caseRecord // by agreement
	usage   []Usage
	settled bool
	events  []Event // delivered, in order
	sent    map[string]bool
	last    string                // id of the last order
	token   string                // of the last draft by Operations
	settle  func(*Agreement) bool // nil: settled
	saves   func(after bool)      // may end the process
}

type caseRecord struct{ agreement, life []byte }

const (
	testPayer   AccountID = "999900001111"
	testAccount AccountID = "111122223333"
)

func newWorld(t reporter, now time.Time) *world {
	w := &world{
		t: t, now: now, aws: newFakeAWS(now), settings: DefaultSettings(),
		orders: make(map[string][]byte), ended: make(map[string]*Order), cases: make(map[string]caseRecord), sent: make(map[string]bool),
		register: Register{
			Catalogue: DefaultCatalogue(),
			Sellers: map[string]Seller{
				"SEL-CH": {ID: "SEL-CH", Name: "Seller AG", Country: "CH", Currency: "CHF", Currencies: []currency.Code{"CHF", "EUR", "USD"}},
				"SEL-DE": {ID: "SEL-DE", Name: "Seller GmbH", Country: "DE", Currency: "EUR"},
				"SEL-KP": {ID: "SEL-KP", Name: "Seller KP", Country: "KP", Currency: "USD"},
			},
			Buyers: map[string]Buyer{
				"BUY-0001": {ID: "BUY-0001", Name: "Buyer B.V.", Country: "NL", Email: "ap@buyer.example"},
				"BUY-0002": {ID: "BUY-0002", Name: "Other B.V.", Country: "NL", Email: "ap@other.example"},
			},
			Payers: map[AccountID]Payer{testPayer: {Account: testPayer}},
		},
	}
	w.settings.Export = ExportSettings{Bucket: "deliveries", Prefix: "cur", Region: "eu-central-1"}
	w.aws.accounts[testAccount] = &fakeOrg{}
	w.aws.accounts["444455556666"] = &fakeOrg{}
	return w
}

func (w *world) at(now time.Time) {
	w.now, w.aws.now = now, now.Add(w.aws.skew)
	w.aws.expire()
}

func encode(t reporter, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode[T any](t reporter, b []byte) *T {
	t.Helper()
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (w *world) order(id string) *Order {
	b, ok := w.orders[id]
	if !ok {
		return nil
	}
	return decode[Order](w.t, b)
}

func (w *world) allOrders() []*Order {
	var list []*Order
	for id := range w.orders {
		o := w.ended[id] // what has ended does not change any more
		if o == nil {
			if o = w.order(id); o.Status == OrderCompleted || o.Status == OrderFailed || o.Status == OrderDeleted {
				w.ended[id] = o
			}
		}
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b *Order) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func (w *world) allCases() []*Case {
	var list []*Case
	orders := w.allOrders()
	for id := range w.cases {
		list = append(list, w.loadWith(id, orders))
	}
	slices.SortFunc(list, func(a, b *Case) int { return strings.Compare(a.Life.Agreement, b.Life.Agreement) })
	return list
}

// reg is the register as it stands.
func (w *world) reg() *Register {
	r := w.register
	r.Orders = w.allOrders()
	r.Agreements = nil
	for id, c := range w.cases {
		_ = id
		r.Agreements = append(r.Agreements, Standing{decode[Agreement](w.t, c.agreement), decode[Lifecycle](w.t, c.life).Status})
	}
	return &r
}

func (w *world) load(id string) *Case { return w.loadWith(id, w.allOrders()) }

func (w *world) loadWith(id string, orders []*Order) *Case {
	rec, ok := w.cases[id]
	if !ok {
		w.t.Fatalf("no agreement %s", id)
	}
	c := &Case{Agreement: decode[Agreement](w.t, rec.agreement), Life: decode[Lifecycle](w.t, rec.life), Settings: w.settings}
	for _, o := range orders {
		if o.Agreement == id && o.InProcess() {
			c.Order = o
		}
	}
	if c.Order != nil {
		if prev, ok := w.cases[c.Order.Follows]; ok {
			c.Previous = &Previous{decode[Agreement](w.t, prev.agreement), decode[Lifecycle](w.t, prev.life)}
		}
	}
	buyer := ""
	if len(c.Agreement.Terms) > 0 {
		buyer = c.Agreement.Terms[0].Buyer
	}
	c.Facts = Facts{Usage: w.usage, Settled: w.settled, BuyerName: w.register.Buyers[buyer].Name}
	if w.settle != nil {
		c.Facts.Settled = w.settle(c.Agreement)
	}
	for _, o := range orders {
		c.Facts.Followed = c.Facts.Followed || (o.Follows == id && o.InProcess())
	}
	for other, rec := range w.cases {
		if other == id {
			continue
		}
		a := decode[Agreement](w.t, rec.agreement)
		if a.ManagementAccount != c.Agreement.ManagementAccount {
			continue
		}
		l := decode[Lifecycle](w.t, rec.life)
		if l.Relationship != "" {
			c.Facts.Held = append(c.Facts.Held, l.Relationship)
		}
		if a.Transfer.ID != "" {
			c.Facts.Transfers = append(c.Facts.Transfers, a.Transfer.ID)
		}
		c.Facts.Others = c.Facts.Others || (l.Status != Terminated && l.Status != Failed)
	}
	return c
}

func (w *world) save(_ context.Context, c *Case) error {
	if w.saves != nil {
		w.saves(false)
		defer w.saves(true)
	}
	w.cases[c.Life.Agreement] = caseRecord{encode(w.t, c.Agreement), encode(w.t, c.Life)}
	if c.Order != nil {
		w.orders[c.Order.ID] = encode(w.t, c.Order)
	}
	if c.Previous != nil {
		w.cases[c.Previous.Life.Agreement] = caseRecord{encode(w.t, c.Previous.Agreement), encode(w.t, c.Previous.Life)}
	}
	for _, e := range c.Events {
		if w.sent[e.ID] {
			w.t.Errorf("event %s was saved twice", e.ID)
		}
		w.sent[e.ID] = true
		w.events = append(w.events, e)
	}
	return nil
}

// advance moves one case on; what AWS did not answer is returned.
func (w *world) advance(id string) error {
	c := w.load(id)
	if err := Advance(context.Background(), w.aws, c, w.now, w.save); err != nil {
		return err
	}
	return errors.Join(c.Troubles()...)
}

func (w *world) tick() error {
	var ids []string
	for id := range w.cases {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var errs []error
	for _, id := range ids {
		errs = append(errs, w.advance(id))
	}
	return errors.Join(errs...)
}

// draft makes an order; operations prepares it when asked for.
func (w *world) draft(o *Order) error { return w.keep(o, w.reg().Draft) }

func (w *world) keep(o *Order, take func(*Order, time.Time) error) error {
	o.ID = fmt.Sprintf("ORD-%04d", len(w.orders)+1)
	if o.ByOperations {
		w.token = "secret-of-" + o.ID
		o.Link = NewLink(w.token, w.now)
	}
	if err := take(o, w.now); err != nil {
		return err
	}
	w.orders[o.ID] = encode(w.t, o)
	w.last = o.ID
	return nil
}

func (w *world) submit(id string, s Submission) error {
	r := w.reg()
	var o *Order
	for _, x := range r.Orders {
		if x.ID == id {
			o = x
		}
	}
	c := &Case{Settings: w.settings}
	if o.Type != Buy {
		c = w.load(o.Agreement)
	}
	s.Agreement = fmt.Sprintf("AGR-%04d", len(w.cases)+1)
	s.Versions = w.settings.Terms
	deleted, err := r.Submit(o, c, s, w.now)
	if err != nil {
		return err
	}
	for _, d := range deleted {
		w.orders[d.ID] = encode(w.t, d)
	}
	return w.save(context.Background(), c)
}

// purchase is an order as the wizard makes it.
func purchase() *Order {
	return &Order{
		Type: Buy, Product: ProductEssentials, Client: "CLI-0001", Seller: "SEL-DE", Buyer: "BUY-0001", Payer: testPayer,
		Account: OrderAccount{Option: ExistingAccount, ManagementAccount: testAccount, Model: ModelBillingTransfer, Regions: []string{"eu-central-1"}},
		Contact: Contact{Name: "Ann", Email: "ann@buyer.example"}, Support: Resold, Currency: "EUR",
	}
}

var bothTerms = []string{TermsMarketplace, TermsServices}

func date(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	panic("not a time: " + s)
}
