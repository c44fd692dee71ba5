package aws_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/aws"
	"github.com/arrears-billing/arrears/aws/simulator"
	"github.com/arrears-billing/arrears/calendar"
)

// What agreement.AWS promises, checked against the simulator.

func TestInvitation(t *testing.T) {
	w := newWorld(t)
	tr := w.invite(t)
	got, err := w.DescribeTransfer(t.Context(), payer, tr.ID)
	check(t, err)
	if diff := cmp.Diff(tr, got); diff != "" {
		t.Errorf("the transfer described is not the one invited (-invited +described):\n%s", diff)
	}
	if tr.Status != agreement.TransferRequested || tr.Source != customer || tr.Target != payer || tr.ActiveHandshake == "" || tr.ARN == "" {
		t.Errorf("InviteTransfer: %+v", tr)
	}
	_, err = w.InviteTransfer(t.Context(), payer, agreement.Invitation{Account: customer, Name: "x", Start: tr.Start})
	want(t, "second invitation", err, "conflict RESPONSIBILITY_TRANSFER_ALREADY_EXISTS")

	w.accept(t, "transfer")
	got, err = w.DescribeTransfer(t.Context(), payer, tr.ID)
	check(t, err)
	if got.Status != agreement.TransferAccepted || got.ActiveHandshake != "" || !got.End.IsZero() {
		t.Errorf("after acceptance: %+v, want ACCEPTED without handshake and end", got)
	}
	want(t, "cancel what was accepted", w.CancelInvitation(t.Context(), payer, tr.ActiveHandshake), "invalid InvalidHandshakeTransitionException")
}

func TestInvitationRefused(t *testing.T) {
	w := newWorld(t)
	march := instant(t, "2026-03-01T00:00:00Z")
	for _, tt := range []struct {
		name    string
		account agreement.AccountID
		start   time.Time
		want    string
	}{
		{"too early", customer, march.AddDate(0, -1, 0), "invalid START_DATE_TOO_EARLY"},
		{"too late", customer, march.AddDate(0, 2, 0), "invalid START_DATE_TOO_LATE"},
		{"in a month", customer, march.AddDate(0, 0, 1), "invalid START_DATE_NOT_BEGINNING_OF_MONTH"},
		{"a member account", member, march, "invalid TARGET_ACCOUNT_VALIDATION_FAILURE"},
		{"malformed", "1234", march, "invalid INVALID_PATTERN_TARGET_ID"},
		{"the payer", payer, march, "invalid SOURCE_AND_TARGET_CANNOT_MATCH"},
	} {
		_, err := w.InviteTransfer(t.Context(), payer, agreement.Invitation{Account: tt.account, Name: "x", Start: tt.start})
		want(t, tt.name, err, tt.want)
	}
	_, err := w.DescribeTransfer(t.Context(), payer, "rt-00000000")
	want(t, "describe a transfer that is not there", err, "not_found ResponsibilityTransferNotFoundException")
}

func TestCancelInvitation(t *testing.T) {
	w := newWorld(t)
	tr := w.invite(t)
	check(t, w.CancelInvitation(t.Context(), payer, tr.ActiveHandshake))
	got, err := w.DescribeTransfer(t.Context(), payer, tr.ID)
	check(t, err)
	if got.Status != agreement.TransferCanceled {
		t.Errorf("status after cancelling: %s, want CANCELED", got.Status)
	}
	want(t, "cancel twice", w.CancelInvitation(t.Context(), payer, tr.ActiveHandshake), "conflict HandshakeAlreadyInStateException")
	want(t, "cancel nothing", w.CancelInvitation(t.Context(), payer, "h-00000000"), "not_found HandshakeNotFoundException")
}

