package arrears

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/book"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
)

// The properties below hold for any charges, terms and bills. What is drawn are amounts of all
// sizes, all line item types with some that nobody knows, discounts in both forms, three AWS
// invoices at three rates, and terms of every kind.

var march = calendar.MustMonth("2026-03")

func drawAmount(t *rapid.T, label string) currency.Decimal {
	places := rapid.Int32Range(0, 10).Draw(t, label+" places")
	return decimal.New(rapid.Int64Range(-1_000_000, 3_000_000).Draw(t, label), -places)
}

func drawCharge(t *rapid.T, invoices []string) ingest.ChargeSet {
	c := ingest.Charge{Key: ingest.Key{
		Payer:   "111122223333",
		Account: rapid.SampledFrom([]string{"111122223333", "444455556666", "777788889999"}).Draw(t, "account"),
		Product: rapid.SampledFrom([]string{"AmazonEC2", "AmazonS3", "ComputeSavingsPlans", "AWSSupportBusiness", "AWSSupportEnterprise"}).Draw(t, "product"),
		Type: rapid.SampledFrom([]string{
			ingest.TypeUsage, ingest.TypeUsage, ingest.TypeUsage, ingest.TypeSppDiscount, ingest.TypeSppDiscount, ingest.TypeRIFee,
			ingest.TypeSavingsPlanRecurringFee, ingest.TypeSavingsPlanCoveredUsage, ingest.TypeSavingsPlanNegation, ingest.TypeTax, ingest.TypeCredit,
			ingest.TypeRefund, ingest.TypeBundledDiscount, ingest.TypeEdpDiscount, ingest.TypeFee, ingest.TypeDistributorDiscount, ingest.TypeDiscount, "QuantumFee",
		}).Draw(t, "type"),
		BillingEntity: rapid.SampledFrom([]string{ingest.EntityAWS, ingest.EntityAWS, ingest.EntityMarketplace}).Draw(t, "entity"),
		BillType:      rapid.SampledFrom([]string{ingest.BillAnniversary, ingest.BillAnniversary, ingest.BillRefund}).Draw(t, "bill type"),
		Invoice:       rapid.SampledFrom(invoices).Draw(t, "invoice"), Currency: "USD",
	}}
	c.Class = ingest.ClassOf(c.Type, rapid.SampledFrom([]string{"", "AWS SPP Discount", "Bundled Discount", "EDP"}).Draw(t, "description"))
	c.Unblended = drawAmount(t, "amount")
	c.Rows = rapid.Int64Range(1, 9).Draw(t, "rows")
	if !c.Unblended.IsZero() {
		c.NonZero = c.Rows
	}
	if c.Type == ingest.TypeUsage && rapid.IntRange(0, 3).Draw(t, "inside") == 0 {
		key := rapid.SampledFrom([]string{"spp_discount", "bundled_discount", "edp_discount", "mystery_discount"}).Draw(t, "part")
		c.Parts = []ingest.Part{{Key: key, Amount: drawAmount(t, "part amount")}}
	}
	return ingest.Merge(ingest.ChargeSet{Charges: []ingest.Charge{c}, Rows: c.Rows})
}

// drawMonth draws charges, one set each, and all else that a month is computed from.
func drawMonth(t *rapid.T, b book.Book) ([]ingest.ChargeSet, Inputs) {
	var sets []ingest.ChargeSet
	for range rapid.IntRange(1, 12).Draw(t, "charges") {
		sets = append(sets, drawCharge(t, []string{"INV1", "INV2", "INV3"}))
	}
	percent := func(label string) currency.Decimal {
		return decimal.New(rapid.Int64Range(0, 10000).Draw(t, label), -2)
	}
	terms := b.Agreements[0].Terms[0]
	terms.Support = rapid.SampledFrom([]string{agreement.Resold, agreement.PartnerLed}).Draw(t, "support")
	terms.UsageDiscount = &agreement.PercentOf{Percent: percent("usage discount"), Of: rapid.SampledFrom([]string{agreement.OfPartnerDiscount, agreement.OfUsage}).Draw(t, "of")}
	terms.SupportDiscount = &agreement.PercentOf{Percent: percent("support discount")}
	terms.SharedFees = rapid.SampledFrom([]string{agreement.SharedPayer, agreement.SharedLinkedAccounts}).Draw(t, "shared fees")
	terms.PrivatePricing = rapid.SampledFrom([]string{agreement.PrivateBlock, agreement.PrivatePassOn}).Draw(t, "private pricing")
	in := Inputs{
		Agreement: "AGR-0001", Organisation: "111122223333", Month: march, Terms: terms, Discounts: true,
		Seller: b.Sellers[0], Buyers: []agreement.Buyer{b.Buyers[0]}, Tolerance: agreement.DefaultTolerance(),
		Strict: rapid.Bool().Draw(t, "strict"), Rules: rating.RuleVersion,
	}
	for i, s := range rating.CompareForms(ingest.Merge(sets...).Charges).Sums {
		bill := ingest.Bill{
			ID: s.Invoice, Account: "999900001111", Type: ingest.BillInvoice, BillType: ingest.BillTypeAnniversary, BillingEntity: ingest.EntityAWS, Month: march,
			Base: ingest.BillAmount{Currency: "USD", BeforeTax: s.BeforeTax.Round(2), Total: s.BeforeTax.Add(s.Tax).Round(2)},
			Payment: ingest.BillAmount{Currency: "EUR", Exchange: &currency.Rate{
				From: "USD", To: "EUR", Value: decimal.New(9123456789-int64(i)*100, -10), Source: agreement.ExchangeAWSInvoice, Date: calendar.MustDate("2026-04-03"), AWSInvoice: s.Invoice,
			}},
		}
		if rapid.IntRange(0, 9).Draw(t, "bill differs") == 0 {
			bill.Base.BeforeTax = bill.Base.BeforeTax.Add(drawAmount(t, "difference"))
		}
		in.Bills = append(in.Bills, bill)
	}
	return sets, in
}

