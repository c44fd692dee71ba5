package agreement

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// The fulfilment of a purchase, phase by phase (domain.md 3.3). Each phase first looks at AWS and
// creates only what is missing.

// wantOrder says what the order in process wants next.
func (c *Case) wantOrder(now time.Time) (Request, error) {
	for c.Order != nil && c.Order.InProcess() {
		before := c.Order.Phase
		r, err := c.wantPhase(now)
		if r != nil || err != nil {
			return r, err
		}
		if c.Order.Phase == before && c.Order.InProcess() {
			return nil, errWait
		}
	}
	return nil, nil
}

func (c *Case) wantPhase(now time.Time) (Request, error) {
	o, l := c.Order, c.Life
	switch o.Phase {
	case PhaseAccount:
		if o.Account.ManagementAccount == "" {
			return nil, c.wait(now, "account_missing", "")
		}
		o.done(StepAccount, now)
		return nil, c.phase("account_named", now)

	case PhaseInvite:
		if !c.seen("transfers") {
			return ListTransfers{}, nil
		}
		return Invite{c.invitation(now)}, nil

	case PhaseTransfer:
		return DescribeTransfer{o.Invited.Transfer}, nil

	case PhaseBillingGroup:
		if !c.seen("groups") {
			return ListBillingGroups{l.TransferARN}, nil
		}
		return CreateBillingGroup{NewBillingGroup{
			Token: c.token("billing-group"), Name: groupName(c.Agreement),
			TransferARN: l.TransferARN, PricingPlan: BasicPricingPlan,
		}}, nil

	case PhaseRelationship:
		switch {
		case l.Program == "":
			return GetProgramAccount{}, nil
		case !c.seen("relationships"):
			return ListRelationships{l.Program, c.Agreement.ManagementAccount}, nil
		}
		return CreateRelationship{NewRelationship{
			Token: c.token("relationship"), Program: l.Program, Account: c.Agreement.ManagementAccount,
			Name: relationshipName(c.Facts.BuyerName, c.Agreement.ManagementAccount),
		}}, nil

	case PhaseHandshake:
		if !c.seen("handshakes") {
			return ListHandshakes{l.Relationship}, nil
		}
		margin, token := clockMargin, "term-"+o.ID
		if c.seen("term_refused") {
			margin, token = dayMargin, token+"-again"
		}
		return CreateHandshake{NewChannelHandshake{
			Token: c.token(token), Program: l.Program, Relationship: l.Relationship,
			End:  TermEnd(c.Agreement.ServiceTerm.CommitmentEnd, now, margin),
			Note: "Service term of 12 months",
		}}, nil

	case PhaseServiceTerm:
		if o.waived(StepServiceTerm) {
			return nil, c.phase("waived", now)
		}
		return ListHandshakes{l.Relationship}, nil

	case PhaseRoles:
		switch {
		case o.waived(StepRoles):
			return nil, c.phase("waived", now)
		case !c.seen("role"):
			return CheckRole{c.Agreement.ManagementAccount}, nil
		}
		return GetOrganization{c.Agreement.ManagementAccount}, nil

	case PhaseOnboarding:
		return nil, c.onboard(now)
	case PhaseLegacy:
		if o.waived(StepRoles) { // Operations said that it is carried out
			return nil, errors.Join(c.phase("completed", now), c.complete(now))
		}
		return nil, c.wait(now, "legacy_order", "")
	case PhaseEnd:
		return c.wantEnd(now)
	case PhaseFinal:
		if c.Life.Status != Terminated {
			return nil, errWait
		}
		return nil, errors.Join(c.phase("settled", now), c.complete(now))
	case PhaseUndo:
		return c.wantUndo(now)
	case PhaseNone, PhaseChange, PhaseDone:
	}
	return nil, nil
}

