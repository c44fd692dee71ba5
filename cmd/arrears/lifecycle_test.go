package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/arrears-billing/arrears/aws/simulator"
)

const lifecycleBook = `
sellers:
  - id: SEL-DE
    name: Seller GmbH
    country: DE
    tax_id: DE136695976
    currency: EUR
    currencies: [EUR, USD, CHF]
    series: DE
    address: {street: Hauptstr. 1, city: Berlin, postal_code: "10115", country: DE}
buyers:
  - id: BUY-0001
    name: Société Générale d'Énergie du Rhône Holding B.V.
    country: NL
    tax_id: NL004495445B01
    address: {street: Main 1, city: Utrecht, postal_code: "3511", country: NL}
    email: ap@buyer.example
payers:
  - account: "999900001111"
    payment_currency: EUR
    reconcile: none
`

const lifecycleOrder = `
type: purchase
product: aws-essentials
client: CLI-0001
seller: SEL-DE
buyer: BUY-0001
account: {option: existing, management_account: "111122223333", model: billing_transfer, regions: [eu-central-1]}
contact: {name: Ann, email: ann@buyer.example, phone: "+31 30 1234567"}
support: partner_led
currency: EUR
purchase_order: PO-77
agreement: null
`

// A house is the command line with a simulated AWS and a folder.
type house struct {
	*testing.T
	aws *simulator.Simulator
	dir string
	now string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{T: t, aws: simulator.New(time.Now), dir: t.TempDir()}
	server := httptest.NewServer(h.aws)
	t.Cleanup(server.Close)
	for name, v := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIA999900001111", "AWS_SECRET_ACCESS_KEY": simulator.Secret,
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1",
		"ARREARS_DATA": filepath.Join(h.dir, "data"), "ARREARS_DATABASE": "",
		"ARREARS_EVENTS": filepath.Join(h.dir, "events.jsonl"), "ARREARS_SMTP": "", "ARREARS_WEBHOOK": "",
		"ARREARS_EXPORT_BUCKET": "deliveries", "ARREARS_EXPORT_PREFIX": "cur", "ARREARS_EXPORT_REGION": "eu-central-1",
	} {
		t.Setenv(name, v)
	}
	h.at("2026-02-16T09:00:00Z")
	h.must(h.aws.AddOrganization(simulator.Organization{Management: "999900001111", InboundQuota: 100}))
	h.must(h.aws.AddOrganization(simulator.Organization{Management: "111122223333", Members: []string{"222233334444"}}))
	h.must(h.aws.AddProgram(simulator.Program{Account: "999900001111", Name: "Reseller"}))
	h.run(0, "apply", "-f", h.file("book.yaml", lifecycleBook))
	return h
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) at(now string) {
	h.Helper()
	at, err := time.Parse(time.RFC3339, now)
	h.must(err)
	h.must(h.aws.SetClock(at))
	h.now = now
}

func (h *house) file(name, content string) string {
	h.Helper()
	path := filepath.Join(h.dir, name)
	h.must(os.WriteFile(path, []byte(content), 0o600))
	return path
}

func (h *house) accept(what string) {
	h.Helper()
	n, err := h.aws.Answer(simulator.Answer{Account: "111122223333", What: what})
	h.must(err)
	if n == 0 {
		h.Fatalf("nothing waits for the customer: %s", what)
	}
}

