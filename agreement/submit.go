package agreement

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Submission is a customer's word that the order is to be carried out.
type Submission struct {
	By        string   // e-mail address of the user
	Accept    []string // sets of terms: marketplace, services
	Token     string   // of the link, for drafts that Operations prepared
	Versions  map[string]string
	Agreement string // id for the agreement that a purchase makes
}

// isCustomer says whether an address is the customer's: the order's contact or its buyer.
func (r *Register) isCustomer(o *Order, by string) bool {
	if by == "" {
		return false
	}
	return strings.EqualFold(by, o.Contact.Email) || strings.EqualFold(by, r.Buyers[o.Buyer].Email)
}

// submit checks a submission and stamps it; nothing is changed when it is refused.
func (r *Register) submit(o *Order, s Submission, now time.Time) error {
	if now.Before(o.Updated) {
		return refusal(CodeStale, fmt.Sprintf("order %s was changed at %s, after %s", o.ID,
			o.Updated.Format(time.RFC3339), now.Format(time.RFC3339)))
	}
	if _, err := Orders.Next(o.Status, "submit"); err != nil {
		return refusal(CodeState, fmt.Sprintf("order %s is %s: only a draft can be submitted, once", o.ID, o.Status))
	}
	if !r.isCustomer(o, s.By) {
		return refusal(CodeNotTheCustomer, fmt.Sprintf("%q may not submit order %s: only the customer (%s) can, since submitting accepts the terms",
			s.By, o.ID, o.Contact.Email))
	}
	if o.ByOperations {
		if why := o.Link.opens(s.Token, now); why != "" {
			return refusal(CodeNotTheCustomer, why)
		}
	}
	if o.Type == Buy {
		for _, terms := range []string{TermsMarketplace, TermsServices} {
			if !slices.Contains(s.Accept, terms) {
				return refusal(CodeTermsNotAccepted, fmt.Sprintf("the %s terms are not accepted: both sets must be (--accept marketplace,services)", terms))
			}
		}
	}
	if reasons := r.Check(o, now); len(reasons) > 0 {
		return &Refusal{reasons}
	}
	for _, other := range r.Orders {
		if other.ID != o.ID && o.Agreement != "" && other.Agreement == o.Agreement && other.InProcess() {
			return refusal(CodeBusy, fmt.Sprintf("agreement %s has order %s in process", o.Agreement, other.ID))
		}
	}
	if o.Type == Buy {
		for _, terms := range []string{TermsMarketplace, TermsServices} {
			o.Accepted = append(o.Accepted, Acceptance{terms, s.Versions[terms], s.By, now})
		}
		o.done(StepTerms, now)
	}
	if o.ByOperations {
		o.Link.Used = now
	}
	return o.move("submit", now, s.By)
}

// Submit takes a customer's submission and returns the case that it opens or, for a change or
// termination, moves the given case on. Other drafts of the same agreement are deleted (D11):
// they are returned to be saved. A refused submission changes nothing.
func (r *Register) Submit(o *Order, c *Case, s Submission, now time.Time) (deleted []*Order, err error) {
	if o.Type != Buy && (c.Order != nil && c.Order.ID != o.ID) {
		return nil, refusal(CodeBusy, fmt.Sprintf("agreement %s has order %s in process", o.Agreement, c.Order.ID))
	}
	if err := r.submit(o, s, now); err != nil {
		return nil, err
	}
	c.Order = o
	switch o.Type {
	case Buy:
		o.Agreement = s.Agreement
		c.open(r, now)
	case Change:
		err = c.placeChange(r, now)
	case Terminate:
		err = c.placeTermination(now)
	}
	if err != nil {
		return nil, err
	}
	for _, other := range r.Orders {
		if other.ID != o.ID && other.Agreement == o.Agreement && (other.Status == OrderDraft || other.Status == OrderQuoted) {
			if err := other.move("delete", now, ""); err != nil {
				return nil, err
			}
			other.Reasons = []Reason{{Code: CodeBusy, Text: "order " + o.ID + " of the same agreement was submitted"}}
			deleted = append(deleted, other)
		}
	}
	return deleted, nil
}
