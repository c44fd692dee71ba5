package rating

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// Rate rates a month: every charge and every counted discount inside rows gets its disposition,
// what is billed is converted, and the seller's fees and discounts are added. The result depends
// on the input alone and not on the order of the charges.
func Rate(in Input) Result {
	m := &month{Input: in, supports: map[string]ingest.SupportKind{}}
	canonical := func(a, b ingest.Charge) int { return ingest.CompareKeys(a.Key, b.Key) }
	if !slices.IsSortedFunc(in.Charges, canonical) {
		m.Charges = slices.Clone(in.Charges)
		slices.SortStableFunc(m.Charges, canonical)
	}
	m.Priced = make([]Priced, 0, len(in.Charges)+8)
	if m.Forms == nil {
		m.Forms = CompareForms(m.Charges)
	}
	m.zero = m.zeroInvoices()
	m.enterprise = m.enterpriseSupport()
	m.partnerLed = in.Terms.Support == agreement.PartnerLed && m.enterprise.Sign() > 0

	for i, c := range m.Charges {
		m.place(i, "", c.Key, c.Unblended)
		for _, p := range m.Forms.counted(c) {
			m.place(i, p.Key, partKey(c.Key, p.Key), p.Amount)
		}
	}
	m.Blocks = append(m.Blocks, m.Forms.blocks...)
	m.Warnings = append(m.Warnings, m.Forms.warnings...)
	m.offsetSavingsPlans()
	m.convert()
	m.addSellerLines()
	m.shareFees()
	m.compareSupport()
	m.Blocks = gather(m.Blocks)
	m.Warnings = gather(m.Warnings)
	return m.Result
}

// month is a month being rated.
type month struct {
	Input
	Result
	zero       map[string]bool  // zero invoices, by AWS invoice id
	enterprise currency.Decimal // sum of AWS Enterprise support
	partnerLed bool             // partner-led support is active
	supports   map[string]ingest.SupportKind
}

// place gives an amount of charge i its disposition. key is the charge's own, or that of the
// discount row which a part inside the rows stands for.
func (m *month) place(i int, part string, key ingest.Key, amount currency.Decimal) {
	c := m.Charges[i]
	v := m.decide(key, c.NonZero > 0)
	p := Priced{
		Charge: i, Part: part, Rule: v.rule, Disposition: v.disposition, Section: v.section,
		Account: key.Account, Product: key.Product, Invoice: key.Invoice,
		Source: currency.Amount{Number: amount, Currency: key.Currency},
	}
	if v.section != "" {
		p.Label = m.label(key)
	}
	m.Priced = append(m.Priced, p)
	if v.code != "" {
		m.Blocks = append(m.Blocks, agreement.Reason{Code: v.code, Text: m.blockText(v, key, part, amount)})
	}
	if v.disposition == Deferred {
		m.warnDeferred(key, p.Source)
	}
	if part == "" && m.support(key) == ingest.SupportUnknown {
		m.Warnings = append(m.Warnings, agreement.Reason{
			Code: "unknown_support_product",
			Text: fmt.Sprintf("product %q looks like AWS support and is not in the list of support products", key.Product),
		})
	}
}

// warnDeferred says why an amount is not billed now, and what becomes of it.
func (m *month) warnDeferred(key ingest.Key, amount currency.Amount) {
	r := agreement.Reason{Code: "deferred_rows", AWSInvoice: key.Invoice}
	switch former := m.Former[key.Invoice]; {
	case former == "":
		r.Text = fmt.Sprintf("%s of bill type %s without an AWS invoice yet: %s, to be billed with a later delivery", key.Type, key.BillType, amount)
	case isPartner(key):
		return // the reseller's own discount: nobody is owed it
	default:
		r.Text = fmt.Sprintf("AWS invoice %s gives back a month in which %s had the organisation: %s are not billed here; give them back there: arrears invoice credit", key.Invoice, former, amount)
	}
	m.Warnings = append(m.Warnings, r)
}

func (m *month) blockText(v verdict, key ingest.Key, part string, amount currency.Decimal) string {
	what := key.Type
	if part != "" {
		what = "discount inside rows " + part
	}
	text := fmt.Sprintf("%s, %s, account %s: %s", what, m.name(key.Product), key.Account, currency.Amount{Number: amount, Currency: key.Currency})
	switch v.code {
	case "unknown_discount":
		if d := m.Descriptions[key.Product]; d != "" && part == "" {
			text += fmt.Sprintf(" (%q)", d)
		}
	case "private_pricing":
		text += "; the terms say private_pricing: block"
	}
	return text
}

// label is what a line is called: the product's name; for Marketplace with the seller of record.
func (m *month) label(key ingest.Key) string {
	name := m.name(key.Product)
	if key.BillingEntity == ingest.EntityMarketplace && key.LegalEntity != "" {
		return fmt.Sprintf("%s (%s)", name, key.LegalEntity)
	}
	if name == "" {
		return key.Type
	}
	return name
}

// name is a product's display name: from the data's own table, else as AWS's rows call it, else
// its code.
func (m *month) name(product string) string {
	if n, ok := ingest.ProductName(product); ok {
		return n
	}
	if n := m.Names[product]; n != "" {
		return n
	}
	return product
}

// support says whether a charge is AWS's support. Vendors on Marketplace sell support too: theirs
// is not meant.
func (m *month) support(key ingest.Key) ingest.SupportKind {
	if key.BillingEntity == ingest.EntityMarketplace {
		return ingest.NotSupport
	}
	kind, ok := m.supports[key.Product]
	if !ok {
		kind = ingest.Support(key.Product, m.name(key.Product))
		m.supports[key.Product] = kind
	}
	return kind
}