func TestListsAreComplete(t *testing.T) {
	w := newWorld(t)
	ids := map[string]bool{}
	for i := range 45 { // three pages, the first of them empty
		account := agreement.AccountID(fmt.Sprintf("1234567890%02d", i))
		check(t, w.AddOrganization(simulator.Organization{Management: string(account)}))
		tr, err := w.InviteTransfer(t.Context(), payer, agreement.Invitation{Account: account, Name: "x", Start: instant(t, "2026-03-01T00:00:00Z")})
		check(t, err)
		ids[tr.ID] = true
	}
	all, err := w.InboundTransfers(t.Context(), payer)
	check(t, err)
	for _, tr := range all {
		delete(ids, tr.ID)
	}
	if len(all) != 45 || len(ids) != 0 {
		t.Errorf("InboundTransfers: %d transfers, %d of them missing, want 45 and 0", len(all), len(ids))
	}
}

func TestTerminateTransfer(t *testing.T) {
	w, tr := transferred(t)
	w.at(t, "2027-05-10T00:00:00Z")
	_, err := w.TerminateTransfer(t.Context(), payer, tr.ID, instant(t, "2027-05-30T23:59:59Z"))
	want(t, "end inside a month", err, "invalid END_DATE_NOT_END_OF_MONTH")
	end := instant(t, "2027-05-31T23:59:59Z")
	got, err := w.TerminateTransfer(t.Context(), payer, tr.ID, end)
	check(t, err)
	if got.Status != agreement.TransferWithdrawn || !got.End.Equal(end) {
		t.Errorf("TerminateTransfer: %s until %s, want WITHDRAWN until %s", got.Status, got.End, end)
	}
	window, ok := calendar.TransferWindow(got.Start, got.End)
	if !ok || window.To != calendar.MustMonth("2027-05") {
		t.Errorf("last month of the transfer: %s, want 2027-05 (domain.md R36)", window.To)
	}
	_, err = w.TerminateTransfer(t.Context(), payer, tr.ID, end)
	want(t, "end twice", err, "conflict ResponsibilityTransferAlreadyInStatusException")
}

func TestBillingGroups(t *testing.T) {
	w, tr := transferred(t)
	in := agreement.NewBillingGroup{Token: "AGR-0001/billing-group", Name: "billing-group-" + string(customer), TransferARN: tr.ARN, PricingPlan: agreement.BasicPricingPlan}
	first, err := w.CreateBillingGroup(t.Context(), payer, in)
	check(t, err)
	again, err := w.CreateBillingGroup(t.Context(), payer, in)
	check(t, err)
	if first.ARN != again.ARN {
		t.Errorf("CreateBillingGroup with one token twice: %s and %s", first.ARN, again.ARN)
	}
	in.Token = "another"
	_, err = w.CreateBillingGroup(t.Context(), payer, in)
	want(t, "the name again", err, "conflict RESOURCE_NAME_CONFLICT")
	in.Token, in.Name = "third", "other"
	_, err = w.CreateBillingGroup(t.Context(), payer, in)
	want(t, "the transfer again", err, "conflict BILLING_GROUP_ALREADY_EXIST_IN_CURRENT_BILLING_PERIOD")

	for _, tt := range []struct{ day, status string }{{"2026-02-28T23:59:59Z", "PENDING"}, {"2026-03-01T00:00:00Z", "ACTIVE"}} {
		w.at(t, tt.day)
		groups, err := w.BillingGroups(t.Context(), payer, tr.ARN)
		check(t, err)
		if len(groups) != 1 || groups[0].ARN != first.ARN || groups[0].TransferARN != tr.ARN || groups[0].Status != tt.status {
			t.Errorf("BillingGroups at %s: %+v, want the one made, %s", tt.day, groups, tt.status)
		}
	}
	check(t, w.DeleteBillingGroup(t.Context(), payer, first.ARN))
	want(t, "delete twice", w.DeleteBillingGroup(t.Context(), payer, first.ARN), "not_found MISSING_BILLINGGROUP")
}

