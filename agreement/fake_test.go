package agreement

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// fakeAWS is AWS in memory, with its rules: start dates, the 24-hour rule, month ends, duplicate
// transfers, client tokens, commitments that bind both sides. It has a clock and can be told to
// fail.
type fakeAWS struct {
	now       time.Time
	skew      time.Duration          // how far its clock is ahead of the program's
	accounts  map[AccountID]*fakeOrg // management accounts
	transfers []*ResponsibilityTransfer
	groups    []BillingGroup
	relations []Relationship
	terms     []*ChannelHandshake
	exports   []*Export
	tokens    map[string]string // client token to id
	n         int
	program   string // status of the program account
	refuse    map[string]*Fault
	calls     []string
	fault     func(op string, after bool) error // before (after=false) and after the effect
	noViews   bool
}

type fakeOrg struct {
	member, standalone, consolidatedOnly bool
	role                                 bool
}

func newFakeAWS(now time.Time) *fakeAWS {
	return &fakeAWS{now: now, accounts: make(map[AccountID]*fakeOrg), tokens: make(map[string]string), program: "ACTIVE", refuse: make(map[string]*Fault)}
}

func (f *fakeAWS) id(prefix string) string {
	f.n++
	return fmt.Sprintf("%s-%04d", prefix, f.n)
}

func (f *fakeAWS) before(op string) error {
	f.calls = append(f.calls, op)
	f.expire()
	if fault := f.refuse[op]; fault != nil {
		return fault
	}
	if f.fault != nil {
		return f.fault(op, false)
	}
	return nil
}

func (f *fakeAWS) after(op string) error {
	if f.fault != nil {
		return f.fault(op, true)
	}
	return nil
}

// expire lets invitations lapse 24 hours before their start.
func (f *fakeAWS) expire() {
	for _, t := range f.transfers {
		if t.Status == TransferRequested && !f.now.Before(CutOff(t.Start)) {
			t.Status, t.ActiveHandshake = TransferExpired, ""
		}
	}
}

