package arrears

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/reconcile"
	"github.com/arrears-billing/arrears/store"
)

// ledger gathers the control totals of a run: per payer and currency what AWS's data and AWS's
// invoices say, and where every part of it went; and what nobody claims.
type ledger struct {
	totals    map[ledgerKey]*reconcile.Totals
	unclaimed map[string]*Unclaimed
	counted   map[string]string // organisation and currency: the location whose rows of it count
	doubles   []Double
}

func newLedger() *ledger {
	return &ledger{totals: map[ledgerKey]*reconcile.Totals{}, unclaimed: map[string]*Unclaimed{}, counted: map[string]string{}}
}

// count says whether the rows of an organisation in a source count: those of the source that an
// agreement reads it from, or else of the first that has them. Rows of it elsewhere are the same
// money again, and are named.
func (l *ledger) count(org payerSummary, location string) bool {
	key := org.ID + " " + string(org.Currency)
	first, ok := l.counted[key]
	if !ok {
		l.counted[key] = location
		return true
	}
	if first != location {
		l.doubles = append(l.doubles, Double{ManagementAccount: org.ID, Counted: first, Also: location, Unblended: org.Unblended, Currency: org.Currency})
	}
	return first == location
}

type ledgerKey struct {
	payer    agreement.AccountID
	currency currency.Code
}

func (l *ledger) total(p agreement.AccountID, c currency.Code) *reconcile.Totals {
	k := ledgerKey{p, c}
	if l.totals[k] == nil {
		l.totals[k] = &reconcile.Totals{Payer: string(p), Currency: c}
	}
	return l.totals[k]
}

func (l *ledger) nobodys(organisation string, c currency.Code) *Unclaimed {
	if l.unclaimed[organisation] == nil {
		l.unclaimed[organisation] = &Unclaimed{ManagementAccount: organisation, Currency: c}
	}
	return l.unclaimed[organisation]
}

// controlTotals accounts for all that the run read, and for all that AWS invoiced.
func (r *run) controlTotals(rows []AgreementRow) ([]reconcile.Totals, []Unclaimed, []Double) {
	l := newLedger()
	claims := r.claims()
	groups := r.groups()
	for g, d := range r.deliveries { // whose source each organisation is counted in
		for _, i := range groups[g].members {
			if d == nil {
				continue
			}
			account, anyAccount := r.chosen[i].PayerAccount()
			for _, org := range d.summary.Organisations {
				if key := org.ID + " " + string(org.Currency); (anyAccount || org.ID == account) && l.counted[key] == "" {
					l.counted[key] = d.source.Location
				}
			}
		}
	}
	for g, d := range r.deliveries {
		if d != nil {
			r.addDelivery(l, d, groups[g].members, rows, claims)
		}
	}
	for _, p := range r.view.dir.book.Payers {
		if len(r.Payers) == 0 || slices.Contains(r.Payers, p.Account) {
			r.addBills(l, p)
		}
	}
	totals := make([]reconcile.Totals, 0, len(l.totals))
	for _, t := range l.totals {
		t.Close()
		totals = append(totals, *t)
	}
	slices.SortFunc(totals, func(a, b reconcile.Totals) int {
		return cmp.Or(cmp.Compare(a.Payer, b.Payer), cmp.Compare(a.Currency, b.Currency))
	})
	unclaimed := make([]Unclaimed, 0, len(l.unclaimed))
	for _, id := range slices.Sorted(maps.Keys(l.unclaimed)) {
		unclaimed = append(unclaimed, *l.unclaimed[id])
	}
	slices.SortFunc(l.doubles, func(a, b Double) int {
		return cmp.Or(cmp.Compare(a.ManagementAccount, b.ManagementAccount), cmp.Compare(a.Also, b.Also), cmp.Compare(a.Currency, b.Currency))
	})
	return totals, unclaimed, l.doubles
}

// addDelivery puts the rows of one delivery into the totals: by disposition where an agreement
// was rated, else as the reseller's own, as waiting for an agreement, or as nobody's.
func (r *run) addDelivery(l *ledger, d *delivery, members []int, rows []AgreementRow, claims map[string]agreement.AccountID) {
	rated := map[string]agreement.AccountID{} // the payer of organisations whose agreement was looked at
	blocked := map[string]bool{}              // organisations blocked before they were rated
	var whole agreement.AccountID             // the payer, when one agreement has all rows of the source
	for _, i := range members {
		a := r.chosen[i]
		account, anyAccount := a.PayerAccount()
		src := rows[i].Source
		if src == nil || src.Currency == "" || !src.disposed() {
			blocked[account] = rows[i].Status == Blocked
			continue
		}
		t := l.total(a.Payer, src.Currency)
		t.CUR = t.CUR.Add(src.InRowDiscounts)
		if rows[i].Status == Waiting {
			t.Waiting = t.Waiting.Add(src.Unblended).Add(src.InRowDiscounts)
		} else {
			t.Add(src.Dispositions)
		}
		rated[account] = a.Payer
		if anyAccount {
			whole = a.Payer
		}
	}
	first := r.chosen[members[0]].Payer
	for _, org := range d.summary.Organisations {
		if !l.count(org, d.source.Location) {
			continue
		}
		payer := cmp.Or(rated[org.ID], whole, claims[org.ID], first)
		t := l.total(payer, org.Currency)
		t.CUR = t.CUR.Add(org.Unblended)
		t.TaxRows = t.TaxRows.Add(org.Tax)
		t.Uninvoiced = t.Uninvoiced.Add(org.Open)
		own, _ := r.view.dir.payer(payer)
		switch {
		case whole != "" || rated[org.ID] != "":
		case blocked[org.ID]:
			t.Quarantined = t.Quarantined.Add(org.Unblended)
		case slices.Contains(own.OwnAccounts, agreement.AccountID(org.ID)):
			t.Own = t.Own.Add(org.Unblended)
		case claims[org.ID] != "":
			t.Waiting = t.Waiting.Add(org.Unblended)
		default:
			t.Unclaimed = t.Unclaimed.Add(org.Unblended)
			u := l.nobodys(org.ID, org.Currency)
			u.Unblended = u.Unblended.Add(org.Unblended)
		}
	}
}

