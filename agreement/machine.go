package agreement

import (
	"fmt"
	"time"
)

// A Transition is a row of a state machine: in state From, Event leads to To. The machines move
// by these tables and docs/LIFECYCLE.md is printed from them, so that neither can drift.
type Transition[S ~string] struct {
	From  S
	Event string
	To    S
	Why   string // what happens, for the reader of the page
}

// A Table is a state machine.
type Table[S ~string] []Transition[S]

// Next returns the state that an event leads to; an event that the state does not know is an
// error and changes nothing.
func (t Table[S]) Next(from S, event string) (S, error) {
	for _, row := range t {
		if row.From == from && row.Event == event {
			return row.To, nil
		}
	}
	return from, fmt.Errorf("%s: not possible in state %q", event, string(from))
}

// A Move is a transition that was made, kept with what it changed.
type Move struct {
	At    time.Time `json:"at"`
	Of    string    `json:"of"` // order | phase | agreement
	From  string    `json:"from"`
	Event string    `json:"event"`
	To    string    `json:"to"`
	By    string    `json:"by,omitempty"` // a person, where one decided
}

// OrderStatus is where an order stands (domain.md 3.9).
type OrderStatus string

// The states of an order.
const (
	OrderNew        OrderStatus = "new"
	OrderDraft      OrderStatus = "draft"
	OrderQuoted     OrderStatus = "quoted" // saved without validation
	OrderProcessing OrderStatus = "processing"
	OrderQuerying   OrderStatus = "querying" // the customer has to act
	OrderCompleted  OrderStatus = "completed"
	OrderFailed     OrderStatus = "failed"
	OrderDeleted    OrderStatus = "deleted"
)

// Orders is the state machine of an order.
var Orders = Table[OrderStatus]{
	{OrderNew, "draft", OrderDraft, "saved and found valid"},
	{OrderNew, "quote", OrderQuoted, "saved without validation"},
	{OrderDraft, "submit", OrderProcessing, "the customer accepted both sets of terms"},
	{OrderQuoted, "submit", OrderProcessing, "the customer accepted both sets of terms; validated now"},
	{OrderDraft, "delete", OrderDeleted, "cancelled, or another order of the agreement was processed"},
	{OrderQuoted, "delete", OrderDeleted, "cancelled, or another order of the agreement was processed"},
	{OrderProcessing, "query", OrderQuerying, "the customer has to do something"},
	{OrderQuerying, "answer", OrderProcessing, "what was awaited has come"},
	{OrderProcessing, "complete", OrderCompleted, "every step is done or waived"},
	{OrderProcessing, "fail", OrderFailed, "a step failed, or Operations failed or cancelled it"},
	{OrderQuerying, "fail", OrderFailed, "a deadline passed, or Operations failed or cancelled it"},
}

// Status is where an agreement stands.
type Status string

// The states of an agreement. Billing looks at none of them (I6).
const (
	New          Status = "new"
	Provisioning Status = "provisioning"
	Active       Status = "active"
	Updating     Status = "updating"
	Terminating  Status = "terminating" // the end is fixed; billed until its final month is
	Terminated   Status = "terminated"
	Failed       Status = "failed" // its purchase failed; months of a transfer that started are still billed
)

// Statuses is the state machine of an agreement.
var Statuses = Table[Status]{
	{New, "order_placed", Provisioning, "a purchase order was submitted"},
	{New, "adopted", Active, "the book named an agreement that no order made"},
	{Provisioning, "order_completed", Active, "the purchase order is complete"},
	{Provisioning, "order_failed", Failed, "the purchase order failed; an accepted transfer is ended first"},
	{Active, "order_placed", Updating, "a change or termination order was submitted"},
	{Updating, "order_completed", Active, "the change is made"},
	{Updating, "order_failed", Active, "the change or termination was refused or cancelled"},
	{Active, "end_fixed", Terminating, "the customer ended the transfer in AWS"},
	{Updating, "end_fixed", Terminating, "the transfer's end is fixed in AWS"},
	{Terminating, "settled", Terminated, "the end has passed and the final month is settled"},
}

