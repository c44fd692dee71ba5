package agreement

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// A Case is one agreement with all that the lifecycle knows about it: the terms and window that
// the month is billed by, its place in AWS, and the order in process. It is loaded, moved on and
// saved as one.
//
// A case is a pure state machine. Want says what it would like AWS to tell or do next, Step takes
// the answer; in between, the caller saves. A case that is loaded again, after a crash at any
// instant, looks at AWS before it creates anything, so that nothing is made twice.
type Case struct {
	Agreement *Agreement
	Life      *Lifecycle
	Order     *Order    // in process; nil: none
	Previous  *Previous // the agreement that the order takes over from; nil: none
	Facts     Facts
	Settings  *Settings
	Events    []Event // what happened since it was loaded, to be saved and delivered with it

	pass pass
}

// A Previous is the agreement that hands over to a case's.
type Previous struct {
	Agreement *Agreement
	Life      *Lifecycle
}

// Facts are what the store knows and a case decides on.
type Facts struct {
	// Settled: the final month of the window is issued, corrected, credited or has nothing to bill.
	Settled bool
	// Usage lists closed months, ascending, each with the accounts that had usage in it. A month
	// whose delivery is missing is not in the list: unknown, not without usage (domain.md W41).
	Usage []Usage
	// Held are the relationships that other agreements hold.
	Held []string
	// Transfers are those that other agreements of the organisation are billed on.
	Transfers []string
	// Others: another agreement of the organisation has not ended.
	Others bool
	// Followed: an order in process takes over from this agreement.
	Followed bool
	// BuyerName is how AWS shows the buyer to the customer.
	BuyerName string
}

// Usage is the accounts of the organisation that had usage in a closed month.
type Usage struct {
	Month    calendar.Month
	Accounts []AccountID
}

// Settings are the reseller's choices for the lifecycle.
type Settings struct {
	ReminderDays []int             // days after the wait began
	DeadlineDays int               // days after the wait began
	Terms        map[string]string // version in force of the two sets of terms
	Support      string            // where customers write to
	RolesPage    string            // the Essentials Bootstrap Role page (R46)
	Export       ExportSettings
}

// ExportSettings say where AWS delivers cost and usage to.
type ExportSettings struct {
	Kind   string // ExportLegacy (default) | ExportData
	Bucket string
	Prefix string
	Region string
}

// DefaultSettings are the schedule of D-4 and what the program can know by itself.
func DefaultSettings() *Settings {
	return &Settings{
		ReminderDays: []int{1, 3, 7, 10},
		DeadlineDays: 14,
		Terms:        map[string]string{TermsMarketplace: "1", TermsServices: "1"},
		Support:      "Marketplace Platform Support",
		RolesPage:    "the Essentials Bootstrap Role page of the services documentation",
		Export:       ExportSettings{Kind: ExportLegacy},
	}
}

// A Lifecycle is where an agreement stands and what it holds in AWS. Transfer and service term
// are in the Agreement, since the month is billed by them.
type Lifecycle struct {
	Agreement     string         `json:"agreement"`
	Status        Status         `json:"status"`
	TransferARN   string         `json:"transfer_arn,omitempty"`
	BillingGroup  string         `json:"billing_group,omitempty"` // ARN
	Program       string         `json:"program,omitempty"`       // pma-...
	Relationship  string         `json:"relationship,omitempty"`  // rs-...
	Handshake     Term           `json:"handshake,omitzero"`
	RoleSince     time.Time      `json:"role_since,omitzero"`
	Observed      Observation    `json:"observed,omitzero"`
	GapWarned     bool           `json:"gap_warned,omitempty"`
	EndWanted     bool           `json:"end_wanted,omitempty"` // AWS would not end the transfer of the failed order yet
	MinimumEnd    calendar.Date  `json:"minimum_end,omitzero"` // stored when the purchase completes (R43)
	Tidied        time.Time      `json:"tidied,omitzero"`      // nothing of it is left in AWS but the export
	Delivery      Delivery       `json:"delivery,omitzero"`
	Subscriptions []Subscription `json:"subscriptions,omitempty"`
	Reasons       []Reason       `json:"reasons,omitempty"`
	Moves         []Move         `json:"moves,omitempty"`
	Updated       time.Time      `json:"updated"`
	Seq           int            `json:"seq"` // of the last event
}

