package arrears

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/store"
)

// RunOptions say what to run.
type RunOptions struct {
	Month      calendar.Month        // zero: the month before AsOf
	Agreements []string              // none: all
	Payers     []agreement.AccountID // none: all
	DryRun     bool                  // write nothing, report the same
	Issue      bool                  // also issue what is drafted without a warning, or approved
}

// Run drafts a month: for every agreement whose window covers it, it looks at what AWS delivered
// and invoiced, computes the month (Compute), and keeps state, draft and evidence. Running again
// changes nothing (I5). Nobody is forgotten: earlier months that are not settled and
// organisations that nobody claims are listed (I7).
//
// Deliveries are read side by side; states are written by one committer in ascending order of
// agreements, each in one transaction, so a run that is killed is simply run again (I12).
func (e *Engine) Run(ctx context.Context, o RunOptions) (RunReport, error) {
	if o.Month.IsZero() {
		o.Month = calendar.MonthOf(e.AsOf).Add(-1)
	}
	r := &run{Engine: e, RunOptions: o, kept: map[string]bool{}}
	if o.DryRun {
		dry := *e
		dry.dry = true
		r.Engine = &dry
	}
	var err error
	if r.view, err = r.Engine.view(ctx, o.Month); err != nil {
		return RunReport{}, err
	}
	if err := r.choose(); err != nil {
		return RunReport{}, err
	}
	report := RunReport{Month: o.Month, AsOf: e.AsOf}
	if report.Agreements, err = r.drafts(ctx); err != nil {
		return RunReport{}, err
	}
	if o.Issue && !o.DryRun {
		if err := r.issue(ctx, report.Agreements); err != nil {
			return RunReport{}, err
		}
	}
	if len(o.Agreements) == 0 {
		report.Payers, report.Unclaimed, report.Doubles = r.controlTotals(report.Agreements)
		if report.PendingMemos, err = r.pendingMemos(ctx, report.Agreements); err != nil {
			return RunReport{}, err
		}
	}
	if report.OpenMonths, err = r.openMonths(ctx); err != nil {
		return RunReport{}, err
	}
	report.finish()
	report.Complete = report.Complete && !r.refused
	return report, nil
}

// run is a run at work.
type run struct {
	*Engine
	RunOptions
	view       *view
	chosen     []*agreement.Agreement // ascending by id
	deliveries []*delivery            // those that were read, in the order of their first agreement
	refused    bool                   // a document could not be issued
	saved      map[string]store.Month // what this run committed, by agreement, brief
	unsaved    []store.Month          // what it will save next, ascending by agreement
	kept       map[string]bool        // agreements whose record is of a later "now": not looked at, not issued
}

// choose picks the agreements of the run.
func (r *run) choose() error {
	for _, id := range r.Agreements {
		if _, err := r.view.dir.agreement(id); err != nil {
			return err
		}
	}
	for _, p := range r.Payers {
		if _, ok := r.view.dir.payer(p); !ok {
			return wrong("unknown_id", "", "no payer %s", p)
		}
	}
	for i := range r.view.dir.book.Agreements {
		a := &r.view.dir.book.Agreements[i]
		if len(r.Agreements) > 0 && !slices.Contains(r.Agreements, a.ID) ||
			len(r.Payers) > 0 && !slices.Contains(r.Payers, a.Payer) {
			continue
		}
		r.chosen = append(r.chosen, a)
	}
	return nil
}

// A group is the agreements that share a delivery.
type group struct {
	source  agreement.Source
	members []int // indices of chosen
}

// groups puts together the agreements that share a delivery, in the order of their first one.
func (r *run) groups() []group {
	var groups []group
	at := map[string]int{}
	for i, a := range r.chosen {
		key := sourceKey(a.CUR)
		g, ok := at[key]
		if !ok || a.CUR.Location == "" {
			g = len(groups)
			at[key] = g
			groups = append(groups, group{source: a.CUR})
		}
		groups[g].members = append(groups[g].members, i)
	}
	return groups
}

