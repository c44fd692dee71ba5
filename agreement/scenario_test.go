package agreement

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

var update = flag.Bool("update", false, "rewrite the wanted outputs from what the program does")

// TestScenarios plays testdata/*.txtar: a story, line by line, and what each line changed. The
// first line of a file names the requirements that it proves. The lines:
//
//	2026-02-16 09:00 purchase account=111122223333 support=resold currency=EUR ...
//	2026-02-16 09:05 submit by=ann@buyer.example accept=marketplace,services
//	2026-02-19 10:00 aws accept-transfer
//	2026-02-19 10:05 tick
//
// A line without a time happens at the time of the line before.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var story, want string
			for _, f := range ar.Files {
				switch f.Name {
				case "story":
					story = string(f.Data)
				case "want":
					want = string(f.Data)
				}
			}
			got := play(t, story)
			if *update {
				ar.Files = []txtar.File{{Name: "story", Data: []byte(story)}, {Name: "want", Data: []byte(got)}}
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// play runs a story and writes down what each line changed.
func play(t *testing.T, story string) string {
	w := newWorld(t, date("2026-02-16 09:00"))
	var out strings.Builder
	seen := map[string]string{}
	events := 0
	for line := range strings.Lines(story) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		if len(words) > 2 && strings.Count(words[0], "-") == 2 && words[0][0] == '2' {
			w.at(date(words[0] + " " + words[1]))
			words = words[2:]
		}
		fmt.Fprintf(&out, "%s %s\n", w.now.Format("2006-01-02 15:04"), strings.Join(words, " "))
		if err := w.run(words); err != nil {
			for l := range strings.Lines(err.Error()) {
				fmt.Fprintf(&out, "\trefused: %s\n", strings.TrimSpace(l))
			}
		}
		now := w.describe()
		for _, key := range slices.Sorted(keys(now)) {
			if now[key] != seen[key] {
				fmt.Fprintf(&out, "\t%s: %s\n", key, now[key])
			}
		}
		seen = now
		for _, e := range w.events[events:] {
			fmt.Fprintf(&out, "\tevent %s %s%s\n", e.Type, headline(e), dataOf(e))
		}
		events = len(w.events)
	}
	return out.String()
}

func keys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func headline(e Event) string {
	if e.Type == EventMail {
		return fmt.Sprintf("to %s: %s", e.To, e.Subject)
	}
	return e.Text
}

func dataOf(e Event) string {
	var s strings.Builder
	for _, k := range slices.Sorted(keys(e.Data)) {
		fmt.Fprintf(&s, " %s=%s", k, e.Data[k])
	}
	return s.String()
}

// describe is the state in a few lines, by object.
func (w *world) describe() map[string]string {
	d := map[string]string{}
	for _, o := range w.allOrders() {
		v := o.View()
		s := string(v.Status)
		if v.Phase != "" {
			s += ", phase " + string(v.Phase)
		}
		if v.WaitingFor != nil {
			s += ", waits for " + *v.WaitingFor + " (" + o.Waiting.Code + ")"
		}
		if v.Deadline != nil {
			s += " until " + v.Deadline.Format("2006-01-02 15:04")
		}
		var done []string
		for _, c := range v.Checklist {
			if c.Done != nil {
				done = append(done, c.Step)
			}
		}
		if len(done) > 0 {
			s += ", done: " + strings.Join(done, " ")
		}
		for _, r := range v.Reasons {
			if v.Status == OrderFailed || v.Status == OrderDeleted || v.Status == OrderDraft || r.Code == "unknown_status" {
				s += ", " + r.Code + ": " + r.Text
			}
		}
		d["order "+o.ID] = s
	}
	for _, c := range w.allCases() {
		v := NewView(c.Agreement, c.Life)
		s := string(v.Status)
		if v.FirstMonth != nil {
			s += ", billed from " + v.FirstMonth.String()
		}
		if v.LastMonth != nil {
			s += " to " + v.LastMonth.String()
		}
		if !v.ServiceTerm.AcceptedAt.IsZero() {
			s += ", term until " + v.ServiceTerm.CommitmentEnd.String() + " (AWS: " + v.ServiceTerm.AWSEnd.String() + ")"
		}
		if v.MinimumTermEnd != nil {
			s += ", minimum " + v.MinimumTermEnd.String()
		}
		for _, terms := range v.Terms {
			s += fmt.Sprintf("; %s: %s %s %s", terms.From, terms.Support, terms.Currency, terms.PurchaseOrder)
		}
		for _, r := range v.Reasons {
			s += "; " + r.Code
		}
		d["agreement "+v.ID] = strings.TrimSpace(s)
		for _, sub := range v.Subscriptions {
			to := "open"
			if !sub.To.IsZero() {
				to = sub.To.String()
			}
			d["subscription "+v.ID+" "+string(sub.Account)+" from "+sub.From.String()] = to
		}
		if e := v.Delivery; e != nil {
			file := "no file yet"
			if e.FirstFile != nil {
				file = "first file " + e.FirstFile.Format("2006-01-02")
			}
			ended := ""
			if e.Ended != nil {
				ended = ", removed"
			}
			d["delivery "+v.ID] = fmt.Sprintf("%s %s, %s, %s%s", e.Kind, e.Name, e.Health, file, ended)
		}
	}
	var held []string
	for _, t := range w.aws.transfers {
		s := fmt.Sprintf("%s of %s %s from %s", t.ID, t.Source, t.Status, t.Start.Format("2006-01-02"))
		if !t.End.IsZero() {
			s += " to " + t.End.Format("2006-01-02 15:04:05")
		}
		held = append(held, s)
	}
	for _, g := range w.aws.groups {
		held = append(held, g.Name)
	}
	for _, r := range w.aws.relations {
		held = append(held, "relationship "+r.Name)
	}
	for _, h := range w.aws.terms {
		held = append(held, fmt.Sprintf("term %s %s until %s", h.ID, h.Status, h.End.Format("2006-01-02 15:04")))
	}
	for _, e := range w.aws.exports {
		held = append(held, "export "+e.Name)
	}
	if len(held) > 0 {
		d["aws"] = strings.Join(held, "; ")
	}
	return d
}

