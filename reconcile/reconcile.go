// Package reconcile proves a month's rows against AWS's own invoices. It is pure: it compares,
// names every difference, and says which of them forbid a draft (design 6, "Reconciliation").
package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/rating"
)

// A Line compares the rows of one AWS invoice with its amount, both before tax, in the invoice's
// base currency and with the sign of rows.
type Line struct {
	AWSInvoice string           `json:"aws_invoice"`
	Currency   currency.Code    `json:"currency"`
	Rows       currency.Decimal `json:"rows_before_tax"`
	Invoice    currency.Decimal `json:"invoice_before_tax"`
	Difference currency.Decimal `json:"difference"` // rows - invoice
	Tolerance  currency.Decimal `json:"tolerance"`
	OK         bool             `json:"ok"`
	Note       string           `json:"note,omitempty"` // Pending, or "not listed"
}

// Pending is the note of a memo whose rows are yet to come.
const Pending = "pending"

// A Result is an organisation's comparison for a month.
type Result struct {
	Lines    []Line
	Proven   bool               // every AWS invoice is there and within tolerance
	Waiting  []agreement.Reason // invoices_missing
	Blocks   []agreement.Reason // not_reconciled, partner_discount_differs
	Warnings []agreement.Reason
}

// An Input is what is compared.
type Input struct {
	Sums  []rating.InvoiceSum // of the organisation's rows
	Bills []ingest.Bill       // of the organisation in this month
	// Memos of the organisation in the months around it: rows of a memo may come with another
	// month's delivery than its figures.
	Memos     []ingest.Bill
	Tolerance agreement.Tolerance
	// Strict: differences block. Otherwise (the payer says reconcile: none) they are warnings, and
	// nothing waits for AWS's invoices.
	Strict bool
}

// Invoices compares each AWS invoice of the organisation with its rows.
func Invoices(in Input) Result {
	r := Result{Proven: in.Strict}
	hasRows := map[string]bool{}
	for _, s := range in.Sums {
		hasRows[s.Invoice] = true
	}
	bills := map[string]ingest.Bill{}
	for _, b := range slices.Concat(in.Memos, in.Bills) {
		if b.Compared() {
			bills[b.ID] = b
		}
	}
	for _, b := range in.Bills {
		if b.Compared() && !hasRows[b.ID] {
			r.withoutRows(b, in)
		}
	}
	for _, s := range in.Sums {
		if b, listed := bills[s.Invoice]; listed {
			r.compare(s, b, in)
		} else {
			r.notListed(s, in)
		}
	}
	slices.SortStableFunc(r.Lines, func(a, b Line) int { return strings.Compare(a.AWSInvoice, b.AWSInvoice) })
	return r
}

// withoutRows: AWS lists an invoice and the delivery has none of its rows.
func (r *Result) withoutRows(b ingest.Bill, in Input) {
	l := Line{
		AWSInvoice: b.ID, Currency: b.Base.Currency, Invoice: b.Signed(), Difference: b.Signed().Neg(),
		OK: b.Signed().IsZero(),
	}
	if b.Memo() && !l.OK {
		l.OK, l.Note = true, Pending
	}
	r.Lines = append(r.Lines, l)
	if !l.OK {
		r.differ(in, agreement.Reason{
			Code: "not_reconciled", AWSInvoice: b.ID,
			Text: fmt.Sprintf("AWS invoice %s: AWS charges %s %s before tax and the delivery has no row of it", b.ID, currency.Plain(b.Signed()), b.Base.Currency),
		})
	}
}

// notListed: rows of an invoice that AWS does not list for this organisation. Rows without any
// amount hold nothing up: AWS makes no invoice of 0 for them. Rows that cancel out do: AWS charged
// something and gave it back, and what it lists will say so.
func (r *Result) notListed(s rating.InvoiceSum, in Input) {
	if s.Groups == 0 && s.BeforeTax.IsZero() && s.Tax.IsZero() {
		r.Lines = append(r.Lines, Line{AWSInvoice: s.Invoice, Currency: s.Currency, OK: true, Note: "not listed"})
		return
	}
	r.Lines = append(r.Lines, Line{
		AWSInvoice: s.Invoice, Currency: s.Currency, Rows: s.BeforeTax, Difference: s.BeforeTax, OK: !in.Strict, Note: "not listed",
	})
	r.Proven = false
	if in.Strict {
		r.Waiting = append(r.Waiting, agreement.Reason{
			Code: "invoices_missing", AWSInvoice: s.Invoice,
			Text: fmt.Sprintf("the rows name AWS invoice %s (%s %s before tax), which AWS does not list yet", s.Invoice, currency.Plain(s.BeforeTax), s.Currency),
		})
	}
}