// stepOrder takes AWS's answer to what the order's phase asked.
func (c *Case) stepOrder(now time.Time, a Answer) error {
	if c.Order.Phase == PhaseUndo {
		return c.stepUndo(now, a)
	}
	if c.Order.Phase == PhaseEnd {
		return c.stepEnd(now, a)
	}
	switch r := a.To.(type) {
	case ListTransfers:
		return c.foundTransfers(now, a)
	case Invite:
		if a.Err != nil {
			return c.refusedInvitation(now, r, FaultOf(a.Err))
		}
		t, _ := a.Value.(ResponsibilityTransfer)
		return c.invited(now, t)
	case DescribeTransfer:
		return c.transferSeen(now, a)
	case ListBillingGroups, CreateBillingGroup:
		return c.billingGroupSeen(now, a)
	case GetProgramAccount, ListRelationships, CreateRelationship:
		return c.relationshipSeen(now, a)
	case ListHandshakes, CreateHandshake:
		if c.Order.Phase == PhaseServiceTerm {
			return c.termSeen(now, a)
		}
		return c.handshakeSeen(now, a)
	case CheckRole, GetOrganization:
		return c.roleSeen(now, a)
	}
	return fmt.Errorf("order %s: no use for the answer to %T", c.Order.ID, a.To)
}

// invitation is what is sent now: the start is the first month that the customer can still accept
// for under AWS's 24-hour rule.
func (c *Case) invitation(now time.Time) Invitation {
	start := NextStart(now.Add(clockMargin)) // by AWS's clock it may be that late already
	if start.Before(c.Order.Invited.NotBefore) {
		start = c.Order.Invited.NotBefore
	}
	return Invitation{
		Account: c.Order.Account.ManagementAccount, Start: start,
		Name: transferName(c.Facts.BuyerName),
	}
}

// NextStart returns the start of the next month whose transfer can still be accepted at t: AWS
// wants the acceptance 24 hours before the start (A-2, R32).
func NextStart(t time.Time) time.Time {
	m := calendar.MonthOf(t).Add(1)
	if !t.Before(CutOff(m.Start())) {
		m = m.Add(1)
	}
	return m.Start()
}

// CutOff is the first instant at which a transfer with this start can no longer be accepted.
func CutOff(start time.Time) time.Time { return start.Add(-24 * time.Hour) }

// foundTransfers looks for a transfer of the organisation that is there already: ours from before
// a crash, or the one of the agreement that is taken over.
func (c *Case) foundTransfers(now time.Time, a Answer) error {
	if f := FaultOf(a.Err); f != nil {
		return c.waitFault(now, f)
	}
	list, _ := a.Value.([]ResponsibilityTransfer)
	var found *ResponsibilityTransfer
	for i, t := range list {
		if t.Source != c.Order.Account.ManagementAccount {
			continue
		}
		open := t.Status == TransferRequested && now.Before(CutOff(t.Start))
		inForce := t.Status == TransferAccepted && t.End.IsZero()
		if inForce || c.endedUnseen(t) || (open && found == nil) {
			found = &list[i]
		}
	}
	if found == nil {
		c.startAfter(list)
		c.look("transfers", list)
		return nil
	}
	if c.Order.Follows != "" && found.Status == TransferAccepted && c.Previous != nil &&
		c.Previous.Agreement.Transfer.ID == found.ID {
		c.Order.Invited.Adopted = true
	}
	return c.invited(now, *found)
}

// startAfter lets a new transfer of the organisation begin when the one that runs out is over, such
// as that of an order that failed: AWS takes no two for one month.
func (c *Case) startAfter(list []ResponsibilityTransfer) {
	in := &c.Order.Invited
	for _, t := range list {
		runsOut := (t.Status == TransferAccepted || t.Status == TransferWithdrawn) && t.End.After(t.Start)
		if next := calendar.MonthOf(t.End).Add(1).Start(); t.Source == c.Order.Account.ManagementAccount && runsOut && next.After(in.NotBefore) {
			in.NotBefore = next
		}
	}
}