// drafts assesses all chosen agreements and commits them in order.
func (r *run) drafts(ctx context.Context) ([]AgreementRow, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	groups := r.groups()
	r.deliveries = make([]*delivery, len(groups))

	type done struct {
		index int
		as    assessment
		rows  int64
	}
	jobs := make(chan int)
	results := make(chan done, mostUnsaved)
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
			cancel()
		default:
		}
	}
	var workers sync.WaitGroup
	for range r.workers() {
		workers.Go(func() {
			for g := range jobs {
				d, err := r.deliver(ctx, groups[g])
				r.deliveries[g] = d
				for n, i := range groups[g].members {
					var as assessment
					if err == nil {
						as, err = r.assess(ctx, r.view, r.chosen[i], d)
					}
					if err != nil {
						fail(err)
						break
					}
					rows := int64(0)
					if n == 0 && d != nil {
						rows = d.summary.rows()
					}
					select {
					case results <- done{i, as, rows}:
					case <-ctx.Done():
						return
					}
				}
				if d != nil {
					d.set, d.loaded = ingest.ChargeSet{}, false
				}
			}
		})
	}
	go func() {
		defer close(jobs)
		for g := range groups {
			select {
			case jobs <- g:
			case <-ctx.Done():
				return
			}
		}
	}()
	go func() {
		workers.Wait()
		close(results)
	}()

	rows := make([]AgreementRow, len(r.chosen))
	r.saved = map[string]store.Month{} // apart from the view, which the workers are reading
	ready := map[int]assessment{}
	next := 0
	var progress Progress
	progress.Of = len(r.chosen)
	for res := range results {
		ready[res.index] = res.as
		progress.Rows += res.rows
		for {
			as, ok := ready[next]
			if !ok {
				break
			}
			delete(ready, next)
			row, err := r.commit(ctx, as)
			if err != nil {
				fail(err)
				break
			}
			rows[next] = row
			next++
		}
		// What has come in the meantime is saved in one transaction: a disk's sync takes longer than
		// computing a month.
		if len(results) > 0 && len(r.unsaved) < mostUnsaved {
			continue
		}
		if err := r.save(ctx); err != nil {
			fail(err)
		}
		progress.Done = next
		if r.Progress != nil {
			r.Progress(progress)
		}
	}
	if err := r.save(ctx); err != nil {
		fail(err)
	}
	select {
	case err := <-failed:
		return nil, err
	default:
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	maps.Copy(r.view.records, r.saved)
	return rows, nil
}

// deliver finds and reads the delivery of a group, unless no member needs it.
func (r *run) deliver(ctx context.Context, g group) (*delivery, error) {
	needed := slices.ContainsFunc(g.members, func(i int) bool {
		_, decided := r.before(r.view, r.chosen[i], &assessment{})
		return !decided
	})
	if !needed {
		return nil, ctx.Err()
	}
	d := r.find(ctx, g.source, r.Month)
	return d, r.read(ctx, d)
}

// commit holds an assessment against the month's record, keeps what changed, and returns the row.
func (r *run) commit(ctx context.Context, as assessment) (AgreementRow, error) {
	if !as.loaded {
		var err error
		if as.old, as.known, err = r.record(ctx, r.view, as.agr.ID); err != nil {
			return AgreementRow{}, err
		}
	}
	old, known := as.old, as.known
	if as.reused {
		return keptRow(old), nil
	}
	if as.outcome.Status == NotDue {
		if !known {
			return row(as, as.outcome.Status, nil), nil
		}
		if hasCode(as.outcome.Reasons, "not_yet_due") { // it was due before "now" was set back
			r.kept[as.agr.ID] = true
			return keptRow(old), nil
		}
		// The window no longer covers the month: a draft of it must not be issued.
	}
	next, documents, err := r.settle(ctx, old, known, as)
	if err != nil {
		return AgreementRow{}, err
	}
	out := row(as, next.Status, documents)
	out.Reasons, out.Warnings = next.Reasons, next.Warnings
	out.Unsettled = hasIssued(next.Status) && as.outcome.Status == Blocked
	changed := !known || next.Status != old.Status || next.DraftHash != old.DraftHash || next.Inputs != old.Inputs
	out.Changed = !known || next.Status != old.Status || next.DraftHash != old.DraftHash
	kept := out
	kept.Changed = false
	if next.Report, err = json.Marshal(monthReport{Quick: as.quick, Row: kept}); err != nil {
		return AgreementRow{}, err
	}
	changed = changed || string(next.Report) != string(old.Report)
	if r.writes() && changed {
		r.unsaved = append(r.unsaved, next)
	} else {
		r.saved[as.agr.ID] = brief(next)
	}
	return out, nil
}

