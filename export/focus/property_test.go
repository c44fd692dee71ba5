package focus

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
)

// Whatever a month holds, its rows come to each printed line and to the payable amount of each
// invoice, and the effective cost of what no commitment is about is what is billed.
func TestAnyMonthTiesOut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var rows []string
		for range rapid.IntRange(1, 12).Draw(rt, "rows") {
			amount := fmt.Sprintf("%d.%010d", rapid.IntRange(0, 300).Draw(rt, "whole"), rapid.Int64Range(0, 9_999_999_999).Draw(rt, "fraction"))
			account := rapid.SampledFrom([]string{"111122223333", "444455556666", "777788889999"}).Draw(rt, "account")
			product := rapid.SampledFrom([]string{"AmazonEC2", "AmazonS3", "AmazonBedrock", "AmazonNewThing"}).Draw(rt, "product")
			invoiceID := rapid.SampledFrom([]string{"INV1", "INV2"}).Draw(rt, "invoice")
			row := "line_item_usage_account_id=" + account + "; product_code=" + product + "; bill_invoice_id=" + invoiceID
			switch rapid.IntRange(0, 9).Draw(rt, "kind") {
			case 0:
				row += "; line_item_type=Credit; unblended_cost=-" + amount
			case 1:
				row += "; line_item_type=Refund; unblended_cost=-" + amount
			case 2:
				row += "; line_item_type=SavingsPlanCoveredUsage; unblended_cost=" + amount + "; savings_plan_effective_cost=0.01; " + spARN
				rows = append(rows, "line_item_usage_account_id="+account+"; product_code="+product+"; bill_invoice_id="+invoiceID+"; line_item_type=SavingsPlanNegation; unblended_cost=-"+amount+"; "+spARN)
			case 3:
				row += "; line_item_type=SavingsPlanRecurringFee; unblended_cost=" + amount + "; total_commitment_to_date=" + amount + "; used_commitment=0.3; " + spARN
			case 4:
				row += "; line_item_type=SppDiscount; unblended_cost=-" + amount
			case 5:
				row += "; line_item_type=BundledDiscount; unblended_cost=-" + amount
			case 6:
				row += "; line_item_type=Fee; unblended_cost=" + amount + "; rate_code=; sku="
			case 7:
				row += "; unblended_cost=" + amount + "E-7; line_item_usage_amount=0.00000123"
			default:
				row += "; unblended_cost=" + amount + "; unblended_rate=" + amount
			}
			rows = append(rows, row)
		}
		terms := plain
		terms.UsageDiscount = &agreement.PercentOf{Percent: dec("3.3"), Of: agreement.OfUsage}
		terms.SharedFees = rapid.SampledFrom([]string{"payer", agreement.SharedLinkedAccounts}).Draw(rt, "shared fees")
		value := rapid.SampledFrom([]string{"1", "0.92", "0.8712345678", "1.0000000001"}).Draw(rt, "rate")
		var split *agreement.BuyerSplit
		if rapid.Bool().Draw(rt, "split") {
			split = &agreement.BuyerSplit{From: march, Shares: []agreement.BuyerShare{
				{Buyer: "BUY-0001", Percent: dec("66.67"), Accounts: map[agreement.AccountID]currency.Decimal{"444455556666": dec("0")}},
				{Buyer: "BUY-0002", Percent: dec("33.33"), Accounts: map[agreement.AccountID]currency.Decimal{"444455556666": dec("100")}},
			}}
		}
		m, read, ok := tryBilled(t, fileOf("a.csv", report(rows...)), terms, value, split)
		if !ok {
			return
		}
		for _, v := range Versions {
			ties(rt, v, m, export(t, m, read, Options{v, MSP}))
		}
	})
}

// tryBilled is billed for a month that may be split over buyers, or come to nothing.
func tryBilled(t *testing.T, f ingest.File, terms agreement.Terms, value string, split *agreement.BuyerSplit) (Month, Rows, bool) {
	t.Helper()
	m, read := billed(t, f, march, terms, value)
	m.Split = split
	if split == nil {
		return m, read, !m.Documents[0].Totals.Net.Number.IsZero()
	}
	m.Documents = nil
	for i, part := range invoice.SplitByBuyer(m.Rated.Priced, m.Rated.Seller, *split) {
		b := buyer
		b.ID = part.Share.Buyer
		d, reasons := invoice.Draft(draftInput(m, terms, b, part.Priced, part.Seller))
		if len(reasons) > 0 {
			t.Fatalf("no draft: %v", reasons)
		}
		if !d.Totals.Net.Number.IsZero() {
			m.Documents = append(m.Documents, d.Issue(fmt.Sprintf("DE-000%d", i+1), march.Add(1).Day(8), 30))
		}
	}
	return m, read, len(m.Documents) > 0
}

func draftInput(m Month, terms agreement.Terms, b agreement.Buyer, priced []rating.Priced, lines []rating.SellerLine) invoice.Input {
	return invoice.Input{
		ID: "AGR-0001-" + b.ID, Agreement: "AGR-0001", Month: march, Seller: seller, Buyer: b, Currency: terms.Currency, Priced: priced, SellerLines: lines,
	}
}

func ties(t *rapid.T, v Version, m Month, out []line) {
	detail := v.fields()[slices.IndexFunc(v.fields(), func(f field) bool { return f.column == cInvoiceDetailID })].name
	rest := sum(out, "BilledCost", func(line) bool { return true })
	for _, d := range m.Documents {
		signed := d.Signed()
		rest = rest.Sub(signed.Totals.Gross.Number)
		if got := sum(out, "BilledCost", func(r line) bool { return r["InvoiceId"] == *d.Number }); !got.Equal(signed.Totals.Gross.Number) {
			t.Errorf("%s: %s comes to %s, payable %s", v, *d.Number, got, signed.Totals.Gross)
		}
		for _, l := range signed.Lines {
			id := fmt.Sprintf("%s-%d", *d.Number, l.Position)
			if got := sum(out, "BilledCost", func(r line) bool { return r[detail] == id }); !got.Equal(l.Net.Number) {
				t.Errorf("%s: line %s %s comes to %s, printed %s", v, id, l.Label, got, l.Net)
			}
		}
	}
	if !rest.IsZero() && len(m.Documents) == 1 && m.Split == nil {
		t.Errorf("%s: %s is on rows of no invoice", v, rest)
	}
	for _, r := range out {
		if r["CommitmentDiscountId"] == "" && !dec(r["BilledCost"]).Equal(dec(r["EffectiveCost"])) {
			t.Errorf("%s: billed %s, effective %s without a commitment: %v", v, r["BilledCost"], r["EffectiveCost"], r)
		}
		for _, p := range []string{"List", "Contracted"} {
			if price := r[p+"UnitPrice"]; price != "" && !dec(price).Mul(dec(r["PricingQuantity"])).Equal(dec(r[p+"Cost"])) {
				t.Errorf("%s: %s x %s is not %s", v, price, r["PricingQuantity"], r[p+"Cost"])
			}
			if strings.HasPrefix(r[p+"UnitPrice"], "-") {
				t.Errorf("%s: a price of %s", v, r[p+"UnitPrice"])
			}
		}
	}
}
