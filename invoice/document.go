// Package invoice makes documents: lines from priced charges, net, tax and totals, numbers, and
// credit notes. It is the only place that rounds amounts.
package invoice

import (
	"slices"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/rating"
)

// Kinds of documents.
const (
	KindInvoice    = "invoice"
	KindCreditNote = "credit_note" // amounts positive
)

// States of a document (design 6).
const (
	StatusDrafted  = "drafted"
	StatusApproved = "approved"
	StatusIssued   = "issued"
)

// A Document is an invoice or credit note of one month, draft or issued. Its JSON is the surface
// of contract.md ("JSON of an invoice") and what the store freezes. All amounts are in Currency;
// exact amounts are plain decimals, net, tax and gross have exactly the minor units.
type Document struct {
	ID        string         `json:"id"`
	Number    *string        `json:"number"`   // null until issued (I9)
	Kind      string         `json:"document"` // invoice | credit_note
	Status    string         `json:"status"`
	Agreement string         `json:"agreement"`
	Month     calendar.Month `json:"month"`
	IssueDate *calendar.Date `json:"issue_date"`
	DueDate   *calendar.Date `json:"due_date"`
	Period    Period         `json:"period"`

	PurchaseOrder string            `json:"purchase_order"`
	Seller        Party             `json:"seller"`
	Buyer         Party             `json:"buyer"`
	Payment       agreement.Payment `json:"payment"`
	Currency      currency.Code     `json:"currency"`
	First         bool              `json:"first"` // the agreement's first billed month
	Final         bool              `json:"final"` // its last
	Corrects      *Reference        `json:"corrects"`
	Reason        string            `json:"reason,omitempty"` // of a correction

	Lines       []Line       `json:"lines"`
	Tax         []TaxLine    `json:"tax"`
	TaxNational *NationalTax `json:"tax_national"` // tax in the territory's currency (BT-6, BT-111)
	Totals      Totals       `json:"totals"`
	Rates       []Rate       `json:"rates"`
	Notes       []string     `json:"notes,omitempty"`

	// Versions of the objects of the book and of the rules that made the document.
	Versions map[string]string `json:"versions,omitempty"`
}

// Issue returns the document as issued: with its number, its issue date and the due date that many
// days later. Nothing about it changes afterwards (I8).
func (d Document) Issue(number string, date calendar.Date, days int) Document {
	due := date.AddDays(days)
	d.Status, d.Number, d.IssueDate, d.DueDate = StatusIssued, &number, &date, &due
	return d
}

// Signed returns the document with the signs that its amounts have in sums across documents:
// those of a credit note are negated. Only for computing; it is never shown.
func (d Document) Signed() Document {
	if d.Kind == KindCreditNote {
		return d.flipped()
	}
	return d
}

// flipped returns the document with the sign of every amount turned. It shares no line with d.
func (d Document) flipped() Document {
	d.Lines = slices.Clone(d.Lines)
	for i := range d.Lines {
		l := &d.Lines[i]
		if l.Source != nil {
			l.Source = &currency.Amount{Number: l.Source.Number.Neg(), Currency: l.Source.Currency}
		}
		l.Exact, l.Net = l.Exact.Neg(), l.Net.neg()
	}
	d.Tax = slices.Clone(d.Tax)
	for i := range d.Tax {
		d.Tax[i].Base, d.Tax[i].Amount = d.Tax[i].Base.neg(), d.Tax[i].Amount.neg()
	}
	if d.TaxNational != nil {
		n := *d.TaxNational
		n.Amount = n.Amount.neg()
		d.TaxNational = &n
	}
	d.Totals = Totals{d.Totals.Net.neg(), d.Totals.Tax.neg(), d.Totals.Gross.neg()}
	return d
}

// A Period is the month billed: first and last day.
type Period struct {
	Start calendar.Date `json:"start"`
	End   calendar.Date `json:"end"`
}