// mostUnsaved is how many months are saved in one transaction at the most. A run that is killed
// computes them again.
const mostUnsaved = 64

// save keeps the months that were committed since the last time.
func (r *run) save(ctx context.Context) error {
	if len(r.unsaved) == 0 {
		return nil
	}
	list, err := r.DB.SaveMonths(ctx, r.unsaved, "run")
	r.unsaved = nil
	if errors.Is(err, store.ErrConflict) {
		return fmt.Errorf("changed by another run in the meantime, run again: %w", err)
	}
	for _, m := range list {
		r.saved[m.Agreement] = brief(m)
	}
	return err
}

// brief is a record without what is most of its bytes: a run remembers thousands.
func brief(m store.Month) store.Month {
	m.Draft, m.Report = nil, nil
	return m
}

// keptRow is the row of a record that stays as it is.
func keptRow(old store.Month) AgreementRow {
	row := reportOf(old).Row
	row.Agreement, row.Status, row.Changed = old.Agreement, old.Status, false
	row.Reasons, row.Warnings = old.Reasons, old.Warnings
	return row
}

// settle says what becomes of the month's record: the transitions of design 6.
func (r *run) settle(ctx context.Context, old store.Month, known bool, as assessment) (store.Month, []invoice.Document, error) {
	next := old
	next.Agreement, next.Month = as.agr.ID, r.Month
	if !known || next.Status != as.outcome.Status {
		next.Since = r.AsOf
	}
	if known && hasIssued(old.Status) {
		return r.settleIssued(ctx, old, as)
	}
	if known && as.inputs != old.Inputs && (as.outcome.Status == Drafted || as.outcome.Status == NothingToBill) {
		// Of a month split over buyers some documents may be out: they are no drafts any more.
		out, err := r.issuedDocuments(ctx, as.agr.ID, r.Month)
		if err != nil {
			return next, nil, err
		}
		if !stand(out, as.outcome.Documents) {
			old.Draft, old.DraftHash = nil, ""
			return r.settleIssued(ctx, old, as)
		}
	}
	next.Reasons, next.Warnings = as.outcome.Reasons, as.outcome.Warnings
	next.Status = as.outcome.Status
	if old.Status == Approved && as.outcome.Status == Drafted && old.Inputs == as.inputs {
		next.Status, next.Since = Approved, old.Since
	}
	var documents []invoice.Document
	if as.outcome.Status == Drafted || as.outcome.Status == NothingToBill {
		documents = as.outcome.Documents
	}
	if known && len(old.Draft) > 0 && old.Inputs == as.inputs && len(documents) > 0 && old.Status != NothingToBill {
		// The same inputs: the draft that was seen, with its labels, is the draft.
		var err error
		if documents, err = storedDrafts(old); err != nil {
			return next, nil, err
		}
	}
	next.Inputs = as.inputs
	next.Evidence = nil
	if as.evidence != "" {
		next.Evidence = []string{as.evidence}
	}
	next.Draft, next.DraftHash, next.Document = nil, "", ""
	if len(documents) > 0 {
		draft, err := json.Marshal(documents)
		if err != nil {
			return next, nil, err
		}
		// With the inputs: an approval is void when they are others, even if they give the same draft.
		next.Draft, next.DraftHash, next.Document = draft, hashJSON([]string{as.inputs, hashJSON(documents)}), documents[0].ID
	}
	return next, documents, nil
}

// hasIssued says that documents of the month are out: they never change (I8).
func hasIssued(status string) bool {
	switch status {
	case Issued, Restated, Corrected, Credited:
		return true
	}
	return false
}

// stand says that documents that are out are still what the month's drafts say, so that the rest of
// the drafts may follow.
func stand(issued, drafts []invoice.Document) bool {
	same := slices.DeleteFunc(slices.Clone(drafts), func(d invoice.Document) bool {
		return !slices.ContainsFunc(issued, func(o invoice.Document) bool { return o.ID == d.ID })
	})
	return len(same) == len(issued) && len(compareLines(issued, same)) == 0
}

