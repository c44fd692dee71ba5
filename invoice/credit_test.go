package invoice

import (
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/rating"
)

func issuedC1(t *testing.T) Document {
	t.Helper()
	in := c1()
	in.Buyer = sellerAsBuyer() // S 19 %
	d, reasons := Draft(in)
	if len(reasons) > 0 {
		t.Fatal(reasons)
	}
	return d.Issue("DE-2026-000001", calendar.MustDate("2026-04-08"), 30)
}

func TestCreditInFull(t *testing.T) {
	original := issuedC1(t)
	c, err := Credit(original, nil, nil, "AGR-0001-2026-03-c1", "Wrong buyer")
	if err != nil {
		t.Fatal(err)
	}
	if c.Kind != KindCreditNote || c.Status != StatusDrafted || c.Number != nil || c.Corrects.Number != "DE-2026-000001" || c.Reason != "Wrong buyer" {
		t.Errorf("credit note %+v", c)
	}
	if jsonOf(t, c.Totals) != jsonOf(t, original.Totals) {
		t.Errorf("totals %v, want %v", c.Totals, original.Totals)
	}
	if _, err := Credit(original, []Document{c}, nil, "c2", "again"); err == nil || !strings.Contains(err.Error(), "nothing remains") {
		t.Errorf("a second credit: %v, want that nothing remains", err)
	}
	golden(t, "c1-credit.json", c.Issue("DE-CN-2026-000001", calendar.MustDate("2026-04-20"), 30))
}

// A credit of chosen lines names the rates of those, and no other.
func TestCreditNamesItsRates(t *testing.T) {
	original := issuedC1(t)
	for i := range original.Lines { // a second rate, on all lines but the first
		if l := &original.Lines[i]; i > 0 && l.Rate != nil {
			other := dec("0.91")
			l.Rate = &other
		}
	}
	second := original.Rates[0]
	second.Rate = dec("0.91")
	original.Rates = []Rate{second, original.Rates[0]}
	c, err := Credit(original, nil, []CreditLine{{Position: 1}}, "c1", "first line")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Rates) != 1 || !c.Rates[0].Rate.Equal(*c.Lines[0].Rate) {
		t.Errorf("rates %v, want that of the line, %v", c.Rates, *c.Lines[0].Rate)
	}
}

func TestCreditOfCreditNote(t *testing.T) {
	in := c1()
	in.Priced = in.Priced[5:6] // a refund of 4.60
	in.SellerLines = nil
	d, _ := Draft(in)
	d = d.Issue("DE-CN-2026-000001", calendar.MustDate("2026-04-08"), 30)
	if d.Kind != KindCreditNote || d.Totals.Gross.String() != "4.60" {
		t.Fatalf("%s of %s, want a credit note of 4.60", d.Kind, d.Totals.Gross)
	}
	c, err := Credit(d, nil, nil, "x", "Refund was wrong")
	if err != nil || c.Kind != KindInvoice || c.Totals.Gross.String() != "4.60" {
		t.Errorf("%s of %s, %v; want an invoice of 4.60", c.Kind, c.Totals.Gross, err)
	}
}