func TestPartnerCentral(t *testing.T) {
	w, _ := transferred(t)
	ctx := t.Context()
	program, err := w.ProgramAccount(ctx, payer)
	check(t, err)
	if program.Account != payer || program.Status != "ACTIVE" || program.ID == "" {
		t.Fatalf("ProgramAccount: %+v", program)
	}
	in := agreement.NewRelationship{Token: "AGR-0001 relationship", Program: program.ID, Account: customer, Name: "SCU-1-" + string(customer)}
	first, err := w.CreateRelationship(ctx, payer, in)
	check(t, err)
	again, err := w.CreateRelationship(ctx, payer, in)
	check(t, err)
	if first != again {
		t.Errorf("CreateRelationship with one token twice: %+v and %+v", first, again)
	}
	in.Token = "another"
	_, err = w.CreateRelationship(ctx, payer, in)
	want(t, "the account again", err, "conflict ConflictException")
	all, err := w.Relationships(ctx, payer, program.ID, customer)
	check(t, err)
	if len(all) != 1 || all[0].ID != first.ID || all[0].Program != program.ID || all[0].Account != customer || all[0].Created.IsZero() {
		t.Errorf("Relationships: %+v, want the one made", all)
	}
	if none, err := w.Relationships(ctx, payer, program.ID, member); err != nil || len(none) != 0 {
		t.Errorf("Relationships to another account: %v, %v, want none", none, err)
	}

	term := agreement.NewChannelHandshake{Token: "term-1", Program: program.ID, Relationship: first.ID, End: instant(t, "2027-02-19T09:00:00Z"), Note: "12 months"}
	h, err := w.CreateChannelHandshake(ctx, payer, term)
	check(t, err)
	if h2, err := w.CreateChannelHandshake(ctx, payer, term); err != nil || h2.ID != h.ID {
		t.Errorf("CreateChannelHandshake with one token twice: %s and %s, %v", h.ID, h2.ID, err)
	}
	term.Token, term.End = "term-2", term.End.Add(time.Second)
	_, err = w.CreateChannelHandshake(ctx, payer, term)
	want(t, "more than 365 days", err, "invalid BUSINESS_VALIDATION_FAILED")
	status := func() agreement.ChannelHandshake {
		hs, err := w.ChannelHandshakes(ctx, payer, first.ID)
		check(t, err)
		if len(hs) != 1 || hs[0].ID != h.ID || hs[0].Relationship != first.ID || !hs[0].End.Equal(h.End) {
			t.Fatalf("ChannelHandshakes: %+v, want the one made", hs)
		}
		return hs[0]
	}
	if got := status().Status; got != agreement.HandshakePending {
		t.Errorf("status: %s, want PENDING", got)
	}
	w.at(t, "2026-02-20T09:00:00Z")
	w.accept(t, "term")
	if got := status(); got.Status != agreement.HandshakeAccepted || !got.Updated.Equal(w.Now()) {
		t.Errorf("status: %s on %s, want ACCEPTED on %s", got.Status, got.Updated, w.Now())
	}
	want(t, "cancel what was accepted", w.CancelChannelHandshake(ctx, payer, h.ID), "invalid BUSINESS_VALIDATION_FAILED")
	want(t, "delete inside the commitment", w.DeleteRelationship(ctx, payer, program.ID, first.ID), "conflict ConflictException")
	w.at(t, "2027-02-19T09:00:00Z")
	check(t, w.DeleteRelationship(ctx, payer, program.ID, first.ID))
	want(t, "delete twice", w.DeleteRelationship(ctx, payer, program.ID, first.ID), "not_found ResourceNotFoundException")
}

func TestCancelChannelHandshake(t *testing.T) {
	w, _ := transferred(t)
	ctx := t.Context()
	program, err := w.ProgramAccount(ctx, payer)
	check(t, err)
	r, err := w.CreateRelationship(ctx, payer, agreement.NewRelationship{Token: "r", Program: program.ID, Account: customer, Name: "n"})
	check(t, err)
	h, err := w.CreateChannelHandshake(ctx, payer, agreement.NewChannelHandshake{Token: "h", Program: program.ID, Relationship: r.ID, End: instant(t, "2026-12-31T00:00:00Z")})
	check(t, err)
	check(t, w.CancelChannelHandshake(ctx, payer, h.ID))
	hs, err := w.ChannelHandshakes(ctx, payer, r.ID)
	check(t, err)
	if len(hs) != 1 || hs[0].Status != agreement.HandshakeCanceled {
		t.Errorf("ChannelHandshakes after cancelling: %+v", hs)
	}
}

