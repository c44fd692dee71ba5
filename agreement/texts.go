package agreement

import (
	_ "embed"
	"slices"
	"strings"
)

// Codes of refusal: the order or change is not taken, nothing is changed (contract.md).
const (
	CodeRegion           = "region_not_supported"
	CodeCountry          = "country_not_served"
	CodeNotManagement    = "not_management_account"
	CodePrivatePricing   = "private_pricing"
	CodeLegacyClosed     = "legacy_product_closed"
	CodeTermsNotAccepted = "terms_not_accepted"
	CodeNotTheCustomer   = "not_the_customer"
	CodeServed           = "organisation_already_served"
	CodeAccountMalformed = "account_id_malformed"
	CodeWithinTerm       = "within_service_term"
	CodeCurrency         = "currency_not_billed"
	CodeNoRate           = "no_exchange_rate" // AWS's invoices will not state the rate
	CodeUnknownProduct   = "unknown_product"
	CodeUnknownModel     = "unknown_model"
	CodeInvalid          = "order_invalid"    // a field is missing or not understood
	CodeBusy             = "order_in_process" // the agreement has an order in process (D11)
	CodeState            = "wrong_state"      // not possible in this state
	CodeStale            = "older_than_state" // the time given lies before the last change
	CodePastMonth        = "month_not_future" // a change of a month that is not ahead
	CodePLSNeedsRole     = "pls_needs_role"   // partner-led support is not completed without the role (R24)
)

// Codes of failure: why an order ended as failed (contract.md).
const (
	CodeTransferDeclined  = "transfer_declined"
	CodeTransferCanceled  = "transfer_canceled"
	CodeTransferExpired   = "transfer_expired"
	CodeTransferWithdrawn = "transfer_withdrawn"
	CodeRoleMissing       = "role_missing"
	CodeTermNotAccepted   = "term_not_accepted"
	CodeDeadline          = "deadline_passed"
	CodeOperations        = "failed_by_operations"
	CodeCanceled          = "canceled_by_operations"
)

// Whom an order waits for (contract.md, waiting_for).
const (
	ForAccount    = "account_creation"
	ForTransfer   = "transfer_acceptance"
	ForHandshake  = "handshake_acceptance"
	ForRole       = "bootstrap_role"
	ForOperations = "operations"
)

// A Text is what a waiting state says: its cause, and what its reader can do about it.
type Text struct {
	Code   string
	For    string // the contract's waiting_for
	Step   string // checklist step; empty for any
	Cause  string
	Remedy string
}

//go:embed data/texts.csv
var textsCSV string

//go:embed data/faults.csv
var faultsCSV string

// Texts are the waiting states with their texts, in the order of the file.
var Texts = textTable(textsCSV)

// faultCodes maps AWS's reason to the code of its text.
var faultCodes = faultTable(faultsCSV)

func textTable(file string) []Text {
	rows, err := readTable(strings.NewReader(file), "code", "waits_for", "step", "cause", "remedy")
	if err != nil {
		panic("data/texts.csv: " + err.Error()) // the file is part of the program; a test reads it
	}
	texts := make([]Text, len(rows))
	for i, r := range rows {
		texts[i] = Text{r[0], r[1], r[2], r[3], r[4]}
	}
	return texts
}

func faultTable(file string) map[string]string {
	rows, err := readTable(strings.NewReader(file), "reason", "code")
	if err != nil {
		panic("data/faults.csv: " + err.Error())
	}
	codes := make(map[string]string, len(rows))
	for _, r := range rows {
		codes[r[0]] = r[1]
	}
	return codes
}

// textOf returns the text of a code. A code without a text is a fault of this program that a
// test finds; it then shows the bare code rather than nothing.
func textOf(code string) Text {
	if i := slices.IndexFunc(Texts, func(t Text) bool { return t.Code == code }); i >= 0 {
		return Texts[i]
	}
	return Text{Code: code, For: ForOperations, Cause: code}
}

// A Refusal is the error of a request that was not taken; nothing was changed.
type Refusal struct {
	Reasons []Reason
}

// Error lists the reasons, one a line.
func (r *Refusal) Error() string {
	lines := make([]string, len(r.Reasons))
	for i, reason := range r.Reasons {
		lines[i] = reason.Code + ": " + reason.Text
	}
	return strings.Join(lines, "\n")
}

func refusal(code, text string) *Refusal { return &Refusal{[]Reason{{Code: code, Text: text}}} }