func TestCreditRefused(t *testing.T) {
	original := issuedC1(t)
	amount := func(s string) *currency.Decimal { d := dec(s); return &d }
	part, err := Credit(original, nil, []CreditLine{{1, amount("900.00")}}, "c1", "part")
	if err != nil {
		t.Fatal(err)
	}
	if l := part.Lines[0]; l.Source != nil || l.Rate != nil || *l.CorrectsLine != 1 || part.Totals.Tax.String() != "171.00" {
		t.Errorf("part %+v with tax %s", l, part.Totals.Tax)
	}
	tests := []struct {
		name   string
		chosen []CreditLine
		want   string
	}{
		{"more than remains of the line", []CreditLine{{1, amount("20.01")}}, "line 1: 20.01 is more than the 20.00 that remain of it"},
		{"no such line", []CreditLine{{99, nil}}, "it has no line 99"},
		{"twice", []CreditLine{{1, nil}, {1, nil}}, "line 1 is named twice"},
		{"half a cent", []CreditLine{{1, amount("0.005")}}, "0.005 has more than 2 decimal places"},
		{"wrong sign", []CreditLine{{1, amount("-5")}}, "has not the sign"},
		{"zero", []CreditLine{{1, amount("0")}}, "has not the sign"},
		{"only a discount", []CreditLine{{8, nil}}, "must be more than 0"},
		{"none", []CreditLine{}, "no line is chosen"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Credit(original, []Document{part}, tt.chosen, "c2", "?"); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	big, err := Credit(original, nil, []CreditLine{{1, nil}, {4, nil}}, "c1", "two lines")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Credit(original, []Document{big}, []CreditLine{{2, nil}, {3, nil}}, "c2", "?"); err == nil ||
		!strings.Contains(err.Error(), "is more than the") {
		t.Errorf("more than remains of the document: %v", err)
	}
	draft := original
	draft.Number = nil
	if _, err := Credit(draft, nil, nil, "c1", "?"); err == nil {
		t.Error("a draft was credited")
	}
}

// Whatever parts are given back first, giving back the rest makes every figure 0.
func TestCreditsSumToZero(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anInput(t)
		in.Seller.Country, in.Buyer.Country = "PL", "PL"
		in.NationalRate = func(from, to currency.Code, day calendar.Date) (currency.Rate, error) {
			return currency.Rate{From: from, To: to, Value: dec("4.2137"), Source: "ecb", Date: day}, nil
		}
		original, _ := Draft(in)
		if original.Totals.Net.Number.IsZero() {
			return
		}
		original = original.Issue("N-1", calendar.MustDate("2026-04-08"), 30)
		documents := []Document{original}
		for range rapid.IntRange(0, 3).Draw(t, "parts") {
			l := rapid.SampledFrom(original.Lines).Draw(t, "line")
			choice := CreditLine{Position: l.Position}
			if rapid.Bool().Draw(t, "amount") {
				cents := l.Net.Number.Shift(2).Abs().IntPart()
				a := fromInt(rapid.Int64Range(0, max(cents, 1)).Draw(t, "cents")).Shift(-2)
				if l.Net.Number.Sign() < 0 {
					a = a.Neg()
				}
				choice.Amount = &a
			}
			c, err := Credit(original, documents[1:], []CreditLine{choice}, "c", "part")
			if err != nil {
				continue // refused, for example as more than remains
			}
			if c.Totals.Net.Number.Sign() <= 0 || c.Totals.Tax.Number.Sign() < 0 {
				t.Fatalf("credit with totals %v", c.Totals)
			}
			documents = append(documents, c)
		}
		last, err := Credit(original, documents[1:], nil, "last", "rest")
		if err == nil {
			documents = append(documents, last)
		} else if !strings.Contains(err.Error(), "nothing remains") {
			t.Fatal(err)
		}
		var net, tax, gross, base, national, exact, lines currency.Decimal
		for _, d := range documents {
			d = d.Signed()
			net, tax, gross = net.Add(d.Totals.Net.Number), tax.Add(d.Totals.Tax.Number), gross.Add(d.Totals.Gross.Number)
			base, national = base.Add(d.Tax[0].Base.Number), national.Add(d.TaxNational.Amount.Number)
			for _, l := range d.Lines {
				exact, lines = exact.Add(l.Exact), lines.Add(l.Net.Number)
			}
		}
		if err == nil && !exact.IsZero() {
			t.Errorf("exact amounts sum to %s", exact)
		}
		for name, sum := range map[string]currency.Decimal{"net": net, "tax": tax, "gross": gross, "base": base, "national": national, "lines": lines} {
			if !sum.IsZero() {
				t.Errorf("%s of %d documents sums to %s", name, len(documents), sum)
			}
		}
	})
}

func fromInt(n int64) currency.Decimal { return dec(strconv.FormatInt(n, 10)) }