// A Term is the service term that was offered (AWS's channel handshake).
type Term struct {
	ID      string          `json:"id,omitempty"`
	Status  HandshakeStatus `json:"status,omitempty"`
	Created time.Time       `json:"created,omitzero"`
	End     time.Time       `json:"end,omitzero"`
}

// An Event is something that others act on: a mail to the customer, a ticket, a project, an
// entitlement. It is saved with what caused it and delivered afterwards, at least once; its id is
// always the same.
type Event struct {
	ID        string            `json:"id"` // AGR-0001-000007
	Type      string            `json:"type"`
	At        time.Time         `json:"at"`
	Agreement string            `json:"agreement"`
	Order     string            `json:"order,omitempty"`
	To        string            `json:"to,omitempty"` // mail: address
	Subject   string            `json:"subject,omitempty"`
	Text      string            `json:"text,omitempty"`
	Data      map[string]string `json:"data,omitempty"`
}

// Types of events. Mail is the only one with an address; the others are for the systems of the
// reseller that AWS does not replace: CRM, onboarding, contract cards, ERP projects, FinOps.
const (
	EventMail             = "mail"
	EventOrderSubmitted   = "order_submitted"
	EventOrderCompleted   = "order_completed"
	EventOrderFailed      = "order_failed"
	EventOrderWaits       = "order_waits"
	EventAskOperations    = "operations_asked"
	EventAccountTicket    = "new_account_ticket"
	EventOnboarding       = "onboarding_requested"
	EventContractCard     = "contract_card_requested"
	EventProject          = "project_requested"
	EventPortal           = "support_portal_entitled" // partner-led support only (R41)
	EventPortalEnded      = "support_portal_ended"
	EventServices         = "services_interest" // supplementary services: interest only (D4)
	EventTransferAccepted = "transfer_accepted"
	EventTransferEnds     = "transfer_ends"
	EventTermAccepted     = "term_accepted"
	EventTermGap          = "term_gap"
	EventEntitled         = "finops_entitled"
	EventEntitlementEnded = "finops_ended"
	EventDeliveryAlarm    = "delivery_alarm"
	EventTerminationAsked = "termination_requested"
	EventTerminated       = "agreement_terminated"
	EventHandedOver       = "agreement_handed_over"
)

// emit adds an event; data are pairs of key and value.
func (c *Case) emit(now time.Time, kind, text string, data ...string) *Event {
	c.Life.Seq++
	e := Event{
		ID:   fmt.Sprintf("%s-%06d", c.Life.Agreement, c.Life.Seq),
		Type: kind, At: now, Agreement: c.Life.Agreement, Text: text,
	}
	if c.Order != nil {
		e.Order = c.Order.ID
	}
	for kv := range slices.Chunk(data, 2) {
		if e.Data == nil {
			e.Data = make(map[string]string)
		}
		e.Data[kv[0]] = kv[1]
	}
	c.Events = append(c.Events, e)
	return &c.Events[len(c.Events)-1]
}

// move makes a transition of the agreement's status by its table.
func (c *Case) move(event string, now time.Time) error { return c.Life.move(event, now) }

func (l *Lifecycle) move(event string, now time.Time) error {
	to, err := Statuses.Next(l.Status, event)
	if err != nil {
		return refusal(CodeState, fmt.Sprintf("agreement %s: %v", l.Agreement, err))
	}
	l.Moves = append(l.Moves, Move{At: now, Of: "agreement", From: string(l.Status), Event: event, To: string(to)})
	l.Status, l.Updated = to, now
	return nil
}

// phase makes a transition of the order's phase by its table.
func (c *Case) phase(event string, now time.Time) error {
	o := c.Order
	to, err := Phases.Next(o.Phase, event)
	if err != nil {
		return refusal(CodeState, fmt.Sprintf("order %s: %v", o.ID, err))
	}
	o.Moves = append(o.Moves, Move{At: now, Of: "phase", From: string(o.Phase), Event: event, To: string(to)})
	o.Phase, o.Updated = to, now
	o.Waiting, o.Reasons = nil, nil
	c.pass.looked, c.pass.tried = nil, 0
	if o.Status == OrderQuerying {
		return o.move("answer", now, "")
	}
	return nil
}

