package arrears

import (
	"slices"
	"time"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/rating"
	"github.com/arrears-billing/arrears/reconcile"
)

// A RunReport is what a run found and did (contract.md, "JSON of a run").
type RunReport struct {
	Month      calendar.Month     `json:"month"`
	AsOf       time.Time          `json:"as_of"`
	Complete   bool               `json:"complete"` // nothing waiting, blocked, unclaimed or open
	Agreements []AgreementRow     `json:"agreements"`
	Payers     []reconcile.Totals `json:"payers"` // empty when the run was limited to some agreements
	OpenMonths []OpenMonth        `json:"open_months"`
	Unclaimed  []Unclaimed        `json:"unclaimed"`

	PendingMemos []PendingMemo `json:"pending_memos"`     // money AWS gave back, without rows yet
	Doubles      []Double      `json:"doubles,omitempty"` // organisations whose rows are in several sources
}

// A Double is an organisation that two sources hold. Its rows are counted in one of them.
type Double struct {
	ManagementAccount string           `json:"management_account"`
	Counted           string           `json:"counted"`   // the source whose rows count
	Also              string           `json:"also"`      // the source that holds it too
	Unblended         currency.Decimal `json:"unblended"` // of the rows that are not counted
	Currency          currency.Code    `json:"currency"`
}

// An AgreementRow is one agreement's month in a run.
type AgreementRow struct {
	Agreement      string             `json:"agreement"`
	Status         string             `json:"status"`
	Changed        bool               `json:"changed"` // this run changed the state or its document
	Reasons        []agreement.Reason `json:"reasons"`
	Warnings       []agreement.Reason `json:"warnings"`
	Invoice        *string            `json:"invoice"`  // the document's id, null while nothing is drafted
	Document       *string            `json:"document"` // invoice | credit_note
	Currency       *currency.Code     `json:"currency"`
	Net            *string            `json:"net"` // as the document prints it
	First          bool               `json:"first"`
	Final          bool               `json:"final"`
	Source         *SourceRow         `json:"source"` // null while there is nothing to read
	Reconciliation []reconcile.Line   `json:"reconciliation"`
	Documents      []string           `json:"documents,omitempty"` // all ids, where a month has one for each buyer
	// Unsettled: what is issued stands, and what AWS delivers now cannot be billed. The warnings say why.
	Unsettled bool `json:"unsettled,omitempty"`
}

// blocks are the reasons why what AWS delivers now cannot be billed.
func (r AgreementRow) blocks() []agreement.Reason {
	switch {
	case r.Status == Blocked:
		return r.Reasons
	case r.Unsettled: // issued, and restated with a block since
		return r.Warnings
	}
	return nil
}

// Waivable says that a person can let every block of the month pass (arrears waive).
func (r AgreementRow) Waivable() bool {
	blocks := r.blocks()
	return len(blocks) > 0 && !slices.ContainsFunc(blocks, func(b agreement.Reason) bool { return !slices.Contains(waivable, b.Code) })
}

// A SourceRow says what AWS delivered for the agreement and what became of it, in AWS's currency.
type SourceRow struct {
	Fingerprint    string                                  `json:"fingerprint"`
	Rows           int64                                   `json:"rows"`
	Currency       currency.Code                           `json:"currency"`
	Unblended      currency.Decimal                        `json:"unblended"`
	InRowDiscounts currency.Decimal                        `json:"in_row_discounts"`
	Dispositions   map[rating.Disposition]currency.Decimal `json:"dispositions"`
	// UnknownServices are products of AWS's that no FOCUS category is known of: exports file them
	// under Other. No question of money, so no warning that would hold the month.
	UnknownServices []string `json:"unknown_services,omitempty"`
}

// disposed says that every part of the source has its disposition.
func (s *SourceRow) disposed() bool {
	sum := currency.Zero
	for _, d := range s.Dispositions {
		sum = sum.Add(d)
	}
	return sum.Equal(s.Unblended.Add(s.InRowDiscounts))
}

// An OpenMonth is an earlier month that is not settled (I7).
type OpenMonth struct {
	Month     calendar.Month     `json:"month"`
	Agreement string             `json:"agreement"`
	Status    string             `json:"status"`
	Since     time.Time          `json:"since"`
	Reasons   []agreement.Reason `json:"reasons"`
}

// Unclaimed is an organisation in AWS's data that no agreement bills in the month.
type Unclaimed struct {
	ManagementAccount string           `json:"management_account"`
	Unblended         currency.Decimal `json:"unblended"`
	Currency          currency.Code    `json:"currency"`
	AWSInvoices       []string         `json:"aws_invoices,omitempty"` // bills of AWS for it, where it has no rows
}

// settled says that a month's state needs nobody any more.
func settled(status string) bool {
	switch status {
	case Issued, NothingToBill, Corrected, Credited:
		return true
	}
	return false
}

// finish sets Complete, and empty lists for nil ones, so that scripts find every key.
func (r *RunReport) finish() {
	r.Complete = len(r.OpenMonths) == 0 && len(r.Unclaimed) == 0
	for i := range r.Agreements {
		a := &r.Agreements[i]
		switch a.Status {
		case Waiting, Blocked, Restated:
			r.Complete = false
		}
		r.Complete = r.Complete && !a.Unsettled
		a.Reasons = list(a.Reasons)
		a.Warnings = list(a.Warnings)
		a.Reconciliation = list(a.Reconciliation)
	}
	for i := range r.OpenMonths {
		r.OpenMonths[i].Reasons = list(r.OpenMonths[i].Reasons)
	}
	for _, m := range r.PendingMemos {
		r.Complete = r.Complete && !m.Alarm
	}
	r.PendingMemos = list(r.PendingMemos)
	r.Agreements = list(r.Agreements)
	r.Payers = list(r.Payers)
	r.OpenMonths = list(r.OpenMonths)
	r.Unclaimed = list(r.Unclaimed)
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
