package arrears

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
	"github.com/arrears-billing/arrears/reconcile"
)

// Inputs are all that a month of an agreement depends on (I4): same inputs, same documents. File
// names, times and labels are not among them.
type Inputs struct {
	Agreement    string                 `json:"agreement"`
	Organisation agreement.AccountID    `json:"organisation"`
	Month        calendar.Month         `json:"month"`
	First        bool                   `json:"first"`
	Final        bool                   `json:"final"`
	Terms        agreement.Terms        `json:"terms"`     // those of the month
	Discounts    bool                   `json:"discounts"` // term discounts are given
	Adjustments  []agreement.Adjustment `json:"adjustments,omitempty"`
	Tax          *agreement.TaxOverride `json:"tax,omitempty"`
	Split        *agreement.BuyerSplit  `json:"split,omitempty"`
	Seller       agreement.Seller       `json:"seller"`
	Buyers       []agreement.Buyer      `json:"buyers"` // that of the terms, then those of the split
	Tolerance    agreement.Tolerance    `json:"tolerance"`
	Strict       bool                   `json:"strict"` // reconcile: invoices
	Fingerprint  string                 `json:"fingerprint"`
	Bills        []ingest.Bill          `json:"bills,omitempty"`
	Memos        []ingest.Bill          `json:"memos,omitempty"` // of the months around
	// Former are AWS invoices of this organisation that give back a month in which another agreement
	// had it, with that agreement.
	Former map[string]string `json:"former,omitempty"`
	// Unplaced are those of which nobody knows what month they give back, with an agreement before.
	Unplaced   map[string]string `json:"unplaced,omitempty"`
	References []currency.Rate   `json:"references,omitempty"`
	Waived     []Waived          `json:"waived,omitempty"`
	Incomplete bool              `json:"incomplete,omitempty"` // the agreement's order is still in process
	Rules      string            `json:"rules"`
}

// Waived lets one block pass: a code, and what exact difference and delivery it is bound to.
type Waived struct {
	Code  string `json:"code"`
	Bound string `json:"bound"`
	By    string `json:"by"`
}

// Hash identifies the inputs: "sha256:" and hex.
func (in *Inputs) Hash() string { return hashJSON(in) }

// Evidence is what a month was computed from, kept whole: enough to compute it again (arrears
// verify), to explain a line, and to find the rows in AWS's files.
type Evidence struct {
	Inputs Inputs           `json:"inputs"`
	Others []string         `json:"others,omitempty"` // the delivery's organisations, when none is the agreement's
	Late   bool             `json:"late"`             // after day 14 of the next month: nothing is waited for any more
	Set    ingest.ChargeSet `json:"-"`                // kept apart (keepEvidence)
	Files  []EvidenceFile   `json:"files"`
	// Versions of the objects of the book, by "kind/id".
	Versions map[string]string `json:"versions"`
}

// An EvidenceFile is a file that was read, and the digest of what it held.
type EvidenceFile struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// An Outcome is what a month comes to.
type Outcome struct {
	Status         string
	Reasons        []agreement.Reason
	Warnings       []agreement.Reason
	Rated          rating.Result
	Reconciliation []reconcile.Line
	Documents      []invoice.Document // drafts; one, or one for each buyer of a split
}

// States of an agreement-month (design 6).
const (
	NotDue        = "not_due"
	Waiting       = "waiting"
	Blocked       = "blocked"
	Held          = "held"
	NothingToBill = "nothing_to_bill"
	Drafted       = "drafted"
	Approved      = "approved"
	Issued        = "issued"
	Restated      = "restated"
	Corrected     = "corrected"
	Credited      = "credited"
)

// A References finds reference exchange rates for the ecb policy and for tax; nil has none.
type References interface {
	// Rate returns what one unit of from is worth in to for the month under the terms' policy.
	Rate(x agreement.Exchange, from, to currency.Code, m calendar.Month) (currency.Rate, error)
	// TaxRate returns the rate for a day that the tax authority of the territory whose currency is
	// to accepts: ECB, BAZG, HMRC, Norges Bank.
	TaxRate(from, to currency.Code, day calendar.Date) (currency.Rate, error)
}

