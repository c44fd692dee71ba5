package agreement

import (
	"fmt"
	"slices"
	"time"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// Changes of an agreement are new dated terms; what was billed under the old ones stays (I11).

// DefaultFee is the Enterprise support fee in percent, where nothing else was agreed (D-3).
var DefaultFee = currency.MustParse("5")

// firstTerms are the terms that a purchase begins with; discounts are agreed afterwards.
func firstTerms(o *Order, now time.Time) Terms {
	return Terms{
		From: calendar.MonthOf(now), Seller: o.Seller, Buyer: o.Buyer, Currency: o.Currency,
		PurchaseOrder: o.PurchaseOrder, Support: o.Support,
		EnterpriseSupportFee: PercentOf{Percent: DefaultFee, Of: OfUsage},
		SharedFees:           SharedPayer,
		Exchange:             Exchange{Source: ExchangeAWSInvoice},
		PrivatePricing:       PrivateBlock,
	}
}

// WithTerms returns the terms of an agreement after a change that holds from a month on: the
// terms of that month are changed, and so is every later entry. The agreement is not touched.
func WithTerms(a *Agreement, from calendar.Month, change func(*Terms)) []Terms {
	terms := slices.Clone(a.Terms)
	i, found := slices.BinarySearchFunc(terms, from, func(t Terms, m calendar.Month) int { return t.From.Compare(m) })
	if !found {
		base, ok := a.TermsAt(from)
		if !ok && len(terms) > 0 {
			base = terms[0]
		}
		base.From = from
		terms = slices.Insert(terms, i, base)
	}
	for j := i; j < len(terms); j++ {
		change(&terms[j])
	}
	return terms
}

// SetCurrency returns the terms after a change of currency (R39): only one that the seller bills,
// and only for months to come.
func SetCurrency(a *Agreement, seller Seller, to currency.Code, from calendar.Month, now time.Time) ([]Terms, error) {
	if !slices.Contains(seller.bills(), to) {
		return nil, refusal(CodeCurrency, fmt.Sprintf("seller %s bills in %s, not in %q", seller.ID, joinCodes(seller.bills()), to))
	}
	if !from.After(calendar.MonthOf(now)) {
		return nil, refusal(CodePastMonth, fmt.Sprintf("%s is not ahead: a currency changes for months to come", from))
	}
	return WithTerms(a, from, func(t *Terms) { t.Currency = to }), nil
}

// SetSupport returns the terms after a change of the support option, at any time in the term
// (D8), from the current month on.
func SetSupport(a *Agreement, to string, from calendar.Month, now time.Time) ([]Terms, error) {
	if to != Resold && to != PartnerLed {
		return nil, refusal(CodeInvalid, fmt.Sprintf("support: %q: choose resold or partner_led", to))
	}
	if from.Before(calendar.MonthOf(now)) {
		return nil, refusal(CodePastMonth, fmt.Sprintf("%s is over", from))
	}
	return WithTerms(a, from, func(t *Terms) { t.Support = to }), nil
}

// SetTerms returns the terms with one entry replaced or added; the whole entry is taken as it is.
// An entry for a month that was issued is a correction: replay shows what it changes.
func SetTerms(a *Agreement, t Terms) ([]Terms, error) {
	if t.From.IsZero() {
		return nil, refusal(CodeInvalid, "from: required")
	}
	terms := slices.Clone(a.Terms)
	i, found := slices.BinarySearchFunc(terms, t.From, func(t Terms, m calendar.Month) int { return t.From.Compare(m) })
	if found {
		terms[i] = t
	} else {
		terms = slices.Insert(terms, i, t)
	}
	return terms, nil
}

// changed returns the terms after a change order: support, currency, purchase order number; what
// the order leaves empty stays.
func (r *Register) changed(o *Order, a *Agreement, now time.Time) ([]Terms, *Refusal) {
	next := *a
	next.Terms = slices.Clone(a.Terms)
	from := o.From
	if from.IsZero() {
		from = calendar.MonthOf(now).Add(1)
	}
	base, ok := a.TermsAt(from)
	if !ok {
		return nil, refusal(CodeInvalid, fmt.Sprintf("agreement %s has no terms in %s", a.ID, from))
	}
	// A change holds on: also where only terms agreed for later say something else.
	later := []Terms{base}
	for _, t := range a.Terms {
		if t.From.After(from) {
			later = append(later, t)
		}
	}
	differs := func(is func(Terms) bool) bool { return slices.ContainsFunc(later, is) }
	some := false
	apply := func(terms []Terms, err error) *Refusal {
		if err != nil {
			return asRefusal(err)
		}
		next.Terms, some = terms, true
		return nil
	}
	if o.Currency != "" && differs(func(t Terms) bool { return t.Currency != o.Currency }) {
		if refused := apply(SetCurrency(&next, r.Sellers[base.Seller], o.Currency, from, now)); refused != nil {
			return nil, refused
		}
		for _, t := range next.Terms {
			if refused := r.rated(a.Payer, t); refused != nil && !t.From.Before(from) {
				return nil, refused
			}
		}
	}
	if o.Support != "" && differs(func(t Terms) bool { return t.Support != o.Support }) {
		if refused := apply(SetSupport(&next, o.Support, from, now)); refused != nil {
			return nil, refused
		}
	}
	if o.PurchaseOrder != "" && differs(func(t Terms) bool { return t.PurchaseOrder != o.PurchaseOrder }) {
		if from.Before(calendar.MonthOf(now)) {
			return nil, refusal(CodePastMonth, fmt.Sprintf("%s is over", from))
		}
		_ = apply(WithTerms(&next, from, func(t *Terms) { t.PurchaseOrder = o.PurchaseOrder }), nil)
	}
	if !some {
		return nil, refusal(CodeInvalid, "the order changes nothing: state another support, currency or purchase_order")
	}
	return next.Terms, nil
}

func asRefusal(err error) *Refusal {
	if r, ok := err.(*Refusal); ok { //nolint:errorlint // made here, never wrapped
		return r
	}
	return refusal(CodeInvalid, err.Error())
}

// placeChange makes the change of an order: the dated terms are written at once and the order is
// complete.
func (c *Case) placeChange(r *Register, now time.Time) error {
	terms, refused := r.changed(c.Order, c.Agreement, now)
	if refused != nil {
		return refused
	}
	was, _ := c.Agreement.TermsAt(terms[len(terms)-1].From)
	for _, step := range []func() error{
		func() error { return c.move("order_placed", now) },
		func() error { return c.phase("change", now) },
		func() error { c.Agreement.Terms = terms; return nil },
		func() error { c.supportChanged(was.Support, terms[len(terms)-1].Support, now); return nil },
		func() error { return c.phase("changed", now) },
		func() error { return c.complete(now) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// supportChanged tells the support portal, which partner-led customers have and others do not (R41).
func (c *Case) supportChanged(was, is string, now time.Time) {
	switch {
	case was == is:
	case is == PartnerLed:
		c.emit(now, EventPortal, "give access to the support portal", "support", is)
	case was == PartnerLed:
		c.emit(now, EventPortalEnded, "the support portal is no longer entitled", "support", is)
	}
}

// handOver lets the agreement of a completed order take over from the one that it follows, by
// whole months: the one before ends with the month before, both on one transfer, or the new one
// with the start of its own (R6).
func (c *Case) handOver(now time.Time) error {
	o, prev := c.Order, c.Previous
	if o.Follows == "" {
		return nil
	}
	if prev == nil {
		return fmt.Errorf("order %s follows %s, which was not loaded", o.ID, o.Follows)
	}
	from := o.From
	if m := calendar.MonthOf(now).Add(1); m.After(from) {
		from = m // completed late: the months until now stay where they are
	}
	if start := calendar.MonthOf(c.Agreement.Transfer.Start); start.After(from) {
		from = start
	}
	c.Agreement.Billed = calendar.Window{From: from}
	prev.Agreement.Billed.To = from.Add(-1)
	term, before := &c.Agreement.ServiceTerm, prev.Agreement.ServiceTerm
	term.CommitmentEnd = CommitmentEnd(from)
	if c.keepsTerm() {
		*term = before // what was committed goes over with the organisation
	} else if o.Invited.Adopted && term.AcceptedAt.IsZero() {
		term.AcceptedAt = before.AcceptedAt
	}
	c.Life.MinimumEnd = term.CommitmentEnd
	if o.Invited.Adopted {
		// One transfer: what it holds in AWS goes on under the new agreement. The old one keeps
		// none of it, so that ending it takes nothing away.
		c.Life.Delivery = prev.Life.Delivery
		c.Agreement.CUR = prev.Agreement.CUR
		prev.Life.Delivery, prev.Life.EndWanted = Delivery{Given: from}, false
		prev.Life.BillingGroup, prev.Life.Relationship, prev.Life.Handshake = "", "", Term{}
		prev.Life.TransferARN, prev.Life.Program = "", ""
	}
	if prev.Life.Status == Active || prev.Life.Status == Updating {
		if err := prev.Life.move("end_fixed", now); err != nil {
			return err
		}
	}
	c.emit(now, EventHandedOver, fmt.Sprintf("%s takes over from %s with %s", c.Agreement.ID, prev.Agreement.ID, from),
		"from", prev.Agreement.ID, "month", from.String())
	return nil
}

// keepsTerm says that nobody has accepted another service term than the one that the agreement
// before had: AWS's is the same, and so is the commitment.
func (c *Case) keepsTerm() bool {
	prev := c.Previous
	if prev == nil || c.Order == nil || !c.Order.Invited.Adopted || prev.Agreement.ServiceTerm.CommitmentEnd.IsZero() {
		return false // another transfer, or nothing was committed, as with the legacy product
	}
	return c.Agreement.ServiceTerm.AcceptedAt.IsZero() || c.Life.Handshake.ID == prev.Life.Handshake.ID
}

// SetTerms takes new terms for the agreement, and tells the support portal when the option changes.
func (c *Case) SetTerms(terms []Terms, now time.Time) error {
	if c.Life.Status == Terminated {
		return refusal(CodeState, fmt.Sprintf("agreement %s is terminated", c.Life.Agreement))
	}
	if err := c.fresh(now); err != nil {
		return err
	}
	was, _ := c.Agreement.TermsAt(terms[len(terms)-1].From)
	c.Agreement.Terms = terms
	c.Life.Updated = now
	c.supportChanged(was.Support, terms[len(terms)-1].Support, now)
	return nil
}