func TestNoProgramAccount(t *testing.T) {
	w := newWorld(t)
	c := w.open(t, customer, aws.Config{})
	_, err := c.ProgramAccount(t.Context(), customer)
	want(t, "program account of a customer", err, "not_found NotListed")
}

func TestBillingViews(t *testing.T) {
	w, tr := transferred(t)
	march := calendar.MustMonth("2026-03")
	if vs, err := w.BillingViews(t.Context(), payer, customer, march); err != nil || len(vs) != 0 {
		t.Errorf("BillingViews before the start: %v, %v, want none", vs, err)
	}
	w.at(t, "2026-05-02T00:00:00Z")
	vs, err := w.BillingViews(t.Context(), payer, customer, march)
	check(t, err)
	if len(vs) != 1 || vs[0].Source != customer || vs[0].Health != "HEALTHY" || vs[0].ARN == "" {
		t.Errorf("BillingViews of March: %+v, want one of the customer", vs)
	}
	if vs, err := w.BillingViews(t.Context(), payer, customer, march.Add(-1)); err != nil || len(vs) != 0 {
		t.Errorf("BillingViews of the month before the start: %v, %v, want none", vs, err)
	}
	_, err = w.TerminateTransfer(t.Context(), payer, tr.ID, instant(t, "2026-05-31T23:59:59Z"))
	check(t, err)
	for month, n := range map[string]int{"2026-05": 1, "2026-06": 0} {
		if vs, err := w.BillingViews(t.Context(), payer, customer, calendar.MustMonth(month)); err != nil || len(vs) != n {
			t.Errorf("BillingViews of %s: %v, %v, want %d", month, vs, err, n)
		}
	}
}