// Compute is the story of one month of one agreement, from what AWS delivered and invoiced to the
// customer's documents. It is pure: it reads no file, clock or database, and references that it
// used are added to e.Inputs.References.
//
// The order is that of design 6: is the delivery final; are AWS's invoices there; what is each
// charge and what does it cost; do rows and invoices agree; then lines, tax and totals.
func Compute(e *Evidence, refs References) Outcome {
	in := &e.Inputs
	in.References = nil
	var out Outcome

	if len(e.Others) > 0 {
		if left, _ := in.waive([]agreement.Reason{otherPayers(*in, e.Others)}); len(left) > 0 {
			return blockedBy(left...)
		}
	}
	if len(e.Set.Charges) == 0 {
		return withoutRows(e, refs)
	}
	if codes := ingest.Currencies(e.Set.Charges); len(codes) > 1 {
		return blockedBy(agreement.Reason{Code: "unreadable", Text: fmt.Sprintf("the delivery has rows in %v: two currencies are never added", codes)})
	}
	if open := ingest.Open(e.Set.Charges); len(open) > 0 {
		return waitingFor(agreement.Reason{Code: "delivery_not_final", Text: openText(e.Set, open)})
	}

	forms := rating.CompareForms(e.Set.Charges)
	compared := reconcile.Invoices(reconcile.Input{
		Sums: forms.Sums, Bills: in.Bills, Memos: in.Memos,
		Tolerance: in.Tolerance, Strict: in.Strict,
	})
	out.Reconciliation = compared.Lines

	bills := slices.Concat(in.Memos, in.Bills)
	recorded := recorder{refs: refs, in: in}
	out.Rated = rating.Rate(rating.Input{
		Month: in.Month, Charges: e.Set.Charges, Forms: forms, Names: e.Set.Names, Descriptions: e.Set.Descriptions,
		Bills: bills, Payer: string(in.Organisation), Proven: compared.Proven,
		Terms: in.Terms, Discounts: in.Discounts, Adjustments: in.Adjustments, Former: in.Former,
		Rate: rating.Exchange(in.Terms, bills, recorded.rate),
	})
	out.Warnings = slices.Concat(compared.Warnings, out.Rated.Warnings)
	for _, id := range slices.Sorted(maps.Keys(in.Unplaced)) {
		out.Warnings = append(out.Warnings, agreement.Reason{Code: "memo_unplaced", AWSInvoice: id, Text: fmt.Sprintf(
			"AWS invoice %s gives back an invoice that is in none of AWS's lists, and %s had the organisation before: find out whose month it was before this is issued", id, in.Unplaced[id])})
	}
	if in.Incomplete {
		out.Warnings = append(out.Warnings, agreement.Reason{
			Code: "billed_before_completion", Text: "AWS bills the payer since the transfer started, and the customer's order is not complete yet",
		})
	}
	if len(compared.Waiting) > 0 {
		out.Status, out.Reasons = Waiting, compared.Waiting
		return out
	}
	if out.Rated.SupportMissing {
		missing := "the terms say partner_led, there is usage, and AWS has not charged Enterprise support"
		if !e.Late {
			out.Status = Waiting
			out.Reasons = []agreement.Reason{{Code: "support_missing", Text: missing + " yet"}}
			return out
		}
		out.Warnings = append(out.Warnings, agreement.Reason{Code: "support_mismatch", Text: missing})
	}

	blocks := slices.Concat(compared.Blocks, out.Rated.Blocks)
	documents, reasons := draft(e, out.Rated, recorded.taxRate)
	for _, r := range reasons {
		if r.Code != invoice.ReasonNoRate || !hasCode(blocks, r.Code) { // rating has said so, and by AWS invoice
			blocks = append(blocks, r)
		}
	}
	blocks, waived := in.waive(blocks)
	out.Warnings = append(out.Warnings, waived...)
	if len(blocks) > 0 {
		out.Status, out.Reasons = Blocked, blocks
		return out
	}
	out.Documents = documents
	out.Status = Drafted
	if !slices.ContainsFunc(documents, hasAmount) {
		out.Status = NothingToBill
	}
	return out
}

func hasCode(list []agreement.Reason, code string) bool {
	return slices.ContainsFunc(list, func(r agreement.Reason) bool { return r.Code == code })
}

