package agreement

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/calendar"
)

// TestModel plays random stories of 30 months: customers, Operations and AWS do what they like in
// any order, AWS throttles, breaks and loses answers, processes are killed at any call and any
// save. After every step, and whenever things have calmed down, the invariants hold.
func TestModel(t *testing.T) {
	// A story takes a second or two: the same four each run, so that a build does not fail by chance,
	// and others with -rapid.checks=N.
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		for name, value := range map[string]string{"rapid.checks": "4", "rapid.seed": "1"} {
			f := flag.Lookup(name)
			before := f.Value.String()
			if err := f.Value.Set(value); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := f.Value.Set(before); err != nil {
					t.Error(err)
				}
			}()
		}
	}
	rapid.Check(t, model)
}

func FuzzModel(f *testing.F) { f.Fuzz(rapid.MakeFuzz(model)) }

var errKilled = errors.New("killed")

const modelMonths = 30

// A story is a world with chance in it.
type story struct {
	*rapid.T
	w     *world
	start time.Time
	wild  bool // faults and kills happen
}

func model(t *rapid.T) {
	s := &story{T: t, start: date("2026-03-02 09:00")}
	s.w = newWorld(t, s.start)
	s.w.aws.skew = rapid.SampledFrom([]time.Duration{0, 5 * time.Second, -5 * time.Second, 8 * time.Minute, -8 * time.Minute}).Draw(t, "skew")
	s.w.at(s.start)
	s.w.settle = func(a *Agreement) bool {
		win, ok := a.Window()
		return ok && !win.To.IsZero() && !s.w.now.Before(win.To.End().AddDate(0, 0, 7))
	}
	s.w.aws.fault = func(op string, after bool) error {
		if !s.wild {
			return nil
		}
		// One number a call: most calls go well.
		switch n := rapid.IntRange(0, 39).Draw(s.T, op); {
		case n == 1 && !after:
			return &Fault{Kind: Throttled, Operation: op, Code: "ThrottlingException"}
		case n == 2: // before: nothing happened; after: the answer is lost
			return &Fault{Kind: Unavailable, Operation: op, Code: "InternalServerException"}
		case n == 3:
			panic(errKilled)
		}
		return nil
	}
	s.w.saves = func(bool) {
		if s.wild && rapid.IntRange(0, 39).Draw(s.T, "save") == 1 {
			panic(errKilled)
		}
	}
	s.play()
	s.finish()
}

var accounts = []AccountID{testAccount, "444455556666"}

// play draws and does things until the months are over.
func (s *story) play() {
	end := s.start.AddDate(0, modelMonths, 0)
	for s.w.now.Before(end) {
		s.wild = rapid.IntRange(0, 2).Draw(s.T, "wild") == 0
		s.act(rapid.SampledFrom(accounts).Draw(s.T, "account"))
		s.wild = false
		s.always()
		s.w.at(s.w.now.Add(s.pause()))
	}
}

func (s *story) pause() time.Duration {
	return rapid.SampledFrom([]time.Duration{
		0, 10 * time.Minute, 20 * time.Minute, 7 * time.Hour, 25 * time.Hour, 4 * 24 * time.Hour, 9 * 24 * time.Hour, 16 * 24 * time.Hour, 33 * 24 * time.Hour,
	}).Draw(s.T, "pause")
}