func scenarioParsed(t *testing.T) book.Book {
	t.Helper()
	b, errs := book.Parse("book.yaml", []byte(scenarioBook))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return b
}

// compute computes a month from charges.
func compute(in Inputs, sets ...ingest.ChargeSet) (Evidence, Outcome) {
	e := Evidence{Inputs: in, Late: true, Set: ingest.Merge(sets...)}
	e.Inputs.Fingerprint = e.Set.Fingerprint()
	out := Compute(&e, scenarioRates{})
	return e, out
}

func TestConservation(t *testing.T) { // I1
	b := scenarioParsed(t)
	drafted := 0
	rapid.Check(t, func(t *rapid.T) {
		sets, in := drawMonth(t, b)
		e, out := compute(in, sets...)
		if charged, disposed := chargedBy(e, out), disposedOf(out); !charged.Equal(disposed) {
			t.Fatalf("AWS charged %s, the dispositions sum to %s", charged, disposed)
		}
		for _, p := range out.Rated.Priced {
			if p.Section != "" && out.Status == Drafted && !p.Source.Number.IsZero() && !p.Exact.Number.Equal(p.Source.Number.Mul(p.Rate.Value)) {
				t.Fatalf("%s at %s is %s", p.Source, p.Rate.Value, p.Exact)
			}
		}
		if out.Status == Drafted {
			drafted++
		}
	})
	if drafted == 0 {
		t.Error("no month was drafted: the property is not tested")
	}
}

func TestOrderAndPartitionDoNotMatter(t *testing.T) { // I4
	b := scenarioParsed(t)
	rapid.Check(t, func(t *rapid.T) {
		sets, in := drawMonth(t, b)
		e1, one := compute(in, sets...)

		// The same rows in another order, in files of other sizes, read by several workers.
		shuffled := rapid.Permutation(sets).Draw(t, "order")
		var files []ingest.ChargeSet
		for len(shuffled) > 0 {
			n := rapid.IntRange(1, len(shuffled)).Draw(t, "file")
			files = append(files, ingest.Merge(shuffled[:n]...))
			shuffled = shuffled[n:]
		}
		other := in
		other.Bills = rapid.Permutation(in.Bills).Draw(t, "bills")
		slices.SortFunc(other.Bills, func(a, b ingest.Bill) int { return strings.Compare(a.ID, b.ID) }) // as ReadBills has them
		e2, two := compute(other, files...)
		if e1.Inputs.Hash() != e2.Inputs.Hash() {
			t.Error("the inputs differ")
		}
		if a, b := asJSON(t, one), asJSON(t, two); a != b {
			t.Errorf("the outcomes differ:\n%s\n%s", a, b)
		}
	})
}

