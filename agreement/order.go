package agreement

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// Types of orders.
const (
	Buy       = "purchase"
	Change    = "change"
	Terminate = "termination"
)

// Options of the wizard (domain.md R14, R15).
const (
	ExistingAccount = "existing" // A: transfer an existing AWS account
	NewAccount      = "new"      // B: create a new AWS account
)

// The steps of the checklist (domain.md R16), in order.
const (
	StepWizard      = "wizard"
	StepAccount     = "account"
	StepTerms       = "terms"
	StepTransfer    = "transfer"
	StepServiceTerm = "service_term"
	StepRoles       = "roles"
)

// Steps are the checklist in order.
var Steps = []string{StepWizard, StepAccount, StepTerms, StepTransfer, StepServiceTerm, StepRoles}

// The two sets of terms of a purchase (domain.md R13).
const (
	TermsMarketplace = "marketplace"
	TermsServices    = "services"
)

// An Order is a customer's wish to buy, change or end an agreement, and how far it has come.
type Order struct {
	ID            string         `json:"id"`
	Type          string         `json:"type"` // purchase | change | termination
	Product       string         `json:"product"`
	Client        string         `json:"client"`
	Seller        string         `json:"seller"`
	Buyer         string         `json:"buyer"`
	Payer         AccountID      `json:"payer"`
	Agreement     string         `json:"agreement,omitempty"` // of a purchase: once submitted
	Follows       string         `json:"follows,omitempty"`   // the agreement it takes over, from From on (R6)
	From          calendar.Month `json:"from,omitzero"`       // handover and changes: first month
	Account       OrderAccount   `json:"account,omitzero"`
	Contact       Contact        `json:"contact"`
	Support       string         `json:"support,omitempty"`
	Currency      currency.Code  `json:"currency,omitempty"`
	PurchaseOrder string         `json:"purchase_order,omitempty"`
	Services      []string       `json:"services,omitempty"`     // supplementary services: interest only (D4)
	End           calendar.Month `json:"end,omitzero"`           // termination: the last month wished for; zero: the earliest
	AtTermEnd     bool           `json:"at_term_end,omitempty"`  // termination: the end of the term, if it is still running
	ByOperations  bool           `json:"by_operations,omitzero"` // Operations prepared the draft (R12)
	Link          Link           `json:"link,omitzero"`

	Status    OrderStatus  `json:"status"`
	Phase     Phase        `json:"phase"`
	Created   time.Time    `json:"created"`
	Updated   time.Time    `json:"updated"` // of the last change; nothing older is taken
	Accepted  []Acceptance `json:"accepted,omitempty"`
	Done      []StepDone   `json:"done,omitempty"`
	Waits     []Wait       `json:"waits,omitempty"` // by step; a deadline once set stays (R26)
	Waiting   *Waiting     `json:"waiting,omitempty"`
	Invited   Invited      `json:"invited,omitzero"`
	Reminders []Reminder   `json:"reminders,omitempty"`
	Waivers   []Waiver     `json:"waivers,omitempty"`
	Failing   *Reason      `json:"failing,omitempty"` // why it fails, while AWS is being tidied up
	Reasons   []Reason     `json:"reasons,omitempty"`
	Moves     []Move       `json:"moves,omitempty"`
}

// An OrderAccount is what the wizard asks about the customer's AWS account.
type OrderAccount struct {
	Option            string    `json:"option"` // existing | new
	ManagementAccount AccountID `json:"management_account,omitempty"`
	Model             string    `json:"model"`
	PrivatePricing    bool      `json:"private_pricing,omitzero"`
	Government        bool      `json:"government,omitzero"` // a government customer (D9)
	Regions           []string  `json:"regions,omitempty"`
}

// A Contact is the customer's technical contact; its address is the customer's identity.
type Contact struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	Phone string `json:"phone,omitempty"`
}

// A Link lets a customer take up the draft that Operations prepared: the token itself is shown
// once and only its SHA-256 is kept.
type Link struct {
	Hash    string    `json:"hash,omitempty"` // hex
	Expires time.Time `json:"expires,omitzero"`
	Used    time.Time `json:"used,omitzero"`
}

// LinkDays is how long a link token is good for.
const LinkDays = 30

// NewLink returns the link of a token. The caller draws the token: 32 random bytes or more, in
// any printable form.
func NewLink(token string, now time.Time) Link {
	h := sha256.Sum256([]byte(token))
	return Link{Hash: hex.EncodeToString(h[:]), Expires: now.AddDate(0, 0, LinkDays)}
}

