package agreement

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// wait leaves the order waiting with the text of a code. Whoever has to act is told once;
// customers are reminded by the schedule; when the step's deadline has passed the order fails. It
// is only called with a fresh answer of AWS in hand, so nobody is reminded of what is done.
func (c *Case) wait(now time.Time, code, detail string) error {
	o, t := c.Order, textOf(code)
	cause := sentence(c.fill(t.Cause, detail))
	text := strings.TrimSpace(cause + " " + c.fill(t.Remedy, detail))
	if t.For != ForOperations {
		w := c.waitFor(t.Step, now)
		if !now.Before(w.Deadline) {
			if c.pastDeadline(now, t, w) {
				return nil // failing: the pass goes on with tidying up
			}
			return c.wait(now, "role_missing_at_deadline", "")
		}
	}
	event := "query"
	if t.For == ForOperations {
		event = "answer"
	}
	if to, err := Orders.Next(o.Status, event); err == nil && to != o.Status {
		if err := o.move(event, now, ""); err != nil {
			return err
		}
	}
	if o.Waiting == nil || o.Waiting.Code != code || o.Waiting.Message != text {
		o.Waiting = &Waiting{For: t.For, Code: code, Step: t.Step, Since: now, Message: text}
		o.Reasons = []Reason{{Code: code, Text: cause}}
		o.Updated = now
		kind := EventOrderWaits
		if t.For == ForOperations {
			kind = EventAskOperations
		}
		c.emit(now, kind, text, "code", code, "waiting_for", t.For)
	}
	if t.For != ForOperations {
		c.remind(now, t)
	}
	return errWait
}