func asJSON(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLinesSum(t *testing.T) { // I10
	b := scenarioParsed(t)
	cent := currency.MustParse("0.01")
	rapid.Check(t, func(t *rapid.T) {
		sets, in := drawMonth(t, b)
		_, out := compute(in, sets...)
		for _, d := range out.Documents {
			net, exact := currency.Zero, currency.Zero
			for _, l := range d.Lines {
				net, exact = net.Add(l.Net.Number), exact.Add(l.Exact)
				if l.Net.Number.Sub(l.Exact).Abs().Cmp(cent) >= 0 {
					t.Errorf("line %d: %s is a cent or more off %s", l.Position, l.Net, l.Exact)
				}
			}
			if !net.Equal(d.Totals.Net.Number) || !exact.Round(2).Equal(net) {
				t.Errorf("lines sum to %s, exactly %s, the total is %s", net, exact, d.Totals.Net)
			}
		}
	})
}

func TestSplitPartsSum(t *testing.T) {
	b := scenarioParsed(t)
	rapid.Check(t, func(t *rapid.T) {
		sets, in := drawMonth(t, b)
		_, whole := compute(in, sets...)
		share := decimal.New(rapid.Int64Range(0, 1000000).Draw(t, "share"), -4)
		in.Split = &agreement.BuyerSplit{From: march, Shares: []agreement.BuyerShare{
			{Buyer: "BUY-0001", Percent: share}, {Buyer: "BUY-0002", Percent: decimal.New(100, 0).Sub(share)},
		}}
		in.Buyers = []agreement.Buyer{b.Buyers[0], b.Buyers[0], b.Buyers[1]}
		_, split := compute(in, sets...)
		if whole.Status != Drafted || split.Status != Drafted || len(split.Documents) == 0 {
			return
		}
		// Parts whose net rounds to 0 are no documents: they are less than half a cent each.
		left := exactOf(whole.Documents).Sub(exactOf(split.Documents)).Abs()
		if len(split.Documents) == 2 && !left.IsZero() || left.GreaterThan(currency.MustParse("0.005")) {
			t.Errorf("the parts sum to %s, the whole is %s", exactOf(split.Documents), exactOf(whole.Documents))
		}
	})
}

func exactOf(documents []invoice.Document) currency.Decimal {
	sum := currency.Zero
	for _, d := range documents {
		for _, l := range d.Signed().Lines {
			sum = sum.Add(l.Exact)
		}
	}
	return sum
}

func TestDocumentAndCreditMakeZero(t *testing.T) {
	b := scenarioParsed(t)
	rapid.Check(t, func(t *rapid.T) {
		sets, in := drawMonth(t, b)
		_, out := compute(in, sets...)
		if out.Status != Drafted {
			return
		}
		issued := out.Documents[0].Issue("DE-2026-000001", calendar.MustDate("2026-04-09"), 30)
		if issued.Totals.Net.Number.Sign() <= 0 {
			t.Fatalf("a document of %s", issued.Totals.Net)
		}
		credit, err := invoice.Credit(issued, nil, nil, "AGR-0001-2026-03-c1", "all of it")
		if err != nil {
			t.Fatal(err)
		}
		both := []invoice.Document{issued, credit.Issue("DE-CN-2026-000001", calendar.MustDate("2026-04-10"), 30)}
		if !outstanding(both).IsZero() || !exactOf(both).IsZero() || len(compareLines(both, nil)) > 0 {
			t.Errorf("document and credit leave %s", outstanding(both))
		}
		if current(both)[0].ID != issued.ID || !allGivenBack(both) {
			t.Error("the month is not given back")
		}
	})
}

func TestReplayOfTheSameIsIdentical(t *testing.T) {
	b := scenarioParsed(t)
	rapid.Check(t, func(t *rapid.T) {
		sets, in := drawMonth(t, b)
		e, out := compute(in, sets...)
		again := Compute(&e, recorded(e.Inputs.References))
		if d := compareLines(out.Documents, again.Documents); len(d) > 0 {
			t.Errorf("%d lines differ, first %+v", len(d), d[0])
		}
		if d := compareTax(out.Documents, again.Documents); len(d) > 0 {
			t.Errorf("tax differs: %+v", d[0])
		}
		// And with a charge more it is not, by exactly that charge.
		if out.Status != Drafted || len(out.Documents) != 1 {
			return
		}
		more := out.Documents[0].Signed()
		more.Kind = invoice.KindInvoice
		extra := more.Lines[0]
		extra.Exact = extra.Exact.Add(currency.MustParse("0.0000000001"))
		more.Lines = append([]invoice.Line{extra}, more.Lines[1:]...)
		if d := compareLines(out.Documents, []invoice.Document{more}); len(d) != 1 || currency.Plain(d[0].Difference) != "0.0000000001" {
			t.Errorf("a difference of 1e-10 gives %+v", d)
		}
	})
}

// A waiver is bound to the exact difference: it lets no other one pass.
func TestWaiverIsBound(t *testing.T) {
	b := scenarioParsed(t)
	rapid.Check(t, func(t *rapid.T) {
		sets, in := drawMonth(t, b)
		in.Strict = true
		e, out := compute(in, sets...)
		if out.Status != Blocked {
			return
		}
		for _, r := range out.Reasons {
			e.Inputs.Waived = append(e.Inputs.Waived, Waived{Code: r.Code, Bound: e.Inputs.bound(r), By: "lead@seller.example"})
		}
		in.Waived = e.Inputs.Waived
		_, passed := compute(in, sets...)
		for _, r := range passed.Reasons {
			if slices.Contains(waivable, r.Code) {
				t.Errorf("%s is let pass and still blocks: %s", r.Code, r.Text)
			}
		}
		// The same differences in another delivery.
		more := append(slices.Clone(sets), ingest.ChargeSet{Rows: 1, Charges: []ingest.Charge{{
			Key:       ingest.Key{Payer: "111122223333", Account: "111122223333", Product: "AmazonVPC", Type: ingest.TypeUsage, BillingEntity: ingest.EntityAWS, BillType: ingest.BillAnniversary, Invoice: "INV1", Currency: "USD"},
			Unblended: currency.Zero, Rows: 1,
		}}})
		_, again := compute(in, more...)
		for _, r := range out.Reasons {
			if slices.Contains(waivable, r.Code) && !hasCode(again.Reasons, r.Code) {
				t.Errorf("%s passes for another delivery: %s", r.Code, fmt.Sprint(again.Reasons))
			}
		}
	})
}
