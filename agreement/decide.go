package agreement

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What people decide about an order: Operations fails, cancels or completes it, the customer
// names the management account. Each is refused, with nothing changed, where the state does not
// allow it.

// fresh refuses what is older than the state that it would change.
func (c *Case) fresh(now time.Time) error {
	if latest := c.Updated(); now.Before(latest) {
		return refusal(CodeStale, fmt.Sprintf("agreement %s was changed at %s, after %s", c.Life.Agreement,
			latest.Format(time.RFC3339), now.Format(time.RFC3339)))
	}
	return nil
}

// Updated is when the case last changed.
func (c *Case) Updated() time.Time {
	at := c.Life.Updated
	if c.Order != nil && c.Order.Updated.After(at) {
		at = c.Order.Updated
	}
	return at
}

func (c *Case) inProcess(now time.Time) error {
	if c.Order == nil || !c.Order.InProcess() {
		return refusal(CodeState, "the order is not in process")
	}
	return c.fresh(now)
}

// Fail ends an order in process as failed, by Operations. AWS is tidied up first: the passes that
// follow do it.
func (c *Case) Fail(reason string, now time.Time) error {
	return c.endByOperations(CodeOperations, reason, now)
}

// Cancel ends an order in process, by Operations, as failed.
func (c *Case) Cancel(reason string, now time.Time) error {
	return c.endByOperations(CodeCanceled, reason, now)
}

func (c *Case) endByOperations(code, reason string, now time.Time) error {
	if err := c.inProcess(now); err != nil {
		return err
	}
	if strings.TrimSpace(reason) == "" {
		return refusal(CodeInvalid, "a reason is required (--reason)")
	}
	if c.Order.Phase == PhaseUndo {
		return refusal(CodeState, "the order is failing already: "+c.Order.Failing.Text)
	}
	if c.Order.Phase == PhaseFinal {
		return refusal(CodeState, fmt.Sprintf("order %s cannot be taken back: the transfer ends on %s, and AWS takes back no end; a new purchase order continues afterwards",
			c.Order.ID, c.Agreement.Transfer.End.UTC().Format(time.RFC3339)))
	}
	return c.fail(now, code, reason)
}

// CancelDraft deletes an order that was not submitted.
func CancelDraft(o *Order, reason string, now time.Time) error {
	if now.Before(o.Updated) {
		return refusal(CodeStale, "order "+o.ID+" was changed after "+now.Format(time.RFC3339))
	}
	if o.Status != OrderDraft && o.Status != OrderQuoted {
		return refusal(CodeState, fmt.Sprintf("order %s is %s: only a draft or an order in process can be cancelled", o.ID, o.Status))
	}
	if err := o.move("delete", now, "operations"); err != nil {
		return err
	}
	if reason != "" {
		o.Reasons = []Reason{{Code: CodeCanceled, Text: reason}}
	}
	return nil
}

// Complete lets the step that the order waits for pass, by Operations with a reason (D-1): the
// service term, or with resold support the role. What is left to do is done by the passes that
// follow. Partner-led support is not completed without the role (R24), no order without the
// billing transfer (R1, R23).
func (c *Case) Complete(by, reason string, now time.Time) error {
	if err := c.inProcess(now); err != nil {
		return err
	}
	o := c.Order
	step := ""
	switch o.Phase {
	case PhaseServiceTerm:
		step = StepServiceTerm
	case PhaseRoles, PhaseLegacy:
		step = StepRoles
	default:
		return refusal(CodeState, fmt.Sprintf("order %s is in phase %q: only the service term and the role can be waived", o.ID, string(o.Phase)))
	}
	if strings.TrimSpace(reason) == "" {
		return refusal(CodeInvalid, "a reason is required (--reason)")
	}
	if o.Phase == PhaseRoles && o.Support == PartnerLed {
		return refusal(CodePLSNeedsRole, "partner-led support needs the bootstrap role: the order cannot be completed without it")
	}
	o.Waivers = append(o.Waivers, Waiver{step, by, reason, now})
	o.Updated = now
	return nil
}

// NameAccount takes the management account that the customer names, after creating it or instead
// of one that AWS refused.
func (c *Case) NameAccount(r *Register, id AccountID, by string, now time.Time) error {
	if err := c.inProcess(now); err != nil {
		return err
	}
	o := c.Order
	if !r.isCustomer(o, by) {
		return refusal(CodeNotTheCustomer, fmt.Sprintf("%q may not change order %s: only the customer (%s) can", by, o.ID, o.Contact.Email))
	}
	if o.Phase != PhaseAccount && o.Phase != PhaseInvite {
		return refusal(CodeState, fmt.Sprintf("order %s is in phase %q: the account can only change before the billing transfer request is out; have Operations cancel the order and order again", o.ID, string(o.Phase)))
	}
	if !id.Valid() {
		return refusal(CodeAccountMalformed, fmt.Sprintf("management_account: %q is not an account id of 12 digits", id))
	}
	if id == o.Payer {
		return refusal(CodeNotManagement, fmt.Sprintf("%s is the reseller's own bill-transfer account", id))
	}
	next := *o
	next.Account.ManagementAccount = id
	if reasons := r.checkUnique(&next, now); len(reasons) > 0 {
		return &Refusal{reasons}
	}
	o.Account.ManagementAccount = id
	c.Agreement.ManagementAccount = id
	o.Updated = now
	return nil
}

// Reasons returns the reasons of a refusal in an error's chain; nil if it holds none.
func Reasons(err error) []Reason {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Reasons
	}
	return nil
}