func TestExports(t *testing.T) {
	w, _ := transferred(t)
	ctx := t.Context()
	w.at(t, "2026-03-01T06:00:00Z")
	vs, err := w.BillingViews(ctx, payer, customer, calendar.MustMonth("2026-03"))
	check(t, err)
	view := vs[0].ARN
	legacy := agreement.NewExport{Kind: agreement.ExportLegacy, View: view, Bucket: "reseller-cur", Prefix: "cur", Region: "us-east-1"}
	for i := range 12 { // three pages
		legacy.Name = fmt.Sprintf("AGR-00%02d", i)
		_, err := w.CreateExport(ctx, payer, legacy)
		check(t, err)
	}
	_, err = w.CreateExport(ctx, payer, legacy)
	want(t, "a report's name again", err, "conflict DuplicateReportNameException")
	data := agreement.NewExport{Kind: agreement.ExportData, Name: "AGR-0100", View: view, Bucket: "reseller-cur", Prefix: "cur2", Region: "eu-central-1",
		Columns: []string{"bill_payer_account_id", "line_item_unblended_cost"}}
	made, err := w.CreateExport(ctx, payer, data)
	check(t, err)
	_, err = w.CreateExport(ctx, payer, data)
	want(t, "an export's name again", err, "conflict DuplicateName")
	data.Name, data.Columns = "injected", []string{"a FROM b; --"}
	_, err = w.CreateExport(ctx, payer, data)
	want(t, "a column that is none", err, "invalid InvalidColumn")
	legacy.Name, legacy.View = "nowhere", strings.Replace(view, "rt-", "xx-", 1)
	_, err = w.CreateExport(ctx, payer, legacy)
	want(t, "a view that is not there", err, "not_found ResourceNotFoundException")

	find := func(name string) agreement.Export {
		all, err := w.Exports(ctx, payer)
		check(t, err)
		if len(all) != 13 {
			t.Errorf("Exports: %d, want 13", len(all))
		}
		for _, e := range all {
			if e.Name == name {
				return e
			}
		}
		return agreement.Export{}
	}
	wantLegacy := agreement.Export{Kind: agreement.ExportLegacy, Name: "AGR-0000", View: view, Bucket: "reseller-cur", Prefix: "cur", RefreshClosed: true, Health: "HEALTHY"}
	if diff := cmp.Diff(wantLegacy, find("AGR-0000")); diff != "" {
		t.Errorf("legacy export before its first file (-want +got):\n%s", diff)
	}
	wantData := agreement.Export{Kind: agreement.ExportData, Name: "AGR-0100", ARN: made.ARN, View: view, Bucket: "reseller-cur", Prefix: "cur2",
		Query:   "SELECT bill_payer_account_id, line_item_unblended_cost FROM COST_AND_USAGE_REPORT",
		Columns: []string{"bill_payer_account_id", "line_item_unblended_cost"}, Health: "HEALTHY", Created: instant(t, "2026-03-01T06:00:00Z")}
	if diff := cmp.Diff(wantData, find("AGR-0100")); diff != "" {
		t.Errorf("Data Export before its first file (-want +got):\n%s", diff)
	}
	w.at(t, "2026-03-03T00:00:00Z")
	for _, name := range []string{"AGR-0000", "AGR-0100"} {
		if got, want := find(name).LastDelivery, instant(t, "2026-03-02T06:00:00Z"); !got.Equal(want) {
			t.Errorf("last delivery of %s: %s, want %s", name, got, want)
		}
	}
	check(t, w.SetDelivery(simulator.Delivery{Account: string(payer), Name: "AGR-0000", Problem: "ERROR_PERMISSIONS"}))
	check(t, w.SetDelivery(simulator.Delivery{Account: string(payer), Name: "AGR-0100", Problem: "BILL_OWNER_CHANGED"}))
	w.at(t, "2026-03-10T00:00:00Z")
	for name, problem := range map[string]string{"AGR-0000": "ERROR_PERMISSIONS", "AGR-0100": "BILL_OWNER_CHANGED"} {
		if e := find(name); e.Health != "UNHEALTHY" || e.Problem != problem || !e.LastDelivery.Equal(instant(t, "2026-03-02T06:00:00Z")) {
			t.Errorf("%s after it stopped: %s %s, last delivery %s", name, e.Health, e.Problem, e.LastDelivery)
		}
	}
	for _, e := range []agreement.Export{wantLegacy, wantData} {
		check(t, w.DeleteExport(ctx, payer, e))
		if got := agreement.FaultOf(w.DeleteExport(ctx, payer, e)); got == nil || got.Kind != agreement.NotFound {
			t.Errorf("delete %s twice: %v, want not_found", e.Name, got)
		}
	}
}

func TestRole(t *testing.T) {
	w := newWorld(t)
	want(t, "role that is not there", w.CheckRole(t.Context(), payer, customer), "denied AccessDenied")
	_, err := w.Organization(t.Context(), payer, customer)
	want(t, "organisation without the role", err, "denied AccessDenied")
	check(t, w.DeployRole(simulator.Role{Account: string(customer), Name: role, Trusts: []string{"123456789012"}}))
	want(t, "role that trusts another", w.CheckRole(t.Context(), payer, customer), "denied AccessDenied")
	check(t, w.DeployRole(simulator.Role{Account: string(customer), Name: role, Trusts: []string{string(payer)}}))
	check(t, w.CheckRole(t.Context(), payer, customer))
	o, err := w.Organization(t.Context(), payer, customer)
	check(t, err)
	if o.ManagementAccount != customer || !o.AllFeatures || o.ID == "" {
		t.Errorf("Organization: %+v", o)
	}
	want(t, "role in no account", w.CheckRole(t.Context(), payer, "12"), "invalid InvalidRole")
}