// endedUnseen says that a transfer came of an invitation of this order whose answer was lost, and
// was accepted and withdrawn before anybody looked: AWS bills its months, so this order takes it on.
func (c *Case) endedUnseen(t ResponsibilityTransfer) bool {
	ended := (t.Status == TransferAccepted || t.Status == TransferWithdrawn) && t.End.After(t.Start)
	others := slices.Contains(c.Facts.Transfers, t.ID) || c.Previous != nil && c.Previous.Agreement.Transfer.ID == t.ID
	return ended && !others && t.Start.After(c.Order.Created)
}

func (c *Case) invited(now time.Time, t ResponsibilityTransfer) error {
	in := &c.Order.Invited
	if in.Transfer != t.ID {
		in.Times++
	}
	in.Transfer, in.ARN, in.Handshake, in.Start = t.ID, t.ARN, t.ActiveHandshake, t.Start
	c.Life.TransferARN = t.ARN
	return c.phase("invited", now)
}

// refusedInvitation turns AWS's reason into what the customer, or Operations, can do about it.
func (c *Case) refusedInvitation(now time.Time, r Invite, f *Fault) error {
	switch {
	case f.Reason == "START_DATE_TOO_EARLY" && c.Order.Invited.NotBefore.Before(r.Invitation.Start):
		// AWS's clock or cut-off is ahead of ours: the month after, once.
		c.Order.Invited.NotBefore = calendar.MonthOf(r.Invitation.Start).Add(1).Start()
		return nil
	case f.Kind == Denied:
		return c.wait(now, "aws_denied", f.Error())
	case faultCodes[f.Reason] != "":
		return c.wait(now, faultCodes[f.Reason], f.Reason)
	case f.Kind == Conflict:
		return c.wait(now, "earlier_invitation", f.Error())
	case f.Kind == NotFound:
		return c.wait(now, "account_unknown", f.Error())
	}
	return c.wait(now, "aws_refused", f.Error())
}

// transferSeen follows an invitation: accepted, still open, or over.
func (c *Case) transferSeen(now time.Time, a Answer) error {
	o := c.Order
	if f := FaultOf(a.Err); f != nil && f.Kind == Denied {
		return c.waitFault(now, f)
	}
	if a.Err != nil {
		return c.park(now, a.Err.Error())
	}
	t, _ := a.Value.(ResponsibilityTransfer)
	o.Invited.Handshake = t.ActiveHandshake
	switch t.Status {
	case TransferRequested:
		return c.wait(now, "transfer_pending", "")
	case TransferAccepted:
		c.acceptedTransfer(now, t)
		return c.phase("accepted", now)
	case TransferWithdrawn:
		// Accepted and ended between two looks: AWS bills the months until its end.
		c.acceptedTransfer(now, t)
		return c.fail(now, CodeTransferWithdrawn, "the billing transfer was accepted and then withdrawn")
	case TransferDeclined:
		return c.fail(now, CodeTransferDeclined, "the customer declined the billing transfer")
	case TransferCanceled:
		return c.fail(now, CodeTransferCanceled, "the billing transfer request was cancelled")
	case TransferExpired:
		// The step's own clock goes on; only the invitation's month has passed.
		w := c.waitFor(StepTransfer, now)
		if !now.Before(CutOff(t.Start).Add(-clockMargin)) && now.Before(w.Deadline) {
			o.Invited = Invited{Times: o.Invited.Times, NotBefore: calendar.MonthOf(t.Start).Add(1).Start()}
			return c.phase("cut_off_missed", now)
		}
		return c.fail(now, CodeTransferExpired, "the billing transfer request expired before it was accepted")
	}
	return c.park(now, fmt.Sprintf("transfer %s has status %q", t.ID, t.Status))
}

