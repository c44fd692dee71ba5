package arrears

import (
	"context"
	"os"
	"slices"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/book"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// ListAgreements lists all agreements by id: those of the book and those that orders made.
func (e *Engine) ListAgreements(ctx context.Context) ([]agreement.View, error) {
	d, err := e.desk(ctx)
	if err != nil {
		return nil, err
	}
	views := []agreement.View{}
	for i := range d.dir.book.Agreements {
		a := &d.dir.book.Agreements[i]
		views = append(views, agreement.NewView(a, d.lives[a.ID]))
	}
	return views, nil
}

// ShowAgreement returns one agreement.
func (e *Engine) ShowAgreement(ctx context.Context, id string) (agreement.View, error) {
	d, err := e.desk(ctx)
	if err != nil {
		return agreement.View{}, err
	}
	a, err := d.dir.agreement(id)
	if err != nil {
		return agreement.View{}, err
	}
	return agreement.NewView(a, d.lives[id]), nil
}

// SetCurrency changes an agreement's currency from a month to come on (domain.md R39).
func (e *Engine) SetCurrency(ctx context.Context, id string, to currency.Code, from calendar.Month) (agreement.View, error) {
	return e.setTerms(ctx, id, func(d *desk, a *agreement.Agreement) ([]agreement.Terms, error) {
		t, ok := a.TermsAt(from)
		if !ok {
			return nil, wrong("terms_missing", "", "agreement %s has no terms in %s", id, from)
		}
		seller, _ := d.dir.seller(t.Seller)
		return agreement.SetCurrency(a, seller, to, from, e.AsOf)
	})
}

// SetSupport changes an agreement's support option from a month on (domain.md D8).
func (e *Engine) SetSupport(ctx context.Context, id, to string, from calendar.Month) (agreement.View, error) {
	return e.setTerms(ctx, id, func(_ *desk, a *agreement.Agreement) ([]agreement.Terms, error) {
		return agreement.SetSupport(a, to, from, e.AsOf)
	})
}

// SetTerms replaces or adds the entries of a terms file.
func (e *Engine) SetTerms(ctx context.Context, id, path string) (agreement.View, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return agreement.View{}, &Error{Code: "unreadable_terms", Text: err.Error(), Err: err}
	}
	return e.setTerms(ctx, id, func(_ *desk, a *agreement.Agreement) ([]agreement.Terms, error) {
		var before agreement.Terms
		if n := len(a.Terms); n > 0 {
			before = a.Terms[n-1]
		}
		entries, errs := book.ParseTerms(path, data, before)
		if len(errs) > 0 {
			return nil, errs[0]
		}
		next := *a
		for _, t := range entries {
			if next.Terms, err = agreement.SetTerms(&next, t); err != nil {
				return nil, err
			}
		}
		return next.Terms, nil
	})
}

// setTerms writes new dated terms; the version before stays, and what was billed under it.
func (e *Engine) setTerms(ctx context.Context, id string, change func(*desk, *agreement.Agreement) ([]agreement.Terms, error)) (agreement.View, error) {
	d, err := e.desk(ctx)
	if err != nil {
		return agreement.View{}, err
	}
	c, err := d.open(ctx, id)
	if err != nil {
		return agreement.View{}, err
	}
	before := book.Check(d.dir.book)
	terms, err := change(d, c.Agreement)
	if err != nil {
		return agreement.View{}, refused(err)
	}
	if err := c.SetTerms(terms, e.AsOf); err != nil {
		return agreement.View{}, refused(err)
	}
	if err := newFault(before, book.Check(d.dir.book)); err != nil {
		return agreement.View{}, err
	}
	if err := d.save(ctx, c); err != nil {
		return agreement.View{}, err
	}
	return agreement.NewView(c.Agreement, c.Life), nil
}

// newFault returns the first thing that a change made wrong in the stored book. What was so before
// is not the change's: an agreement whose transfer has not begun has no source of data yet.
func newFault(before, after []book.Error) error {
	for _, e := range after {
		if !slices.Contains(before, e) {
			return &Error{Code: e.Code, Text: e.Error(), Hint: e.Hint, Err: e}
		}
	}
	return nil
}