// sentence ends a text that ends with AWS's own words, which often lack the full stop.
func sentence(s string) string {
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// waitFault waits because AWS refused something of ours: Operations has to look.
func (c *Case) waitFault(now time.Time, f *Fault) error {
	if f.Kind == Denied {
		return c.wait(now, "aws_denied", f.Error())
	}
	if code := faultCodes[f.Reason]; code != "" {
		return c.wait(now, code, f.Reason)
	}
	return c.wait(now, "aws_refused", f.Error())
}

// park leaves the order where it is, with a reason: AWS said something that this program does not
// know, and guessing could end an agreement.
func (c *Case) park(now time.Time, detail string) error {
	o := c.Order
	text := c.fill(textOf("unknown_status").Cause, detail)
	if !slices.Contains(o.Reasons, Reason{Code: "unknown_status", Text: text}) {
		o.Reasons = append(without(o.Reasons, "unknown_status"), Reason{Code: "unknown_status", Text: text})
		o.Updated = now
		c.emit(now, EventAskOperations, text, "code", "unknown_status")
	}
	return errWait
}

// waitFor returns the clock of a step: started once, never reset (R26).
func (c *Case) waitFor(step string, now time.Time) Wait {
	for _, w := range c.Order.Waits {
		if w.Step == step {
			return w
		}
	}
	w := Wait{Step: step, Since: now, Deadline: now.AddDate(0, 0, c.Settings.DeadlineDays)}
	c.Order.Waits = append(c.Order.Waits, w)
	c.Order.Updated = now
	return w
}

// Deadline returns when the order fails if the customer does not act; zero when it does not wait
// for the customer.
func (o *Order) Deadline() time.Time {
	if o.Waiting == nil || o.Waiting.For == ForOperations || !o.InProcess() {
		return time.Time{}
	}
	for _, w := range o.Waits {
		if w.Step == o.Waiting.Step {
			return w.Deadline
		}
	}
	return time.Time{}
}

// pastDeadline fails the order for the step that is missing. It returns false where Operations is
// asked instead: resold support without the role (R24).
func (c *Case) pastDeadline(now time.Time, t Text, w Wait) bool {
	code, text := CodeDeadline, ""
	switch t.Step {
	case StepAccount:
		text = "no management account was named"
	case StepTransfer:
		text = "the billing transfer request was not accepted"
	case StepServiceTerm:
		code, text = CodeTermNotAccepted, "the service term was not accepted"
	case StepRoles:
		if c.Order.Support != PartnerLed {
			return false
		}
		code, text = CodeRoleMissing, "the bootstrap role was not deployed, which partner-led support needs"
	}
	text = fmt.Sprintf("%s by %s (%s)", text, w.Deadline.Format(time.DateOnly), t.Code)
	_ = c.fail(now, code, text) // every phase that waits for a customer can fail; a test walks them
	return true
}

// remind sends the reminder that is due: the latest one of the schedule that was not sent. After
// an outage one message goes out, not all that were missed.
func (c *Case) remind(now time.Time, t Text) {
	o := c.Order
	w := c.waitFor(t.Step, now)
	sent := 0
	for _, r := range o.Reminders {
		if r.Step == t.Step {
			sent = max(sent, r.Day)
		}
	}
	day := 0
	for _, d := range c.Settings.ReminderDays {
		if d > sent && !now.Before(w.Since.AddDate(0, 0, d)) {
			day = max(day, d)
		}
	}
	if day == 0 {
		return
	}
	o.Reminders = append(o.Reminders, Reminder{now, t.Step, day})
	o.Updated = now
	e := c.emit(now, EventMail, fmt.Sprintf("Hello %s,\n\n%s\n\nWithout it the order ends on %s.\n", o.Contact.Name, o.Waiting.Message,
		w.Deadline.Format("2 January 2006 15:04 UTC")), "step", t.Step, "day", fmt.Sprint(day))
	e.To = o.Contact.Email
	e.Subject = fmt.Sprintf("Your AWS order %s waits for you: %s", o.ID, stepNames[t.Step])
}

// stepNames are the steps as people read them.
var stepNames = map[string]string{
	StepWizard:      "the purchase wizard",
	StepAccount:     "an AWS management account",
	StepTerms:       "the terms and conditions",
	StepTransfer:    "accept the billing transfer",
	StepServiceTerm: "accept the service term",
	StepRoles:       "deploy the bootstrap role",
}

// fail begins to end the order: AWS is tidied up first, since it bills the payer for a transfer
// that is in force whatever became of the order.
func (c *Case) fail(now time.Time, code, text string) error {
	c.Order.Failing = &Reason{Code: code, Text: text}
	return c.phase("failing", now)
}

// wantUndo says what is needed before the order can end as failed: no open invitation, no
// transfer without an end.
func (c *Case) wantUndo(now time.Time) (Request, error) {
	o := c.Order
	switch {
	case o.Type != Buy || o.Invited.Adopted || o.Account.ManagementAccount == "" || o.Product == ProductLegacy:
		return nil, c.undone(now)
	case o.Invited.Transfer == "" && !c.seen("transfers"):
		return ListTransfers{}, nil // an invitation may have gone out just before a crash
	case o.Invited.Transfer == "":
		return nil, c.undone(now)
	}
	v, ok := c.pass.looked["transfer"]
	if !ok {
		return DescribeTransfer{o.Invited.Transfer}, nil
	}
	switch t, _ := v.(ResponsibilityTransfer); t.Status {
	case TransferRequested:
		return CancelInvitation{t.ActiveHandshake}, nil
	case TransferAccepted:
		return EndTransfer{t.ID, c.earliestEnd(now, t.Start)}, nil
	case TransferDeclined, TransferCanceled, TransferExpired, TransferWithdrawn:
		return nil, c.undone(now)
	default:
		return nil, c.park(now, fmt.Sprintf("transfer %s has status %q", t.ID, t.Status))
	}
}

func (c *Case) stepUndo(now time.Time, a Answer) error {
	o := c.Order
	f := FaultOf(a.Err)
	switch r := a.To.(type) {
	case ListTransfers:
		if f != nil {
			return c.waitFault(now, f)
		}
		list, _ := a.Value.([]ResponsibilityTransfer)
		for _, t := range list {
			open := t.Status == TransferRequested || (t.Status == TransferAccepted && t.End.IsZero())
			if t.Source == o.Account.ManagementAccount && (open || c.endedUnseen(t)) {
				o.Invited.Transfer, o.Invited.ARN, o.Invited.Handshake, o.Invited.Start = t.ID, t.ARN, t.ActiveHandshake, t.Start
			}
		}
		c.look("transfers", list)
		return nil
	case DescribeTransfer:
		if f != nil && f.Kind == NotFound {
			return c.undone(now)
		}
		if f != nil {
			return c.waitFault(now, f)
		}
		t, _ := a.Value.(ResponsibilityTransfer)
		if t.Status == TransferAccepted || t.Status == TransferWithdrawn {
			c.acceptedTransfer(now, t)
		}
		c.look("transfer", t)
		return nil
	case CancelInvitation:
		// Refused: the customer may just have accepted or declined. Either way, look again.
		if f != nil && f.Kind == Denied {
			return c.waitFault(now, f)
		}
		delete(c.pass.looked, "transfer")
		return nil
	case EndTransfer:
		if f == nil {
			t, _ := a.Value.(ResponsibilityTransfer)
			c.acceptedTransfer(now, t)
			c.look("transfer", t)
			return nil
		}
		return c.endRefused(now, r, f)
	}
	return fmt.Errorf("order %s: no use for the answer to %T", o.ID, a.To)
}

// undone ends the order as failed.
func (c *Case) undone(now time.Time) error {
	o := c.Order
	if err := c.phase("undone", now); err != nil {
		return err
	}
	if err := o.move("fail", now, ""); err != nil {
		return err
	}
	o.Reasons = []Reason{*o.Failing}
	if o.Type == Buy {
		// Months of a transfer that started are billed, without what hangs on the term (design 6).
		c.Agreement.ServiceTerm.AcceptedAt = time.Time{}
	}
	if c.Life.Status == Provisioning || c.Life.Status == Updating {
		if err := c.move("order_failed", now); err != nil {
			return err
		}
	}
	c.emit(now, EventOrderFailed, o.Failing.Text, "code", o.Failing.Code)
	return nil
}

// endRefused decides what an order does when AWS does not end its transfer now.
func (c *Case) endRefused(now time.Time, r EndTransfer, f *Fault) error {
	switch {
	case f.Reason == "END_DATE_TOO_EARLY" && !c.seen("later"):
		c.look("later", r.End) // the month after, once
		return nil
	case f.Kind == Conflict, f.Kind == NotFound:
		c.pass.looked = nil // ended in between: look again
		return nil
	case c.Order.Phase == PhaseUndo:
		// The order fails all the same (R24). The transfer runs on, its months are billed, and
		// every pass tries to end it.
		c.askEnd(now, f)
		return c.undone(now)
	}
	return c.wait(now, "end_refused", f.Error())
}

// askEnd keeps that a transfer of a failed order must still be ended, and asks Operations, once.
func (c *Case) askEnd(now time.Time, f *Fault) {
	l, t := c.Life, textOf("end_refused")
	reason := Reason{Code: t.Code, Text: c.fill(t.Cause, f.Error())}
	l.EndWanted = true
	if !slices.Contains(l.Reasons, reason) {
		l.Reasons = append(without(l.Reasons, t.Code), reason)
		l.Updated = now
		c.emit(now, EventAskOperations, sentence(c.fill(t.Cause, f.Error()))+" "+t.Remedy, "code", t.Code)
	}
}
