package agreement

import (
	"errors"
	"time"
)

// roleSeen checks the bootstrap role by assuming it: the only access there is (R47).
func (c *Case) roleSeen(now time.Time, a Answer) error {
	f := FaultOf(a.Err)
	if _, ok := a.To.(CheckRole); ok {
		switch {
		case f == nil:
			c.look("role", true)
			return nil
		case f.Kind == Denied || f.Kind == NotFound:
			return c.wait(now, "role_missing", "")
		}
		return c.waitFault(now, f)
	}
	// What the organisation looks like is advice (D7): nothing hangs on it here, since AWS let
	// the transfer through.
	c.Life.Reasons = without(c.Life.Reasons, "features_missing")
	if org, ok := a.Value.(Organization); ok && f == nil && !org.AllFeatures {
		c.Life.Reasons = append(c.Life.Reasons, Reason{Code: "features_missing", Text: c.fill(textOf("features_missing").Cause, "")})
	}
	c.Life.RoleSince = now
	c.Order.done(StepRoles, now)
	return c.phase("deployed", now)
}

// onboard asks the reseller's own systems for what AWS does not do, and completes the order.
func (c *Case) onboard(now time.Time) error {
	ag := c.Agreement
	data := []string{"management_account", string(ag.ManagementAccount), "payer", string(ag.Payer), "client", ag.Client, "support", c.Order.Support}
	c.emit(now, EventOnboarding, "onboard the organisation", data...)
	c.emit(now, EventContractCard, "make the contract card", append(data, "currency", string(c.Order.Currency), "seller", c.Order.Seller)...)
	c.emit(now, EventProject, "make the project", data...)
	if c.Order.Support == PartnerLed {
		c.emit(now, EventPortal, "give access to the support portal", data...)
	}
	c.subscribe(ag.ManagementAccount, c.firstMonth(), now)
	c.Life.MinimumEnd = ag.ServiceTerm.CommitmentEnd
	if err := c.handOver(now); err != nil {
		return err
	}
	return errors.Join(c.phase("onboarded", now), c.complete(now))
}