// A Party is seller or buyer as frozen on the document (I8).
type Party struct {
	ID             string            `json:"id,omitempty"`
	Name           string            `json:"name"`
	Address        agreement.Address `json:"address"`
	Country        string            `json:"country,omitempty"`
	TaxID          string            `json:"tax_id"`
	RegistrationID string            `json:"registration_id,omitempty"`
	// TaxRegistration is BT-32, the seller's only.
	TaxRegistration string `json:"tax_registration,omitempty"`
	Email           string `json:"email,omitempty"`
	Phone           string `json:"phone,omitempty"`
	Reference       string `json:"reference,omitempty"`
	Endpoint        string `json:"endpoint,omitempty"`
	Logo            string `json:"logo,omitempty"`
}

// A Reference names the document that this one corrects.
type Reference struct {
	ID     string        `json:"id"`
	Number string        `json:"number"`
	Date   calendar.Date `json:"date"`
}

// A Line is one (section, usage account, product, label, AWS invoice, rate). Seller lines have no
// account, product, AWS invoice, source or rate: those are null. A line that credits a part of
// another has no source and rate, since its amount was chosen and not converted.
type Line struct {
	Position   int               `json:"position"` // 1, 2, 3 ...
	Section    rating.Section    `json:"section"`
	Label      string            `json:"label"`
	Product    *string           `json:"product"`
	Account    *string           `json:"account"`
	AWSInvoice *string           `json:"aws_invoice"`
	Source     *currency.Amount  `json:"source"` // exact, in AWS's currency
	Rate       *currency.Decimal `json:"rate"`
	Exact      currency.Decimal  `json:"exact"`         // exact, in the document's currency
	Net        Money             `json:"net"`           // Exact in whole minor units; lines sum to Totals.Net
	How        string            `json:"how,omitempty"` // seller lines: the computation
	// CorrectsLine is the position of the line that a line of a correction is about.
	CorrectsLine *int `json:"corrects_line,omitempty"`
}

// A TaxLine is the tax of one category (EN 16931 BG-23).
type TaxLine struct {
	Category string           `json:"category"`
	Percent  currency.Decimal `json:"percent"`
	Base     Money            `json:"base"`
	Amount   Money            `json:"amount"`
	Reason   string           `json:"reason,omitempty"` // VATEX code or text
}

// NationalTax is the total tax in the currency of the seller's VAT territory.
type NationalTax struct {
	Currency currency.Code `json:"currency"`
	Amount   Money         `json:"amount"`
	Rate     currency.Rate `json:"rate"`
}

// Totals of a document: net + tax = gross.
type Totals struct {
	Net   Money `json:"net"`
	Tax   Money `json:"tax"`
	Gross Money `json:"gross"`
}

// A Rate is an exchange rate used on the document.
type Rate struct {
	From       currency.Code    `json:"from"`
	To         currency.Code    `json:"to"`
	Rate       currency.Decimal `json:"rate"`
	Source     string           `json:"source"`
	Date       calendar.Date    `json:"date"`
	AWSInvoice string           `json:"aws_invoice,omitempty"`
	Markup     string           `json:"markup_percent,omitempty"`
	Digest     string           `json:"digest,omitempty"` // of the file that an imported rate came from
}

// Money is an amount in whole minor units of the document's currency: it prints with exactly
// those decimal places.
type Money struct {
	Number currency.Decimal
	Places int32
}

// String prints the amount with exactly its minor units, never "-0".
func (m Money) String() string {
	if m.Number.IsZero() {
		return currency.Zero.StringFixed(m.Places)
	}
	return m.Number.StringFixed(m.Places)
}

func (m Money) neg() Money { return Money{m.Number.Neg(), m.Places} }

// Equal says that both are the same amount (for go-cmp).
func (m Money) Equal(other Money) bool {
	return m.Places == other.Places && m.Number.Equal(other.Number)
}

// MarshalText prints the amount with exactly its minor units.
func (m Money) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText prints.
func (m *Money) UnmarshalText(b []byte) error {
	d, err := currency.Parse(string(b))
	if err != nil {
		return err
	}
	m.Number, m.Places = d, max(0, -d.Exponent())
	return nil
}
