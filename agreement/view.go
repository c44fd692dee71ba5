package agreement

import (
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// An OrderView is an order as the contract shows it.
type OrderView struct {
	ID         string         `json:"id"`
	Type       string         `json:"type"`
	Status     OrderStatus    `json:"status"`
	Phase      Phase          `json:"phase"`
	Agreement  *string        `json:"agreement"`
	WaitingFor *string        `json:"waiting_for"`
	Message    *string        `json:"message"`
	Deadline   *time.Time     `json:"deadline"`
	Checklist  []StepView     `json:"checklist"`
	Reminders  []ReminderView `json:"reminders"`
	Reasons    []Reason       `json:"reasons"`

	Client            string       `json:"client"`
	ManagementAccount AccountID    `json:"management_account,omitempty"`
	Created           time.Time    `json:"created"`
	Updated           time.Time    `json:"updated"`
	Accepted          []Acceptance `json:"accepted"`
	Waivers           []Waiver     `json:"waivers,omitempty"`
	Moves             []Move       `json:"moves"`
}

// A StepView is a step of the checklist; Done is null until it is done.
type StepView struct {
	Step string     `json:"step"`
	Done *time.Time `json:"done"`
}

// A ReminderView is a reminder that was sent.
type ReminderView struct {
	At   time.Time `json:"at"`
	Step string    `json:"step"`
}

// View returns the order as the contract shows it; lists are empty rather than null.
func (o *Order) View() OrderView {
	v := OrderView{
		ID: o.ID, Type: o.Type, Status: o.Status, Phase: o.Phase, Agreement: some(o.Agreement),
		Checklist: []StepView{}, Reminders: []ReminderView{}, Reasons: append([]Reason{}, o.Reasons...),
		Client: o.Client, ManagementAccount: o.Account.ManagementAccount, Created: o.Created, Updated: o.Updated,
		Accepted: append([]Acceptance{}, o.Accepted...), Waivers: o.Waivers, Moves: append([]Move{}, o.Moves...),
	}
	if w := o.Waiting; w != nil && o.InProcess() {
		v.WaitingFor, v.Message = &w.For, &w.Message
	}
	if d := o.Deadline(); !d.IsZero() {
		v.Deadline = &d
	}
	if o.Type == Buy {
		for _, step := range Steps {
			sv := StepView{Step: step}
			if at := o.DoneAt(step); !at.IsZero() {
				sv.Done = &at
			}
			v.Checklist = append(v.Checklist, sv)
		}
	}
	for _, r := range o.Reminders {
		v.Reminders = append(v.Reminders, ReminderView{r.At, r.Step})
	}
	return v
}

func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// A View is an agreement as the contract shows it.
type View struct {
	ID                string          `json:"id"`
	Status            Status          `json:"status"`
	Client            string          `json:"client,omitempty"`
	Product           string          `json:"product"`
	ManagementAccount AccountID       `json:"management_account"`
	Transfer          Transfer        `json:"transfer"`
	ServiceTerm       ServiceTerm     `json:"service_term"`
	MinimumTermEnd    *calendar.Date  `json:"minimum_term_end"`
	FirstMonth        *calendar.Month `json:"first_month"`
	LastMonth         *calendar.Month `json:"last_month"`
	Terms             []Terms         `json:"terms"`
	Subscriptions     []Subscription  `json:"subscriptions"`
	Delivery          *DeliveryView   `json:"delivery"` // null: none yet
	Reasons           []Reason        `json:"reasons"`
}

// A DeliveryView is the export that delivers an agreement's cost and usage.
type DeliveryView struct {
	Kind          string     `json:"kind"`
	Name          string     `json:"name"`
	ARN           *string    `json:"arn"` // null for a legacy report, whose key is its name
	Created       *time.Time `json:"created"`
	FirstFile     *time.Time `json:"first_file"`
	LastFile      *time.Time `json:"last_file"`
	Health        string     `json:"health"`
	RefreshClosed bool       `json:"refresh_closed"`
	Ended         *time.Time `json:"ended"` // removed, a year after the end
}

func deliveryView(d Delivery) *DeliveryView {
	if d.Name == "" {
		return nil
	}
	when := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return &DeliveryView{
		Kind: d.Kind, Name: d.Name, ARN: some(d.ARN), Created: when(d.Created), FirstFile: when(d.FirstFile), LastFile: when(d.LastFile),
		Health: d.Health, RefreshClosed: d.RefreshClosed, Ended: when(d.Ended),
	}
}

// NewView returns an agreement and its lifecycle as the contract shows them.
func NewView(a *Agreement, l *Lifecycle) View {
	v := View{
		ID: a.ID, Status: l.Status, Client: a.Client, Product: a.Product, ManagementAccount: a.ManagementAccount,
		Transfer: a.Transfer, ServiceTerm: a.ServiceTerm, Terms: append([]Terms{}, a.Terms...),
		Subscriptions: append([]Subscription{}, l.Subscriptions...), Delivery: deliveryView(l.Delivery),
		Reasons: append([]Reason{}, l.Reasons...),
	}
	if d := l.MinimumEnd; !d.IsZero() {
		v.MinimumTermEnd = &d
	}
	if w, ok := a.Window(); ok {
		v.FirstMonth = &w.From
		if !w.To.IsZero() {
			v.LastMonth = &w.To
		}
	}
	v.Reasons = append(v.Reasons, l.Delivery.Reasons...)
	return v
}