// acceptedTransfer writes what AWS states about an accepted transfer into the agreement. From
// here on its months are billed, whatever becomes of the order (I6).
func (c *Case) acceptedTransfer(now time.Time, t ResponsibilityTransfer) {
	ag := c.Agreement
	first := ag.Transfer.ID != t.ID || ag.Transfer.Accepted.IsZero()
	if first {
		ag.Transfer.Accepted = now
	}
	ag.Transfer.ID, ag.Transfer.Start, ag.Transfer.End, ag.Transfer.Status = t.ID, t.Start, t.End, string(t.Status)
	c.Life.TransferARN = t.ARN
	c.Life.Updated = now
	ag.ServiceTerm.CommitmentEnd = CommitmentEnd(c.firstMonth())
	if first {
		c.Order.done(StepTransfer, now)
		c.emit(now, EventTransferAccepted, "billing starts on "+t.Start.Format(time.DateOnly), "transfer", t.ID)
	}
}

// firstMonth is the first month that the agreement bills.
func (c *Case) firstMonth() calendar.Month {
	m := calendar.MonthOf(c.Agreement.Transfer.Start)
	if c.Agreement.Billed.From.After(m) {
		m = c.Agreement.Billed.From
	}
	return m
}

func (c *Case) billingGroupSeen(now time.Time, a Answer) error {
	if f := FaultOf(a.Err); f != nil {
		if f.Kind == Conflict {
			return c.again(now, f)
		}
		return c.waitFault(now, f)
	}
	switch v := a.Value.(type) {
	case []BillingGroup:
		if len(v) == 0 {
			c.look("groups", v)
			return nil
		}
		c.Life.BillingGroup = v[0].ARN
	case BillingGroup:
		c.Life.BillingGroup = v.ARN
	}
	return c.phase("grouped", now)
}

func (c *Case) relationshipSeen(now time.Time, a Answer) error {
	if f := FaultOf(a.Err); f != nil {
		if _, create := a.To.(CreateRelationship); create && f.Kind == Conflict {
			return c.again(now, f)
		}
		if _, program := a.To.(GetProgramAccount); program && f.Kind == NotFound {
			return c.wait(now, "program_missing", "")
		}
		return c.waitFault(now, f)
	}
	switch v := a.Value.(type) {
	case ProgramAccount:
		if v.Status != "ACTIVE" {
			return c.wait(now, "program_missing", v.Status)
		}
		c.Life.Program = v.ID
		return nil
	case []Relationship:
		if len(v) == 0 {
			c.look("relationships", v)
			return nil
		}
		c.Life.Relationship = v[0].ID
	case Relationship:
		c.Life.Relationship = v.ID
	}
	return c.phase("related", now)
}

// handshakeSeen finds the service term that was offered already, or offers it.
func (c *Case) handshakeSeen(now time.Time, a Answer) error {
	if f := FaultOf(a.Err); f != nil {
		_, create := a.To.(CreateHandshake)
		switch {
		case create && f.Kind == Conflict:
			return c.again(now, f)
		case create && f.Kind == Invalid && !c.seen("term_refused"):
			c.look("term_refused", true) // AWS's clock may be far from ours: a day further from its bounds
			return nil
		}
		return c.waitFault(now, f)
	}
	switch v := a.Value.(type) {
	case []ChannelHandshake:
		var found *ChannelHandshake
		for i, h := range v {
			// A term that was accepted under an earlier agreement is not this customer's word, unless
			// this one takes the transfer over, or AWS allows no other while it runs.
			inForce := h.Status == HandshakeAccepted && h.End.After(now) &&
				(!h.Created.Before(c.Order.DoneAt(StepTransfer)) || c.Order.Invited.Adopted || c.seen("conflict"))
			if inForce || (h.Status == HandshakePending && found == nil) {
				found = &v[i]
			}
		}
		if found == nil {
			c.look("handshakes", v)
			return nil
		}
		c.offered(now, *found)
	case ChannelHandshake:
		c.offered(now, v)
	}
	return c.phase("offered", now)
}

