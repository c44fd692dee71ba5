package arrears

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/ingest/cur"
)

// An Inspection is what a folder or bucket of AWS's files holds, without any book.
type Inspection struct {
	Source   string              `json:"source"`
	Exports  []InspectedExport   `json:"exports"`
	Invoices []InspectedInvoices `json:"invoices"`
	Strange  []string            `json:"strange"` // what is missing or odd, in words, with what to do
}

// An InspectedExport is one export or report: what cur.source of an agreement names.
type InspectedExport struct {
	Location string           `json:"location"`
	Manifest string           `json:"manifest"` // required | none: what the book must say
	Months   []InspectedMonth `json:"months"`
}

// An InspectedMonth is what an export holds of a month.
type InspectedMonth struct {
	Month         calendar.Month          `json:"month"`
	Layout        ingest.Layout           `json:"layout"`
	Files         int                     `json:"files"`
	Bytes         int64                   `json:"bytes"`
	Rows          int64                   `json:"rows"`
	Final         bool                    `json:"final"` // the month is over and every monthly row with an amount has its AWS invoice id
	Organisations []InspectedOrganisation `json:"organisations"`
	Problem       string                  `json:"problem"` // why it cannot be billed; empty: it can
}

// An InspectedOrganisation is what a month holds of one management account.
type InspectedOrganisation struct {
	ManagementAccount string           `json:"management_account"`
	Accounts          int              `json:"accounts"` // usage accounts
	Currency          currency.Code    `json:"currency"`
	Rows              int64            `json:"rows"`
	Unblended         currency.Decimal `json:"unblended"`
	Open              currency.Decimal `json:"open"` // of it, in rows without an AWS invoice
	AWSInvoices       []string         `json:"aws_invoices"`
	Enterprise        bool             `json:"enterprise_support"` // AWS charges Enterprise support
}

// InspectedInvoices is a folder of AWS's invoice figures: what payers[].invoices names.
type InspectedInvoices struct {
	Location string           `json:"location"`
	Months   []calendar.Month `json:"months"`
	Payers   []InspectedPayer `json:"payers"`
	Problem  string           `json:"problem"`
}

// An InspectedPayer is an account that AWS invoices, and what it pays in.
type InspectedPayer struct {
	Account       string          `json:"account"`
	Currencies    []currency.Code `json:"currencies"`    // it pays in
	Organisations []string        `json:"organisations"` // that the invoices are for
}

// Inspect looks at a source without any book: which exports it holds, and of each month what the
// files say. months limits it to some; none are all. done hears of every month that was read.
func (e *Engine) Inspect(ctx context.Context, location string, months []calendar.Month, done func(string, calendar.Month)) (Inspection, error) {
	in := Inspection{Source: location, Exports: []InspectedExport{}, Invoices: []InspectedInvoices{}, Strange: []string{}}
	source, err := e.openSource(location)
	if err != nil {
		return in, wrong("unreadable_source", "name a folder, or s3://bucket/prefix", "%v", err)
	}
	survey, err := ingest.Look(ctx, source)
	if err != nil {
		return in, err
	}
	if survey.Cut {
		in.Strange = append(in.Strange, "there are more folders than are looked into: name one nearer to the exports")
	}
	for _, dir := range survey.Exports {
		x, err := e.inspectExport(ctx, below(location, dir), months, done)
		if err != nil {
			return in, err
		}
		in.Exports = append(in.Exports, x)
	}
	for _, dir := range survey.Invoices {
		inv, err := e.inspectInvoices(ctx, below(location, dir), months)
		if err != nil {
			return in, err
		}
		in.Invoices = append(in.Invoices, inv)
	}
	in.strange()
	return in, nil
}

// below joins a folder to a location: path.Join would take a slash from s3://.
func below(location, dir string) string {
	if dir == "" {
		return location
	}
	return strings.TrimSuffix(location, "/") + "/" + dir
}

func (e *Engine) inspectExport(ctx context.Context, location string, months []calendar.Month, done func(string, calendar.Month)) (InspectedExport, error) {
	x := InspectedExport{Location: location, Manifest: "required", Months: []InspectedMonth{}}
	source, err := e.openSource(location)
	if err != nil {
		return x, err
	}
	all, err := ingest.Months(ctx, source)
	if err != nil {
		return x, err
	}
	for _, m := range all {
		if len(months) > 0 && !slices.Contains(months, m) {
			continue
		}
		src := agreement.Source{Location: location}
		d, err := ingest.Find(ctx, source, src, m)
		if errors.Is(err, ingest.ErrNoManifest) {
			x.Manifest, src.Manifest = "none", "none"
			d, err = ingest.Find(ctx, source, src, m)
		}
		im := InspectedMonth{Month: m, Layout: d.Layout, Files: len(d.Files), Organisations: []InspectedOrganisation{}}
		if err == nil {
			err = e.inspectMonth(ctx, d, &im)
		}
		if ctx.Err() != nil {
			return x, ctx.Err()
		}
		if err != nil {
			im.Problem = problem(err)
		}
		x.Months = append(x.Months, im)
		if done != nil {
			done(location, m)
		}
	}
	return x, nil
}

// problem is an error with what to do about it.
func problem(err error) string {
	d := &delivery{}
	d.fail(err)
	return d.reason.Text
}