func hasAmount(d invoice.Document) bool { return !d.Totals.Net.Number.IsZero() }

// withoutRows: the delivery has no row of the organisation. AWS's invoices say whether that can be.
func withoutRows(e *Evidence, refs References) Outcome {
	in := &e.Inputs
	i := slices.IndexFunc(in.Bills, func(b ingest.Bill) bool { return b.Compared() && !b.Memo() && !b.Signed().IsZero() })
	switch {
	case i >= 0 && !in.Strict:
		// Nothing is compared, but there is something to bill: never nothing_to_bill.
		b := in.Bills[i]
		return waitingFor(agreement.Reason{Code: "delivery_missing", AWSInvoice: b.ID, Text: fmt.Sprintf(
			"the delivery has no rows and AWS invoice %s charges %s %s before tax", b.ID, currency.Plain(b.Signed()), b.Base.Currency)})
	case i >= 0:
		compared := reconcile.Invoices(reconcile.Input{Bills: in.Bills, Tolerance: in.Tolerance, Strict: in.Strict})
		blocks, waived := in.waive(compared.Blocks)
		out := Outcome{Status: Blocked, Reasons: blocks, Warnings: append(compared.Warnings, waived...), Reconciliation: compared.Lines}
		if len(blocks) == 0 {
			out.Reasons = []agreement.Reason{{Code: "no_charges", Text: "no rows; the AWS invoices without rows are let pass"}}
			return withoutCharges(e, refs, out)
		}
		return out
	case !e.Late:
		return waitingFor(agreement.Reason{Code: "delivery_missing", Text: "the delivery has no rows and AWS lists no amount; after day 14 of the next month that is nothing to bill"})
	}
	return withoutCharges(e, refs, Outcome{Reasons: []agreement.Reason{{Code: "no_charges", Text: "no rows, and AWS lists no amount"}}})
}

// withoutCharges: AWS charged nothing. What a person added to the month is billed all the same.
func withoutCharges(e *Evidence, refs References, out Outcome) Outcome {
	in := &e.Inputs
	out.Status = NothingToBill
	if len(in.Adjustments) == 0 {
		return out
	}
	out.Rated = rating.Rate(rating.Input{Month: in.Month, Payer: string(in.Organisation), Terms: in.Terms, Adjustments: in.Adjustments})
	documents, blocks := draft(e, out.Rated, recorder{refs: refs, in: in}.taxRate)
	switch {
	case len(blocks) > 0:
		out.Status, out.Reasons = Blocked, blocks
	case slices.ContainsFunc(documents, hasAmount):
		out.Status, out.Reasons, out.Documents = Drafted, nil, documents
	}
	return out
}

// draft makes the month's documents: one, or one for each buyer.
func draft(e *Evidence, rated rating.Result, taxRate func(from, to currency.Code, day calendar.Date) (currency.Rate, error)) ([]invoice.Document, []agreement.Reason) {
	in := e.Inputs
	input := invoice.Input{
		ID: documentID(in.Agreement, in.Month), Agreement: in.Agreement, Month: in.Month,
		PurchaseOrder: in.Terms.PurchaseOrder, Seller: in.Seller, TaxOverride: in.Tax,
		Currency: in.Terms.Currency, First: in.First, Final: in.Final,
		Priced: rated.Priced, SellerLines: rated.Seller, Versions: e.Versions,
		NationalRate: taxRate,
	}
	if in.Split == nil {
		input.Buyer = in.Buyers[0]
		d, reasons := invoice.Draft(input)
		return []invoice.Document{d}, reasons
	}
	var documents []invoice.Document
	var all []agreement.Reason
	for _, part := range invoice.SplitByBuyer(rated.Priced, rated.Seller, *in.Split) {
		share := part.Share
		i := slices.IndexFunc(in.Buyers, func(b agreement.Buyer) bool { return b.ID == share.Buyer })
		p := input
		p.ID += "-" + share.Buyer
		p.Buyer = in.Buyers[i]
		p.PurchaseOrder = cmp.Or(share.PurchaseOrder, p.PurchaseOrder)
		p.Priced, p.SellerLines = part.Priced, part.Seller
		d, reasons := invoice.Draft(p)
		all = append(all, reasons...)
		if hasAmount(d) {
			documents = append(documents, d)
		}
	}
	return documents, all
}

