// Package agreement knows who is billed, on what terms, from which month to which month.
//
// It owns sellers, buyers, payers, agreements with their dated terms, and the lifecycle of orders
// and agreements as pure state machines. It knows no AWS client, database, file, HTTP or clock:
// every function is given what it decides on, including the time.
package agreement

import (
	"slices"
	"time"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// An AccountID identifies an AWS account: twelve digits, such as 111122223333.
type AccountID string

// Valid says whether the id has the form of an AWS account id.
func (id AccountID) Valid() bool {
	if len(id) != 12 {
		return false
	}
	for i := range len(id) {
		if id[i] < '0' || id[i] > '9' {
			return false
		}
	}
	return true
}

// A Reason says why something is in the state it is in: a code for scripts (contract.md) and a
// text for the person who has to act, with numbers and ids.
type Reason struct {
	Code       string `json:"code"`
	Text       string `json:"text"`
	AWSInvoice string `json:"aws_invoice,omitempty"` // the AWS invoice it is about, where it is about one
}

// An Address is a postal address as it is printed on documents.
type Address struct {
	Street     string `json:"street,omitempty"`
	Street2    string `json:"street2,omitempty"`
	City       string `json:"city,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	Region     string `json:"region,omitempty"`
	Country    string `json:"country,omitempty"` // ISO 3166-1 alpha-2
}

// A Seller is the legal entity of the reseller that issues the invoice (domain.md R3).
type Seller struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Country        string `json:"country"` // ISO 3166-1 alpha-2
	TaxID          string `json:"tax_id,omitempty"`
	RegistrationID string `json:"registration_id,omitempty"`
	// TaxRegistration is what the seller's country has it say of its registration beside the VAT id
	// (EN 16931 BT-32), such as "Foretaksregisteret" in Norway.
	TaxRegistration string          `json:"tax_registration,omitempty"`
	Currency        currency.Code   `json:"currency"`   // national currency: tax is stated in it too
	Currencies      []currency.Code `json:"currencies"` // what it bills in
	Series          Series          `json:"series"`
	Address         Address         `json:"address"`
	Email           string          `json:"email,omitempty"`
	Phone           string          `json:"phone,omitempty"`
	Endpoint        string          `json:"endpoint,omitempty"` // Peppol endpoint, "scheme:id"
	Logo            string          `json:"logo,omitempty"`     // PNG file, base64 once applied
	TimeZone        string          `json:"time_zone,omitempty"`
	Payment         Payment         `json:"payment"`
	DueDay          int             `json:"due_day"`  // day of M+1 on which month M falls due, default 8
	Approval        string          `json:"approval"` // none | required | four_eyes
}

// A Series says how a seller numbers its documents.
type Series struct {
	Invoice    string `json:"invoice"`     // prefix: DE gives DE-2026-000001
	CreditNote string `json:"credit_note"` // prefix: DE-CN gives DE-CN-2026-000001
	Reset      string `json:"reset"`       // yearly (default) | never
}

// Payment says how a seller is paid.
type Payment struct {
	Days int    `json:"days"` // due date = issue date + days
	IBAN string `json:"iban,omitempty"`
	BIC  string `json:"bic,omitempty"`
	Bank string `json:"bank,omitempty"`
}

// A Buyer is who receives and pays the invoice.
type Buyer struct {
	ID             string       `json:"id"`
	Name           string       `json:"name"`
	Country        string       `json:"country"`
	TaxID          string       `json:"tax_id,omitempty"`
	RegistrationID string       `json:"registration_id,omitempty"`
	Address        Address      `json:"address"`
	Email          string       `json:"email,omitempty"`
	Reference      string       `json:"reference,omitempty"` // buyer reference, EN 16931 BT-10
	Endpoint       string       `json:"endpoint,omitempty"`  // Peppol endpoint, "scheme:id"
	Tax            *TaxOverride `json:"tax,omitempty"`
}

// A TaxOverride is a person's decision on the tax category, with its reason (design 7, rule 1).
type TaxOverride struct {
	Category string           `json:"category"` // EN 16931 VAT category: S, Z, E, AE, G, O
	Percent  currency.Decimal `json:"percent"`
	Reason   string           `json:"reason"`
}

// A Payer is a bill-transfer account of the reseller (PMA): it receives and pays AWS's bills.
type Payer struct {
	Account         AccountID     `json:"account"`
	PaymentCurrency currency.Code `json:"payment_currency,omitempty"` // what it pays AWS in, if known
	OwnAccounts     []AccountID   `json:"own_accounts,omitempty"`     // organisations that are the reseller's own
	Invoices        string        `json:"invoices,omitempty"`         // folder of YYYY-MM.json, or "api"
	Reconcile       string        `json:"reconcile"`                  // invoices (default) | none
	Tolerance       Tolerance     `json:"tolerance"`
}

// A Tolerance bounds the difference between the rows of an AWS invoice and its amount, in the
// invoice's base currency: the larger of PerGroup for each (invoice, usage account, product) with
// an amount and Percent of the invoice, at most Max (design 6).
type Tolerance struct {
	PerGroup currency.Decimal `json:"per_group"`
	Percent  currency.Decimal `json:"percent"`
	Max      currency.Decimal `json:"max"`
}

// DefaultTolerance is 0.01 a group, 0.001 %, at most 5.00 (design 6).
func DefaultTolerance() Tolerance {
	return Tolerance{currency.MustParse("0.01"), currency.MustParse("0.001"), currency.MustParse("5.00")}
}

// The products on offer (domain.md R1, R4).
const (
	ProductEssentials = "aws-essentials"      // Amazon Web Services and Cloud Managed Services Essentials
	ProductLegacy     = "aws-managed-service" // the ECAM product: listed here, billed elsewhere
)

// An Agreement is what a customer organisation is billed under.
type Agreement struct {
	ID                string       `json:"id"`
	Client            string       `json:"client,omitempty"`
	Product           string       `json:"product"`
	Payer             AccountID    `json:"payer"`
	ManagementAccount AccountID    `json:"management_account"` // the organisation: its management account (MPA)
	Transfer          Transfer     `json:"transfer"`
	Billed            Billed       `json:"billed,omitzero"`
	ServiceTerm       ServiceTerm  `json:"service_term,omitzero"`
	CUR               Source       `json:"cur"`
	Hold              *Hold        `json:"hold,omitempty"`
	Adjustments       []Adjustment `json:"adjustments,omitempty"`
	Tax               *TaxOverride `json:"tax,omitempty"`
	Split             []BuyerSplit `json:"split,omitempty"`
	Terms             []Terms      `json:"terms"` // ascending by From
}

// A Transfer is the AWS billing transfer (responsibility transfer) of an organisation.
type Transfer struct {
	ID       string    `json:"id,omitempty"`      // rt-...
	Accepted time.Time `json:"accepted,omitzero"` // evidence only; Start is what AWS states
	Start    time.Time `json:"start,omitzero"`    // first of a month, 00:00:00 UTC
	End      time.Time `json:"end,omitzero"`      // last second of a month; zero: open
	Status   string    `json:"status,omitempty"`  // AWS's word; billing does not look at it (I6)
}

// Billed narrows the months that the transfer covers, when agreements follow each other on one
// transfer. Zero months are open.
type Billed = calendar.Window

// A ServiceTerm is the commitment the customer accepted in AWS's channel handshake (domain.md R44).
type ServiceTerm struct {
	AcceptedAt    time.Time     `json:"accepted_at,omitzero"`
	CommitmentEnd calendar.Date `json:"commitment_end,omitzero"` // 12 calendar months from the transfer's start
	AWSEnd        calendar.Date `json:"aws_end,omitzero"`        // what AWS enforces
}

// A Source says where AWS delivers the organisation's cost and usage report.
type Source struct {
	Location     string `json:"source"`        // folder (absolute once applied) or s3://bucket/prefix
	Manifest     string `json:"manifest"`      // required (default) | none
	PayerAccount string `json:"payer_account"` // account id in the rows, "*" for any; default the management account
}

// A Hold keeps an agreement from being drafted in the months From to To.
type Hold struct {
	From   calendar.Month `json:"from,omitzero"`
	To     calendar.Month `json:"to,omitzero"`
	Reason string         `json:"reason"`
}

// An Adjustment is an amount that a person adds to one month's document, in the agreement's
// currency; a negative amount is a discount, a positive one a fee (design 7).
type Adjustment struct {
	Month  calendar.Month   `json:"month"`
	Label  string           `json:"label"`
	Amount currency.Decimal `json:"amount"`
	Reason string           `json:"reason"`
	By     string           `json:"by"`
}

// A BuyerSplit shares the agreement's charges over several buyers from a month on (domain.md 5.6).
type BuyerSplit struct {
	From   calendar.Month `json:"from"`
	Shares []BuyerShare   `json:"shares"`
}

// A BuyerShare is one buyer's percentages: a default and, by usage account, others. Over the
// shares of one split each account's percentages total 100.
type BuyerShare struct {
	Buyer         string                         `json:"buyer"`
	PurchaseOrder string                         `json:"purchase_order,omitempty"`
	Percent       currency.Decimal               `json:"percent"`
	Accounts      map[AccountID]currency.Decimal `json:"accounts,omitempty"`
}

// Support options (domain.md R40).
const (
	Resold     = "resold"      // AWS's own support, resold
	PartnerLed = "partner_led" // SoftwareOne Enterprise Support for AWS
)

// Terms are what an agreement says from a month on, until newer terms replace them whole.
// Percentages are 0 to 100.
type Terms struct {
	From                 calendar.Month `json:"from"`
	Seller               string         `json:"seller"`
	Buyer                string         `json:"buyer"`
	Currency             currency.Code  `json:"currency"`
	PurchaseOrder        string         `json:"purchase_order,omitempty"`
	Support              string         `json:"support"`                        // resold | partner_led
	UsageDiscount        *PercentOf     `json:"usage_discount,omitempty"`       // of partner_discount | usage
	SupportDiscount      *PercentOf     `json:"support_discount,omitempty"`     // resold support only
	EnterpriseSupportFee PercentOf      `json:"enterprise_support_fee"`         // of usage | usage_and_commitments; default 5
	PartnerLedDiscount   *PercentOf     `json:"partner_led_discount,omitempty"` // of fee | usage
	SharedFees           string         `json:"shared_fees"`                    // payer | linked_accounts
	Exchange             Exchange       `json:"exchange"`
	PrivatePricing       string         `json:"private_pricing"` // block | pass_on
}

// A PercentOf is a percentage and what it is taken of.
type PercentOf struct {
	Percent currency.Decimal `json:"percent"`
	Of      string           `json:"of,omitempty"`
}

// What a PercentOf can be of.
const (
	OfPartnerDiscount     = "partner_discount"
	OfUsage               = "usage"
	OfUsageAndCommitments = "usage_and_commitments"
	OfFee                 = "fee"
)

// Who carries Savings Plan fees.
const (
	SharedPayer          = "payer"
	SharedLinkedAccounts = "linked_accounts"
)

// Private pricing policies.
const (
	PrivateBlock  = "block"
	PrivatePassOn = "pass_on"
)

// BaseCurrency is what AWS states charges in.
const BaseCurrency currency.Code = "USD"

// Sources of exchange rates.
const (
	ExchangeAWSInvoice = "aws_invoice"
	ExchangeECB        = "ecb"
	ExchangeFixed      = "fixed"
)

// An Exchange says at which rate AWS's charges become the agreement's currency.
type Exchange struct {
	Source        string           `json:"source"`         // aws_invoice | ecb | fixed
	Day           string           `json:"day,omitempty"`  // ecb: month_end (default) | month_average | last_before | publication
	From          currency.Code    `json:"from,omitempty"` // fixed: the pair it is for
	To            currency.Code    `json:"to,omitempty"`
	Rate          currency.Decimal `json:"rate,omitzero"`
	MarkupPercent currency.Decimal `json:"markup_percent,omitzero"`
	MaxAgeDays    int              `json:"max_age_days,omitempty"` // ecb: older rates block; default 7
}

// Window returns the months in which the agreement is billed: those the transfer covers, cut to
// the billed months. Its status plays no part (I6). It returns false when there are none.
func (a *Agreement) Window() (calendar.Window, bool) {
	w, ok := calendar.TransferWindow(a.Transfer.Start, a.Transfer.End)
	if !ok {
		return w, false
	}
	return w.Intersect(a.Billed)
}

// TermsAt returns the terms of a month: the newest whose From is not after it (I11), and false
// when there are none yet.
func (a *Agreement) TermsAt(m calendar.Month) (Terms, bool) {
	for _, t := range slices.Backward(a.Terms) {
		if !t.From.After(m) {
			return t, true
		}
	}
	return Terms{}, false
}

// TermDiscounts says whether the month gets the discounts that hang on the service term: from
// the first month whose end is not before the customer accepted the term, for good (design 5).
func (a *Agreement) TermDiscounts(m calendar.Month) bool {
	at := a.ServiceTerm.AcceptedAt
	return !at.IsZero() && at.Before(m.End())
}

// PayerAccount returns the account id that the organisation's rows carry as payer, and whether
// any id will do.
func (a *Agreement) PayerAccount() (id string, wildcard bool) {
	switch a.CUR.PayerAccount {
	case "":
		return string(a.ManagementAccount), false
	case "*":
		return "", true
	}
	return a.CUR.PayerAccount, false
}

// HeldIn returns the agreement's hold if it covers the month, else nil.
func (a *Agreement) HeldIn(m calendar.Month) *Hold {
	h := a.Hold
	if h == nil || !(calendar.Window{From: h.From, To: h.To}).Contains(m) {
		return nil
	}
	return h
}