// Phase is how far the fulfilment of an order has come (domain.md 3.3).
type Phase string

// The phases of a purchase, in order; then those of the other orders; then the ends.
const (
	PhaseNone         Phase = ""
	PhaseAccount      Phase = "account"
	PhaseInvite       Phase = "invite"
	PhaseTransfer     Phase = "transfer"
	PhaseBillingGroup Phase = "billing_group"
	PhaseRelationship Phase = "relationship"
	PhaseHandshake    Phase = "handshake"
	PhaseServiceTerm  Phase = "service_term"
	PhaseRoles        Phase = "roles"
	PhaseOnboarding   Phase = "onboarding"
	PhaseLegacy       Phase = "legacy"
	PhaseChange       Phase = "change"
	PhaseEnd          Phase = "end"   // a termination waits for its month and ends the transfer
	PhaseFinal        Phase = "final" // the transfer ends; the final month is awaited
	PhaseUndo         Phase = "undo"  // failing: the invitation or the transfer is ended first
	PhaseDone         Phase = "done"
)

// Phases is the state machine of fulfilment.
var Phases = Table[Phase]{
	{PhaseNone, "purchase_new", PhaseAccount, "wizard option B: create a new AWS account"},
	{PhaseNone, "purchase", PhaseInvite, "wizard option A: transfer an existing AWS account"},
	{PhaseNone, "purchase_legacy", PhaseLegacy, "the legacy product is fulfilled elsewhere"},
	{PhaseNone, "change", PhaseChange, "a change order"},
	{PhaseNone, "termination", PhaseEnd, "a termination order that passed the review"},
	{PhaseAccount, "account_named", PhaseInvite, "the management account is known"},
	{PhaseInvite, "invited", PhaseTransfer, "AWS has an open invitation or a transfer of the organisation"},
	{PhaseTransfer, "cut_off_missed", PhaseInvite, "the invitation expired 24 hours before its start; invite for the month after"},
	{PhaseTransfer, "accepted", PhaseBillingGroup, "the customer accepted the billing transfer"},
	{PhaseBillingGroup, "grouped", PhaseRelationship, "Billing Conductor has a group of the transfer"},
	{PhaseRelationship, "related", PhaseHandshake, "Partner Central has a relationship"},
	{PhaseHandshake, "offered", PhaseServiceTerm, "AWS has sent the service term"},
	{PhaseServiceTerm, "agreed", PhaseRoles, "the customer accepted the service term"},
	{PhaseServiceTerm, "waived", PhaseRoles, "Operations waived the service term with a reason"},
	{PhaseRoles, "deployed", PhaseOnboarding, "the bootstrap role can be assumed"},
	{PhaseRoles, "waived", PhaseOnboarding, "Operations waived the role with a reason; not with partner-led support"},
	{PhaseOnboarding, "onboarded", PhaseDone, "tickets, contract card and project are asked for"},
	{PhaseLegacy, "completed", PhaseDone, "Operations carried the order out"},
	{PhaseChange, "changed", PhaseDone, "the dated terms are in the agreement"},
	{PhaseEnd, "ended", PhaseFinal, "AWS has the transfer's end"},
	{PhaseFinal, "settled", PhaseDone, "the final month is settled"},
	{PhaseAccount, "failing", PhaseUndo, ""},
	{PhaseInvite, "failing", PhaseUndo, ""},
	{PhaseTransfer, "failing", PhaseUndo, ""},
	{PhaseBillingGroup, "failing", PhaseUndo, ""},
	{PhaseRelationship, "failing", PhaseUndo, ""},
	{PhaseHandshake, "failing", PhaseUndo, ""},
	{PhaseServiceTerm, "failing", PhaseUndo, ""},
	{PhaseRoles, "failing", PhaseUndo, ""},
	{PhaseOnboarding, "failing", PhaseUndo, ""},
	{PhaseLegacy, "failing", PhaseUndo, ""},
	{PhaseEnd, "failing", PhaseUndo, "a termination is cancelled before AWS has its end"},
	{PhaseUndo, "undone", PhaseDone, "nothing of the order is left in AWS but months that are billed"},
}