// run plays one line.
func (w *world) run(words []string) error {
	args := map[string]string{}
	var rest []string
	for _, word := range words[1:] {
		if k, v, ok := strings.Cut(word, "="); ok {
			args[k] = v
		} else {
			rest = append(rest, word)
		}
	}
	id := w.last
	if args["order"] != "" {
		id = args["order"]
	}
	c := func() *Case { return w.load(w.order(id).Agreement) }
	if w.order(id) == nil && !slices.Contains([]string{"purchase", "change", "termination", "tick", "legacy", "usage", "settled", "aws"}, words[0]) {
		return fmt.Errorf("there is no order")
	}
	decide := func(f func(*Case) error) error {
		x := c()
		if err := f(x); err != nil {
			return err
		}
		return w.save(w.t.Context(), x)
	}
	switch words[0] {
	case "purchase":
		o := purchase()
		o.fill(w.t, args)
		o.ByOperations = slices.Contains(rest, "by-operations")
		if slices.Contains(rest, "quote") {
			return w.keep(o, w.reg().Quote)
		}
		return w.draft(o)
	case "change", "termination":
		o := &Order{Type: words[0], Agreement: rest[0], Contact: Contact{Name: "Ann", Email: "ann@buyer.example"}, Buyer: "BUY-0001"}
		o.fill(w.t, args)
		o.AtTermEnd = slices.Contains(rest, "at-term-end")
		return w.draft(o)
	case "submit":
		s := Submission{By: "ann@buyer.example", Accept: bothTerms}
		if v, ok := args["by"]; ok {
			s.By = v
		}
		if v, ok := args["accept"]; ok {
			s.Accept = strings.Split(v, ",")
		}
		s.Token = strings.ReplaceAll(args["token"], "LINK", w.token)
		return w.submit(id, s)
	case "tick":
		return w.tick()
	case "process":
		return w.advance(w.order(id).Agreement)
	case "cancel":
		if o := w.order(id); !o.InProcess() {
			if err := CancelDraft(o, strings.Join(rest, " "), w.now); err != nil {
				return err
			}
			w.orders[id] = encode(w.t, o)
			return nil
		}
		return decide(func(c *Case) error { return c.Cancel(strings.Join(rest, " "), w.now) })
	case "fail":
		return decide(func(c *Case) error { return c.Fail(strings.Join(rest, " "), w.now) })
	case "complete":
		return decide(func(c *Case) error { return c.Complete("ops@reseller.example", strings.Join(rest, " "), w.now) })
	case "account":
		by := args["by"]
		if by == "" {
			by = "ann@buyer.example"
		}
		return decide(func(c *Case) error { return c.NameAccount(w.reg(), AccountID(rest[0]), by, w.now) })
	case "set-currency", "set-support":
		x := w.load(rest[0])
		var terms []Terms
		var err error
		from := calendar.MustMonth(args["from"])
		if words[0] == "set-currency" {
			base, _ := x.Agreement.TermsAt(from)
			terms, err = SetCurrency(x.Agreement, w.register.Sellers[base.Seller], currency.Code(rest[1]), from, w.now)
		} else {
			terms, err = SetSupport(x.Agreement, rest[1], from, w.now)
		}
		if err != nil {
			return err
		}
		x.Agreement.Terms = terms
		return w.save(w.t.Context(), x)
	case "legacy": // an agreement of the former product, from the book
		a := &Agreement{ID: fmt.Sprintf("AGR-%04d", len(w.cases)+1), Client: "CLI-0001", Product: ProductLegacy, Payer: testPayer,
			ManagementAccount: AccountID(rest[0]), Terms: []Terms{firstTerms(purchase(), w.now)}}
		w.cases[a.ID] = caseRecord{encode(w.t, a), encode(w.t, Adopt(a, w.now))}
		return nil
	case "usage":
		u := Usage{Month: calendar.MustMonth(rest[0])}
		for _, a := range rest[1:] {
			u.Accounts = append(u.Accounts, AccountID(a))
		}
		w.usage = append(w.usage, u)
		return nil
	case "settled":
		w.settled = true
		return nil
	case "aws":
		return w.runAWS(rest, args)
	case "checklist":
		return nil
	}
	w.t.Fatalf("unknown line: %v", words)
	return nil
}

