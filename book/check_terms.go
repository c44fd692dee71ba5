package book

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// terms checks that each billed month has terms, exactly one, and that they can be carried out.
func (c *checker) terms(a *agreement.Agreement, o *origin) {
	if len(a.Terms) == 0 {
		if a.Product != agreement.ProductLegacy {
			c.report(codeTermsMissing, "no terms", "write terms with the month they begin with", place{o, "terms"})
		}
		return
	}
	var before calendar.Month
	for i := range a.Terms {
		t := &a.Terms[i]
		path := fmt.Sprintf("terms[%d]", i)
		c.need(o, map[string]bool{
			path + ".from": !t.From.IsZero(), path + ".seller": t.Seller != "", path + ".buyer": t.Buyer != "",
			path + ".currency": t.Currency != "", path + ".support": t.Support != "",
		})
		switch {
		case t.From.IsZero() || before.IsZero():
		case t.From == before:
			c.report(codeTermsOrder, fmt.Sprintf("two terms begin with %s", t.From), "keep one of them", place{o, path + ".from"})
		case t.From.Before(before):
			c.report(codeTermsOrder, fmt.Sprintf("begins with %s, before the terms above it (%s)", t.From, before),
				"list terms in the order of their months", place{o, path + ".from"})
		}
		before = t.From
		c.parties(t, o, path)
		c.exchange(a, t, o, path)
	}
	if w, ok := a.Window(); ok && !a.Terms[0].From.IsZero() && a.Terms[0].From.After(w.From) {
		c.report(codeTermsMissing, fmt.Sprintf("billed from %s on, but the first terms begin with %s", w.From, a.Terms[0].From),
			"let the first terms begin with "+w.From.String()+" or earlier", place{o, "terms[0].from"}, place{o, "transfer"}, place{o, "billed"})
	}
}

// written returns where a value of terms stands: the entry itself, or the agreement's shorthand.
func written(o *origin, path, key string) place {
	if _, ok := o.at[path+"."+key]; !ok {
		if _, ok := o.at[key]; ok {
			return place{o, key}
		}
	}
	return place{o, path + "." + key}
}

func (c *checker) parties(t *agreement.Terms, o *origin, path string) {
	if _, ok := c.buyer[t.Buyer]; !ok && t.Buyer != "" {
		c.unknown(written(o, path, "buyer"), "buyer", t.Buyer, slices.Collect(maps.Keys(c.buyer)))
	}
	i, ok := c.seller[t.Seller]
	if !ok {
		if t.Seller != "" {
			c.unknown(written(o, path, "seller"), "seller", t.Seller, slices.Collect(maps.Keys(c.seller)))
		}
		return
	}
	s := &c.Sellers[i]
	if t.Currency != "" && len(s.Currencies) > 0 && !slices.Contains(s.Currencies, t.Currency) {
		c.report(codeCurrencyNotSold, fmt.Sprintf("seller %s does not bill in %s", s.ID, t.Currency),
			"it bills in "+list(s.Currencies), written(o, path, "currency"), place{c.from.sellers[i], "currencies"})
	}
}

func list(codes []currency.Code) string {
	var s []string
	for _, c := range codes {
		s = append(s, string(c))
	}
	return strings.Join(s, ", ")
}

// exchange checks that the terms' currency can be reached from AWS's (design 5).
func (c *checker) exchange(a *agreement.Agreement, t *agreement.Terms, o *origin, path string) {
	e, at := t.Exchange, path+".exchange"
	if e.Source == agreement.ExchangeFixed {
		c.need(o, map[string]bool{at + ".from": e.From != "", at + ".to": e.To != "", at + ".rate": !e.Rate.IsZero()})
		if e.From != "" && e.From != BaseCurrency {
			c.report(codePair, fmt.Sprintf("AWS charges in %s, and the fixed rate is from %s", BaseCurrency, e.From), "from: "+string(BaseCurrency), place{o, at + ".from"})
		}
		if e.To != "" && t.Currency != "" && e.To != t.Currency {
			c.report(codePair, fmt.Sprintf("the terms are in %s, and the fixed rate is to %s", t.Currency, e.To), "to: "+string(t.Currency), place{o, at + ".to"})
		}
		return
	}
	for key, set := range map[string]bool{"from": e.From != "", "to": e.To != "", "rate": !e.Rate.IsZero()} {
		if set {
			c.report(codePair, fmt.Sprintf("%s is for source fixed, and the source is %s", key, e.Source), "source: fixed, or leave it out", place{o, at + "." + key})
		}
	}
	if e.Source != agreement.ExchangeECB && (e.Day != "" || e.MaxAgeDays != 0) {
		c.report(codePair, "day and max_age_days are for source ecb", "source: ecb, or leave them out", place{o, at})
	}
	if e.Source != agreement.ExchangeAWSInvoice || t.Currency == "" || t.Currency == BaseCurrency {
		return
	}
	if i, ok := c.payer[a.Payer]; ok {
		if pays := c.Payers[i].PaymentCurrency; pays != "" && pays != t.Currency {
			c.report(codeNoRate, fmt.Sprintf("payer %s pays AWS in %s, so AWS's invoices state no rate from %s to %s", a.Payer, pays, BaseCurrency, t.Currency),
				fmt.Sprintf("bill in %s or %s, or state another source of rates: exchange: {source: ecb}", pays, BaseCurrency),
				written(o, path, "currency"), place{c.from.payers[i], "payment_currency"})
		}
	}
}
