package rating

import (
	"fmt"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// Labels of the seller's lines.
const (
	LabelUsageDiscount      = "Additional usage discount"
	LabelSupportDiscount    = "Additional support discount"
	LabelEnterpriseFee      = "Enterprise support for AWS"
	LabelPartnerLedDiscount = "Partner-led support discount"
)

// A base is what a percentage is taken of: exact, in the agreement's currency, by usage account.
type base map[string]currency.Decimal

func (b base) add(account string, d currency.Decimal) { b[account] = b[account].Add(d) }

func (b base) addAll(other base) {
	for account, d := range other {
		b.add(account, d)
	}
}

func (b base) total() currency.Decimal {
	sum := currency.Zero
	for _, d := range b {
		sum = sum.Add(d)
	}
	return sum
}

// percent returns p percent of each account's part, which is p percent of the whole; parts of 0
// are left out.
func (b base) percent(p currency.Decimal) base {
	of := base{}
	for account, d := range b {
		if part := currency.Percent(d, p); !part.IsZero() {
			of[account] = part
		}
	}
	return of
}

// bases are what the seller's lines are taken of, without anything on zero invoices, on the
// accounts that AWS states (design 5, "Lines of the seller").
type bases struct {
	usage          base // U: section usage
	commitments    base // S: U, recurring reservation and Savings Plan fees
	partnerUsage   base // partner discount of (account, product) pairs with S charges
	partnerSupport base // partner discount of pairs with support charges
}

// addSellerLines adds what the seller charges and gives: the lines that AWS does not know.
func (m *month) addSellerLines() {
	b := m.bases()
	t := m.Terms
	if d := t.UsageDiscount; m.Discounts && d != nil {
		on, of := b.partnerUsage, "partner discount on usage"
		if d.Of == agreement.OfUsage {
			on, of = b.commitments, "usage and recurring commitments"
		}
		m.addPercent(SectionDiscounts, LabelUsageDiscount, d.Percent.Neg(), on, of)
	}
	if d := t.SupportDiscount; m.Discounts && d != nil && t.Support == agreement.Resold {
		m.addPercent(SectionDiscounts, LabelSupportDiscount, d.Percent.Neg(), b.partnerSupport, "partner discount on support")
	}
	if m.partnerLed {
		on, of := b.usage, "usage"
		if t.EnterpriseSupportFee.Of == agreement.OfUsageAndCommitments {
			on, of = b.commitments, "usage and recurring commitments"
		}
		fee := m.addPercent(SectionFees, LabelEnterpriseFee, t.EnterpriseSupportFee.Percent, on, of)
		if d := t.PartnerLedDiscount; m.Discounts && d != nil {
			on, of := fee, "the Enterprise support fee"
			if d.Of == agreement.OfUsage {
				on, of = b.usage, "usage"
			}
			m.addPercent(SectionDiscounts, LabelPartnerLedDiscount, d.Percent.Neg(), on, of)
		}
	}
	for _, a := range m.Adjustments {
		section := SectionFees
		if a.Amount.Sign() < 0 {
			section = SectionDiscounts
		}
		how := a.Reason
		if a.By != "" {
			how += " (" + a.By + ")"
		}
		m.Seller = append(m.Seller, SellerLine{
			Section: section, Label: a.Label, How: how,
			Exact: currency.Amount{Number: a.Amount, Currency: t.Currency},
		})
	}
}

// addPercent adds a line of percent of a base, if it is not zero, and returns its amount by account.
func (m *month) addPercent(s Section, label string, percent currency.Decimal, b base, of string) base {
	parts := b.percent(percent)
	amount := parts.total()
	if !amount.IsZero() {
		m.Seller = append(m.Seller, SellerLine{
			Section: s, Label: label,
			Exact:     currency.Amount{Number: amount, Currency: m.Terms.Currency},
			How:       fmt.Sprintf("%s %% of %s, %s %s", currency.Plain(percent), of, currency.Plain(b.total()), m.Terms.Currency),
			ByAccount: parts,
		})
	}
	return parts
}

func (m *month) bases() bases {
	type pair struct{ account, product string }
	partner, usage, support := map[pair]currency.Decimal{}, map[pair]currency.Decimal{}, map[pair]currency.Decimal{}
	b := bases{base{}, base{}, base{}, base{}}
	for _, p := range m.Priced {
		if m.zero[p.Invoice] || p.Charge < 0 {
			continue
		}
		at := pair{p.Account, p.Product}
		exact := p.Exact.Number
		c := m.Charges[p.Charge]
		switch {
		case p.Disposition == Retained && p.isPartnerDiscount(c):
			partner[at] = partner[at].Sub(exact) // P: minus the retained discount
		case p.Disposition != Billed || p.Part != "":
		case p.Section == SectionUsage:
			b.usage.add(p.Account, exact)
			usage[at] = usage[at].Add(exact)
		case c.Type == ingest.TypeRIFee || c.Type == ingest.TypeSavingsPlanRecurringFee:
			b.commitments.add(p.Account, exact)
			usage[at] = usage[at].Add(exact)
		case p.Section == SectionSupport:
			support[at] = support[at].Add(exact)
		}
	}
	b.commitments.addAll(b.usage)
	for at, discount := range partner {
		if !usage[at].IsZero() {
			b.partnerUsage.add(at.account, discount)
		}
		if !support[at].IsZero() {
			b.partnerSupport.add(at.account, discount)
		}
	}
	return b
}

// isPartnerDiscount: the partner's and not the distributor's.
func (p Priced) isPartnerDiscount(c ingest.Charge) bool {
	k := c.Key
	if p.Part != "" {
		k = partKey(k, p.Part)
	}
	return k.Type == ingest.TypeSppDiscount || k.Class == ingest.ClassPartner
}

// shareFees splits each recurring Savings Plan fee over the accounts by the usage it covers, when
// the terms say so: exactly, by largest remainder, ties to the smaller account. Without covered
// usage the fee stays where AWS put it (design 5, "Shared fees").
func (m *month) shareFees() {
	if m.Terms.SharedFees != agreement.SharedLinkedAccounts {
		return
	}
	covered := map[string]currency.Decimal{}
	for _, c := range m.Charges {
		if c.Type == ingest.TypeSavingsPlanCoveredUsage {
			covered[c.Account] = covered[c.Account].Add(c.Unblended)
		}
	}
	accounts := sortedKeys(covered)
	weights := make([]currency.Decimal, len(accounts))
	for i, a := range accounts {
		if w := covered[a]; w.Sign() > 0 {
			weights[i] = w
		}
	}
	var out []Priced
	for _, p := range m.Priced {
		if p.Charge < 0 || p.Part != "" || p.Disposition != Billed || m.Charges[p.Charge].Type != ingest.TypeSavingsPlanRecurringFee {
			out = append(out, p)
			continue
		}
		parts := currency.Split(p.Source.Number, weights, currency.SharePlaces)
		if parts == nil {
			out = append(out, p)
			continue
		}
		for i, amount := range parts {
			if amount.IsZero() && weights[i].IsZero() {
				continue
			}
			share := p
			share.Account = accounts[i]
			share.Source.Number = amount
			if p.Rate.Value.Sign() != 0 {
				share.Exact = p.Rate.Convert(share.Source)
			}
			out = append(out, share)
		}
	}
	m.Priced = out
}