func (r *Result) compare(s rating.InvoiceSum, b ingest.Bill, in Input) {
	tolerance := within(in.Tolerance, s.Groups, b.Signed())
	l := Line{
		AWSInvoice: b.ID, Currency: b.Base.Currency, Rows: s.BeforeTax, Invoice: b.Signed(),
		Difference: s.BeforeTax.Sub(b.Signed()), Tolerance: tolerance,
	}
	l.OK = s.Currency == b.Base.Currency && l.Difference.Abs().LessThanOrEqual(tolerance)
	r.Lines = append(r.Lines, l)
	if !l.OK {
		r.differ(in, agreement.Reason{
			Code: "not_reconciled", AWSInvoice: b.ID,
			Text: fmt.Sprintf("AWS invoice %s: rows before tax %s %s, AWS's invoice %s %s, difference %s, allowed %s", b.ID,
				currency.Plain(l.Rows), s.Currency, currency.Plain(l.Invoice), b.Base.Currency, currency.Plain(l.Difference), currency.Plain(tolerance)),
		})
	}
	tax := b.Base.Total.Sub(b.Base.BeforeTax)
	if b.Memo() {
		tax = tax.Abs().Neg()
	}
	if diff := s.Tax.Sub(tax); diff.Abs().GreaterThan(tolerance) {
		r.Warnings = append(r.Warnings, agreement.Reason{
			Code: "tax_not_reconciled", AWSInvoice: b.ID,
			Text: fmt.Sprintf("AWS invoice %s: tax rows %s, AWS's invoice %s, difference %s", b.ID, currency.Plain(s.Tax), currency.Plain(tax), currency.Plain(diff)),
		})
	}
	r.compareDiscount(b, ingest.ClassPartner, s.Partner, tolerance, in)
	r.compareDiscount(b, ingest.ClassDistributor, s.Distributor, tolerance, in)
}

// compareDiscount compares the retained discount with the invoice's own breakdown, without sign.
func (r *Result) compareDiscount(b ingest.Bill, class ingest.Class, rows, tolerance currency.Decimal, in Input) {
	stated, found := currency.Zero, false
	for _, d := range b.Base.Discounts {
		if d.Class() == class {
			stated, found = stated.Add(d.Amount), true
		}
	}
	switch diff := rows.Abs().Sub(stated.Abs()); {
	case !found && rows.IsZero():
	case !found:
		r.Warnings = append(r.Warnings, agreement.Reason{
			Code: "partner_discount_unproven", AWSInvoice: b.ID,
			Text: fmt.Sprintf("AWS invoice %s: rows have a %s discount of %s and the invoice's breakdown has none", b.ID, class, currency.Plain(rows)),
		})
	case diff.Abs().GreaterThan(tolerance):
		r.differ(in, agreement.Reason{
			Code: "partner_discount_differs", AWSInvoice: b.ID,
			Text: fmt.Sprintf("AWS invoice %s: %s discount is %s in the rows and %s on the invoice", b.ID, class, currency.Plain(rows.Abs()), currency.Plain(stated.Abs())),
		})
	}
}

// differ records a difference: it blocks, or warns when the payer says reconcile: none.
func (r *Result) differ(in Input, reason agreement.Reason) {
	r.Proven = false
	if in.Strict {
		r.Blocks = append(r.Blocks, reason)
		return
	}
	reason.Code = "not_reconciled"
	r.Warnings = append(r.Warnings, reason)
}

// within is the tolerance of one invoice: the larger of a cent for each group and a share of the
// invoice, at most the payer's maximum (design 6).
func within(t agreement.Tolerance, groups int, invoice currency.Decimal) currency.Decimal {
	byGroup := t.PerGroup.Mul(decimal.NewFromInt(int64(groups)))
	byShare := currency.Percent(invoice.Abs(), t.Percent)
	return decimal.Min(decimal.Max(byGroup, byShare), t.Max)
}