// documentID is derived, never drawn: AGR-0001-2026-03.
func documentID(agr string, m calendar.Month) string { return agr + "-" + m.String() }

// waivable are the blocks that a person can let pass (contract.md, arrears waive). The others
// would bill money that nobody can compute.
var waivable = []string{
	"not_reconciled", "partner_discount_differs", "no_rows_of_payer", "unknown_line_item_type",
	"unknown_discount", "private_pricing", "split_rows", "savings_plan_offset",
}

// bound ties a waiver to one block of one delivery: its text has the exact amounts.
func (in *Inputs) bound(r agreement.Reason) string {
	return hashJSON([]string{in.Fingerprint, r.Code, r.AWSInvoice, r.Text})
}

// waive lets the waived blocks pass, each with a warning.
func (in *Inputs) waive(blocks []agreement.Reason) (left, warnings []agreement.Reason) {
	for _, r := range blocks {
		i := slices.IndexFunc(in.Waived, func(w Waived) bool { return w.Code == r.Code && w.Bound == in.bound(r) })
		if i < 0 || !slices.Contains(waivable, r.Code) {
			left = append(left, r)
			continue
		}
		warnings = append(warnings, agreement.Reason{
			Code: "waived", AWSInvoice: r.AWSInvoice, Text: fmt.Sprintf("%s let pass by %s: %s", r.Code, in.Waived[i].By, r.Text),
		})
	}
	return left, warnings
}

// recorder hands out reference rates and keeps those that were used among the inputs.
type recorder struct {
	refs References
	in   *Inputs
}

func (r recorder) rate(from, to currency.Code) (currency.Rate, error) {
	if r.refs == nil {
		return currency.Rate{}, fmt.Errorf("no rate from %s to %s: no reference rates are imported", from, to)
	}
	rate, err := r.refs.Rate(r.in.Terms.Exchange, from, to, r.in.Month)
	return r.keep(rate, err)
}

func (r recorder) taxRate(from, to currency.Code, day calendar.Date) (currency.Rate, error) {
	if r.refs == nil {
		return currency.Rate{}, fmt.Errorf("no rate from %s to %s on %s: no reference rates are imported", from, to, day)
	}
	rate, err := r.refs.TaxRate(from, to, day)
	return r.keep(rate, err)
}

func (r recorder) keep(rate currency.Rate, err error) (currency.Rate, error) {
	if err == nil && !slices.ContainsFunc(r.in.References, func(k currency.Rate) bool { return hashJSON(k) == hashJSON(rate) }) {
		r.in.References = append(r.in.References, rate)
	}
	return rate, err
}

// recorded are the reference rates that a month used, as its evidence keeps them.
type recorded []currency.Rate

func (k recorded) Rate(_ agreement.Exchange, from, to currency.Code, m calendar.Month) (currency.Rate, error) {
	return k.find(from, to, func(r currency.Rate) bool { return true })
}

func (k recorded) TaxRate(from, to currency.Code, day calendar.Date) (currency.Rate, error) {
	return k.find(from, to, func(r currency.Rate) bool { return !r.Date.After(day) })
}

func (k recorded) find(from, to currency.Code, fits func(currency.Rate) bool) (currency.Rate, error) {
	for _, r := range k {
		if r.From == from && r.To == to && fits(r) {
			return r, nil
		}
	}
	return currency.Rate{}, fmt.Errorf("no rate from %s to %s in the evidence", from, to)
}

func blockedBy(r ...agreement.Reason) Outcome  { return Outcome{Status: Blocked, Reasons: r} }
func waitingFor(r ...agreement.Reason) Outcome { return Outcome{Status: Waiting, Reasons: r} }

func openText(set ingest.ChargeSet, open []ingest.Charge) string {
	rows, sum := int64(0), currency.Zero
	for _, c := range open {
		rows += c.NonZero
		sum = sum.Add(c.Unblended)
	}
	return fmt.Sprintf("%d of %d rows have an amount and no AWS invoice yet, %s %s", rows, set.Rows, currency.Plain(sum), open[0].Currency)
}

// hashJSON is "sha256:" and the hash of a value's JSON.
func hashJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("arrears: " + err.Error()) // our own types always encode
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