// again looks once more when AWS says that what is to be made is there already: it was made in
// between. If it is still not to be seen, Operations has to look.
func (c *Case) again(now time.Time, f *Fault) error {
	if c.seen("conflict") {
		return c.waitFault(now, f)
	}
	c.pass.looked = nil
	c.look("conflict", true)
	return nil
}

// offered keeps a service term.
func (c *Case) offered(now time.Time, h ChannelHandshake) {
	created := h.Created
	if created.IsZero() {
		created = now
	}
	c.Life.Handshake = Term{ID: h.ID, Status: h.Status, Created: created, End: h.End}
	c.Agreement.ServiceTerm.AWSEnd = calendar.DateOf(h.End.UTC())
}

// handshakeWait is how long AWS takes to send the e-mail of the service term: waiting is normal
// until then (R25).
const handshakeWait = 15 * time.Minute

// termSeen follows the service term that was offered.
func (c *Case) termSeen(now time.Time, a Answer) error {
	if a.Err != nil {
		return c.waitFault(now, FaultOf(a.Err))
	}
	h, ok := c.ownHandshake(a)
	if !ok {
		return c.park(now, fmt.Sprintf("AWS no longer lists the service term %s", c.Life.Handshake.ID))
	}
	c.Life.Handshake.Status = h.Status
	switch h.Status {
	case HandshakePending:
		if now.Before(c.Life.Handshake.Created.Add(handshakeWait)) {
			return c.wait(now, "handshake_soon", "")
		}
		return c.wait(now, "handshake_pending", "")
	case HandshakeAccepted:
		c.termAccepted(now, h)
		return c.phase("agreed", now)
	case HandshakeRejected, HandshakeCanceled, HandshakeExpired:
		return c.fail(now, CodeTermNotAccepted, fmt.Sprintf("the service term was not accepted: AWS says %s", h.Status))
	}
	return c.park(now, fmt.Sprintf("service term %s has status %q", h.ID, h.Status))
}

// ownHandshake finds the case's service term in a list.
func (c *Case) ownHandshake(a Answer) (ChannelHandshake, bool) {
	list, _ := a.Value.([]ChannelHandshake)
	for _, h := range list {
		if h.ID == c.Life.Handshake.ID {
			return h, true
		}
	}
	return ChannelHandshake{}, false
}

// termAccepted dates the acceptance: when AWS says that it happened, else now.
func (c *Case) termAccepted(now time.Time, h ChannelHandshake) {
	at := h.Updated
	if at.IsZero() || at.After(now) {
		at = now
	}
	c.offered(now, h)
	c.Agreement.ServiceTerm.AcceptedAt = at
	if c.keepsTerm() {
		c.Agreement.ServiceTerm.CommitmentEnd = c.Previous.Agreement.ServiceTerm.CommitmentEnd
	}
	c.Life.Updated = now
	if c.Order != nil {
		c.Order.done(StepServiceTerm, now)
	}
	c.emit(now, EventTermAccepted, "the service term was accepted", "commitment_end", c.Agreement.ServiceTerm.CommitmentEnd.String(),
		"aws_end", c.Agreement.ServiceTerm.AWSEnd.String())
}

// complete ends the order well.
func (c *Case) complete(now time.Time) error {
	o := c.Order
	if o.Status == OrderQuerying {
		if err := o.move("answer", now, ""); err != nil {
			return err
		}
	}
	if err := o.move("complete", now, ""); err != nil {
		return err
	}
	o.Waiting, o.Reasons = nil, nil
	if c.Life.Status == Provisioning || c.Life.Status == Updating {
		if err := c.move("order_completed", now); err != nil {
			return err
		}
	}
	c.emit(now, EventOrderCompleted, o.Type+" completed")
	return nil
}

// without returns the reasons that do not have the code.
func without(reasons []Reason, code string) []Reason {
	var kept []Reason
	for _, r := range reasons {
		if r.Code != code {
			kept = append(kept, r)
		}
	}
	return kept
}