// act does one thing. What is refused is refused: that it changes nothing is checked with the rest.
func (s *story) act(account AccountID) {
	w := s.w
	what := rapid.SampledFrom([]string{
		"order", "order", "accept", "accept", "accept", "decline", "term", "term", "reject term", "role", "role", "withdraw",
		"cancel", "fail", "complete", "end", "end at term", "change", "tick", "tick", "tick", "tick", "calm",
	}).Draw(s.T, "what")
	t := w.aws.latest(account)
	c := s.latestCase(account)
	switch what {
	case "order":
		o := purchase()
		o.Account.ManagementAccount = account
		o.Support = rapid.SampledFrom([]string{Resold, PartnerLed}).Draw(s.T, "support")
		s.try(func() error {
			if err := w.draft(o); err != nil {
				return err
			}
			return w.submit(o.ID, Submission{By: o.Contact.Email, Accept: bothTerms})
		})
		s.tick()
	case "accept":
		if t != nil && t.Status == TransferRequested {
			t.Status, t.ActiveHandshake = TransferAccepted, ""
		}
	case "decline":
		if t != nil && t.Status == TransferRequested {
			t.Status, t.ActiveHandshake = TransferDeclined, ""
		}
	case "term", "reject term":
		for _, h := range w.aws.terms {
			if h.Status == HandshakePending && w.aws.relationOf(h.Relationship) == account {
				h.Status, h.Updated = HandshakeAccepted, w.now
				if what != "term" {
					h.Status = HandshakeRejected
				}
			}
		}
	case "role":
		w.aws.accounts[account].role = true
	case "withdraw":
		if t != nil && t.Status == TransferAccepted && !w.aws.committed(account) {
			w.aws.withdraw(t, LastSecond(calendar.MonthOf(w.now).Add(rapid.IntRange(0, 1).Draw(s.T, "months"))))
		}
	case "cancel", "fail", "complete":
		if c == nil || c.Order == nil {
			return
		}
		s.try(func() error {
			var err error
			switch what {
			case "cancel":
				err = c.Cancel("model", w.now)
			case "fail":
				err = c.Fail("model", w.now)
			default:
				err = c.Complete("ops", "model", w.now)
			}
			if err != nil {
				return err
			}
			return w.save(s.Context(), c)
		})
		s.tick()
	case "end", "end at term", "change":
		if c == nil {
			return
		}
		o := &Order{Type: Terminate, Agreement: c.Life.Agreement, Contact: Contact{Name: "Ann", Email: "ann@buyer.example"}, Buyer: "BUY-0001", AtTermEnd: what == "end at term"}
		if what == "change" {
			o.Type, o.Support = Change, rapid.SampledFrom([]string{Resold, PartnerLed}).Draw(s.T, "support")
		}
		s.try(func() error {
			if err := w.draft(o); err != nil {
				return err
			}
			return w.submit(o.ID, Submission{By: o.Contact.Email, Accept: bothTerms})
		})
	case "tick":
		s.tick()
	case "calm":
		s.calm()
	}
}

// latestCase is the newest agreement of an organisation, or nil.
func (s *story) latestCase(account AccountID) *Case {
	for _, c := range slices.Backward(s.w.allCases()) {
		if c.Agreement.ManagementAccount == account {
			return c
		}
	}
	return nil
}

// try does something in a process that may be killed; only refusals are errors that may come.
func (s *story) try(do func() error) {
	defer func() {
		if r := recover(); r != nil && r != any(errKilled) {
			panic(r)
		}
	}()
	if err := do(); err != nil && len(Reasons(err)) == 0 {
		s.Fatalf("%v", err)
	}
}

// tick moves every agreement on, each in a process of its own.
func (s *story) tick() {
	for _, id := range slices.Sorted(keys(s.w.cases)) {
		s.try(func() error {
			if err := s.w.advance(id); err != nil && FaultOf(err) == nil {
				return err
			}
			return nil
		})
	}
}

// calm lets everything answer for a while, and checks what must be true then.
func (s *story) calm() {
	s.wild = false
	for range 3 {
		s.tick()
		s.w.at(s.w.now.Add(25 * time.Hour))
	}
	s.tick()
	s.always()
	s.months()
}

// always is what holds after every step.
func (s *story) always() {
	w := s.w
	cases := w.allCases()
	for _, account := range accounts {
		for m := calendar.MonthOf(s.start); !m.After(calendar.MonthOf(w.now).Add(2)); m = m.Add(1) {
			var by []string
			for _, c := range cases {
				if win, ok := c.Agreement.Window(); ok && c.Agreement.ManagementAccount == account && win.Contains(m) {
					by = append(by, c.Life.Agreement)
				}
			}
			if len(by) > 1 {
				s.Fatalf("%s: month %s of %s is billed by %v", w.now, m, account, by)
			}
		}
	}
	for _, o := range w.allOrders() {
		s.orderHolds(o)
	}
	for _, c := range cases {
		status := New
		for _, m := range c.Life.Moves {
			next, err := Statuses.Next(status, m.Event)
			if err != nil || string(next) != m.To {
				s.Fatalf("%s: agreement %s: %s --%s--> %s is not in the table", w.now, c.Life.Agreement, status, m.Event, m.To)
			}
			status = next
		}
	}
	s.once()
}

// orderHolds is what holds of every order.
func (s *story) orderHolds(o *Order) {
	if o.Type == Buy && o.Status == OrderCompleted {
		for _, step := range Steps {
			if o.DoneAt(step).IsZero() && !o.waived(step) {
				s.Fatalf("order %s is completed without %s", o.ID, step)
			}
		}
		if o.Support == PartnerLed && o.DoneAt(StepRoles).IsZero() {
			s.Fatalf("order %s with partner-led support is completed without the role", o.ID)
		}
	}
	seen := map[string]bool{}
	for _, wait := range o.Waits {
		if seen[wait.Step] || wait.Deadline != wait.Since.AddDate(0, 0, s.w.settings.DeadlineDays) {
			s.Fatalf("order %s: the clock of step %s was set again", o.ID, wait.Step)
		}
		seen[wait.Step] = true
	}
	for _, r := range o.Reminders {
		if done := o.DoneAt(r.Step); !done.IsZero() && r.At.After(done) {
			s.Fatalf("order %s: reminded of %s on %s, done on %s", o.ID, r.Step, r.At, done)
		}
		if last := o.Moves[len(o.Moves)-1]; !o.InProcess() && r.At.After(last.At) {
			s.Fatalf("order %s: reminded after its end", o.ID)
		}
	}
	if o.Status == OrderFailed && (len(o.Reasons) == 0 || o.Reasons[0].Code == "") {
		s.Fatalf("order %s failed without a reason", o.ID)
	}
}

