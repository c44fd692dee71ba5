package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"
)

const (
	payer    = "999900001111"
	customer = "111122223333"
	other    = "444455556666"
)

// at stops the simulator's clock.
func (s *Simulator) at(t *testing.T, now string) {
	t.Helper()
	v, err := time.Parse(time.RFC3339, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetClock(v); err != nil {
		t.Fatal(err)
	}
}

// call carries out an operation; its answer is read back from JSON.
func (s *Simulator) call(account, service, operation, input string) (map[string]any, error) {
	out, err := s.Call(Call{account, service, operation, json.RawMessage(input)})
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(b, &m)
}

// problem is an error's code and reason.
func problem(err error) string {
	var e *Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e) && e.Reason != "":
		return e.Code + " " + e.Reason
	case errors.As(err, &e):
		return e.Code
	}
	return err.Error()
}

// world is a payer and two customers on a day.
func world(t *testing.T, now string) *Simulator {
	t.Helper()
	s := New(time.Now)
	s.at(t, now)
	for _, o := range []Organization{
		{Management: payer, InboundQuota: 2},
		{Management: customer, Members: []string{"222233334444"}},
		{Management: other},
	} {
		if err := s.AddOrganization(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.AddProgram(Program{Account: payer}); err != nil {
		t.Fatal(err)
	}
	return s
}

func invite(s *Simulator, from, to, start string) error {
	at, err := time.Parse(time.RFC3339, start)
	if err != nil {
		return err
	}
	_, err = s.call(from, "organizations", "InviteOrganizationToTransferResponsibility",
		fmt.Sprintf(`{"Type":"BILLING","Target":{"Id":%q,"Type":"ACCOUNT"},"SourceName":"n","StartTimestamp":%d}`, to, at.Unix()))
	return err
}

func TestStartOfATransfer(t *testing.T) {
	for _, tt := range []struct{ name, now, start, want string }{
		{"next month", "2026-02-19T09:00:00Z", "2026-03-01T00:00:00Z", "ok"},
		{"the month after", "2026-02-19T09:00:00Z", "2026-04-01T00:00:00Z", "ok"},
		{"two months after", "2026-02-19T09:00:00Z", "2026-05-01T00:00:00Z", "InvalidInputException START_DATE_TOO_LATE"},
		{"this month", "2026-02-19T09:00:00Z", "2026-02-01T00:00:00Z", "InvalidInputException START_DATE_TOO_EARLY"},
		{"second of a month", "2026-02-19T09:00:00Z", "2026-03-02T00:00:00Z", "InvalidInputException START_DATE_NOT_BEGINNING_OF_MONTH"},
		{"one o'clock", "2026-02-19T09:00:00Z", "2026-03-01T01:00:00Z", "InvalidInputException START_DATE_NOT_BEGINNING_OF_DAY"},
		{"last second before the cut-off", "2026-04-29T23:59:59Z", "2026-05-01T00:00:00Z", "ok"},
		{"cut-off", "2026-04-30T00:00:00Z", "2026-05-01T00:00:00Z", "InvalidInputException START_DATE_TOO_EARLY"},
		{"over the year's end", "2026-12-05T00:00:00Z", "2027-01-01T00:00:00Z", "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := world(t, tt.now)
			if got := problem(invite(s, payer, customer, tt.start)); got != tt.want {
				t.Errorf("invite at %s for %s: %s, want %s", tt.now, tt.start, got, tt.want)
			}
		})
	}
}

func TestWhoCanBeInvited(t *testing.T) {
	const start = "2026-03-01T00:00:00Z"
	for _, tt := range []struct{ name, from, to, want string }{
		{"member", payer, "222233334444", "HandshakeConstraintViolationException TARGET_ACCOUNT_VALIDATION_FAILURE"},
		{"unknown", payer, "123456789012", "HandshakeConstraintViolationException TARGET_ACCOUNT_VALIDATION_FAILURE"},
		{"malformed", payer, "12345", "InvalidInputException INVALID_PATTERN_TARGET_ID"},
		{"itself", payer, payer, "HandshakeConstraintViolationException SOURCE_AND_TARGET_CANNOT_MATCH"},
		{"from a member", "222233334444", other, "AccessDeniedException"},
		{"without quota", customer, other, "ConstraintViolationException RESPONSIBILITY_TRANSFER_MAX_INBOUND_QUOTA_VIOLATION"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := world(t, "2026-02-19T09:00:00Z")
			if got := problem(invite(s, tt.from, tt.to, start)); got != tt.want {
				t.Errorf("%s invites %s: %s, want %s", tt.from, tt.to, got, tt.want)
			}
		})
	}
	t.Run("twice", func(t *testing.T) {
		s := world(t, "2026-02-19T09:00:00Z")
		if err := invite(s, payer, customer, start); err != nil {
			t.Fatal(err)
		}
		want := "HandshakeConstraintViolationException RESPONSIBILITY_TRANSFER_ALREADY_EXISTS"
		if got := problem(invite(s, payer, customer, start)); got != want {
			t.Errorf("second invitation: %s, want %s", got, want)
		}
	})
	for stale, want := range map[bool]string{false: "ok", true: "HandshakeConstraintViolationException RESPONSIBILITY_TRANSFER_ALREADY_EXISTS"} {
		t.Run(fmt.Sprintf("after an expired one, stale=%v", stale), func(t *testing.T) {
			s := world(t, "2026-02-19T09:00:00Z")
			s.Configure(func(set *Settings) { set.StaleInvitations = stale })
			if err := invite(s, payer, customer, start); err != nil {
				t.Fatal(err)
			}
			s.at(t, "2026-02-28T00:00:00Z")
			if got := s.State().Transfers[0]["Status"]; got != stateExpired {
				t.Errorf("status a day before the start: %v, want EXPIRED", got)
			}
			if got := problem(invite(s, payer, customer, "2026-04-01T00:00:00Z")); got != want {
				t.Errorf("invitation after an expired one: %s, want %s", got, want)
			}
		})
	}
}

