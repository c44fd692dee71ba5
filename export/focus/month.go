package focus

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
)

// An Identity says who the customer is told to buy from (docs/FOCUS.md, "Names").
type Identity string

// The identities: with MSP the seller provides what AWS hosts, with Resale AWS provides and the
// seller invoices.
const (
	MSP    Identity = "msp"
	Resale Identity = "resale"
)

// A Month is what an agreement is told of a month, as it was billed: the export is a function of
// it and of the rows of AWS's files.
type Month struct {
	Agreement    string
	Organisation string // the management account
	Month        calendar.Month
	Currency     currency.Code
	Seller       string // its name
	Buyer        string // its name
	// Documents are the month's own, drafted or issued; Corrections those of any month that were
	// issued in this one.
	Documents   []invoice.Document
	Corrections []invoice.Document
	Charges     []ingest.Charge // in canonical order, as rating.Rate got them
	Rated       rating.Result   // of these charges
	Names       map[string]string
	Split       *agreement.BuyerSplit
	// Rate finds the rate of an AWS invoice of which nothing was billed; may be nil.
	Rate func(from currency.Code, awsInvoice string) (currency.Rate, error)
	// Changed says that AWS's files are not those any more that were billed: what the rows and the
	// printed lines differ by is then a row of its own, and no error.
	Changed bool
}

// Options say how a month is written.
type Options struct {
	Version  Version
	Identity Identity
}

// A bill is a document with what its rows have come to.
type bill struct {
	invoice.Document // its amounts signed
	buyer            string
	lines            map[lineKey]int // index of a line
	sums             []number        // of BilledCost, by line
	rest             number          // of BilledCost on no line: it comes to nothing
	details          []string        // InvoiceDetailId, by line
	number           string          // InvoiceId; empty for a draft
}

// A lineKey says what makes one line of a document (invoice.Draft).
type lineKey struct {
	section                          rating.Section
	account, product, label, invoice string
	rate                             string
	source                           currency.Code
}

func newBill(d invoice.Document) *bill {
	b := &bill{Document: d.Signed(), buyer: d.Buyer.ID, lines: map[lineKey]int{}, sums: make([]number, len(d.Lines))}
	if d.Number != nil {
		b.number = *d.Number
	}
	for i, l := range b.Lines {
		b.lines[keyOf(l)] = i
		b.details = append(b.details, b.detail(strconv.Itoa(l.Position)))
	}
	return b
}

// detail is the id of a line or tax of the document; a draft has none.
func (b *bill) detail(position string) string {
	if b.number == "" {
		return ""
	}
	return b.number + "-" + position
}

func keyOf(l invoice.Line) lineKey {
	k := lineKey{section: l.Section, label: l.Label}
	if l.Account != nil {
		k.account = *l.Account
	}
	if l.Product != nil {
		k.product = *l.Product
	}
	if l.AWSInvoice != nil {
		k.invoice = *l.AWSInvoice
	}
	if l.Source != nil && l.Rate != nil {
		k.rate, k.source = currency.Plain(*l.Rate), l.Source.Currency
	}
	return k
}

// line finds the line that a priced charge stands on; -1 when it comes to exactly nothing.
func (b *bill) line(p rating.Priced) int {
	i, ok := b.lines[lineKey{p.Section, p.Account, p.Product, p.Label, p.Invoice, currency.Plain(p.Rate.Value), p.Source.Currency}]
	if !ok {
		return -1
	}
	return i
}

// A rate converts from AWS's currency to the document's.
type rate struct {
	value    currency.Decimal
	mantissa int64
	places   int32
	quick    bool // mantissa and places say it
}

func newRate(d currency.Decimal) rate {
	m, p, ok := small(d)
	return rate{d, m, p, ok && p <= costPlaces-quantityPlaces}
}

// A share is one buyer's part of a charge: of which document, and with what weight.
type share struct {
	bill   *bill // nil: nothing is invoiced to this buyer
	buyer  string
	weight currency.Decimal
}

// buyers says how the charges of an account are shared over documents.
func (w *writer) buyers(account string) []share {
	if w.m.Split == nil {
		s := share{weight: one, buyer: w.m.Buyer}
		if len(w.bills) > 0 {
			s.bill = w.bills[0]
			s.buyer = s.bill.Buyer.Name
		}
		return []share{s}
	}
	var out []share
	for _, s := range w.m.Split.Shares {
		weight := s.Percent
		if percent, ok := s.Accounts[agreement.AccountID(account)]; ok {
			weight = percent
		}
		i := slices.IndexFunc(w.bills, func(b *bill) bool { return b.buyer == s.Buyer })
		switch {
		case weight.IsZero():
		case i >= 0:
			out = append(out, share{w.bills[i], w.bills[i].Buyer.Name, weight})
		default:
			out = append(out, share{nil, w.m.Buyer, weight})
		}
	}
	return out
}

var one = currency.MustParse("1")

// checkMonth refuses what no export could be true of.
func checkMonth(m Month, o Options) error {
	if !slices.Contains(Versions, o.Version) {
		return fmt.Errorf("focus: no profile %q: there are %v", o.Version, Versions)
	}
	if o.Identity != MSP && o.Identity != Resale {
		return fmt.Errorf("focus: no identity %q: there are msp and resale", o.Identity)
	}
	if m.Currency == "" {
		return fmt.Errorf("focus: %s %s has no currency", m.Agreement, m.Month)
	}
	return nil
}