// settleIssued: other inputs with the same lines are new evidence; with other lines the month is
// restated, and replay proposes the correction.
func (r *run) settleIssued(ctx context.Context, old store.Month, as assessment) (store.Month, []invoice.Document, error) {
	next := old
	documents, err := r.issuedDocuments(ctx, as.agr.ID, r.Month)
	if err != nil {
		return next, nil, err
	}
	if as.outcome.Status != Drafted && as.outcome.Status != NothingToBill {
		// What is out stays right until the data can be read again; say why it cannot.
		next.Warnings = as.outcome.Reasons
		return next, documents, nil
	}
	next.Warnings = as.outcome.Warnings
	if old.Status == Credited || as.inputs == old.Inputs {
		return next, documents, nil
	}
	byHand, err := r.creditsByHand(ctx, old)
	if err != nil {
		return next, nil, err
	}
	differences := compareLines(without(byHand, current(documents)), as.outcome.Documents)
	next.Inputs = as.inputs
	if as.evidence != "" {
		next.Evidence = append(slices.Clone(next.Evidence), as.evidence)
	}
	switch {
	case len(differences) > 0:
		next.Status = Restated
		next.Reasons = []agreement.Reason{{Code: "restated", Text: fmt.Sprintf("%d lines differ from what was issued: arrears replay --month %s --agreement %s", len(differences), r.Month, as.agr.ID)}}
	case old.Status == Restated:
		next.Status, next.Reasons = Issued, nil
		if slices.ContainsFunc(documents, func(d invoice.Document) bool { return d.Corrects != nil }) {
			next.Status = Corrected
		}
	}
	if next.Status != old.Status {
		next.Since = r.AsOf
	}
	return next, documents, nil
}

// row is the report's row of an assessment.
func row(as assessment, status string, documents []invoice.Document) AgreementRow {
	out := AgreementRow{
		Agreement: as.agr.ID, Status: status, Reasons: as.outcome.Reasons, Warnings: as.outcome.Warnings,
		First: as.first, Final: as.final, Source: as.source, Reconciliation: as.outcome.Reconciliation,
	}
	if len(documents) == 0 || !hasAmount(documents[0]) {
		return out
	}
	d := documents[0]
	id, kind, net, code := d.ID, d.Kind, d.Totals.Net.String(), d.Currency
	out.Invoice, out.Document, out.Net, out.Currency = &id, &kind, &net, &code
	if len(documents) > 1 {
		for _, d := range documents {
			out.Documents = append(out.Documents, d.ID)
		}
	}
	return out
}

// openMonths lists the earlier months of the chosen agreements that are not settled: with a state
// that needs somebody, or without any run though they are due (I7).
func (r *run) openMonths(ctx context.Context) ([]OpenMonth, error) {
	records, err := r.DB.Months(ctx, store.MonthFilter{To: r.Month.Add(-1), Brief: true})
	if err != nil {
		return nil, err
	}
	type key struct {
		agreement string
		month     calendar.Month
	}
	known := map[key]store.Month{}
	for _, rec := range records {
		known[key{rec.Agreement, rec.Month}] = rec
	}
	var open []OpenMonth
	for _, a := range r.chosen {
		w, ok := a.Window()
		if !ok || a.Product == agreement.ProductLegacy {
			continue
		}
		for m := w.From; m.Before(r.Month) && !w.Ended(m); m = m.Add(1) {
			rec, ok := known[key{a.ID, m}]
			switch {
			case ok && settled(rec.Status):
			case ok:
				open = append(open, OpenMonth{m, a.ID, rec.Status, rec.Since, rec.Reasons})
			default:
				due := m.Add(1).Day(8)
				if t, ok := a.TermsAt(m); ok {
					if s, ok := r.view.dir.seller(t.Seller); ok {
						due = dueDate(s, m)
					}
				}
				if r.AsOf.Before(due.Time()) {
					continue
				}
				open = append(open, OpenMonth{m, a.ID, Waiting, due.Time(), []agreement.Reason{{
					Code: "not_run", Text: fmt.Sprintf("%s was never run: arrears run --month %s", m, m),
				}}})
			}
		}
	}
	slices.SortFunc(open, func(a, b OpenMonth) int {
		if c := a.Month.Compare(b.Month); c != 0 {
			return c
		}
		return strings.Compare(a.Agreement, b.Agreement)
	})
	return open, nil
}