// zeroInvoices returns the AWS invoices on which the customer pays exactly what AWS charged: of
// billing entity AWS, type INVOICE, bill type ANNIVERSARY, with an amount before tax of zero or
// less. Where AWS's figure is not to be had, the rows rounded to cents decide (design 5, "Zero
// invoices").
func (m *month) zeroInvoices() map[string]bool {
	zero, listed := map[string]bool{}, map[string]bool{}
	for _, b := range m.Bills {
		listed[b.ID] = true
		zero[b.ID] = b.BillingEntity == ingest.EntityAWS && b.Type == ingest.BillInvoice &&
			b.BillType == ingest.BillTypeAnniversary && b.Base.BeforeTax.Sign() <= 0
	}
	for _, s := range m.Forms.Sums {
		if !listed[s.Invoice] && s.Anniversary {
			zero[s.Invoice] = s.BeforeTax.Round(2).Sign() <= 0
		}
	}
	return zero
}

// offsetSavingsPlans bills what covered usage and its negation leave over the organisation's
// month, per AWS invoice, and blocks when that is more than a rounding rest and the AWS invoices
// are not proven (design 5, rule 6).
func (m *month) offsetSavingsPlans() {
	total := currency.Zero
	rests := map[string]currency.Amount{}
	for _, p := range m.Priced {
		if p.Disposition != Offset {
			continue
		}
		total = total.Add(p.Source.Number)
		r := rests[p.Invoice]
		rests[p.Invoice] = currency.Amount{Number: r.Number.Add(p.Source.Number), Currency: p.Source.Currency}
	}
	if total.IsZero() {
		return
	}
	reason := agreement.Reason{
		Code: "savings_plan_rest",
		Text: fmt.Sprintf("Savings Plan covered usage and negation leave %s", currency.Plain(total)),
	}
	if !m.Proven && total.Abs().GreaterThan(currency.MustParse("0.01")) {
		reason.Code = "savings_plan_offset"
		m.Blocks = append(m.Blocks, reason)
		return
	}
	m.Warnings = append(m.Warnings, reason)
	for _, invoice := range sortedKeys(rests) {
		rest := rests[invoice]
		if rest.Number.IsZero() {
			continue
		}
		p := Priced{
			Charge: -1, Rule: "6 savings plan offset", Account: m.Payer, Label: "Savings Plans remainder", Invoice: invoice,
			Disposition: Billed, Section: SectionOther, Source: rest,
		}
		// The charges themselves keep their disposition; the rest moves from offset to billed.
		back := p
		back.Disposition, back.Section, back.Label = Offset, "", ""
		back.Source.Number = rest.Number.Neg()
		m.Priced = append(m.Priced, p, back)
	}
}

// convert gives what is billed, passed on or retained its rate and its exact amount in the
// agreement's currency. An amount without a rate blocks (I3).
func (m *month) convert() {
	missing := map[string]bool{}
	for i := range m.Priced {
		p := &m.Priced[i]
		switch p.Disposition {
		case Billed, PassedOn, Retained:
		case Tax, Offset, Replaced, Deferred, Quarantined:
			continue
		}
		if p.Source.Number.IsZero() {
			p.Exact = currency.Amount{Number: currency.Zero, Currency: m.Terms.Currency}
			continue
		}
		rate, err := m.Rate(p.Source.Currency, p.Invoice)
		if err != nil {
			if !missing[err.Error()] {
				missing[err.Error()] = true
				m.Blocks = append(m.Blocks, agreement.Reason{Code: "no_exchange_rate", Text: err.Error()})
			}
			continue
		}
		p.Rate = rate
		p.Exact = rate.Convert(p.Source)
	}
}

// compareSupport says when the terms and AWS's support charges disagree.
func (m *month) compareSupport() {
	present := m.enterprise.Sign() > 0
	switch {
	case m.Terms.Support == agreement.PartnerLed && !present && m.hasUsage():
		m.SupportMissing = true
	case m.Terms.Support == agreement.Resold && present:
		m.Warnings = append(m.Warnings, agreement.Reason{
			Code: "support_mismatch",
			Text: fmt.Sprintf("the terms say resold support and AWS charges Enterprise support: %s, billed as AWS charges it", currency.Plain(m.enterprise)),
		})
	}
}

func (m *month) hasUsage() bool {
	return slices.ContainsFunc(m.Priced, func(p Priced) bool {
		return p.Section == SectionUsage && p.Disposition == Billed && !p.Source.Number.IsZero()
	})
}

// enterpriseSupport sums the Usage and Fee rows of AWS Enterprise support products.
func (m *month) enterpriseSupport() currency.Decimal {
	sum := currency.Zero
	for _, c := range m.Charges {
		if (c.Type == ingest.TypeUsage || c.Type == ingest.TypeFee) && m.support(c.Key) == ingest.SupportEnterprise {
			sum = sum.Add(c.Unblended)
		}
	}
	return sum
}

// gather joins reasons of one code, so that a month with a thousand unknown rows says so once: at
// most five texts, and how many more there are.
func gather(reasons []agreement.Reason) []agreement.Reason {
	const most = 5
	var out []agreement.Reason
	at := map[string]int{}
	n := map[string]int{}
	for _, r := range reasons {
		n[r.Code]++
		i, ok := at[r.Code]
		switch {
		case !ok:
			at[r.Code] = len(out)
			out = append(out, r)
		case n[r.Code] <= most:
			out[i].Text += "; " + r.Text
		}
	}
	for i, r := range out {
		if more := n[r.Code] - most; more > 0 {
			out[i].Text += fmt.Sprintf("; and %d more", more)
		}
	}
	return out
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
