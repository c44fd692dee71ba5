package arrears

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/export/focus"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/rating"
	"github.com/arrears-billing/arrears/store"
)

// lastWaitingDay is the day of the next month up to which support charges and the rows of a quiet
// organisation are waited for (design 4, 5).
const lastWaitingDay = 14

// A view is what a month is looked at with: the stored book, the records of the month, AWS's
// bills. It is read once and shared by all agreements of a run.
type view struct {
	month   calendar.Month
	dir     *directory
	records map[string]store.Month // by agreement, brief: without draft and report, which record loads
	waivers map[string][]store.Waiver
	bills   map[agreement.AccountID]payerBills
	refs    References
	refsID  string // identifies the imported rates

	provisioning map[string]bool // agreements whose purchase is still in process
}

// view loads what all agreements of a month share.
func (e *Engine) view(ctx context.Context, m calendar.Month) (*view, error) {
	v := &view{month: m, records: map[string]store.Month{}, waivers: map[string][]store.Waiver{}, bills: map[agreement.AccountID]payerBills{}}
	var err error
	if v.dir, err = e.directory(ctx); err != nil {
		return nil, err
	}
	err = e.DB.EachMonth(ctx, store.MonthFilter{Month: m, Brief: true}, func(r store.Month) error {
		v.records[r.Agreement] = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	waivers, err := e.DB.Waivers(ctx, "", m)
	if err != nil {
		return nil, err
	}
	for _, w := range waivers {
		v.waivers[w.Agreement] = append(v.waivers[w.Agreement], w)
	}
	for _, p := range v.dir.book.Payers {
		v.bills[p.Account] = e.bills(ctx, p, m, v.dir.handedOver(p.Account))
	}
	if v.provisioning, err = e.provisioning(ctx); err != nil {
		return nil, err
	}
	v.refs, v.refsID, err = e.references(ctx, m)
	return v, err
}

// record loads the whole record of an agreement's month; false: there is none.
func (e *Engine) record(ctx context.Context, v *view, agr string) (store.Month, bool, error) {
	if _, known := v.records[agr]; !known {
		return store.Month{}, false, nil
	}
	rec, err := e.DB.Month(ctx, agr, v.month)
	return rec, err == nil, err
}

// An assessment is what an agreement's month comes to now, before it is held against its record.
type assessment struct {
	agr      *agreement.Agreement
	first    bool
	final    bool
	outcome  Outcome
	source   *SourceRow
	inputs   string // hash of the inputs; empty when nothing was computed
	evidence string // names of its blobs (keepEvidence)
	computed Evidence
	quick    string // identifies everything the assessment was made from, without reading files
	reused   bool   // quick is that of the record: nothing to do

	old    store.Month // the month's record, if it was looked at
	known  bool        // there is one
	loaded bool        // it was looked at
}

// assess says what the agreement's month comes to. d is its delivery, read or not.
func (e *Engine) assess(ctx context.Context, v *view, a *agreement.Agreement, d *delivery) (assessment, error) {
	as := assessment{agr: a}
	terms, decided := e.before(v, a, &as)
	if decided {
		return as, nil
	}
	if !d.usable() && (d.reason.Code != "delivery_missing" || !v.quiet(a, e.AsOf)) {
		as.outcome = Outcome{Status: d.status, Reasons: []agreement.Reason{d.reason}}
		return as, nil
	}
	bills := v.bills[a.Payer]
	if bills.err != nil {
		as.outcome = blockedBy(agreement.Reason{Code: "unreadable", Text: bills.err.Error()})
		return as, nil //nolint:nilerr // bills that cannot be read are a state of the month, not a failure of the run
	}
	payer, _ := v.dir.payer(a.Payer)
	if payer.Reconcile != "none" && !bills.listed {
		as.outcome = waitingFor(agreement.Reason{Code: "invoices_missing", Text: fmt.Sprintf("AWS's invoices of payer %s for %s are not there (%s)", a.Payer, v.month, payer.Invoices)})
		return as, nil
	}
	as.quick = e.quick(v, a, terms, d)
	var err error
	if as.old, as.known, err = e.record(ctx, v, a.ID); err != nil {
		return as, err
	}
	if as.loaded = true; as.known && reportOf(as.old).Quick == as.quick {
		as.reused = true
		return as, nil
	}

	var set ingest.ChargeSet
	if d.usable() {
		var err error
		if set, err = e.charges(ctx, d); err != nil {
			return as, fmt.Errorf("%s %s: %w", a.ID, v.month, err)
		}
	}
	evidence := e.evidence(v, a, terms, d, set)
	as.outcome = Compute(&evidence, v.refs)
	as.computed = evidence
	as.inputs = evidence.Inputs.Hash()
	as.source = sourceRow(evidence, as.outcome.Rated)
	if e.writes() {
		var err error
		if as.evidence, err = e.keepEvidence(ctx, evidence, d); err != nil {
			return as, err
		}
	}
	return as, nil
}

// before decides what needs no delivery: the window, the due day, holds, missing terms.
func (e *Engine) before(v *view, a *agreement.Agreement, as *assessment) (agreement.Terms, bool) {
	m := v.month
	decide := func(status, code, format string, args ...any) (agreement.Terms, bool) {
		as.outcome = Outcome{Status: status}
		if code != "" {
			as.outcome.Reasons = []agreement.Reason{{Code: code, Text: fmt.Sprintf(format, args...)}}
		}
		return agreement.Terms{}, true
	}
	w, ok := a.Window()
	switch {
	case !ok:
		return decide(NotDue, "before_first_month", "the transfer covers no whole month")
	case m.Before(w.From):
		return decide(NotDue, "before_first_month", "the first billed month is %s", w.From)
	case w.Ended(m):
		return decide(NotDue, "after_final_month", "the last billed month is %s", w.To)
	}
	as.first, as.final = m == w.From, m == w.To
	if a.Product == agreement.ProductLegacy {
		return decide(NothingToBill, "billed_elsewhere", "product %s is billed elsewhere", a.Product)
	}
	terms, ok := a.TermsAt(m)
	if !ok {
		return decide(Blocked, "terms_missing", "no terms are in force in %s", m)
	}
	seller, ok := v.dir.seller(terms.Seller)
	if !ok {
		return decide(Blocked, "terms_missing", "seller %q is unknown", terms.Seller)
	}
	if _, ok := v.dir.buyer(terms.Buyer); !ok {
		return decide(Blocked, "terms_missing", "buyer %q is unknown", terms.Buyer)
	}
	if due := dueDate(seller, m); e.AsOf.Before(due.Time()) {
		return decide(NotDue, "not_yet_due", "%s falls due on %s", m, due)
	}
	if h := a.HeldIn(m); h != nil {
		return decide(Held, "held", "%s", h.Reason)
	}
	return terms, false
}

// dueDate is the day on which a month falls due: by default the 8th of the next month, when AWS's
// support charges are there (design 6).
func dueDate(s agreement.Seller, m calendar.Month) calendar.Date {
	return m.Add(1).Day(max(1, s.DueDay))
}

// late says that nothing is waited for any more.
func late(m calendar.Month, asOf time.Time) bool {
	return !asOf.Before(m.Add(1).Day(lastWaitingDay + 1).Time())
}

// quiet: nothing was delivered and AWS's list of the month has no amount for the organisation, so
// after day 14 there is nothing to bill. Without AWS's list nobody can know.
func (v *view) quiet(a *agreement.Agreement, asOf time.Time) bool {
	b := v.bills[a.Payer]
	if !b.listed || !late(v.month, asOf) {
		return false
	}
	own, _ := b.of(string(a.ManagementAccount))
	return !slices.ContainsFunc(own, func(b ingest.Bill) bool { return b.Compared() && !b.Signed().IsZero() })
}

// evidence gathers all that the month depends on.
func (e *Engine) evidence(v *view, a *agreement.Agreement, t agreement.Terms, d *delivery, set ingest.ChargeSet) Evidence {
	m := v.month
	payer, _ := v.dir.payer(a.Payer)
	seller, _ := v.dir.seller(t.Seller)
	buyer, _ := v.dir.buyer(t.Buyer)
	w, _ := a.Window()
	account, anyAccount := a.PayerAccount()
	own := set
	var others []string
	if !anyAccount {
		own = set.ByPayer(account)
		if len(own.Charges) == 0 && len(set.Charges) > 0 {
			others = set.Payers()
		}
	}
	in := Inputs{
		Agreement: a.ID, Organisation: a.ManagementAccount, Month: m,
		First: m == w.From, Final: m == w.To,
		Terms: t, Discounts: a.TermDiscounts(m), Tax: a.Tax,
		Seller: seller, Buyers: []agreement.Buyer{buyer},
		Tolerance: payer.Tolerance, Strict: payer.Reconcile != "none",
		Fingerprint: own.Fingerprint(), Incomplete: v.provisioning[a.ID], Rules: rating.RuleVersion,
	}
	versions := map[string]string{
		"rules":                          rating.RuleVersion,
		"agreement/" + a.ID:              v.dir.versions[kindAgreement+"/"+a.ID],
		"seller/" + seller.ID:            v.dir.versions[kindSeller+"/"+seller.ID],
		"buyer/" + buyer.ID:              v.dir.versions[kindBuyer+"/"+buyer.ID],
		"payer/" + string(payer.Account): v.dir.versions[kindPayer+"/"+string(payer.Account)],
	}
	for _, adj := range a.Adjustments {
		if adj.Month == m {
			in.Adjustments = append(in.Adjustments, adj)
		}
	}
	for _, s := range slices.Backward(a.Split) {
		if !s.From.After(m) {
			in.Split = &s
			for _, share := range s.Shares {
				if b, ok := v.dir.buyer(share.Buyer); ok {
					in.Buyers = append(in.Buyers, b)
					versions["buyer/"+b.ID] = v.dir.versions[kindBuyer+"/"+b.ID]
				}
			}
			break
		}
	}
	for _, w := range v.waivers[a.ID] {
		in.Waived = append(in.Waived, Waived{w.Code, w.Bound, w.By})
	}
	organisation := string(a.ManagementAccount)
	var memos []ingest.Bill
	in.Bills, memos = v.bills[a.Payer].of(organisation)
	for _, memo := range memos { // only those that rows of this month name
		if own.Has(memo.ID) {
			in.Memos = append(in.Memos, memo)
		}
	}
	for _, b := range slices.Concat(in.Bills, in.Memos) {
		if other := v.former(a, b); other != "" {
			if in.Former == nil {
				in.Former = map[string]string{}
			}
			in.Former[b.ID] = other
		}
		if other := v.unplaced(a, b); other != "" && own.Has(b.ID) {
			if in.Unplaced == nil {
				in.Unplaced = map[string]string{}
			}
			in.Unplaced[b.ID] = other
		}
	}
	return Evidence{
		Inputs: in, Late: late(m, e.AsOf), Set: own, Others: others, Files: d.summary.Files, Versions: versions,
	}
}

// quick identifies all that an assessment is made from by what is known without reading a file:
// the same, and the month's record is still right.
func (e *Engine) quick(v *view, a *agreement.Agreement, t agreement.Terms, d *delivery) string {
	parts := []string{
		rating.RuleVersion, d.pin(), v.bills[a.Payer].hash, v.refsID, fmt.Sprint(late(v.month, e.AsOf), v.provisioning[a.ID]),
		v.dir.hashes[kindAgreement+"/"+a.ID], v.dir.hashes[kindSeller+"/"+t.Seller], v.dir.hashes[kindBuyer+"/"+t.Buyer],
		v.dir.hashes[kindPayer+"/"+string(a.Payer)],
	}
	for _, s := range a.Split {
		for _, share := range s.Shares {
			parts = append(parts, v.dir.hashes[kindBuyer+"/"+share.Buyer])
		}
	}
	for _, w := range v.waivers[a.ID] {
		parts = append(parts, w.Code, w.Bound, w.By)
	}
	month, memos := v.bills[a.Payer].of(string(a.ManagementAccount))
	for _, b := range slices.Concat(month, memos) {
		if other := v.former(a, b); other != "" {
			parts = append(parts, b.ID, other)
		}
		if other := v.unplaced(a, b); other != "" {
			parts = append(parts, "unplaced", b.ID, other)
		}
	}
	return hashJSON(parts)
}

func sourceRow(e Evidence, rated rating.Result) *SourceRow {
	r := &SourceRow{
		Fingerprint: e.Inputs.Fingerprint, Rows: e.Set.Rows, Unblended: currency.Zero,
		InRowDiscounts: rated.InRow(), Dispositions: rated.Sums(),
	}
	if codes := ingest.Currencies(e.Set.Charges); len(codes) > 1 {
		return r // blocked, and without a sum: two currencies are never added
	}
	for _, c := range e.Set.Charges {
		r.Currency = c.Currency
		r.Unblended = r.Unblended.Add(c.Unblended)
		if !focus.KnowsService(c.Key) && !slices.Contains(r.UnknownServices, c.Product) {
			r.UnknownServices = append(r.UnknownServices, c.Product)
		}
	}
	slices.Sort(r.UnknownServices)
	return r
}

// monthReport is what the store keeps of an agreement-month beside its state.
type monthReport struct {
	Quick string       `json:"quick"`
	Row   AgreementRow `json:"row"`
}

func reportOf(r store.Month) monthReport {
	var m monthReport
	if len(r.Report) > 0 && json.Unmarshal(r.Report, &m) != nil {
		return monthReport{} // written by another version: assessed anew
	}
	return m
}

// otherPayers says which organisations a delivery has, none of them the agreement's.
func otherPayers(in Inputs, others []string) agreement.Reason {
	return agreement.Reason{
		Code: "no_rows_of_payer",
		Text: fmt.Sprintf("no row has the payer account of %s; the delivery has rows of %s (cur.payer_account in the book names another id)", in.Organisation, strings.Join(others, ", ")),
	}
}