func (f *fakeAWS) transfer(id string) *ResponsibilityTransfer {
	for _, t := range f.transfers {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// latest is the newest transfer of an organisation.
func (f *fakeAWS) latest(source AccountID) *ResponsibilityTransfer {
	f.expire()
	for _, t := range slices.Backward(f.transfers) {
		if t.Source == source {
			return t
		}
	}
	return nil
}

func invalid(op, reason string) *Fault {
	return &Fault{Kind: Invalid, Operation: op, Code: "HandshakeConstraintViolationException", Reason: reason}
}

func (f *fakeAWS) InviteTransfer(_ context.Context, payer AccountID, in Invitation) (ResponsibilityTransfer, error) {
	const op = "InviteOrganizationToTransferResponsibility"
	if err := f.before(op); err != nil {
		return ResponsibilityTransfer{}, err
	}
	org := f.accounts[in.Account]
	next := calendar.MonthOf(f.now).Add(1)
	switch {
	case org == nil:
		return ResponsibilityTransfer{}, invalid(op, "TARGET_ACCOUNT_NOT_FOUND")
	case org.member || org.standalone:
		return ResponsibilityTransfer{}, invalid(op, "TARGET_ACCOUNT_VALIDATION_FAILURE")
	case org.consolidatedOnly:
		return ResponsibilityTransfer{}, invalid(op, "ALL_FEATURES_NOT_ENABLED")
	case in.Start != calendar.MonthOf(in.Start).Start():
		return ResponsibilityTransfer{}, invalid(op, "START_DATE_NOT_BEGINNING_OF_MONTH")
	case !f.now.Before(CutOff(in.Start)):
		return ResponsibilityTransfer{}, invalid(op, "START_DATE_TOO_EARLY")
	case in.Start.After(next.Add(1).Start()):
		return ResponsibilityTransfer{}, invalid(op, "START_DATE_TOO_LATE")
	}
	for _, t := range f.transfers {
		if t.Source == in.Account && (t.Status == TransferRequested || t.Status == TransferAccepted || (t.Status == TransferWithdrawn && in.Start.Before(t.End))) {
			return ResponsibilityTransfer{}, &Fault{Kind: Conflict, Operation: op, Code: "ConstraintViolationException", Reason: "RESPONSIBILITY_TRANSFER_ALREADY_EXISTS"}
		}
	}
	id := f.id("rt")
	t := &ResponsibilityTransfer{ID: id, ARN: "arn:aws:organizations::" + string(payer) + ":transfer/" + id, Name: in.Name, Status: TransferRequested,
		Source: in.Account, Target: payer, Start: in.Start, ActiveHandshake: f.id("h")}
	f.transfers = append(f.transfers, t)
	return *t, f.after(op)
}

func (f *fakeAWS) DescribeTransfer(_ context.Context, _ AccountID, id string) (ResponsibilityTransfer, error) {
	const op = "DescribeResponsibilityTransfer"
	if err := f.before(op); err != nil {
		return ResponsibilityTransfer{}, err
	}
	t := f.transfer(id)
	if t == nil {
		return ResponsibilityTransfer{}, &Fault{Kind: NotFound, Operation: op, Code: "ResponsibilityTransferNotFoundException"}
	}
	return *t, nil
}

func (f *fakeAWS) InboundTransfers(context.Context, AccountID) ([]ResponsibilityTransfer, error) {
	if err := f.before("ListInboundResponsibilityTransfers"); err != nil {
		return nil, err
	}
	var list []ResponsibilityTransfer
	for _, t := range f.transfers {
		list = append(list, *t)
	}
	return list, nil
}

func (f *fakeAWS) CancelInvitation(_ context.Context, _ AccountID, handshake string) error {
	const op = "CancelHandshake"
	if err := f.before(op); err != nil {
		return err
	}
	for _, t := range f.transfers {
		if t.ActiveHandshake == handshake && t.Status == TransferRequested {
			t.Status, t.ActiveHandshake = TransferCanceled, ""
			return f.after(op)
		}
	}
	return &Fault{Kind: Conflict, Operation: op, Code: "HandshakeAlreadyInStateException"}
}

func (f *fakeAWS) TerminateTransfer(_ context.Context, _ AccountID, id string, end time.Time) (ResponsibilityTransfer, error) {
	const op = "TerminateResponsibilityTransfer"
	if err := f.before(op); err != nil {
		return ResponsibilityTransfer{}, err
	}
	t := f.transfer(id)
	switch {
	case t == nil:
		return ResponsibilityTransfer{}, &Fault{Kind: NotFound, Operation: op, Code: "ResponsibilityTransferNotFoundException"}
	case t.Status != TransferAccepted:
		return ResponsibilityTransfer{}, &Fault{Kind: Conflict, Operation: op, Code: "ResponsibilityTransferAlreadyInStatusException"}
	case f.committed(t.Source):
		return ResponsibilityTransfer{}, invalid(op, "INVALID_END_DATE")
	}
	if reason := f.withdraw(t, end); reason != "" {
		return ResponsibilityTransfer{}, invalid(op, reason)
	}
	return *t, f.after(op)
}

// committed says that an accepted term binds both sides.
func (f *fakeAWS) committed(source AccountID) bool {
	for _, h := range f.terms {
		if h.Status == HandshakeAccepted && f.now.Before(h.End) && f.relationOf(h.Relationship) == source {
			return true
		}
	}
	return false
}

func (f *fakeAWS) relationOf(id string) AccountID {
	for _, r := range f.relations {
		if r.ID == id {
			return r.Account
		}
	}
	return ""
}

func (f *fakeAWS) withdraw(t *ResponsibilityTransfer, end time.Time) (reason string) {
	m := calendar.MonthOf(end)
	this := calendar.MonthOf(f.now)
	switch {
	case end != LastSecond(m):
		return "END_DATE_NOT_END_OF_MONTH"
	case end.Before(t.Start) || m.Before(this):
		return "END_DATE_TOO_EARLY"
	case m.After(this.Add(1)) && m.After(calendar.MonthOf(t.Start)):
		return "END_DATE_TOO_LATE"
	}
	t.Status, t.End = TransferWithdrawn, end
	return ""
}

func (f *fakeAWS) BillingGroups(_ context.Context, _ AccountID, arn string) ([]BillingGroup, error) {
	if err := f.before("ListBillingGroups"); err != nil {
		return nil, err
	}
	var list []BillingGroup
	for _, g := range f.groups {
		if g.TransferARN == arn {
			list = append(list, g)
		}
	}
	return list, nil
}

func (f *fakeAWS) CreateBillingGroup(_ context.Context, _ AccountID, in NewBillingGroup) (BillingGroup, error) {
	const op = "CreateBillingGroup"
	if err := f.before(op); err != nil {
		return BillingGroup{}, err
	}
	if arn, ok := f.tokens[op+in.Token]; ok {
		for _, g := range f.groups {
			if g.ARN == arn {
				return g, nil
			}
		}
	}
	for _, g := range f.groups {
		if g.TransferARN == in.TransferARN || g.Name == in.Name { // its names are unique
			return BillingGroup{}, &Fault{Kind: Conflict, Operation: op, Code: "ConflictException"}
		}
	}
	g := BillingGroup{ARN: "arn:aws:billingconductor::999900001111:billinggroup/" + f.id("bg"), Name: in.Name, TransferARN: in.TransferARN, Status: "ACTIVE"}
	f.groups = append(f.groups, g)
	f.tokens[op+in.Token] = g.ARN
	return g, f.after(op)
}

func (f *fakeAWS) DeleteBillingGroup(_ context.Context, _ AccountID, arn string) error {
	const op = "DeleteBillingGroup"
	if err := f.before(op); err != nil {
		return err
	}
	n := len(f.groups)
	f.groups = slices.DeleteFunc(f.groups, func(g BillingGroup) bool { return g.ARN == arn })
	if len(f.groups) == n {
		return &Fault{Kind: NotFound, Operation: op, Code: "ResourceNotFoundException"}
	}
	return f.after(op)
}

func (f *fakeAWS) ProgramAccount(_ context.Context, payer AccountID) (ProgramAccount, error) {
	if err := f.before("ListProgramManagementAccounts"); err != nil {
		return ProgramAccount{}, err
	}
	return ProgramAccount{ID: "pma-1", Account: payer, Status: f.program}, nil
}

func (f *fakeAWS) Relationships(_ context.Context, _ AccountID, _ string, account AccountID) ([]Relationship, error) {
	if err := f.before("ListRelationships"); err != nil {
		return nil, err
	}
	var list []Relationship
	for _, r := range f.relations {
		if r.Account == account {
			list = append(list, r)
		}
	}
	return list, nil
}

func (f *fakeAWS) CreateRelationship(_ context.Context, _ AccountID, in NewRelationship) (Relationship, error) {
	const op = "CreateRelationship"
	if err := f.before(op); err != nil {
		return Relationship{}, err
	}
	for _, r := range f.relations {
		if r.Account == in.Account {
			return Relationship{}, &Fault{Kind: Conflict, Operation: op, Code: "ConflictException"}
		}
	}
	r := Relationship{ID: f.id("rs"), Program: in.Program, Account: in.Account, Name: in.Name, Created: f.now}
	f.relations = append(f.relations, r)
	return r, f.after(op)
}

func (f *fakeAWS) DeleteRelationship(_ context.Context, _ AccountID, _, id string) error {
	const op = "DeleteRelationship"
	if err := f.before(op); err != nil {
		return err
	}
	n := len(f.relations)
	f.relations = slices.DeleteFunc(f.relations, func(r Relationship) bool { return r.ID == id })
	if len(f.relations) == n {
		return &Fault{Kind: NotFound, Operation: op, Code: "ResourceNotFoundException"}
	}
	return f.after(op)
}

func (f *fakeAWS) ChannelHandshakes(_ context.Context, _ AccountID, relationship string) ([]ChannelHandshake, error) {
	if err := f.before("ListChannelHandshakes"); err != nil {
		return nil, err
	}
	var list []ChannelHandshake
	for _, h := range f.terms {
		if h.Relationship == relationship {
			list = append(list, *h)
		}
	}
	return list, nil
}

func (f *fakeAWS) CreateChannelHandshake(_ context.Context, _ AccountID, in NewChannelHandshake) (ChannelHandshake, error) {
	const op = "CreateChannelHandshake"
	if err := f.before(op); err != nil {
		return ChannelHandshake{}, err
	}
	if days := in.End.Sub(f.now).Hours() / 24; days < 60 || days > 365 {
		return ChannelHandshake{}, &Fault{Kind: Invalid, Operation: op, Code: "ValidationException", Text: fmt.Sprintf("%.1f days", days)}
	}
	for _, h := range f.terms {
		if h.Relationship == in.Relationship && h.Status == HandshakePending {
			return ChannelHandshake{}, &Fault{Kind: Conflict, Operation: op, Code: "ConflictException"}
		}
	}
	h := &ChannelHandshake{ID: f.id("ch"), Relationship: in.Relationship, Status: HandshakePending, End: in.End, Created: f.now, Updated: f.now}
	f.terms = append(f.terms, h)
	return *h, f.after(op)
}

func (f *fakeAWS) CancelChannelHandshake(_ context.Context, _ AccountID, id string) error {
	const op = "CancelChannelHandshake"
	if err := f.before(op); err != nil {
		return err
	}
	for _, h := range f.terms {
		if h.ID == id && h.Status == HandshakePending {
			h.Status, h.Updated = HandshakeCanceled, f.now
			return f.after(op)
		}
	}
	return &Fault{Kind: Conflict, Operation: op, Code: "ConflictException"}
}

func (f *fakeAWS) BillingViews(_ context.Context, _, source AccountID, month calendar.Month) ([]BillingView, error) {
	if err := f.before("ListBillingViews"); err != nil {
		return nil, err
	}
	if f.noViews {
		return nil, nil
	}
	for _, t := range f.transfers {
		if w, ok := calendar.TransferWindow(t.Start, t.End); ok && t.Source == source && w.Contains(month) &&
			(t.Status == TransferAccepted || t.Status == TransferWithdrawn) {
			return []BillingView{{ARN: "arn:aws:billing::999900001111:billingview/billing-transfer-" + string(source), Source: source, Health: "HEALTHY"}}, nil
		}
	}
	return nil, nil
}

func (f *fakeAWS) Exports(context.Context, AccountID) ([]Export, error) {
	if err := f.before("DescribeReportDefinitions"); err != nil {
		return nil, err
	}
	var list []Export
	for _, e := range f.exports {
		list = append(list, *e)
	}
	return list, nil
}

func (f *fakeAWS) CreateExport(_ context.Context, _ AccountID, in NewExport) (Export, error) {
	const op = "PutReportDefinition"
	if err := f.before(op); err != nil {
		return Export{}, err
	}
	for _, e := range f.exports {
		if e.Name == in.Name {
			return Export{}, &Fault{Kind: Conflict, Operation: op, Code: "DuplicateReportNameException"}
		}
	}
	e := &Export{Kind: in.Kind, Name: in.Name, View: in.View, Bucket: in.Bucket, Prefix: in.Prefix, RefreshClosed: in.Kind == ExportLegacy, Health: "HEALTHY", Created: f.now}
	f.exports = append(f.exports, e)
	return *e, f.after(op)
}

func (f *fakeAWS) DeleteExport(_ context.Context, _ AccountID, e Export) error {
	const op = "DeleteReportDefinition"
	if err := f.before(op); err != nil {
		return err
	}
	f.exports = slices.DeleteFunc(f.exports, func(x *Export) bool { return x.Name == e.Name })
	return f.after(op)
}

func (f *fakeAWS) CheckRole(_ context.Context, _, account AccountID) error {
	const op = "AssumeRole"
	if err := f.before(op); err != nil {
		return err
	}
	if org := f.accounts[account]; org == nil || !org.role {
		return &Fault{Kind: Denied, Operation: op, Code: "AccessDenied"}
	}
	return nil
}

func (f *fakeAWS) Organization(_ context.Context, _, account AccountID) (Organization, error) {
	const op = "DescribeOrganization"
	if err := f.before(op); err != nil {
		return Organization{}, err
	}
	org := f.accounts[account]
	if org == nil || !org.role {
		return Organization{}, &Fault{Kind: Denied, Operation: op, Code: "AccessDenied"}
	}
	return Organization{ID: "o-1", ManagementAccount: account, AllFeatures: !org.consolidatedOnly}, nil
}

var _ AWS = (*fakeAWS)(nil)
