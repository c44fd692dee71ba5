package book

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
)

// party reads who bills whom in which currency: what an agreement may say once for its first
// terms, and each entry of terms for itself.
func (o *object) party(t *agreement.Terms) {
	o.text("seller", &t.Seller)
	o.text("buyer", &t.Buyer)
	o.code("currency", &t.Currency)
	o.text("purchase_order", &t.PurchaseOrder)
}

// terms reads dated terms. Seller, buyer, currency and purchase order begin with the shorthand and
// are inherited by later entries that do not name them; everything else an entry says for itself
// or has by default.
func (o *object) terms(key string, inherited agreement.Terms) []agreement.Terms {
	var all []agreement.Terms
	o.list(key, func(_ int, path string, n *yaml.Node) {
		in, ok := o.r.object(o.o, path, n)
		if !ok {
			return
		}
		t := agreement.Terms{
			Seller: inherited.Seller, Buyer: inherited.Buyer,
			Currency: inherited.Currency, PurchaseOrder: inherited.PurchaseOrder,
			EnterpriseSupportFee: agreement.PercentOf{Percent: currency.MustParse(defaultFeePercent), Of: agreement.OfUsage},
			SharedFees:           agreement.SharedPayer,
			Exchange:             agreement.Exchange{Source: agreement.ExchangeAWSInvoice},
			PrivatePricing:       agreement.PrivateBlock,
		}
		in.month("from", &t.From)
		in.party(&t)
		in.word("support", &t.Support, agreement.Resold, agreement.PartnerLed)
		t.UsageDiscount = in.percentOf("usage_discount", agreement.OfPartnerDiscount, agreement.OfUsage)
		t.SupportDiscount = in.percentOf("support_discount")
		if fee := in.percentOf("enterprise_support_fee", agreement.OfUsage, agreement.OfUsageAndCommitments); fee != nil {
			t.EnterpriseSupportFee = *fee
		}
		t.PartnerLedDiscount = in.percentOf("partner_led_discount", agreement.OfFee, agreement.OfUsage)
		in.word("shared_fees", &t.SharedFees, agreement.SharedPayer, agreement.SharedLinkedAccounts)
		in.inner("exchange", func(e *object) { e.exchange(&t.Exchange) })
		in.word("private_pricing", &t.PrivatePricing, agreement.PrivateBlock, agreement.PrivatePassOn)
		in.done()
		all = append(all, t)
		inherited = t
	})
	return all
}

// percentOf reads {percent, of}. The first of the words is the default; without words there is
// nothing to choose.
func (o *object) percentOf(key string, words ...string) *agreement.PercentOf {
	var p *agreement.PercentOf
	o.inner(key, func(in *object) {
		p = &agreement.PercentOf{}
		in.percent("percent", &p.Percent)
		if _, ok := in.values["percent"]; !ok {
			in.fail(in.path, codeMissing, "percent is missing", `such as percent: "5"`)
		}
		if len(words) > 0 {
			p.Of = words[0]
			in.word("of", &p.Of, words...)
		}
	})
	return p
}

func (o *object) exchange(e *agreement.Exchange) {
	o.word("source", &e.Source, agreement.ExchangeAWSInvoice, agreement.ExchangeECB, agreement.ExchangeFixed)
	o.word("day", &e.Day, currency.DayMonthEnd, currency.DayMonthAverage, currency.DayLastBefore, currency.DayPublication)
	o.code("from", &e.From)
	o.code("to", &e.To)
	if path, ok := o.decimal("rate", &e.Rate); ok {
		switch {
		case e.Rate.Sign() <= 0:
			o.fail(path, codeRange, "a rate is more than 0, not "+currency.Plain(e.Rate), "")
			e.Rate = currency.Zero
		case !e.Rate.Equal(e.Rate.Truncate(currency.RatePlaces)):
			o.fail(path, codeRange, fmt.Sprintf("a rate has at most %d decimal places: %s", currency.RatePlaces, currency.Plain(e.Rate)), "")
			e.Rate = currency.Zero
		}
	}
	o.percent("markup_percent", &e.MarkupPercent)
	o.integer("max_age_days", &e.MaxAgeDays, 1, 31)
}

// ParseTerms reads a terms file: the list that an agreement's key terms holds, alone or under that
// key. Entries that do not name seller, buyer, currency or purchase order have those of before.
func ParseTerms(name string, data []byte, before agreement.Terms) ([]agreement.Terms, []Error) {
	r := newReader(name)
	root, ok := r.parseYAML(data)
	if !ok {
		return nil, Sort(r.errs)
	}
	o := &origin{file: name, at: map[string]position{}, bad: map[string]bool{}}
	if root.Kind == yaml.SequenceNode {
		// Read it as if it stood under the key.
		root = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: root.Line, Column: root.Column, Content: []*yaml.Node{
			{Kind: yaml.ScalarNode, Tag: "!!str", Value: "terms", Line: root.Line, Column: root.Column}, root,
		}}
	}
	top, ok := r.object(o, "", root)
	if !ok {
		return nil, Sort(r.errs)
	}
	terms := top.terms("terms", before)
	top.done()
	if len(terms) == 0 && len(r.errs) == 0 {
		r.fail(o, "", codeTermsMissing, "no terms in it", "")
	}
	return terms, Sort(r.errs)
}