// accepted is a world with a transfer from 2026-03-01, and its id.
func accepted(t *testing.T) (*Simulator, string) {
	t.Helper()
	s := world(t, "2026-02-19T09:00:00Z")
	if err := invite(s, payer, customer, "2026-03-01T00:00:00Z"); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Answer(Answer{Account: customer}); n != 1 || err != nil {
		t.Fatalf("Answer: %d, %v, want 1 accepted", n, err)
	}
	return s, s.State().Transfers[0]["Id"].(string)
}

func terminate(s *Simulator, by, id, end string) error {
	input := fmt.Sprintf(`{"Id":%q}`, id)
	if end != "" {
		at, err := time.Parse(time.RFC3339Nano, end)
		if err != nil {
			return err
		}
		input = fmt.Sprintf(`{"Id":%q,"EndTimestamp":%.3f}`, id, float64(at.UnixMilli())/1000)
	}
	_, err := s.call(by, "organizations", "TerminateResponsibilityTransfer", input)
	return err
}

func TestEndOfATransfer(t *testing.T) {
	for _, tt := range []struct{ name, now, by, end, want string }{
		{"this month", "2027-05-10T00:00:00Z", payer, "2027-05-31T23:59:59Z", "ok"},
		{"with a fraction", "2027-05-10T00:00:00Z", payer, "2027-05-31T23:59:59.999Z", "ok"},
		{"by the customer", "2027-05-10T00:00:00Z", customer, "2027-06-30T23:59:59Z", "ok"},
		{"by itself", "2027-05-10T00:00:00Z", payer, "", "ok"},
		{"by a stranger", "2027-05-10T00:00:00Z", other, "2027-05-31T23:59:59Z", "ResponsibilityTransferNotFoundException"},
		{"inside a month", "2027-05-10T00:00:00Z", payer, "2027-05-30T23:59:59Z", "InvalidInputException END_DATE_NOT_END_OF_MONTH"},
		{"midnight", "2027-05-10T00:00:00Z", payer, "2027-06-01T00:00:00Z", "InvalidInputException END_DATE_NOT_END_OF_MONTH"},
		{"last month", "2027-05-10T00:00:00Z", payer, "2027-04-30T23:59:59Z", "InvalidInputException END_DATE_TOO_EARLY"},
		{"in two months", "2027-05-10T00:00:00Z", payer, "2027-07-31T23:59:59Z", "InvalidInputException END_DATE_TOO_LATE"},
		{"before it began", "2026-02-20T00:00:00Z", payer, "2026-02-28T23:59:59Z", "InvalidInputException END_DATE_TOO_EARLY"},
		{"its first month, before it began", "2026-02-20T00:00:00Z", payer, "2026-03-31T23:59:59Z", "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, id := accepted(t)
			s.at(t, tt.now)
			if got := problem(terminate(s, tt.by, id, tt.end)); got != tt.want {
				t.Errorf("%s ends at %s: %s, want %s", tt.by, tt.end, got, tt.want)
			}
			if tt.want != "ok" {
				return
			}
			if got := s.State().Transfers[0]["Status"]; got != stateWithdrawn {
				t.Errorf("status after the end was set: %v, want WITHDRAWN at once", got)
			}
			if got, want := problem(terminate(s, payer, id, tt.end)), "ResponsibilityTransferAlreadyInStatusException"; got != want {
				t.Errorf("second end: %s, want %s", got, want)
			}
		})
	}
	t.Run("of an invitation", func(t *testing.T) {
		s := world(t, "2026-02-19T09:00:00Z")
		if err := invite(s, payer, customer, "2026-03-01T00:00:00Z"); err != nil {
			t.Fatal(err)
		}
		got := problem(terminate(s, payer, s.State().Transfers[0]["Id"].(string), ""))
		if want := "InvalidResponsibilityTransferTransitionException"; got != want {
			t.Errorf("end of an invitation: %s, want %s", got, want)
		}
	})
}