// A pass is one look at everything; it is forgotten when the case is saved and loaded again.
type pass struct {
	task     int
	looked   map[string]any // what AWS showed in this task and phase
	tried    int            // changes asked of AWS in this task
	troubles []error        // what could not be done now, and is tried again in the next pass
}

// A task is one concern of a case. want returns what it wants of AWS, nil when it has nothing
// more to do in this pass; step takes the answer and says whether the task goes on.
type task struct {
	name string
	want func(c *Case, now time.Time) (Request, error)
	step func(c *Case, now time.Time, a Answer) error
}

// errWait ends a task for this pass: somebody else has to act.
var errWait = errors.New("waiting")

// tasks are the concerns of a case in the order in which a pass takes them.
func tasks() []task {
	return []task{
		{"order", (*Case).wantOrder, (*Case).stepOrder},
		{"sync", (*Case).wantSync, (*Case).stepSync},
		{"term", (*Case).wantTerm, (*Case).stepTerm},
		{"subscriptions", (*Case).wantSubscriptions, nil},
		{"settle", (*Case).wantSettle, nil},
		{"delivery", (*Case).wantDelivery, (*Case).stepDelivery},
		{"tidy", (*Case).wantTidy, (*Case).stepTidy},
	}
}

// maxChanges bounds the changes that one task asks of AWS in one pass, so that an AWS that
// contradicts itself cannot keep a case busy for ever.
const maxChanges = 8

// Want returns what the case wants of AWS next, and nil when this pass has done all it can. It
// makes every move that needs no answer.
func (c *Case) Want(now time.Time) Request {
	for c.pass.task < len(tasks()) {
		r, err := tasks()[c.pass.task].want(c, now)
		if r != nil && err == nil {
			return r
		}
		c.end(err)
	}
	return nil
}

// Step takes AWS's answer to what was wanted.
func (c *Case) Step(now time.Time, a Answer) {
	if c.pass.task >= len(tasks()) {
		return
	}
	if f := FaultOf(a.Err); a.Err != nil && (f == nil || f.Kind == Throttled || f.Kind == Unavailable) {
		// Nothing is known about what was asked: decide nothing, look again in the next pass.
		c.end(a.Err)
		return
	}
	c.pass.tried++
	if err := tasks()[c.pass.task].step(c, now, a); err != nil {
		c.end(err)
	} else if c.pass.tried > maxChanges {
		c.end(fmt.Errorf("%s: AWS does not settle: %w", tasks()[c.pass.task].name, errWait))
	}
}

// end ends the task in hand; an error other than waiting is kept as a trouble of the pass.
func (c *Case) end(err error) {
	if err != nil && !errors.Is(err, errWait) {
		c.pass.troubles = append(c.pass.troubles, err)
	}
	c.pass = pass{task: c.pass.task + 1, troubles: c.pass.troubles}
}

// Troubles returns what this pass could not do; the next one tries again.
func (c *Case) Troubles() []error { return c.pass.troubles }

// look keeps what AWS showed, for the rest of the task and phase.
func (c *Case) look(what string, v any) {
	if c.pass.looked == nil {
		c.pass.looked = make(map[string]any)
	}
	c.pass.looked[what] = v
}

func (c *Case) seen(what string) bool {
	_, ok := c.pass.looked[what]
	return ok
}

// token derives a client token from ids, so that a request that is made again is the same request.
func (c *Case) token(what string) string {
	return "arrears-" + strings.ToLower(c.Life.Agreement) + "-" + what
}

