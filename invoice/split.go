package invoice

import (
	"cmp"
	"maps"
	"slices"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/rating"
)

// A Part is what one buyer of a split agreement gets: its own document is drafted from it.
type Part struct {
	Share  agreement.BuyerShare
	Priced []rating.Priced
	Seller []rating.SellerLine
}

// SplitByBuyer shares charges and seller lines over the buyers of an agreement, by each usage
// account's percentages (domain.md 5.6). Exact amounts are shared before anything is rounded, in
// 1e-10 of the currency by largest remainder, so the parts sum to the whole exactly. Charges of
// the payer account follow that account's percentages; seller lines follow the accounts they are
// a percentage of, and adjustments the default percentages. The parts stand in the order of the
// split's shares. Charges that are on no document are in no part.
//
// Over the shares each account's percentages must total 100, which the book checks; a split
// without a positive percentage for an account gives it to the first buyer, so that nothing is lost.
func SplitByBuyer(priced []rating.Priced, seller []rating.SellerLine, split agreement.BuyerSplit) []Part {
	parts := make([]Part, len(split.Shares))
	for i, s := range split.Shares {
		parts[i].Share = s
	}
	if len(parts) == 0 {
		return nil
	}
	for _, p := range priced {
		if p.Section == "" {
			continue
		}
		for i, amount := range shares(p.Source.Number, split, p.Account) {
			if amount.IsZero() {
				continue
			}
			part := p
			part.Source.Number = amount
			part.Exact.Number = amount.Mul(p.Rate.Value)
			parts[i].Priced = append(parts[i].Priced, part)
		}
	}
	for _, s := range seller {
		accounts := s.ByAccount
		if accounts == nil {
			accounts = map[string]currency.Decimal{"": s.Exact.Number}
		}
		sums := make([]rating.SellerLine, len(parts))
		for _, account := range slices.Sorted(maps.Keys(accounts)) {
			for i, amount := range shares(accounts[account], split, account) {
				sums[i].Exact.Number = sums[i].Exact.Number.Add(amount)
				if s.ByAccount != nil && !amount.IsZero() {
					if sums[i].ByAccount == nil {
						sums[i].ByAccount = map[string]currency.Decimal{}
					}
					sums[i].ByAccount[account] = amount
				}
			}
		}
		for i, sum := range sums {
			if sum.Exact.Number.IsZero() {
				continue
			}
			line := s
			line.Exact.Number, line.ByAccount = sum.Exact.Number, sum.ByAccount
			line.How = cmp.Or(s.How, s.Label) + "; this buyer's share of " + currency.Plain(s.Exact.Number)
			parts[i].Seller = append(parts[i].Seller, line)
		}
	}
	return parts
}

// shares divides an amount by the percentages of an account, one part a buyer; the empty account
// has the default percentages.
func shares(amount currency.Decimal, split agreement.BuyerSplit, account string) []currency.Decimal {
	weights := make([]currency.Decimal, len(split.Shares))
	for i, s := range split.Shares {
		weights[i] = s.Percent
		if percent, ok := s.Accounts[agreement.AccountID(account)]; ok {
			weights[i] = percent
		}
	}
	parts := currency.Split(amount, weights, currency.SharePlaces)
	if parts == nil {
		parts = make([]currency.Decimal, len(weights))
		parts[0] = amount
	}
	return parts
}