// addBills puts AWS's invoices of the month to a payer into the totals. An organisation that AWS
// invoices and no agreement bills is listed, whether it has rows or not.
func (r *run) addBills(l *ledger, p agreement.Payer) {
	for _, b := range r.view.bills[p.Account].month {
		if !b.Compared() {
			continue
		}
		t := l.total(p.Account, b.Base.Currency)
		t.AWS = t.AWS.Add(b.Signed())
		for _, org := range organisations(b) {
			if org == string(p.Account) || slices.Contains(p.OwnAccounts, agreement.AccountID(org)) || r.organisationClaimed(org) {
				continue
			}
			u := l.nobodys(org, b.Base.Currency)
			u.AWSInvoices = append(u.AWSInvoices, b.ID)
		}
	}
}

// claims are the payer accounts in rows that some agreement bills in the month, with the payer.
func (r *run) claims() map[string]agreement.AccountID {
	claims := map[string]agreement.AccountID{}
	for i := range r.view.dir.book.Agreements {
		a := &r.view.dir.book.Agreements[i]
		if w, ok := a.Window(); ok && w.Contains(r.Month) {
			account, anyAccount := a.PayerAccount()
			if anyAccount {
				account = string(a.ManagementAccount)
			}
			claims[account] = a.Payer
		}
	}
	return claims
}

// organisationClaimed says that some agreement bills the organisation in the month.
func (r *run) organisationClaimed(org string) bool {
	return slices.ContainsFunc(r.view.dir.book.Agreements, func(a agreement.Agreement) bool {
		w, ok := a.Window()
		return ok && string(a.ManagementAccount) == org && w.Contains(r.Month)
	})
}

// pendingDays is after how many days a memo without rows is an alarm (design 6).
const pendingDays = 60

// A PendingMemo is money that AWS gave back and that no row says yet: its rows may come with
// another month's delivery, within three months.
type PendingMemo struct {
	Payer      string           `json:"payer"`
	AWSInvoice string           `json:"aws_invoice"`
	Accounts   []string         `json:"management_accounts"`
	Month      calendar.Month   `json:"month"`
	Issued     calendar.Date    `json:"issued"`
	Amount     currency.Decimal `json:"amount"` // before tax, negative
	Currency   currency.Code    `json:"currency"`
	Alarm      bool             `json:"alarm"` // for more than 60 days
}

// pendingMemos lists the memos of the month and the three before whose rows have come in no
// delivery around it.
func (r *run) pendingMemos(ctx context.Context, rows []AgreementRow) ([]PendingMemo, error) {
	var out []PendingMemo
	for _, p := range r.view.dir.book.Payers {
		if len(r.Payers) > 0 && !slices.Contains(r.Payers, p.Account) {
			continue
		}
		bills := r.view.bills[p.Account]
		for _, b := range slices.Concat(bills.memos, bills.month) {
			if !b.Memo() || !b.Compared() || b.Signed().IsZero() || b.Month.After(r.Month) || ownBill(p, b) {
				continue
			}
			out = append(out, PendingMemo{
				Payer: string(p.Account), AWSInvoice: b.ID, Accounts: organisations(b), Month: b.Month, Issued: b.Issued,
				Amount: b.Signed(), Currency: b.Base.Currency, Alarm: !r.AsOf.Before(b.Issued.AddDays(pendingDays).Time()),
			})
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	found := map[string]bool{}
	look := func(lines []reconcile.Line) {
		for _, line := range lines {
			found[line.AWSInvoice] = found[line.AWSInvoice] || line.Note != reconcile.Pending
		}
	}
	around := store.MonthFilter{From: r.Month.Add(-2 * memoMonths), To: r.Month.Add(memoMonths)}
	err := r.DB.EachMonth(ctx, around, func(rec store.Month) error {
		look(reportOf(rec).Row.Reconciliation)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		look(row.Reconciliation)
	}
	out = slices.DeleteFunc(out, func(m PendingMemo) bool { return found[m.AWSInvoice] })
	slices.SortFunc(out, func(a, b PendingMemo) int { return cmp.Compare(a.AWSInvoice, b.AWSInvoice) })
	return out, nil
}

// ownBill says that a bill is for the reseller's own usage, whose rows nobody reconciles.
func ownBill(p agreement.Payer, b ingest.Bill) bool {
	return !slices.ContainsFunc(organisations(b), func(org string) bool {
		return org != string(p.Account) && !slices.Contains(p.OwnAccounts, agreement.AccountID(org))
	})
}