// fill puts the case's names into a text.
func (c *Case) fill(text, detail string) string {
	m := map[string]string{
		"{account}": string(c.Agreement.ManagementAccount),
		"{support}": c.Settings.Support,
		"{roles}":   c.Settings.RolesPage,
		"{detail}":  detail,
	}
	pairs := make([]string, 0, 2*len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, k, m[k])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Advance moves a case on as far as it goes at a time: it asks AWS what the case wants and hands
// the answers back. save is called whenever the case has changed, and must keep agreement,
// lifecycle, order and events as one; the events are gone from the case afterwards. What AWS did
// not answer is in Troubles: the next call tries again. Advance may be stopped at any instant.
//
// A time before the case's last change is refused: an old look must not undo a newer one.
func Advance(ctx context.Context, aws AWS, c *Case, now time.Time, save func(context.Context, *Case) error) error {
	if err := c.fresh(now); err != nil {
		return err
	}
	c.pass = pass{}
	saved, err := c.snapshot()
	if err != nil {
		return err
	}
	keep := func() error {
		is, err := c.snapshot()
		if err != nil || (bytes.Equal(is, saved) && len(c.Events) == 0) {
			return err
		}
		if err := save(ctx, c); err != nil {
			return fmt.Errorf("save agreement %s: %w", c.Life.Agreement, err)
		}
		saved, c.Events = is, nil
		return nil
	}
	for r := c.Want(now); r != nil; r = c.Want(now) {
		if err := errors.Join(ctx.Err(), keep()); err != nil {
			return err
		}
		c.Step(now, Ask(ctx, aws, c.Agreement.Payer, r))
	}
	return keep()
}

// snapshot is what is saved of a case, to tell whether it has changed.
func (c *Case) snapshot() ([]byte, error) {
	b, err := json.Marshal(struct {
		*Agreement
		Life     *Lifecycle
		Order    *Order
		Previous *Previous
	}{c.Agreement, c.Life, c.Order, c.Previous})
	if err != nil {
		return nil, fmt.Errorf("agreement %s: %w", c.Life.Agreement, err)
	}
	return b, nil
}

// open makes the agreement of a purchase that was submitted.
func (c *Case) open(r *Register, now time.Time) {
	o := c.Order
	c.Agreement = &Agreement{
		ID: o.Agreement, Client: o.Client, Product: o.Product, Payer: o.Payer,
		ManagementAccount: o.Account.ManagementAccount,
		CUR:               Source{Manifest: "required"},
		Terms:             []Terms{firstTerms(o, now)},
	}
	c.Life = &Lifecycle{Agreement: o.Agreement, Status: New, Updated: now}
	c.Facts.BuyerName = r.Buyers[o.Buyer].Name
	if o.Follows != "" {
		// Not billed here until it has taken over: an empty run of months.
		from := o.From
		if from.IsZero() {
			from = calendar.MonthOf(now).Add(1)
		}
		o.From = from
		c.Agreement.Billed = calendar.Window{From: from, To: from.Add(-1)}
	}
	// The tables have these transitions, so they cannot be refused; a test walks them.
	_ = c.move("order_placed", now)
	event := "purchase"
	switch {
	case o.Product == ProductLegacy:
		event = "purchase_legacy"
	case o.Account.Option == NewAccount && o.Account.ManagementAccount == "":
		event = "purchase_new"
	}
	_ = c.phase(event, now)
	c.emit(now, EventOrderSubmitted, "purchase of "+o.Product, "client", o.Client, "management_account", string(o.Account.ManagementAccount))
	if o.Account.Government {
		for _, advice := range r.Catalogue.Advice(r.wish(o), calendar.DateOf(now.UTC())) {
			c.emit(now, EventAskOperations, advice.Text, "code", advice.Code)
		}
	}
	if event == "purchase_new" {
		c.emit(now, EventAccountTicket, "a customer creates a new AWS account", "client", o.Client)
	}
	for _, s := range o.Services {
		c.emit(now, EventServices, "interest in "+s, "service", s)
	}
}

// Adopt returns the lifecycle of an agreement that the book made and no order: active, with the
// transfer and term that the book states.
func Adopt(a *Agreement, now time.Time) *Lifecycle {
	l := &Lifecycle{Agreement: a.ID, Status: New, Updated: now, MinimumEnd: a.ServiceTerm.CommitmentEnd}
	_ = l.move("adopted", now)
	return l
}
