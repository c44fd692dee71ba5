package agreement

import (
	"errors"
	"fmt"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// LastSecond is the end of a transfer that covers month m and no more: AWS takes the last
// second of the current or the next month.
func LastSecond(m calendar.Month) time.Time { return m.End().Add(-time.Second) }

// earliestEnd is the earliest end that AWS allows for a transfer: with this month, but not before
// the month in which it starts.
func (c *Case) earliestEnd(now, start time.Time) time.Time {
	m := calendar.MonthOf(now)
	if s := calendar.MonthOf(start); s.After(m) {
		m = s
	}
	if v, ok := c.pass.looked["later"]; ok {
		if at, ok := v.(time.Time); ok {
			m = calendar.MonthOf(at).Add(1)
		}
	}
	return LastSecond(m)
}

// reviewTermination reviews a termination against the service term (R45) and returns the last
// month to be billed. Inside the term it is refused with the term's end, or scheduled for it when
// the customer asks for that.
func reviewTermination(o *Order, a *Agreement, now time.Time) (calendar.Month, *Refusal) {
	last := o.End
	if last.IsZero() {
		last = calendar.MonthOf(now)
	}
	if last.Before(calendar.MonthOf(now)) {
		return last, refusal(CodePastMonth, fmt.Sprintf("end: %s is over", last))
	}
	term := a.ServiceTerm
	if !term.AcceptedAt.IsZero() && last.Last().Before(term.CommitmentEnd) {
		if !o.AtTermEnd {
			return last, refusal(CodeWithinTerm, fmt.Sprintf(
				"the service term of agreement %s runs until %s: end it with %s or later (end: %s), or at the term's end (at_term_end: true)",
				a.ID, term.CommitmentEnd, term.CommitmentEnd.Month(), term.CommitmentEnd.Month()))
		}
		last = term.CommitmentEnd.Month()
	}
	return last, nil
}

// placeTermination takes a termination that passed the review. It does not end the agreement
// (D12): the transfer is ended with the month, and billed until then.
func (c *Case) placeTermination(now time.Time) error {
	last, refused := reviewTermination(c.Order, c.Agreement, now)
	if refused != nil {
		return refused
	}
	c.Order.End = last
	if err := c.move("order_placed", now); err != nil {
		return err
	}
	c.emit(now, EventTerminationAsked, "end the agreement with "+last.String(), "last_month", last.String(),
		"commitment_end", c.Agreement.ServiceTerm.CommitmentEnd.String())
	return c.phase("termination", now)
}

// wantEnd waits for the last month and then ends the transfer in AWS. AWS refuses while its own
// term runs, which ends before the month does.
func (c *Case) wantEnd(now time.Time) (Request, error) {
	o := c.Order
	if c.Life.Status == Terminating { // the customer was faster
		return nil, c.phase("ended", now)
	}
	// Asked at the very beginning of the month, AWS could still be in the one before, and end that.
	if calendar.MonthOf(now.Add(-clockMargin)).Before(o.End) || now.Add(-clockMargin).Before(c.awsTermEnd()) {
		return nil, errWait
	}
	id := c.Agreement.Transfer.ID
	if id == "" {
		// A legacy agreement, or one whose transfer the book does not name: the months end here.
		c.Agreement.Billed.To = o.End
		return nil, errors.Join(c.move("end_fixed", now), c.phase("ended", now))
	}
	v, ok := c.pass.looked["transfer"]
	if !ok {
		return DescribeTransfer{id}, nil
	}
	t, _ := v.(ResponsibilityTransfer)
	switch t.Status {
	case TransferAccepted:
		return EndTransfer{id, c.earliestEnd(now, t.Start)}, nil
	case TransferWithdrawn:
		return nil, c.ended(now, t)
	case TransferRequested, TransferDeclined, TransferCanceled, TransferExpired:
	}
	return nil, c.park(now, fmt.Sprintf("transfer %s has status %q", id, t.Status))
}

// awsTermEnd is until when AWS refuses to end the transfer; zero when no term was accepted.
func (c *Case) awsTermEnd() time.Time {
	term := c.Agreement.ServiceTerm
	switch {
	case term.AcceptedAt.IsZero():
		return time.Time{}
	case !c.Life.Handshake.End.IsZero():
		return c.Life.Handshake.End
	}
	return term.AWSEnd.Time()
}

func (c *Case) stepEnd(now time.Time, a Answer) error {
	f := FaultOf(a.Err)
	switch r := a.To.(type) {
	case DescribeTransfer:
		switch {
		case f != nil && f.Kind == Denied:
			return c.waitFault(now, f)
		case f != nil:
			return c.park(now, f.Error())
		}
		c.look("transfer", a.Value)
		return nil
	case EndTransfer:
		if f != nil {
			return c.endRefused(now, r, f)
		}
		t, _ := a.Value.(ResponsibilityTransfer)
		if t.End.IsZero() {
			return c.park(now, fmt.Sprintf("transfer %s was ended, but AWS states no end", t.ID))
		}
		return c.ended(now, t)
	}
	return fmt.Errorf("order %s: no use for the answer to %T", c.Order.ID, a.To)
}

// ended writes the transfer's end, as AWS states it, and lets the agreement run out.
func (c *Case) ended(now time.Time, t ResponsibilityTransfer) error {
	if err := c.fixEnd(now, t); err != nil {
		return err
	}
	return c.phase("ended", now)
}

func (c *Case) fixEnd(now time.Time, t ResponsibilityTransfer) error {
	c.Agreement.Transfer.End, c.Agreement.Transfer.Status = t.End, string(t.Status)
	c.Life.Observed = Observation{}
	if err := c.move("end_fixed", now); err != nil {
		return err
	}
	c.emit(now, EventTransferEnds, "the billing transfer ends on "+t.End.Format(time.RFC3339), "transfer", t.ID)
	return nil
}

// over says that the agreement's last month has passed.
func (c *Case) over(now time.Time) bool {
	w, ok := c.Agreement.Window()
	if !ok { // no transfer: billed elsewhere, or never
		to := c.Agreement.Billed.To
		return to.IsZero() || !now.Before(to.End())
	}
	return !w.To.IsZero() && !now.Before(w.To.End())
}

// wantSettle ends an agreement once its final month is over and settled (R37).
func (c *Case) wantSettle(now time.Time) (Request, error) {
	if c.Life.Status != Terminating || !c.over(now) {
		return nil, nil
	}
	if _, billed := c.Agreement.Window(); billed && !c.Facts.Settled {
		return nil, nil
	}
	if err := c.move("settled", now); err != nil {
		return nil, err
	}
	c.endSubscriptions(now)
	if t, ok := c.Agreement.TermsAt(calendar.MonthOf(now)); ok && t.Support == PartnerLed {
		c.emit(now, EventPortalEnded, "the support portal is no longer entitled")
	}
	c.emit(now, EventTerminated, "the agreement has ended")
	if o := c.Order; o != nil && o.InProcess() && o.Phase == PhaseFinal {
		return nil, errors.Join(c.phase("settled", now), c.complete(now))
	}
	return nil, nil
}