// fill sets an order's fields from a line.
func (o *Order) fill(t reporter, args map[string]string) {
	for k, v := range args {
		switch k {
		case "account":
			o.Account.ManagementAccount = AccountID(v)
		case "option":
			o.Account.Option = v
			if v == NewAccount {
				o.Account.ManagementAccount = AccountID(args["account"])
			}
		case "model":
			o.Account.Model = v
		case "private":
			o.Account.PrivatePricing = v == "yes"
		case "government":
			o.Account.Government = v == "yes"
		case "regions":
			o.Account.Regions = strings.Split(v, ",")
		case "support":
			o.Support = strings.TrimPrefix(v, "none")
		case "currency":
			o.Currency = currency.Code(v)
		case "seller":
			o.Seller = v
		case "buyer":
			o.Buyer = v
		case "client":
			o.Client = strings.TrimPrefix(v, "none")
		case "product":
			o.Product = v
		case "follows":
			o.Follows = v
		case "from":
			o.From = calendar.MustMonth(v)
		case "end":
			o.End = calendar.MustMonth(v)
		case "po":
			o.PurchaseOrder = v
		case "email":
			o.Contact.Email = strings.TrimPrefix(v, "none")
		case "services":
			o.Services = strings.Split(v, ",")
		default:
			t.Fatalf("unknown field %q", k)
		}
	}
}

// runAWS plays what the customer or AWS does on AWS's side.
func (w *world) runAWS(rest []string, args map[string]string) error {
	account := testAccount
	if args["account"] != "" {
		account = AccountID(args["account"])
	}
	t := w.aws.latest(account)
	switch rest[0] {
	case "skew": // AWS's clock is ahead of ours
		d, err := time.ParseDuration(rest[1])
		w.aws.skew = d
		w.at(w.now)
		return err
	case "lost-invitation": // the order's invitation arrives at AWS, and AWS's answer nowhere
		_, err := w.aws.InviteTransfer(w.t.Context(), testPayer, Invitation{Account: account, Start: NextStart(w.now), Name: "Transfer Billing"})
		return err
	case "accept-transfer":
		if t == nil || t.Status != TransferRequested {
			return fmt.Errorf("AWS: there is no open invitation")
		}
		t.Status, t.ActiveHandshake = TransferAccepted, ""
	case "transfer": // AWS reports a status
		t.Status = TransferStatus(rest[1])
	case "withdraw":
		if reason := w.aws.withdraw(t, LastSecond(calendar.MonthOf(w.now))); reason != "" {
			return fmt.Errorf("AWS: %s", reason)
		}
	case "forget-transfer":
		w.aws.transfers = slices.DeleteFunc(w.aws.transfers, func(x *ResponsibilityTransfer) bool { return x == t })
	case "term": // the customer answers the service term
		h := w.aws.terms[len(w.aws.terms)-1]
		h.Status, h.Updated = HandshakeStatus(rest[1]), w.now
	case "role":
		w.aws.accounts[account].role = true
	case "org": // member | standalone | consolidated
		w.aws.accounts[AccountID(rest[1])] = &fakeOrg{member: rest[2] == "member", standalone: rest[2] == "standalone", consolidatedOnly: rest[2] == "consolidated"}
	case "refuse":
		if len(rest) == 2 {
			delete(w.aws.refuse, rest[1])
			return nil
		}
		kind := Invalid
		if args["kind"] != "" {
			kind = FaultKind(args["kind"])
		}
		w.aws.refuse[rest[1]] = &Fault{Kind: kind, Operation: rest[1], Code: "Exception", Reason: rest[2]}
	case "delivers":
		for _, e := range w.aws.exports {
			e.LastDelivery = w.now
		}
	case "export":
		for _, e := range w.aws.exports {
			e.Health, e.Problem = rest[1], args["problem"]
			if q, ok := args["query"]; ok {
				e.Kind, e.Query = ExportData, strings.ReplaceAll(q, "_", " ")
			}
			if q, ok := args["columns"]; ok {
				e.Kind, e.Columns = ExportData, strings.Split(q, ",")
			}
			if args["refresh"] == "no" {
				e.RefreshClosed = false
			}
		}
	case "drop-export":
		w.aws.exports = nil
	case "program":
		w.aws.program = rest[1]
	case "no-views":
		w.aws.noViews = true
	case "views":
		w.aws.noViews = false
	default:
		w.t.Fatalf("unknown AWS line: %v", rest)
	}
	return nil
}