// opens says why a token does not open the link; the empty text says that it does. It compares
// in constant time.
func (l Link) opens(token string, now time.Time) string {
	h := sha256.Sum256([]byte(token))
	switch {
	case token == "":
		return "the draft was prepared by Operations: the token of the link is needed"
	case subtle.ConstantTimeCompare([]byte(hex.EncodeToString(h[:])), []byte(l.Hash)) != 1:
		return "the token does not belong to this order"
	case !l.Used.IsZero():
		return "the token was used on " + l.Used.Format(time.RFC3339)
	case !now.Before(l.Expires):
		return "the token expired on " + l.Expires.Format(time.RFC3339)
	}
	return ""
}

// An Acceptance is the stamp of a set of terms.
type Acceptance struct {
	Terms   string    `json:"terms"` // marketplace | services
	Version string    `json:"version"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
}

// A StepDone is a step of the checklist that was done.
type StepDone struct {
	Step string    `json:"step"`
	At   time.Time `json:"at"`
}

// A Wait is how long an order has waited for the customer in a step, in all.
type Wait struct {
	Step     string    `json:"step"`
	Since    time.Time `json:"since"`
	Deadline time.Time `json:"deadline"`
}

// Waiting is what an order waits for now.
type Waiting struct {
	For     string    `json:"for"`
	Code    string    `json:"code"`
	Step    string    `json:"step,omitempty"`
	Since   time.Time `json:"since"`
	Message string    `json:"message"`
}

// Invited is the invitation that is out.
type Invited struct {
	Transfer  string    `json:"transfer,omitempty"` // rt-...
	ARN       string    `json:"arn,omitempty"`
	Handshake string    `json:"handshake,omitempty"`
	Start     time.Time `json:"start,omitzero"`
	Times     int       `json:"times,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"` // AWS found an earlier start too early
	Adopted   bool      `json:"adopted,omitempty"`   // the transfer of the agreement that it follows; never ended by this order
}

// A Reminder is a message that was sent to the customer about a step.
type Reminder struct {
	At   time.Time `json:"at"`
	Step string    `json:"step"`
	Day  int       `json:"day"` // of the schedule
}

// A Waiver is a step that Operations let pass, with the reason.
type Waiver struct {
	Step   string    `json:"step"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// InProcess says that the order was submitted and has not ended.
func (o *Order) InProcess() bool {
	return o.Status == OrderProcessing || o.Status == OrderQuerying
}

// DoneAt returns when a step of the checklist was done; zero if it is not.
func (o *Order) DoneAt(step string) time.Time {
	for _, d := range o.Done {
		if d.Step == step {
			return d.At
		}
	}
	return time.Time{}
}

// done marks a step, once.
func (o *Order) done(step string, at time.Time) {
	if o.DoneAt(step).IsZero() {
		o.Done = append(o.Done, StepDone{step, at})
	}
}

// waived says whether Operations let a step pass.
func (o *Order) waived(step string) bool {
	return slices.ContainsFunc(o.Waivers, func(w Waiver) bool { return w.Step == step })
}

// move makes a transition of the order's status. The tables decide; an event that the state does
// not know is an error.
func (o *Order) move(event string, now time.Time, by string) error {
	to, err := Orders.Next(o.Status, event)
	if err != nil {
		return refusal(CodeState, fmt.Sprintf("order %s: %v", o.ID, err))
	}
	o.Moves = append(o.Moves, Move{now, "order", string(o.Status), event, string(to), by})
	o.Status, o.Updated = to, now
	return nil
}

// A Register is what orders are judged against: who is there, and what is served already.
type Register struct {
	Catalogue  Catalogue
	Sellers    map[string]Seller
	Buyers     map[string]Buyer
	Payers     map[AccountID]Payer
	Agreements []Standing
	Orders     []*Order // of every status
}

// A Standing is an agreement and where it stands.
type Standing struct {
	Agreement *Agreement
	Status    Status
}

// agreement returns an agreement of the register, or nil.
func (r *Register) agreement(id string) *Standing {
	for i := range r.Agreements {
		if r.Agreements[i].Agreement.ID == id {
			return &r.Agreements[i]
		}
	}
	return nil
}

// holdsLegacy says whether a client has an active agreement for the legacy product.
func (r *Register) holdsLegacy(client string) bool {
	return slices.ContainsFunc(r.Agreements, func(s Standing) bool {
		return s.Agreement.Client == client && s.Agreement.Product == ProductLegacy &&
			(s.Status == Active || s.Status == Updating)
	})
}

// Check returns every reason why an order is refused on a day. It is asked when a draft is
// saved and again when it is submitted.
func (r *Register) Check(o *Order, now time.Time) []Reason {
	var reasons []Reason
	refuse := func(code, format string, args ...any) {
		reasons = append(reasons, Reason{Code: code, Text: fmt.Sprintf(format, args...)})
	}
	if !strings.Contains(o.Contact.Email, "@") || o.Contact.Name == "" {
		refuse(CodeInvalid, "contact: the technical contact's name and e-mail address are required")
	}
	switch o.Type {
	case Buy:
		return append(reasons, r.checkPurchase(o, now)...)
	case Change, Terminate:
		s := r.agreement(o.Agreement)
		switch {
		case o.Agreement == "":
			refuse(CodeInvalid, "agreement: a %s order names its agreement", o.Type)
		case s == nil:
			refuse(CodeInvalid, "agreement: no agreement %s", o.Agreement)
		case s.Status != Active && s.Status != Updating:
			refuse(CodeState, "agreement %s is %s: only an active one can be changed or ended", o.Agreement, s.Status)
		case o.Type == Change:
			_, err := r.changed(o, s.Agreement, now)
			if err != nil {
				reasons = append(reasons, err.Reasons...)
			}
		default:
			if _, err := reviewTermination(o, s.Agreement, now); err != nil {
				reasons = append(reasons, err.Reasons...)
			}
		}
	default:
		refuse(CodeInvalid, "type: %q is not purchase, change or termination", o.Type)
	}
	return reasons
}

func (r *Register) checkPurchase(o *Order, now time.Time) []Reason {
	var reasons []Reason
	refuse := func(code, format string, args ...any) {
		reasons = append(reasons, Reason{Code: code, Text: fmt.Sprintf(format, args...)})
	}
	if o.Client == "" {
		refuse(CodeInvalid, "client: required")
	}
	seller, hasSeller := r.Sellers[o.Seller]
	if _, ok := r.Buyers[o.Buyer]; !ok {
		refuse(CodeInvalid, "buyer: no buyer %q in the book", o.Buyer)
	}
	if _, ok := r.Payers[o.Payer]; !ok {
		refuse(CodeInvalid, "payer: no payer %q in the book", o.Payer)
	}
	if o.Support != Resold && o.Support != PartnerLed {
		refuse(CodeInvalid, "support: %q: choose resold or partner_led", o.Support)
	}
	if hasSeller && !slices.Contains(seller.bills(), o.Currency) {
		refuse(CodeCurrency, "seller %s bills in %s, not in %q", o.Seller, joinCodes(seller.bills()), o.Currency)
	} else if hasSeller {
		if refused := r.rated(o.Payer, firstTerms(o, now)); refused != nil {
			reasons = append(reasons, refused.Reasons...)
		}
	}

	a := o.Account
	switch a.Option {
	case ExistingAccount:
		if !a.ManagementAccount.Valid() {
			refuse(CodeAccountMalformed, "management_account: %q is not an account id of 12 digits", a.ManagementAccount)
		}
	case NewAccount:
		// The id comes later; one that is given must be right.
		if a.ManagementAccount != "" && !a.ManagementAccount.Valid() {
			refuse(CodeAccountMalformed, "management_account: %q is not an account id of 12 digits", a.ManagementAccount)
		}
	default:
		refuse(CodeInvalid, "account.option: %q is neither existing nor new", a.Option)
	}
	if a.ManagementAccount == o.Payer && o.Payer != "" {
		refuse(CodeNotManagement, "%s is the reseller's own bill-transfer account", a.ManagementAccount)
	}
	reasons = append(reasons, r.Catalogue.Check(r.wish(o), calendar.DateOf(now.UTC()))...)
	return append(reasons, r.checkUnique(o, now)...)
}

// wish is what the catalogue judges of a purchase order.
func (r *Register) wish(o *Order) Purchase {
	return Purchase{
		Product: o.Product, Model: o.Account.Model, PrivatePricing: o.Account.PrivatePricing, Regions: o.Account.Regions,
		Country: r.Sellers[o.Seller].Country, Government: o.Account.Government, HoldsLegacy: r.holdsLegacy(o.Client),
	}
}

// checkUnique refuses an organisation that another agreement or order has (domain.md W13): one
// organisation is in one agreement at a time. An order that follows an agreement takes over from it.
func (r *Register) checkUnique(o *Order, now time.Time) []Reason {
	id := o.Account.ManagementAccount
	var reasons []Reason
	refuse := func(format string, args ...any) {
		reasons = append(reasons, Reason{Code: CodeServed, Text: fmt.Sprintf(format, args...)})
	}
	if o.Follows != "" {
		prev := r.agreement(o.Follows)
		switch {
		case prev == nil:
			return []Reason{{Code: CodeInvalid, Text: "follows: no agreement " + o.Follows}}
		case prev.Agreement.ManagementAccount != id:
			return []Reason{{Code: CodeInvalid, Text: fmt.Sprintf("follows: agreement %s is of organisation %s, not %s",
				o.Follows, prev.Agreement.ManagementAccount, id)}}
		case prev.Status != Active && prev.Status != Updating && prev.Status != Failed:
			return []Reason{{Code: CodeState, Text: fmt.Sprintf("follows: agreement %s is %s", o.Follows, prev.Status)}}
		case !o.From.IsZero() && !o.From.After(calendar.MonthOf(now)):
			return []Reason{{Code: CodePastMonth, Text: fmt.Sprintf("from: %s is not ahead: agreements hand over by whole months to come", o.From)}}
		}
	}
	if id == "" {
		return nil
	}
	next := calendar.MonthOf(now).Add(1)
	if slices.Contains(r.Payers[o.Payer].OwnAccounts, id) {
		refuse("organisation %s is declared as the reseller's own by payer %s", id, o.Payer)
	}
	for _, s := range r.Agreements {
		a := s.Agreement
		if a.ManagementAccount != id || a.ID == o.Follows || a.ID == o.Agreement {
			continue
		}
		if w, ok := a.Window(); ok && !w.Ended(next) {
			until := "without end"
			if !w.To.IsZero() {
				until = "until " + w.To.String()
			}
			refuse("organisation %s is in agreement %s %s", id, a.ID, until)
		} else if !ok && (s.Status == Active || s.Status == Updating) {
			refuse("organisation %s is in agreement %s", id, a.ID) // the legacy product, billed elsewhere
		}
	}
	for _, other := range r.Orders {
		if other.ID != o.ID && other.InProcess() && other.Type == Buy && other.Account.ManagementAccount == id {
			refuse("organisation %s is being ordered in %s", id, other.ID)
		}
	}
	return reasons
}

// rated refuses terms whose currency has no rate: AWS's invoices state the one into what the payer
// pays AWS in, a fixed rate is for one pair. Every month would be blocked.
func (r *Register) rated(payer AccountID, t Terms) *Refusal {
	if x := t.Exchange; x.Source == ExchangeFixed && x.To != t.Currency {
		return refusal(CodeNoRate, fmt.Sprintf("the terms from %s on have a fixed rate to %s, and none to %s: Operations states new terms (agreement set-terms)",
			t.From, x.To, t.Currency))
	}
	pays := r.Payers[payer].PaymentCurrency
	if t.Exchange.Source != ExchangeAWSInvoice || pays == "" || t.Currency == pays || t.Currency == BaseCurrency {
		return nil
	}
	return refusal(CodeNoRate, fmt.Sprintf(
		"payer %s pays AWS in %s, so AWS's invoices state no rate from %s to %s: order in %s or %s; another currency needs terms with a source of rates",
		payer, pays, BaseCurrency, t.Currency, pays, BaseCurrency))
}

// bills returns the currencies that a seller bills in.
func (s Seller) bills() []currency.Code {
	if len(s.Currencies) > 0 {
		return s.Currencies
	}
	return []currency.Code{s.Currency}
}

func joinCodes(codes []currency.Code) string {
	s := make([]string, len(codes))
	for i, c := range codes {
		s[i] = string(c)
	}
	return strings.Join(s, ", ")
}

// Draft takes a new order: a draft when it is valid, else a *Refusal. It fills in what a purchase
// needs and leaves out: model billing_transfer, product aws-essentials.
func (r *Register) Draft(o *Order, now time.Time) error { return r.take(o, "draft", now) }

// Quote takes a new order as it is, without judging it: that is done when it is submitted.
func (r *Register) Quote(o *Order, now time.Time) error { return r.take(o, "quote", now) }

func (r *Register) take(o *Order, event string, now time.Time) error {
	if o.Status == "" {
		o.Status = OrderNew
	}
	o.Account.ManagementAccount = AccountID(strings.TrimSpace(string(o.Account.ManagementAccount)))
	if o.Type == Buy {
		o.Account.Model = modelOf(o.Account.Model)
	}
	if o.Product == "" {
		o.Product = ProductEssentials
	}
	if reasons := r.Check(o, now); event == "draft" && len(reasons) > 0 {
		return &Refusal{reasons}
	}
	if err := o.move(event, now, ""); err != nil {
		return err
	}
	o.Created = now
	if o.Type == Buy {
		o.Reasons = r.Catalogue.Advice(r.wish(o), calendar.DateOf(now.UTC()))
		o.done(StepWizard, now)
		if o.Account.Option == ExistingAccount && o.Account.ManagementAccount != "" {
			o.done(StepAccount, now)
		}
	}
	return nil
}

// modelOf understands the ways in which an account model is written.
func modelOf(s string) string {
	switch m := strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s)); m {
	case "", "billingtransfer":
		return ModelBillingTransfer
	case "ppa", "edp", "privatepricing":
		return ModelPrivatePricing
	case ModelECAM, ModelSPAM, ModelTier2:
		return m
	}
	return s
}
