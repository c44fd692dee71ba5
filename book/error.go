package book

import (
	"cmp"
	"fmt"
	"slices"
)

// An Error is one thing that is wrong with a book, at its position. Line and Column count from 1;
// they are 0 where the position is not known (an object that came from elsewhere).
type Error struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Path   string `json:"path"` // agreements[0].terms[1].usage_discount.percent
	Code   string `json:"code"` // for scripts
	Text   string `json:"text"` // for the person who wrote the book
	Hint   string `json:"hint,omitempty"`
}

// Error prints the error in one line, without its hint:
//
//	book.yaml:12:7: agreements[0].payer: not an account id: "1234"
func (e Error) Error() string {
	s := e.Text
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	if e.File == "" {
		return s
	}
	if e.Line == 0 {
		return e.File + ": " + s
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, s)
}

// The codes of errors. A code of the lifecycle's refusals or of a run (contract.md) is used where
// the same thing is meant.
const (
	codeSyntax           = "syntax"                 // not YAML, or not one document
	codeEmpty            = "empty"                  // nothing in it
	codeUnknownKey       = "unknown_key"            // a key that the book does not have
	codeDuplicateKey     = "duplicate_key"          // a key twice in one mapping
	codeCredentials      = "credentials"            // a key or value that holds a credential (domain.md R48)
	codeType             = "wrong_type"             // a list where a text belongs, and the like
	codeNotText          = "not_text"               // an amount or percentage that is a YAML number
	codeMalformed        = "malformed"              // a month, date, time, number, ... that is none
	codeRange            = "out_of_range"           // a percentage beyond 0 to 100, and the like
	codeUnknownValue     = "unknown_value"          // not one of the words that are allowed here
	codeAccountID        = "account_id_malformed"   // not twelve digits
	codeCountry          = "unknown_country"        // not ISO 3166-1
	codeCurrency         = "unknown_currency"       // not ISO 4217
	codeNotManagement    = "not_management_account" // the payer's own account as that of a customer
	codeFile             = "unreadable"             // a file that the book names and Load reads
	codeMissing          = "missing"                // a key that must be there
	codeDuplicateID      = "duplicate_id"           // two objects of one id
	codeReference        = "unknown_reference"      // an id that names nothing
	codeTermsMissing     = "terms_missing"          // a billed month without terms
	codeTermsOrder       = "terms_order"            // terms that do not ascend
	codeDuplicateClaim   = "duplicate_claim"        // one organisation, one month, two agreements
	codeGap              = "billing_gap"            // months between two agreements on one transfer
	codeTransferStart    = "transfer_start"         // not the first instant of a month
	codeTransferEnd      = "transfer_end"           // not the last second of a month
	codeNeverBilled      = "never_billed"           // billed months outside the transfer
	codeCurrencyNotSold  = "currency_not_billed"    // the seller does not bill in it
	codeNoRate           = "no_exchange_rate"       // AWS's invoices will not state the rate
	codePair             = "exchange_pair"          // a fixed rate for another pair
	codeHold             = "hold"                   // a hold that is none
	codeAdjustment       = "adjustment"             // an adjustment nobody would see
	codeSplit            = "split"                  // shares that do not total 100
	codeSeriesShared     = "series_shared"          // two series with one prefix
	codeTaxID            = "tax_id"                 // not a tax id of its country
	codeTaxOverride      = "tax_override"           // a tax decision that contradicts itself
	codeTaxIDDigit       = "tax_id_check_digit"     // warning: probably mistyped
	codeIBAN             = "iban_check_digit"       // warning: probably mistyped
	codeKept             = "stated_by_aws"          // warning: null does not take back what AWS has stated
	codeInvoicesNotNamed = "invoices_missing"       // warning: nothing to reconcile against
)

// Sort orders errors by file, position and text, and drops repetitions.
func Sort(errs []Error) []Error {
	slices.SortStableFunc(errs, func(a, b Error) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(errs)
}