// run runs a command as of now and returns its JSON.
func (h *house) run(want int, args ...string) map[string]any {
	h.Helper()
	var stdout, stderr bytes.Buffer
	if got := run(h.Context(), append([]string{"--json", "--as-of", h.now}, args...), &stdout, &stderr); got != want {
		h.Fatalf("arrears %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, want, stdout.String(), stderr.String())
	}
	var v map[string]any
	if err := json.Unmarshal(stdout.Bytes(), &v); err != nil {
		h.Fatalf("arrears %s: %v\n%s", strings.Join(args, " "), err, stdout.String())
	}
	return v
}

// wantField compares one field, found by a path of keys.
func (h *house) wantField(v map[string]any, path string, want any) {
	h.Helper()
	var got any = v
	for key := range strings.SplitSeq(path, ".") {
		m, ok := got.(map[string]any)
		if !ok {
			h.Fatalf("no %s in %v", path, v)
		}
		got = m[key]
	}
	if got != want {
		h.Errorf("%s: %v, want %v", path, got, want)
	}
}

// R1 R12 R16 R18 R19 R20 R32 R36 R45: one customer from the draft that Operations prepared to the
// end of the agreement, through the command line and AWS's protocols.
func TestLifecycle(t *testing.T) {
	h := newHouse(t)
	order := h.run(0, "order", "create", "-f", h.file("order.yaml", lifecycleOrder), "--by-operations")
	h.wantField(order, "status", "draft")
	token, _ := order["token"].(string)

	refused := h.run(2, "order", "submit", "ORD-0001", "--by", "ops@reseller.example", "--accept", "marketplace,services", "--token", token)
	h.wantField(refused, "error.code", "not_the_customer")
	refused = h.run(2, "order", "submit", "ORD-0001", "--by", "ann@buyer.example", "--accept", "marketplace,services", "--token", "forged")
	h.wantField(refused, "error.code", "not_the_customer")
	refused = h.run(2, "order", "submit", "ORD-0001", "--by", "ann@buyer.example", "--accept", "marketplace", "--token", token)
	h.wantField(refused, "error.code", "terms_not_accepted")
	order = h.run(0, "order", "submit", "ORD-0001", "--by", "ann@buyer.example", "--accept", "marketplace,services", "--token", token)
	h.wantField(order, "status", "processing")
	h.wantField(order, "agreement", "AGR-0001")

	h.run(0, "tick")
	order = h.run(0, "order", "show", "ORD-0001")
	h.wantField(order, "status", "querying")
	h.wantField(order, "waiting_for", "transfer_acceptance")
	h.wantField(order, "deadline", "2026-03-02T09:00:00Z")

	h.at("2026-02-19T10:00:00Z")
	h.accept("transfer")
	order = h.run(0, "order", "process", "ORD-0001")
	h.wantField(order, "waiting_for", "handshake_acceptance")
	h.at("2026-02-20T09:00:00Z")
	h.accept("term")
	h.run(0, "tick")
	h.wantField(h.run(0, "order", "show", "ORD-0001"), "waiting_for", "bootstrap_role")
	h.must(h.aws.DeployRole(simulator.Role{Account: "111122223333", Name: "EssentialsBootstrapRole", Trusts: []string{"999900001111"}}))
	h.run(0, "tick")
	order = h.run(0, "order", "show", "ORD-0001")
	h.wantField(order, "status", "completed")

	agr := h.run(0, "agreement", "show", "AGR-0001")
	h.wantField(agr, "status", "active")
	h.wantField(agr, "first_month", "2026-03")
	h.wantField(agr, "last_month", nil)
	h.wantField(agr, "minimum_term_end", "2027-02-28")
	h.wantField(agr, "service_term.commitment_end", "2027-02-28")
	h.wantField(agr, "service_term.aws_end", "2027-02-19")

	// Its terms can change before its data has a source, and while another customer is ordering.
	h.run(0, "order", "create", "-f", h.file("other.yaml", strings.Replace(lifecycleOrder, "111122223333", "444455556666", 1)))
	h.run(0, "order", "submit", "ORD-0002", "--by", "ann@buyer.example", "--accept", "marketplace,services")
	h.run(0, "agreement", "set-support", "AGR-0001", "partner_led", "--from", "2026-05")
	h.run(0, "order", "cancel", "ORD-0002", "--reason", "a trial")

	h.at("2026-03-01T06:00:00Z")
	h.run(0, "tick")
	agr = h.run(0, "agreement", "show", "AGR-0001")
	h.wantField(agr, "delivery.kind", "legacy")
	h.wantField(agr, "delivery.refresh_closed", true)

	// The month sees the agreement: its data is awaited.
	h.at("2026-04-08T06:00:00Z")
	h.run(0, "tick")
	refused = h.run(2, "agreement", "set-currency", "AGR-0001", "GBP", "--from", "2026-06")
	h.wantField(refused, "error.code", "currency_not_billed")
	refused = h.run(2, "agreement", "set-currency", "AGR-0001", "USD", "--from", "26-06")
	h.wantField(refused, "error.text", `--from: not a month, want YYYY-MM: "26-06"`)
	refused = h.run(2, "agreement", "set-currency", "AGR-0001", "CHF", "--from", "2026-06")
	h.wantField(refused, "error.code", "no_exchange_rate") // AWS's invoices will not state it
	h.run(0, "agreement", "set-currency", "AGR-0001", "USD", "--from", "2026-06")
	h.run(0, "agreement", "set-support", "AGR-0001", "resold", "--from", "2026-06")

	// A change order to it is refused the same way, and so is an order that begins with it.
	refused = h.run(2, "order", "create", "-f", h.file("chf.yaml", "type: change\nagreement: AGR-0001\ncontact: {name: Ann, email: ann@buyer.example}\ncurrency: CHF\n"))
	h.wantField(refused, "error.code", "no_exchange_rate")
	refused = h.run(2, "order", "create", "-f", h.file("chf.yaml", strings.NewReplacer("111122223333", "444455556666", "currency: EUR", "currency: CHF").Replace(lifecycleOrder)))
	h.wantField(refused, "error.code", "no_exchange_rate")

	ending := h.file("end.yaml", "type: termination\nagreement: AGR-0001\ncontact: {name: Ann, email: ann@buyer.example}\n")
	refused = h.run(2, "order", "create", "-f", ending)
	h.wantField(refused, "error.code", "within_service_term")
	h.at("2027-03-02T09:00:00Z")
	h.wantField(h.run(0, "order", "create", "-f", ending), "id", "ORD-0003")
	h.run(0, "order", "submit", "ORD-0003", "--by", "ann@buyer.example", "--accept", "marketplace,services")
	h.run(0, "tick")
	agr = h.run(0, "agreement", "show", "AGR-0001")
	h.wantField(agr, "status", "terminating")
	h.wantField(agr, "last_month", "2027-03")

	events, err := os.ReadFile(filepath.Join(h.dir, "events.jsonl"))
	h.must(err)
	for _, kind := range []string{"order_submitted", "transfer_accepted", "term_accepted", "onboarding_requested", "support_portal_entitled", "order_completed", "transfer_ends"} {
		if !bytes.Contains(events, []byte(`"kind":"`+kind+`"`)) {
			t.Errorf("no event %s was delivered", kind)
		}
	}
}

// R23 I6: a customer who declines ends the order; one who accepted and whose order then fails is
// billed for the month that AWS bills.
func TestLifecycleFailures(t *testing.T) {
	h := newHouse(t)
	h.run(0, "order", "create", "-f", h.file("order.yaml", lifecycleOrder))
	h.run(0, "order", "submit", "ORD-0001", "--by", "ann@buyer.example", "--accept", "marketplace,services")
	h.run(0, "tick")
	if _, err := h.aws.Answer(simulator.Answer{Account: "111122223333", What: "transfer", Answer: "decline"}); err != nil {
		t.Fatal(err)
	}
	h.run(0, "tick")
	order := h.run(0, "order", "show", "ORD-0001")
	h.wantField(order, "status", "failed")
	reasons, _ := order["reasons"].([]any)
	if len(reasons) != 1 || reasons[0].(map[string]any)["code"] != "transfer_declined" {
		t.Errorf("reasons: %v, want transfer_declined", reasons)
	}

	h.at("2026-03-02T09:00:00Z")
	h.run(0, "order", "create", "-f", h.file("order.yaml", lifecycleOrder))
	h.run(0, "order", "submit", "ORD-0002", "--by", "ann@buyer.example", "--accept", "marketplace,services")
	h.run(0, "tick")
	h.accept("transfer")
	h.run(0, "tick")
	h.run(0, "order", "fail", "ORD-0002", "--reason", "the customer went elsewhere")
	agr := h.run(0, "agreement", "show", "AGR-0002")
	h.wantField(agr, "status", "failed")
	h.wantField(agr, "first_month", "2026-04")
	h.wantField(agr, "last_month", "2026-04")
	refused := h.run(2, "order", "create", "-f", h.file("bad.yaml", strings.Replace(lifecycleOrder, `"111122223333"`, `"12"`, 1)))
	h.wantField(refused, "error.code", "account_id_malformed")
	h.wantField(refused, "error.line", float64(7))
}

// R4 R45: an agreement of the legacy product, billed elsewhere, is ended by a termination order too.
func TestLegacyEnds(t *testing.T) {
	h := newHouse(t)
	h.run(0, "apply", "-f", h.file("legacy.yaml", `agreements:
  - {id: LEG-1, client: CLI-0007, product: aws-managed-service, management_account: "111122223333", billed: {from: 2025-01}}
`))
	h.wantField(h.run(0, "order", "create", "-f", h.file("end.yaml", "type: termination\nagreement: LEG-1\ncontact: {name: Ann, email: ann@buyer.example}\n")), "client", "CLI-0007")
	h.run(0, "order", "submit", "ORD-0001", "--by", "ann@buyer.example")
	h.run(0, "tick")
	h.wantField(h.run(0, "agreement", "show", "LEG-1"), "status", "terminating")
	h.at("2026-03-01T00:00:01Z")
	h.run(0, "tick")
	h.wantField(h.run(0, "agreement", "show", "LEG-1"), "status", "terminated")
	h.wantField(h.run(0, "order", "show", "ORD-0001"), "status", "completed")
}

// delivers writes what AWS delivers for a month: a CUR file in which the organisation used one thing.
func (h *house) delivers(month, amount string) {
	h.Helper()
	dir := filepath.Join(h.dir, "cur", "data", "BILLING_PERIOD="+month)
	h.must(os.MkdirAll(dir, 0o755))
	f, err := os.Create(filepath.Join(dir, "cur-00001.csv.gz"))
	h.must(err)
	z := gzip.NewWriter(f)
	fmt.Fprintln(z, "bill_payer_account_id,line_item_usage_account_id,bill_bill_type,bill_billing_entity,bill_invoice_id,line_item_product_code,line_item_line_item_type,line_item_currency_code,line_item_unblended_cost")
	fmt.Fprintf(z, "111122223333,222233334444,Anniversary,AWS,INV-%s,AmazonEC2,Usage,USD,%s\n", month, amount)
	h.must(z.Close())
	h.must(f.Close())
}

// month runs a month and returns the row of the agreement.
func (h *house) month(want int, month string) map[string]any {
	h.Helper()
	v := h.run(want, "run", "--month", month, "--issue")
	rows, _ := v["agreements"].([]any)
	if len(rows) != 1 {
		h.Fatalf("run %s: %d agreements, want 1: %v", month, len(rows), v)
	}
	return rows[0].(map[string]any)
}

// R18 R31 R33 R34 R36 R37 I6 W2 W15 W39 A-4 D6: from the order to the first invoice in April, and from the
// customer's withdrawal to the final invoice; only then is the agreement terminated, and what it
// held in AWS removed.
func TestFirstAndFinalInvoice(t *testing.T) {
	h := newHouse(t)
	h.run(0, "order", "create", "-f", h.file("order.yaml", strings.NewReplacer("partner_led", "resold", "currency: EUR", "currency: USD").Replace(lifecycleOrder)))
	h.run(0, "order", "submit", "ORD-0001", "--by", "ann@buyer.example", "--accept", "marketplace,services")
	h.run(0, "tick")
	h.at("2026-02-19T10:00:00Z")
	h.accept("transfer")
	h.run(0, "tick")
	h.accept("term")
	h.run(0, "tick")

	// The role is missing while the first month passes: AWS bills the payer all the same.
	h.run(0, "apply", "-f", h.file("cur.yaml", "agreements:\n  - id: AGR-0001\n    cur: {source: ./cur, manifest: none}\n"))
	h.delivers("2026-03", "1000.00")
	h.at("2026-04-08T06:00:00Z")
	row := h.month(0, "2026-03")
	h.wantField(row, "status", "drafted") // a draft with a warning is an open question
	if warnings := fmt.Sprint(row["warnings"]); !strings.Contains(warnings, "billed_before_completion") {
		t.Errorf("warnings: %s, want billed_before_completion", warnings)
	}
	h.must(h.aws.DeployRole(simulator.Role{Account: "111122223333", Name: "EssentialsBootstrapRole", Trusts: []string{"999900001111"}}))
	h.run(0, "order", "complete", "ORD-0001", "--reason", "deployed late")
	h.wantField(h.run(0, "order", "show", "ORD-0001"), "status", "completed")
	row = h.month(0, "2026-03")
	h.wantField(row, "status", "issued")
	h.wantField(row, "net", "1000.00")
	h.wantField(row, "first", true)
	h.run(0, "tick")
	if subs, _ := h.run(0, "agreement", "show", "AGR-0001")["subscriptions"].([]any); len(subs) != 2 {
		t.Errorf("%d subscriptions, want the management account and the one with usage", len(subs))
	}

	// The customer leaves in the middle of May 2027, after the term.
	h.at("2027-05-10T09:00:00Z")
	withdraw(h)
	h.run(0, "tick")
	h.wantField(h.run(0, "agreement", "show", "AGR-0001"), "status", "active") // one look
	h.at("2027-05-11T10:00:00Z")
	h.run(0, "tick")
	agr := h.run(0, "agreement", "show", "AGR-0001")
	h.wantField(agr, "status", "terminating")
	h.wantField(agr, "last_month", "2027-05")
	if n := len(h.aws.State().BillingGroups); n != 1 {
		t.Errorf("%d billing groups while the transfer runs, want 1", n)
	}

	// The book of the first day, applied again, does not reopen it.
	again := h.run(0, "apply", "-f", h.file("again.yaml", "agreements:\n  - {id: AGR-0001, client: CLI-1, transfer: {end: null, status: ACCEPTED}, service_term: {accepted_at: null}}\n"))
	warnings, _ := again["warnings"].([]any)
	if len(warnings) < 2 || warnings[0].(map[string]any)["code"] != "stated_by_aws" || warnings[0].(map[string]any)["path"] != "agreements[0].transfer.end" {
		t.Errorf("warnings: %v, want stated_by_aws", warnings)
	}
	agr = h.run(0, "agreement", "show", "AGR-0001")
	h.wantField(agr, "client", "CLI-1")
	h.wantField(agr, "last_month", "2027-05")
	h.wantField(agr, "transfer.status", "WITHDRAWN")
	if agr["service_term"].(map[string]any)["accepted_at"] == nil {
		t.Error("the accepted term is gone")
	}

	h.delivers("2027-05", "70.00")
	h.at("2027-06-08T06:00:00Z")
	row = h.month(3, "2027-05") // months between were never delivered here: they stay open, and are named
	h.wantField(row, "status", "issued")
	h.wantField(row, "final", true)
	h.run(0, "tick")
	h.wantField(h.run(0, "agreement", "show", "AGR-0001"), "status", "terminated")
	state := h.aws.State()
	if n := len(state.BillingGroups) + len(state.Relationships); n != 0 {
		t.Errorf("%d billing groups and relationships after the end, want 0", n)
	}
	h.at("2027-07-08T06:00:00Z")
	h.wantField(h.month(3, "2027-06"), "status", "not_due") // June is not billed
}

// withdraw ends the transfer as the customer does in AWS, for the end of the month.
func withdraw(h *house) {
	h.Helper()
	for _, tr := range h.aws.State().Transfers {
		input := fmt.Sprintf(`{"Id": %q, "EndTimestamp": %d}`, tr["Id"], time.Date(2027, 5, 31, 23, 59, 59, 0, time.UTC).Unix())
		_, err := h.aws.Call(simulator.Call{Account: "111122223333", Service: "organizations", Operation: "TerminateResponsibilityTransfer", Input: json.RawMessage(input)})
		h.must(err)
	}
}

// TestStory tells the demo's lifecycle: every month of the term is issued once, the last is the final one.
func TestStory(t *testing.T) {
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED"} {
		t.Setenv(name, os.Getenv(name)) // the story sets them: the test puts them back
	}
	var stdout, stderr bytes.Buffer
	if got := run(t.Context(), []string{"demo", "lifecycle", "-o", filepath.Join(t.TempDir(), "story")}, &stdout, &stderr); got != 0 {
		t.Fatalf("exit %d\n%s%s", got, stdout.String(), stderr.String())
	}
	out := stdout.String()
	if got, want := strings.Count(out, " issued "), 15; got != want {
		t.Errorf("%d months issued, want %d\n%s", got, want, out)
	}
	for _, want := range []string{"2026-04-08  2026-03 issued 900.50 USD (first month)", "2027-05 issued 998.50 USD (final month)", "AGR-0001 terminated, billed from 2026-03 to 2027-05", "2027-06 not_due"} {
		if !strings.Contains(out, want) {
			t.Errorf("the story does not say %q:\n%s", want, out)
		}
	}
}