// once: nothing is made twice in AWS.
func (s *story) once() {
	names := map[string]int{}
	for _, g := range s.w.aws.groups {
		names["group of "+g.TransferARN]++
	}
	for _, r := range s.w.aws.relations {
		names["relationship of "+string(r.Account)]++
	}
	for _, e := range s.w.aws.exports {
		names["export "+e.Name]++
	}
	for _, h := range s.w.aws.terms {
		if h.Status == HandshakePending {
			names["open term of "+h.Relationship]++
		}
	}
	for _, t := range s.w.aws.transfers {
		if t.Status == TransferRequested {
			names["open invitation of "+string(t.Source)]++
		}
	}
	for name, n := range names {
		if n > 1 {
			s.Fatalf("%s: %d times", name, n)
		}
	}
}

// months: every month that AWS bills to the payer is in the window of exactly one agreement, and
// no other month is, up to the current one.
func (s *story) months() {
	w := s.w
	cases := w.allCases()
	for _, account := range accounts {
		for m := calendar.MonthOf(s.start); !m.After(calendar.MonthOf(w.now)); m = m.Add(1) {
			charged := false
			for _, t := range w.aws.transfers {
				in := t.Status == TransferAccepted || t.Status == TransferWithdrawn
				if win, ok := calendar.TransferWindow(t.Start, t.End); ok && in && t.Source == account && win.Contains(m) {
					charged = true
				}
			}
			billed := false
			for _, c := range cases {
				win, ok := c.Agreement.Window()
				billed = billed || ok && c.Agreement.ManagementAccount == account && win.Contains(m)
			}
			if charged != billed {
				s.Fatalf("%s: month %s of %s: AWS bills the payer: %t, an agreement bills it: %t\n%s", w.now, m, account, charged, billed, s.state())
			}
		}
	}
}

func (s *story) state() string {
	out := ""
	d := s.w.describe()
	for _, k := range slices.Sorted(keys(d)) {
		out += fmt.Sprintf("%s: %s\n", k, d[k])
	}
	return out
}

// finish ends everything and lets the last months be settled: nothing may be left in AWS.
func (s *story) finish() {
	w := s.w
	s.calm()
	for range 30 { // two and a half years: the longest term and a year of late corrections
		for _, c := range w.allCases() {
			if c.Order != nil && c.Order.Type == Buy {
				s.try(func() error {
					if err := c.Fail("the end of the story", w.now); err != nil {
						return err
					}
					return w.save(s.Context(), c)
				})
			}
			if c.Order == nil && c.Life.Status == Active {
				o := &Order{Type: Terminate, Agreement: c.Life.Agreement, Contact: Contact{Name: "Ann", Email: "ann@buyer.example"}, Buyer: "BUY-0001", AtTermEnd: true}
				s.try(func() error {
					if err := w.draft(o); err != nil {
						return err
					}
					return w.submit(o.ID, Submission{By: o.Contact.Email})
				})
			}
		}
		s.tick()
		s.w.at(s.w.now.Add(25 * time.Hour))
		s.tick()
		s.w.at(calendar.MonthOf(s.w.now).Add(1).Start().Add(9 * 24 * time.Hour))
		s.tick()
		s.always()
	}
	s.months()
	for _, o := range w.allOrders() {
		if o.InProcess() {
			s.Fatalf("order %s never ends\n%s", o.ID, s.state())
		}
	}
	if len(w.aws.groups)+len(w.aws.relations)+len(w.aws.exports) > 0 {
		s.Fatalf("left in AWS:\n%s", s.state())
	}
	for _, t := range w.aws.transfers {
		if t.Status == TransferRequested || t.Status == TransferAccepted {
			s.Fatalf("transfer %s is left %s\n%s", t.ID, t.Status, s.state())
		}
	}
	for _, h := range w.aws.terms {
		if h.Status == HandshakePending {
			s.Fatalf("term %s is left open\n%s", h.ID, s.state())
		}
	}
}
