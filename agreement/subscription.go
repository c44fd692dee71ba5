package agreement

import (
	"slices"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// A Subscription is an account of the organisation that the agreement covers: the management
// account from the start, a linked account from its first usage. It is paid by usage and has no
// quantity (D14).
type Subscription struct {
	Account AccountID      `json:"account"`
	Master  bool           `json:"master,omitempty"`
	From    calendar.Month `json:"from"`
	To      calendar.Month `json:"to,omitzero"` // last month; zero: open
}

// idleMonths is after how many closed months without usage a linked account's subscription ends.
const idleMonths = 3

// subscribe opens an account's subscription, and its FinOps entitlement, unless it is open.
func (c *Case) subscribe(account AccountID, from calendar.Month, now time.Time) {
	if slices.ContainsFunc(c.Life.Subscriptions, func(s Subscription) bool { return s.Account == account && s.To.IsZero() }) {
		return
	}
	c.Life.Subscriptions = append(c.Life.Subscriptions, Subscription{
		Account: account, Master: account == c.Agreement.ManagementAccount, From: from,
	})
	c.Life.Updated = now
	c.emit(now, EventEntitled, "FinOps entitlement of "+string(account), "account", string(account), "from", from.String())
}

// unsubscribe ends a subscription and its entitlement: one rule for both (domain.md W42).
func (c *Case) unsubscribe(s *Subscription, last calendar.Month, now time.Time) {
	s.To = last
	c.Life.Updated = now
	c.emit(now, EventEntitlementEnded, "FinOps entitlement of "+string(s.Account)+" ends", "account", string(s.Account), "to", last.String())
}

// wantSubscriptions follows the usage of closed months: an account that appears is subscribed, a
// linked one that had none for three closed months in a row ends. Months that are not known count
// for nothing. The management account stays until the agreement ends.
func (c *Case) wantSubscriptions(now time.Time) (Request, error) {
	if s := c.Life.Status; s != Active && s != Updating && s != Terminating {
		return nil, nil
	}
	window, ok := c.Agreement.Window()
	if !ok {
		return nil, nil
	}
	usage := slices.DeleteFunc(slices.Clone(c.Facts.Usage), func(u Usage) bool {
		return !window.Contains(u.Month) || !u.Month.End().Before(now)
	})
	for _, u := range usage {
		for _, account := range slices.Sorted(slices.Values(u.Accounts)) {
			if !c.covered(account, u.Month) {
				c.subscribe(account, u.Month, now)
			}
		}
	}
	for i := range c.Life.Subscriptions {
		s := &c.Life.Subscriptions[i]
		if s.Master || !s.To.IsZero() {
			continue
		}
		if last, idle := idleSince(*s, usage); idle {
			c.unsubscribe(s, last, now)
		}
	}
	return nil, nil
}

// covered says whether a subscription of the account, open or ended, covers a month, or whether
// one starts later (months are seen in order, so that an ended one is not opened again for a
// month before its end).
func (c *Case) covered(account AccountID, m calendar.Month) bool {
	return slices.ContainsFunc(c.Life.Subscriptions, func(s Subscription) bool {
		return s.Account == account && (s.To.IsZero() || !m.After(s.To))
	})
}

// idleSince returns the last month of a subscription that had no usage in the last three known
// months, which follow each other.
func idleSince(s Subscription, usage []Usage) (calendar.Month, bool) {
	if len(usage) < idleMonths {
		return calendar.Month{}, false
	}
	last := usage[len(usage)-idleMonths:]
	for i, u := range last {
		if u.Month.Before(s.From) || slices.Contains(u.Accounts, s.Account) || u.Month != last[0].Month.Add(i) {
			return calendar.Month{}, false
		}
	}
	return last[idleMonths-1].Month, true
}

// endSubscriptions ends all that are open with the agreement's last month.
func (c *Case) endSubscriptions(now time.Time) {
	last := calendar.MonthOf(now)
	if w, ok := c.Agreement.Window(); ok && !w.To.IsZero() {
		last = w.To
	}
	for i := range c.Life.Subscriptions {
		if s := &c.Life.Subscriptions[i]; s.To.IsZero() {
			c.unsubscribe(s, last, now)
		}
	}
}