func (e *Engine) inspectMonth(ctx context.Context, d ingest.Delivery, im *InspectedMonth) error {
	var sets []ingest.ChargeSet
	for _, f := range d.Files {
		im.Bytes += f.Size
		s, err := cur.Scan(ctx, f, d.Month)
		if err != nil {
			return err
		}
		sets = append(sets, s.Set)
	}
	set := ingest.Merge(sets...)
	im.Rows = set.Rows
	im.Final = !e.AsOf.Before(d.Month.End()) && len(ingest.Open(set.Charges)) == 0 && set.Rows > 0
	for _, s := range summarise(set) {
		org := InspectedOrganisation{ManagementAccount: s.ID, Currency: s.Currency, Rows: s.Rows, Unblended: s.Unblended, Open: s.Open, AWSInvoices: []string{}}
		accounts, invoices := map[string]bool{}, map[string]bool{}
		for _, c := range set.ByPayer(s.ID).Charges {
			if c.Currency != s.Currency {
				continue
			}
			accounts[c.Account] = true
			if c.Invoice != "" && !invoices[c.Invoice] {
				invoices[c.Invoice] = true
				org.AWSInvoices = append(org.AWSInvoices, c.Invoice)
			}
			org.Enterprise = org.Enterprise || c.BillingEntity != ingest.EntityMarketplace && c.Unblended.Sign() > 0 && ingest.Support(c.Product, set.Names[c.Product]) == ingest.SupportEnterprise
		}
		org.Accounts = len(accounts)
		slices.Sort(org.AWSInvoices)
		im.Organisations = append(im.Organisations, org)
	}
	return nil
}

func (e *Engine) inspectInvoices(ctx context.Context, location string, months []calendar.Month) (InspectedInvoices, error) {
	inv := InspectedInvoices{Location: location, Months: []calendar.Month{}, Payers: []InspectedPayer{}}
	source, err := e.openSource(location)
	if err != nil {
		return inv, err
	}
	all, err := ingest.BillMonths(ctx, source)
	if err != nil {
		return inv, err
	}
	for _, m := range all {
		if len(months) > 0 && !slices.Contains(months, m) {
			continue
		}
		inv.Months = append(inv.Months, m)
		bills, err := ingest.ReadBills(ctx, source, m)
		if ctx.Err() != nil {
			return inv, ctx.Err()
		}
		if err != nil {
			inv.Problem = err.Error()
			continue
		}
		for _, b := range bills {
			i := slices.IndexFunc(inv.Payers, func(p InspectedPayer) bool { return p.Account == b.Account })
			if i < 0 {
				i = len(inv.Payers)
				inv.Payers = append(inv.Payers, InspectedPayer{Account: b.Account, Currencies: []currency.Code{}, Organisations: []string{}})
			}
			p := &inv.Payers[i]
			if c := cmp.Or(b.Payment.Currency, b.Base.Currency); c != "" && !slices.Contains(p.Currencies, c) {
				p.Currencies = append(p.Currencies, c)
			}
			for _, org := range b.Sources {
				if !slices.Contains(p.Organisations, org) {
					p.Organisations = append(p.Organisations, org)
				}
			}
		}
	}
	slices.SortFunc(inv.Payers, func(a, b InspectedPayer) int { return cmp.Compare(a.Account, b.Account) })
	for i := range inv.Payers {
		slices.Sort(inv.Payers[i].Organisations)
		slices.Sort(inv.Payers[i].Currencies)
	}
	return inv, nil
}

// strange names what a person should know before writing a book.
func (in *Inspection) strange() {
	say := func(text string) { in.Strange = append(in.Strange, text) }
	if len(in.Exports) == 0 {
		say("no export or report is here: want data/BILLING_PERIOD=YYYY-MM (Data Exports), YYYYMMDD-YYYYMMDD (legacy) or year=YYYY/month=M (Athena) below it")
	}
	if len(in.Exports) > 0 && len(in.Invoices) == 0 {
		say("AWS's own invoice figures are not here: save the answer of `aws invoicing list-invoice-summaries` as YYYY-MM.json, or let the book say invoices: api; without them nothing is proven (reconcile: none)")
	}
	where := map[string]string{} // organisation and month: location
	for _, x := range in.Exports {
		if x.Manifest == "none" {
			say(x.Location + " has no manifest: every file of a month's folder counts (manifest: none); what an earlier delivery left behind would count too")
		}
		for i, m := range x.Months {
			if i > 0 && x.Months[i-1].Month.Add(1) != m.Month {
				say(x.Location + " has nothing between " + x.Months[i-1].Month.String() + " and " + m.Month.String())
			}
			if len(m.Organisations) > 1 {
				say(x.Location + " " + m.Month.String() + " holds several organisations: each needs an agreement of its own, all with this source")
			}
			for _, o := range m.Organisations {
				key := o.ManagementAccount + " " + m.Month.String()
				if other := where[key]; other != "" && other != x.Location {
					say("organisation " + o.ManagementAccount + " is in " + other + " and in " + x.Location + " (" + m.Month.String() + "): name one of them")
				}
				where[key] = x.Location
			}
		}
	}
	slices.Sort(in.Strange)
	in.Strange = slices.Compact(in.Strange)
}
