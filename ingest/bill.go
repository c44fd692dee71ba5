package ingest

import (
	"slices"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// A Bill is an invoice of AWS to the reseller, as invoicing:ListInvoiceSummaries tells it
// (aws.md 3.7). Amounts are signed as AWS states them; Signed gives them the sign that rows have.
type Bill struct {
	ID                string         `json:"id"`
	Original          string         `json:"original,omitempty"`   // the invoice that a memo corrects
	Commercial        string         `json:"commercial,omitempty"` // the invoice that a tax invoice repeats
	Account           string         `json:"account"`
	Type              string         `json:"type"`      // INVOICE | CREDIT_MEMO | PAYMENT_RECEIPT
	BillType          string         `json:"bill_type"` // ANNIVERSARY | PURCHASE | REFUND
	BillingEntity     string         `json:"billing_entity"`
	InvoicingEntity   string         `json:"invoicing_entity"`
	Month             calendar.Month `json:"month"`
	Issued            calendar.Date  `json:"issued"`
	Sources           []string       `json:"sources"`     // BillSourceAccounts
	HasSources        bool           `json:"has_sources"` // false: the field was absent
	TaxAuthorityState string         `json:"tax_authority_status,omitempty"`
	Base              BillAmount     `json:"base"`
	Payment           BillAmount     `json:"payment"`
}

// A BillAmount is one of a bill's money blocks.
type BillAmount struct {
	Currency  currency.Code    `json:"currency"`
	Total     currency.Decimal `json:"total"`
	BeforeTax currency.Decimal `json:"before_tax"`
	Discounts []BillDiscount   `json:"discounts,omitempty"`
	Exchange  *currency.Rate   `json:"exchange,omitempty"` // CurrencyExchangeDetails; nil if AWS states none
}

// A BillDiscount is an entry of AmountBreakdown.Discounts, such as "Discount (AWS SPP Discount)".
type BillDiscount struct {
	Description string           `json:"description"`
	Amount      currency.Decimal `json:"amount"`
}

// Types of bills.
const (
	BillInvoice        = "INVOICE"
	BillCreditMemo     = "CREDIT_MEMO"
	BillPaymentReceipt = "PAYMENT_RECEIPT"

	BillTypeAnniversary = "ANNIVERSARY"
	BillTypePurchase    = "PURCHASE"
	BillTypeRefund      = "REFUND"
)

// Compared says whether rows must explain the bill: payment receipts, cancelled bills and tax
// invoices that repeat a commercial invoice are information only (design 6).
func (b Bill) Compared() bool {
	return (b.Type == BillInvoice || b.Type == BillCreditMemo) &&
		b.TaxAuthorityState != "CANCELLED" && (b.Commercial == "" || b.Commercial == b.ID)
}

// Memo says whether the bill gives money back: a credit memo or a bill of type REFUND.
func (b Bill) Memo() bool { return b.Type == BillCreditMemo || b.BillType == BillTypeRefund }

// Signed returns the bill's amount before tax in its base currency with the sign that its rows
// have: a memo counts as -|amount|.
func (b Bill) Signed() currency.Decimal {
	if b.Memo() {
		return b.Base.BeforeTax.Abs().Neg()
	}
	return b.Base.BeforeTax
}

// For says whether the bill is the organisation's: it is in the bill's source accounts; when AWS
// does not list them, the bill's own account is it; an empty list means the payer's own.
func (b Bill) For(managementAccount string) bool {
	if !b.HasSources {
		return b.Account == managementAccount
	}
	return slices.Contains(b.Sources, managementAccount)
}