// The parts of a split sum to the whole, and each account follows its percentages.
func TestSplitByBuyer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := anInput(t)
		pct := rapid.IntRange(0, 100)
		a, b := pct.Draw(t, "default"), pct.Draw(t, "account")
		split := agreement.BuyerSplit{Shares: []agreement.BuyerShare{
			{Buyer: "A", Percent: fromInt(int64(a)), Accounts: map[agreement.AccountID]currency.Decimal{"444455556666": fromInt(int64(b))}},
			{Buyer: "B", Percent: fromInt(int64(100 - a)), Accounts: map[agreement.AccountID]currency.Decimal{"444455556666": fromInt(int64(100 - b))}},
		}}
		for i := range in.SellerLines {
			s := &in.SellerLines[i]
			if rapid.Bool().Draw(t, "has a base") {
				half := s.Exact.Number.Mul(dec("0.5"))
				s.ByAccount = map[string]currency.Decimal{"444455556666": half, "111122223333": half}
			}
		}
		parts := SplitByBuyer(in.Priced, in.SellerLines, split)
		whole, sum := map[string]currency.Decimal{}, map[string]currency.Decimal{}
		add := func(to map[string]currency.Decimal, priced []rating.Priced, seller []rating.SellerLine) {
			for _, p := range priced {
				k := string(p.Section) + p.Account + p.Product + p.Rate.AWSInvoice
				to[k] = to[k].Add(p.Exact.Number)
				to[k+"source"] = to[k+"source"].Add(p.Source.Number)
				if !p.Exact.Number.Equal(p.Rate.Convert(p.Source).Number) {
					t.Errorf("share %s of source %s", p.Exact, p.Source)
				}
			}
			for _, s := range seller {
				k := string(s.Section) + s.Label
				to[k] = to[k].Add(s.Exact.Number)
				base := currency.Zero
				for _, d := range s.ByAccount {
					base = base.Add(d)
				}
				if s.ByAccount != nil && !base.Equal(s.Exact.Number) {
					t.Errorf("line %s of base %s", s.Exact, base)
				}
			}
		}
		add(whole, in.Priced, in.SellerLines)
		for _, p := range parts {
			add(sum, p.Priced, p.Seller)
		}
		for k, want := range whole {
			if !sum[k].Equal(want) {
				t.Errorf("%s: parts sum to %s, whole is %s", k, sum[k], want)
			}
		}
	})
}

// Account 444455556666 goes 25 : 75, everything else 50 : 50; a fee follows its base.
func TestSplitFollowsAccounts(t *testing.T) {
	split := agreement.BuyerSplit{Shares: []agreement.BuyerShare{
		{Buyer: "A", Percent: dec("50"), Accounts: map[agreement.AccountID]currency.Decimal{"444455556666": dec("25")}},
		{Buyer: "B", Percent: dec("50"), Accounts: map[agreement.AccountID]currency.Decimal{"444455556666": dec("75")}},
	}}
	fee := sellerLine(rating.SectionFees, "Fee", "10")
	fee.ByAccount = map[string]currency.Decimal{"444455556666": dec("8"), "111122223333": dec("2")}
	parts := SplitByBuyer(
		[]rating.Priced{priced(rating.SectionUsage, "444455556666", "AmazonS3", "S3", "100", usdEUR)},
		[]rating.SellerLine{fee, sellerLine(rating.SectionDiscounts, "Goodwill", "-1")}, split)
	if got := parts[0].Priced[0].Exact.String(); got != "23 EUR" {
		t.Errorf("A's usage %s, want 23 EUR", got)
	}
	if got := parts[1].Seller[0].Exact.String(); got != "7 EUR" {
		t.Errorf("B's fee %s, want 7 EUR: 75 %% of 8 and 50 %% of 2", got)
	}
	if got := parts[1].Seller[1].Exact.String(); got != "-0.5 EUR" {
		t.Errorf("B's goodwill %s, want -0.5 EUR", got)
	}
}