// A fixed commitment binds both sides until it is over.
func TestCommitmentBinds(t *testing.T) {
	s, id := accepted(t)
	program := "pma-0000000000004"
	out, err := s.call(payer, "partnercentral-channel", "CreateRelationship",
		`{"catalog":"AWS","associationType":"END_CUSTOMER","programManagementAccountIdentifier":"`+program+
			`","associatedAccountId":"`+customer+`","displayName":"c","sector":"COMMERCIAL"}`)
	if err != nil {
		t.Fatal(err)
	}
	relation := out["relationshipDetail"].(map[string]any)["id"].(string)
	term := func(end string) error {
		_, err := s.call(payer, "partnercentral-channel", "CreateChannelHandshake",
			`{"catalog":"AWS","handshakeType":"START_SERVICE_PERIOD","associatedResourceIdentifier":"`+relation+
				`","payload":{"startServicePeriodPayload":{"programManagementAccountIdentifier":"`+program+
				`","servicePeriodType":"FIXED_COMMITMENT_PERIOD","endDate":"`+end+`"}}}`)
		return err
	}
	for end, want := range map[string]string{
		"2027-02-19T09:00:01Z": "ValidationException BUSINESS_VALIDATION_FAILED", // over 365 days
		"2026-04-01T00:00:00Z": "ValidationException BUSINESS_VALIDATION_FAILED", // under 60
	} {
		if got := problem(term(end)); got != want {
			t.Errorf("commitment until %s: %s, want %s", end, got, want)
		}
	}
	if err := term("2027-02-19T09:00:00Z"); err != nil {
		t.Fatal(err)
	}
	if got, want := problem(term("2027-02-19T09:00:00Z")), "ConflictException"; got != want {
		t.Errorf("second handshake while one is pending: %s, want %s", got, want)
	}
	if _, err := s.Answer(Answer{Account: customer, What: "term"}); err != nil {
		t.Fatal(err)
	}
	s.at(t, "2027-01-10T00:00:00Z")
	for _, by := range []string{payer, customer} {
		if got, want := problem(terminate(s, by, id, "2027-02-28T23:59:59Z")), "InvalidInputException INVALID_END_DATE"; got != want {
			t.Errorf("%s ends the transfer inside the commitment: %s, want %s", by, got, want)
		}
	}
	s.at(t, "2027-02-19T09:00:00Z")
	if err := terminate(s, customer, id, "2027-02-28T23:59:59Z"); err != nil {
		t.Errorf("end after the commitment: %v", err)
	}
}

func TestOneOutboundTransfer(t *testing.T) {
	s, id := accepted(t)
	if err := s.AddOrganization(Organization{Management: other, InboundQuota: 1}); err != nil {
		t.Fatal(err)
	}
	if err := invite(s, other, customer, "2026-04-01T00:00:00Z"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Answer(Answer{Account: customer})
	if got, want := problem(err), "ConstraintViolationException RESPONSIBILITY_TRANSFER_MAX_OUTBOUND_QUOTA_VIOLATION"; got != want {
		t.Errorf("second transfer of one organisation: %s, want %s", got, want)
	}
	if err := terminate(s, customer, id, "2026-03-31T23:59:59Z"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(Answer{Account: customer}); err != nil {
		t.Errorf("transfer that follows the first: %v", err)
	}
}

func TestClockDoesNotGoBack(t *testing.T) {
	s := world(t, "2026-02-19T09:00:00Z")
	if err := s.SetClock(time.Date(2026, 2, 18, 0, 0, 0, 0, time.UTC)); err == nil {
		t.Error("SetClock(the day before): no error")
	}
}

func TestOneBillingGroupPerTransfer(t *testing.T) {
	s, _ := accepted(t)
	arn := s.State().Transfers[0]["Arn"].(string)
	call := func(name string) string {
		out, err := s.call(payer, "billingconductor", "CreateBillingGroup",
			`{"Name":"`+name+`","AccountGrouping":{"ResponsibilityTransferArn":"`+arn+`"},"ComputationPreference":{"PricingPlanArn":"`+planArn("BasicPricingPlan")+`"}}`)
		if err != nil {
			return problem(err)
		}
		return out["Arn"].(string)
	}
	first := call("g")
	if got, want := call("g"), "ConflictException RESOURCE_NAME_CONFLICT"; got != want {
		t.Errorf("same name: %s, want %s (first %s)", got, want, first)
	}
	if got, want := call("h"), "ValidationException BILLING_GROUP_ALREADY_EXIST_IN_CURRENT_BILLING_PERIOD"; got != want {
		t.Errorf("second group of a transfer: %s, want %s", got, want)
	}
}