func TestWhoActs(t *testing.T) {
	w := newWorld(t)
	const other agreement.AccountID = "444455556666"
	check(t, w.AddOrganization(simulator.Organization{Management: string(other), InboundQuota: 5}))
	_, err := w.InboundTransfers(t.Context(), other)
	want(t, "a payer whose keys these are not", err, "denied WrongAccount")
	_, err = w.InboundTransfers(t.Context(), "1")
	want(t, "a payer that is no account", err, "invalid InvalidAccount")

	for _, p := range []agreement.AccountID{payer, other} {
		check(t, w.DeployRole(simulator.Role{Account: string(p), Name: "billing", Trusts: []string{"123456789012"}}))
	}
	check(t, w.AddAccount(simulator.Account{ID: "123456789012"}))
	c := w.open(t, "123456789012", aws.Config{PayerRole: "billing"})
	for _, p := range []agreement.AccountID{payer, other} {
		tr, err := c.InviteTransfer(t.Context(), p, agreement.Invitation{Account: customer, Name: "x", Start: instant(t, "2026-03-01T00:00:00Z")})
		check(t, err)
		if tr.Target != p {
			t.Errorf("invited as %s: the transfer's target is %s", p, tr.Target)
		}
	}
	w.at(t, "2029-01-01T00:00:00Z") // the keys last by the machine's clock, as the client's own
	_, err = c.InboundTransfers(t.Context(), payer)
	check(t, err)

	check(t, w.DeployRole(simulator.Role{Account: "123456789012", Name: "partner", Trusts: []string{"123456789012"}}))
	check(t, w.AddProgram(simulator.Program{Account: string(other), Partner: "123456789012"}))
	c = w.open(t, "123456789012", aws.Config{PayerRole: "billing", PartnerRole: "arn:aws:iam::123456789012:role/partner"})
	got, err := c.ProgramAccount(t.Context(), other)
	check(t, err)
	if got.Account != other {
		t.Errorf("ProgramAccount by the partner's role: %+v", got)
	}
}

const (
	inviteTarget   = "AWSOrganizationsV20161128.InviteOrganizationToTransferResponsibility"
	describeTarget = "AWSOrganizationsV20161128.DescribeResponsibilityTransfer"
)

