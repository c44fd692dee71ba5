// Package rating says what each charge is and what it costs the customer. It is a pure function
// of the month's charges, AWS's bills and the agreement's terms; it never rounds amounts (package
// invoice does) and knows no file, database or clock.
package rating

import (
	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// ruleVersion names the rules of this package: raise it with any change that can change an amount.
const ruleVersion = "2026-11-1"

// RuleVersion names the rules and the tables they read (ingest.Tables). It enters every result, so
// a replay can tell that they changed.
var RuleVersion = ruleVersion + "+" + ingest.Tables

// A Disposition says what became of money that AWS charged (I1): every charge, and every counted
// discount inside a row, has exactly one.
type Disposition string

// The dispositions, with the keys they have in the JSON of a run (contract.md).
const (
	Billed      Disposition = "billed"      // on the customer's document
	Tax         Disposition = "tax"         // AWS's tax to the reseller; the seller adds its own
	Retained    Disposition = "retained"    // the reseller's partner discount
	PassedOn    Disposition = "passed_on"   // partner discount of a zero invoice, given to the customer
	Offset      Disposition = "offset"      // Savings Plan covered usage and its negation
	Replaced    Disposition = "replaced"    // AWS Enterprise support, replaced by the seller's fee
	Deferred    Disposition = "deferred"    // Refund or Purchase row without an invoice yet
	Quarantined Disposition = "quarantined" // blocks the agreement until a person decides
)

// Dispositions lists all of them, in the order they are reported in.
var Dispositions = []Disposition{Billed, Tax, Retained, PassedOn, Offset, Replaced, Deferred, Quarantined}

// A Section is a part of the customer's document.
type Section string

// Sections, in the order of the document (contract.md).
const (
	SectionUsage        Section = "usage"
	SectionReserved     Section = "reserved_instances"
	SectionSavingsPlans Section = "savings_plans"
	SectionSupport      Section = "support"
	SectionMarketplace  Section = "marketplace"
	SectionOther        Section = "other"
	SectionAWSDiscounts Section = "aws_discounts"
	SectionCredits      Section = "credits"
	SectionRefunds      Section = "refunds"
	SectionFees         Section = "fees"
	SectionDiscounts    Section = "discounts"
)

// Sections lists all of them in the order of the document.
var Sections = []Section{
	SectionUsage, SectionReserved, SectionSavingsPlans, SectionSupport, SectionMarketplace, SectionOther,
	SectionAWSDiscounts, SectionCredits, SectionRefunds, SectionFees, SectionDiscounts,
}

// A Priced is a charge, a discount inside a charge's rows, or a share of one, with what became of it.
type Priced struct {
	Charge      int             `json:"charge"`         // index in the charge set, -1 for a rest that belongs to no one charge
	Part        string          `json:"part,omitempty"` // key of the discount inside the rows; empty for the rows themselves
	Rule        string          `json:"rule"`           // the rule that decided, such as "5 marketplace" (design 5)
	Disposition Disposition     `json:"disposition"`
	Section     Section         `json:"section,omitempty"` // empty when it is on no document
	Account     string          `json:"account,omitempty"` // usage account, after shared fees are split
	Product     string          `json:"product,omitempty"`
	Label       string          `json:"label,omitempty"`
	Invoice     string          `json:"aws_invoice,omitempty"`
	Source      currency.Amount `json:"source"`         // exact, in AWS's currency
	Rate        currency.Rate   `json:"rate,omitzero"`  // of its AWS invoice; set when billed or passed on
	Exact       currency.Amount `json:"exact,omitzero"` // Source x Rate, exact, in the agreement's currency
}

// A SellerLine is an amount that the seller adds: fee, discount, adjustment. It has no account,
// product or AWS invoice.
type SellerLine struct {
	Section Section         `json:"section"`
	Label   string          `json:"label"`
	Exact   currency.Amount `json:"exact"`
	How     string          `json:"how"` // the computation in words and numbers, for explain
	// ByAccount is Exact by the usage account whose charges it is a percentage of, so that it can be
	// shared as they are; nil for adjustments, which have no base.
	ByAccount map[string]currency.Decimal `json:"by_account,omitempty"`
}

// A Result is a rated month of one agreement.
type Result struct {
	Priced   []Priced           `json:"priced"`
	Seller   []SellerLine       `json:"seller"`
	Blocks   []agreement.Reason `json:"blocks,omitempty"`   // any one forbids a draft, unless waived
	Warnings []agreement.Reason `json:"warnings,omitempty"` // questions for a person; a draft is made

	// SupportMissing: the terms say partner_led, there is usage, and no Enterprise support yet.
	// AWS charges support on the 6th or 7th, so the month waits, and later is drafted with a warning.
	SupportMissing bool `json:"support_missing,omitempty"`
}

// Sums adds up the source amounts by disposition; all keys are there. The charges of a month are
// in one source currency.
func (r Result) Sums() map[Disposition]currency.Decimal {
	sums := map[Disposition]currency.Decimal{}
	for _, d := range Dispositions {
		sums[d] = currency.Zero
	}
	for _, p := range r.Priced {
		sums[p.Disposition] = sums[p.Disposition].Add(p.Source.Number)
	}
	return sums
}

// InRow is the exact sum of the counted discounts inside rows, in the source currency.
func (r Result) InRow() currency.Decimal {
	sum := currency.Zero
	for _, p := range r.Priced {
		if p.Part != "" {
			sum = sum.Add(p.Source.Number)
		}
	}
	return sum
}

// An Input is all that a month's rating depends on (I4).
type Input struct {
	Month        calendar.Month
	Charges      []ingest.Charge        // the organisation's charges, in canonical order and one currency
	Forms        *Forms                 // of the charges; nil: Rate finds them out
	Names        map[string]string      // names of products that the data's own table lacks: labels only
	Descriptions map[string]string      // of discounts of class none, by product: for the reason's text
	Bills        []ingest.Bill          // the organisation's bills; none when the payer says reconcile: none
	Payer        string                 // the management account, which carries what belongs to no account
	Proven       bool                   // every AWS invoice reconciles
	Terms        agreement.Terms        // of the month
	Discounts    bool                   // term discounts are given this month
	Adjustments  []agreement.Adjustment // of the month
	Former       map[string]string      // AWS invoices that give back a month of another agreement: which one
	// Rate returns the rate from a charge's currency to that of the terms for an AWS invoice; its
	// error says in words why there is none and blocks the month (no_exchange_rate, I3).
	Rate func(from currency.Code, awsInvoice string) (currency.Rate, error)
}