func TestFaults(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	tr := w.invite(t)
	patient := w.Client
	hasty := w.open(t, payer, aws.Config{Timeout: 200 * time.Millisecond})
	_, err := hasty.DescribeTransfer(ctx, payer, tr.ID) // it has asked whose its keys are
	check(t, err)
	describe := func() error { _, err := w.DescribeTransfer(ctx, payer, tr.ID); return err }
	groups := func() error { _, err := w.BillingGroups(ctx, payer, tr.ARN); return err }
	invite := func() error {
		_, err := w.InviteTransfer(ctx, payer, agreement.Invitation{Account: customer, Name: "x", Start: tr.Start.AddDate(0, 1, 0)})
		return err
	}
	create := func() error {
		_, err := w.CreateBillingGroup(ctx, payer, agreement.NewBillingGroup{Token: "t", Name: "n", TransferARN: tr.ARN, PricingPlan: agreement.BasicPricingPlan})
		return err
	}
	const conductor = "/list-billing-groups"
	for _, tt := range []struct {
		name  string
		fault simulator.Fault
		do    func() error
		call  string
		want  string
		tries int
	}{
		{"reading is tried again when throttled", simulator.Fault{Kind: simulator.FaultThrottle, Times: 2}, describe, describeTarget, "ok", 3},
		{"signed reading too", simulator.Fault{Kind: simulator.FaultThrottle, Times: 2}, groups, conductor, "ok", 3},
		{"reading is tried again after a 500", simulator.Fault{Kind: simulator.FaultInternal, Times: 3}, describe, describeTarget, "ok", 4},
		{"reading is tried again when the line breaks", simulator.Fault{Kind: simulator.FaultDrop, Times: 1}, describe, describeTarget, "ok", 2},
		{"signed reading is too", simulator.Fault{Kind: simulator.FaultDrop, Times: 1}, groups, conductor, "ok", 2},
		{"reading is not tried for ever", simulator.Fault{Kind: simulator.FaultThrottle, Times: -1}, describe, describeTarget, "throttled TooManyRequestsException", 4},
		{"signed reading neither", simulator.Fault{Kind: simulator.FaultThrottle, Times: -1}, groups, conductor, "throttled ThrottlingException", 4},
		{"reading without an answer", simulator.Fault{Kind: simulator.FaultHang, Times: -1}, describe, describeTarget, "unavailable NoAnswer", 4},
		{"signed reading without an answer", simulator.Fault{Kind: simulator.FaultHang, Times: -1}, groups, conductor, "unavailable NoAnswer", 4},
		{"a refusal is not tried again", simulator.Fault{Kind: simulator.FaultError, Code: "AccessDeniedException", Times: -1}, describe, describeTarget, "denied AccessDeniedException", 1},
		{"a code nobody knows", simulator.Fault{Kind: simulator.FaultError, Code: "BrandNewException", Reason: "NEW", Times: -1}, describe, describeTarget, "unknown BrandNewException", 1},
		{"a change is made once when throttled", simulator.Fault{Kind: simulator.FaultThrottle}, invite, inviteTarget, "throttled TooManyRequestsException", 1},
		{"a change is made once after a 500", simulator.Fault{Kind: simulator.FaultInternal}, invite, inviteTarget, "unavailable ServiceException", 1},
		{"a change without an answer", simulator.Fault{Kind: simulator.FaultHang}, invite, inviteTarget, "unavailable NoAnswer", 1},
		{"a signed change is made once", simulator.Fault{Kind: simulator.FaultThrottle}, create, "/create-billing-group", "throttled ThrottlingException", 1},
		{"an account behind on its bills", simulator.Fault{Kind: simulator.FaultError, Code: "HandshakeConstraintViolationException", Reason: "UNUSED_PREPAYMENT_BALANCE"}, invite, inviteTarget, "invalid UNUSED_PREPAYMENT_BALANCE", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := w.count(tt.call)
			w.AddFault(tt.fault)
			defer w.ClearFaults()
			if w.Client = patient; tt.fault.Kind == simulator.FaultHang {
				w.Client = hasty
			}
			err := tt.do()
			want(t, tt.name, err, tt.want)
			got := w.count(tt.call) - before
			if tt.fault.Kind == simulator.FaultHang {
				got = max(got, tt.tries) // on a busy machine the time may be over before the call arrives
			}
			if got != tt.tries {
				t.Errorf("%s was called %d times, want %d", tt.call, got, tt.tries)
			}
			if err != nil && (strings.Contains(err.Error(), simulator.Secret) || strings.Contains(err.Error(), "AKIA")) {
				t.Errorf("the error tells credentials: %v", err)
			}
		})
	}
}

// An answer that is lost after the effect is a fault of kind unavailable, and the effect is there
// to be found.
func TestLostAnswers(t *testing.T) {
	for _, kind := range []string{simulator.FaultLost, simulator.FaultLost500} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			w.AddFault(simulator.Fault{Operation: "InviteOrganizationToTransferResponsibility", Kind: kind})
			_, err := w.InviteTransfer(t.Context(), payer, agreement.Invitation{Account: customer, Name: "x", Start: instant(t, "2026-03-01T00:00:00Z")})
			if f := agreement.FaultOf(err); f == nil || f.Kind != agreement.Unavailable {
				t.Errorf("InviteTransfer: %v, want unavailable", err)
			}
			all, err := w.InboundTransfers(t.Context(), payer)
			check(t, err)
			if len(all) != 1 {
				t.Errorf("transfers after the lost answer: %d, want 1", len(all))
			}
		})
	}
}

// Whoever gives up gets the context's own error.
func TestContextEnds(t *testing.T) {
	w := newWorld(t)
	tr := w.invite(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.AddFault(simulator.Fault{Kind: simulator.FaultHang, Times: -1})
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := w.DescribeTransfer(ctx, payer, tr.ID); err != context.Canceled { //nolint:errorlint // it is the bare error
		t.Errorf("DescribeTransfer: %v, want %v", err, context.Canceled)
	}
	if _, err := w.BillingGroups(ctx, payer, tr.ARN); err != context.Canceled { //nolint:errorlint // it is the bare error
		t.Errorf("BillingGroups: %v, want %v", err, context.Canceled)
	}
}
