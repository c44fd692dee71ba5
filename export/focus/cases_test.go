package focus

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/rating"
)

var march = calendar.MustMonth("2026-03")

// report is a csv of a month's rows: each row is a list of columns that differ from a row of usage.
func report(rows ...string) string {
	columns := []string{
		"bill_payer_account_id", "line_item_usage_account_id", "line_item_usage_account_name", "line_item_product_code", "line_item_line_item_type",
		"bill_billing_entity", "bill_bill_type", "bill_invoice_id", "line_item_currency_code", "bill_invoicing_entity", "line_item_legal_entity",
		"identity_line_item_id", "line_item_line_item_description", "line_item_usage_type", "line_item_operation", "line_item_usage_amount",
		"line_item_unblended_rate", "line_item_unblended_cost", "line_item_net_unblended_cost", "discount", "pricing_public_on_demand_rate", "pricing_term",
		"pricing_unit", "pricing_rate_code", "product_sku", "product_region_code", "product_location", "line_item_resource_id", "line_item_tax_type",
		"line_item_usage_start_date", "line_item_usage_end_date", "bill_billing_period_start_date", "resource_tags",
		"reservation_reservation_a_r_n", "reservation_effective_cost", "reservation_unused_quantity", "reservation_unused_recurring_fee",
		"reservation_unused_amortized_upfront_fee_for_billing_period", "reservation_total_reserved_units",
		"savings_plan_savings_plan_a_r_n", "savings_plan_savings_plan_effective_cost", "savings_plan_total_commitment_to_date", "savings_plan_used_commitment",
	}
	usage := map[string]string{
		"bill_payer_account_id": "111122223333", "line_item_usage_account_id": "444455556666", "line_item_usage_account_name": "team",
		"line_item_product_code": "AmazonEC2", "line_item_line_item_type": "Usage", "bill_billing_entity": "AWS", "bill_bill_type": "Anniversary",
		"bill_invoice_id": "INV1", "line_item_currency_code": "USD", "bill_invoicing_entity": "AWS", "line_item_legal_entity": "AWS",
		"line_item_usage_type": "BoxUsage:m5.large", "line_item_operation": "RunInstances", "line_item_usage_amount": "1",
		"pricing_unit": "Hrs", "pricing_term": "OnDemand", "pricing_rate_code": "SKU1.TERM.RATE", "product_sku": "SKU1",
		"product_region_code": "eu-central-1", "product_location": "EU (Frankfurt)", "line_item_resource_id": "i-0123456789abcdef0",
		"line_item_usage_start_date": "2026-03-10T05:00:00Z", "line_item_usage_end_date": "2026-03-10T06:00:00Z",
		"bill_billing_period_start_date": "2026-03-01T00:00:00Z",
	}
	var b strings.Builder
	b.WriteString(strings.Join(columns, ",") + "\n")
	for n, r := range rows {
		values := map[string]string{"identity_line_item_id": "row" + string(rune('a'+n))}
		for pair := range strings.SplitSeq(r, "; ") {
			k, v, _ := strings.Cut(pair, "=")
			i := slices.IndexFunc(columns, func(c string) bool { return c == k || strings.HasSuffix(c, "_"+k) })
			if i < 0 {
				panic("no such column: " + k)
			}
			values[columns[i]] = v
		}
		for i, c := range columns {
			v, ok := values[c]
			if !ok {
				v = usage[c]
			}
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"` + strings.ReplaceAll(v, `"`, `""`) + `"`)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

const (
	spARN = "savings_plan_savings_plan_a_r_n=arn:aws:savingsplans::444455556666:savingsplan/sp-1"
	riARN = "reservation_reservation_a_r_n=arn:aws:ec2:eu-central-1:444455556666:reserved-instances/ri-1"
	sps   = "product_code=ComputeSavingsPlans; usage_type=ComputeSP:1yrNoUpfront; rate_code=; sku=; line_item_resource_id=; pricing_term="
)

// wants compares some columns of a row; "-" wants NULL.
func wants(t *testing.T, name string, r line, pairs string) {
	t.Helper()
	for pair := range strings.SplitSeq(pairs, "; ") {
		k, v, _ := strings.Cut(pair, "=")
		got, there := r[k]
		if v == "-" && there || v != "-" && got != v {
			t.Errorf("%s: %s is %q, want %q", name, k, got, v)
		}
	}
}

func find(t *testing.T, rows []line, pairs string) line {
	t.Helper()
	for _, r := range rows {
		fits := true
		for pair := range strings.SplitSeq(pairs, "; ") {
			k, v, _ := strings.Cut(pair, "=")
			fits = fits && r[k] == v
		}
		if fits {
			return r
		}
	}
	t.Fatalf("no row has %s", pairs)
	return nil
}

// The cases that the specification works out for AWS, with their numbers: a commitment is billed
// with its fee, covered usage costs its share of it, and what nobody used is a row of its own. Over
// the period the effective cost is what was billed.
func TestCommitments(t *testing.T) {
	covered := func(effective string) string {
		return "line_item_type=SavingsPlanCoveredUsage; unblended_rate=0.1; unblended_cost=0.1; public_on_demand_rate=0.1; savings_plan_effective_cost=" + effective + "; " + spARN
	}
	negation := "line_item_type=SavingsPlanNegation; unblended_cost=-0.1; line_item_usage_amount=1; " + spARN
	recurring := func(total, used string) string {
		return "line_item_type=SavingsPlanRecurringFee; unblended_cost=1; unblended_rate=1; total_commitment_to_date=" + total + "; used_commitment=" + used + "; " + sps + "; " + spARN
	}
	for name, c := range map[string]struct {
		rows         []string
		billed, used string // of the commitment's rows, in dollars
		unused       string
	}{
		"savings plan, nothing used":    {[]string{recurring("1", "0")}, "1", "0", "1"},
		"savings plan, half used":       {[]string{recurring("1", "0.5"), covered("0.5"), negation}, "1", "0.5", "0.5"},
		"savings plan, 75 % used":       {[]string{recurring("1", "0.75"), covered("0.25"), negation, covered("0.5"), negation}, "1", "0.75", "0.25"},
		"savings plan, all used":        {[]string{recurring("1", "1"), covered("1"), negation}, "1", "1", "0"},
		"savings plan, all and more":    {[]string{recurring("1", "1"), covered("1"), negation, "unblended_cost=0.3; unblended_rate=0.3"}, "1", "1", "0"},
		"savings plan, partial upfront": {[]string{recurring("1.5", "1"), covered("1"), negation, "line_item_type=SavingsPlanUpfrontFee; unblended_cost=4380; " + sps + "; " + spARN}, "4381", "1", "0.5"},
		"savings plan, all upfront": {[]string{
			"line_item_type=SavingsPlanUpfrontFee; unblended_cost=8760; " + sps + "; " + spARN,
			strings.ReplaceAll(recurring("1", "0.5"), "unblended_cost=1", "unblended_cost=0"), covered("0.5"), negation,
		}, "8760", "0.5", "0.5"},
		"reservation, no upfront": {[]string{
			"line_item_type=RIFee; unblended_cost=72; line_item_usage_amount=744; total_reserved_units=744; unused_quantity=24; unused_recurring_fee=2.4; " + riARN,
			"line_item_type=DiscountedUsage; unblended_cost=0; unblended_rate=0; public_on_demand_rate=0.15; pricing_term=Reserved; reservation_effective_cost=69.6; line_item_usage_amount=720; " + riARN,
		}, "72", "69.6", "2.4"},
		"reservation, partial upfront": {[]string{
			"line_item_type=Fee; unblended_cost=500; usage_type=HeavyUsage:m5.large; " + riARN,
			"line_item_type=RIFee; unblended_cost=36; line_item_usage_amount=744; total_reserved_units=744; unused_quantity=372; unused_recurring_fee=18; unused_amortized_upfront_fee_for_billing_period=20.8; " + riARN,
			"line_item_type=DiscountedUsage; unblended_cost=0; unblended_rate=0; public_on_demand_rate=0.15; pricing_term=Reserved; reservation_effective_cost=38.8; line_item_usage_amount=372; " + riARN,
		}, "536", "38.8", "38.8"},
		"reservation, all upfront": {[]string{
			"line_item_type=Fee; unblended_cost=1000; usage_type=HeavyUsage:m5.large; " + riARN,
			"line_item_type=DiscountedUsage; unblended_cost=0; unblended_rate=0; public_on_demand_rate=0.15; pricing_term=Reserved; reservation_effective_cost=0.114; " + riARN,
		}, "1000", "0.114", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			terms := plain
			terms.Currency = "USD"
			rows := append([]string{"unblended_cost=7; unblended_rate=7; usage_type=other"}, c.rows...)
			m, read := billed(t, fileOf("a.csv", report(rows...)), march, terms, "1")
			for _, v := range Versions {
				out := export(t, m, read, Options{v, MSP})
				of := func(status string) func(line) bool {
					return func(r line) bool { return r["CommitmentDiscountId"] != "" && r["CommitmentDiscountStatus"] == status }
				}
				for what, got := range map[string]currency.Decimal{
					"billed " + c.billed:    sum(out, "BilledCost", of("")),
					"used " + c.used:        sum(out, "EffectiveCost", of("Used")),
					"unused " + c.unused:    sum(out, "EffectiveCost", of("Unused")),
					"billed of used 0":      sum(out, "BilledCost", of("Used")),
					"billed of unused 0":    sum(out, "BilledCost", of("Unused")),
					"effective of bought 0": sum(out, "EffectiveCost", of("")),
					"negations 0":           sum(out, "BilledCost", func(r line) bool { return r["x_LineItemType"] == "SavingsPlanNegation" }),
					"payable " + payable(m): sum(out, "BilledCost", func(line) bool { return true }),
				} {
					what, want, _ := strings.Cut(what, " ")
					if i := strings.LastIndex(want, " "); i >= 0 {
						what, want = what+" "+want[:i], want[i+1:]
					}
					if !got.Equal(dec(want)) {
						t.Errorf("%s: %s is %s, want %s", v, what, got, want)
					}
				}
				for _, r := range out {
					switch {
					case r["CommitmentDiscountStatus"] == "Used":
						wants(t, name, r, "ChargeCategory=Usage; PricingCategory=Committed; ChargeFrequency=Usage-Based; ConsumedUnit=Hours")
					case r["CommitmentDiscountStatus"] == "Unused":
						wants(t, name, r, "ChargeCategory=Usage; PricingCategory=Committed; ConsumedQuantity=-; ConsumedUnit=-")
					case r["CommitmentDiscountId"] != "":
						wants(t, name, r, "ChargeCategory=Purchase; PricingCategory=Standard; ConsumedQuantity=-")
					}
				}
			}
		})
	}
}

func payable(m Month) string {
	return currency.Plain(m.Documents[0].Signed().Totals.Gross.Number)
}

// Each kind of row becomes what docs/FOCUS.md says, in euros at a rate, and all of them together
// come to the invoice and to each of its lines.
func TestRows(t *testing.T) {
	terms := plain
	terms.UsageDiscount = &agreement.PercentOf{Percent: dec("5"), Of: agreement.OfPartnerDiscount}
	file := report(
		`unblended_cost=0.1234567891; unblended_rate=0.1234567891; public_on_demand_rate=0.15; resource_tags={"user_team": "blue", "aws_created_by": "x", "user_name": "web 1"}`,
		"unblended_cost=0.5; unblended_rate=0.5; usage_type=EUC1-SpotUsage:m5.large; rate_code=SKU2.T.R; sku=SKU2",
		"unblended_cost=10; product_code=AWSSupportBusiness; usage_type=Support; line_item_type=Fee; rate_code=; sku=; line_item_resource_id=; pricing_unit=; pricing_term=",
		"line_item_type=SppDiscount; unblended_cost=-7.77; line_item_description=SPP programme discount",
		"line_item_type=Tax; unblended_cost=2.5; line_item_tax_type=VAT",
		"line_item_type=Credit; unblended_cost=-1.5; line_item_description=Credit for trying",
		"line_item_type=Refund; unblended_cost=-0.25; unblended_rate=; line_item_usage_start_date=2026-02-01T00:00:00Z; line_item_usage_end_date=2026-03-01T00:00:00Z",
		"line_item_type=BundledDiscount; unblended_cost=-0.05; line_item_description=CloudFront bundle",
		"product_code=abc123vendor; billing_entity=AWS Marketplace; legal_entity=Vendor Ltd; unblended_cost=3; unblended_rate=3; bill_invoice_id=INV2; rate_code=; sku=",
		"unblended_cost=0; unblended_rate=0; public_on_demand_rate=0.09; pricing_term=; usage_type=EUC1-DataTransfer-Out-Bytes; pricing_unit=GB; line_item_usage_amount=0.0000000373; rate_code=SKU3.T.R; sku=SKU3",
	)
	m, read := billed(t, fileOf("a.csv", file), march, terms, "0.92", func(in *rating.Input) {
		in.Adjustments = []agreement.Adjustment{{Month: march, Label: "Goodwill", Amount: dec("-2"), Reason: "late answer"}}
	})
	for _, v := range Versions {
		out := export(t, m, read, Options{v, MSP})
		if got := sum(out, "BilledCost", func(r line) bool { return r["InvoiceId"] == "DE-0001" }); !got.Equal(dec(payable(m))) {
			t.Errorf("%s: rows come to %s, payable %s", v, got, payable(m))
		}
		detail := v.fields()[slices.IndexFunc(v.fields(), func(f field) bool { return f.column == cInvoiceDetailID })].name
		for _, l := range m.Documents[0].Lines {
			id := "DE-0001-" + string(rune('0'+l.Position))
			if got := sum(out, "BilledCost", func(r line) bool { return r[detail] == id }); !got.Equal(l.Net.Number) {
				t.Errorf("%s: line %s %s: rows come to %s, printed %s", v, id, l.Label, got, l.Net)
			}
		}
		wants(t, "usage", find(t, out, "x_LineItemId=rowa"), "BilledCost=0.113580245972; EffectiveCost=0.113580245972; ListUnitPrice=0.138; ListCost=0.138; "+
			"ContractedCost=0.113580245972; PricingCurrency=USD; PricingCurrencyListUnitPrice=0.15; BillingCurrency=EUR; ServiceName=Amazon Elastic Compute Cloud; "+
			"ServiceCategory=Compute; RegionId=eu-central-1; RegionName=EU (Frankfurt); ResourceType=instance; ResourceName=web 1; PricingUnit=Hours; "+
			`Tags={"aws:created_by":"x","name":"web 1","team":"blue"}; SubAccountId=444455556666; SubAccountName=team; ChargeClass=-; x_RatingRuleId=15`)
		wants(t, "spot", find(t, out, "x_LineItemId=rowb"), "PricingCategory=Dynamic")
		wants(t, "support", find(t, out, "x_LineItemId=rowc"), "ChargeCategory=Purchase; ChargeFrequency=Recurring; BilledCost=9.2; EffectiveCost=9.2; SkuId=AWSSupportBusiness:Support; PricingUnit=Units")
		wants(t, "credit", find(t, out, "x_LineItemId=rowf"), "ChargeCategory=Credit; ChargeFrequency=One-Time; BilledCost=-1.38; ListCost=-1.38; PricingCategory=-; PricingQuantity=-; SkuId=-")
		wants(t, "refund", find(t, out, "x_LineItemId=rowg"), "ChargeCategory=Usage; ChargeClass=Correction; ChargeFrequency=One-Time; BilledCost=-0.23; PricingQuantity=-1; ListUnitPrice=0.23; ChargePeriodStart=2026-02-01T00:00:00Z; BillingPeriodStart=2026-03-01T00:00:00Z")
		wants(t, "bundle", find(t, out, "x_LineItemId=rowh"), "ChargeCategory=Adjustment; BilledCost=-0.046; x_LineItemType=Discount")
		wants(t, "vendor", find(t, out, "x_LineItemId=rowi"), "ServiceCategory=Other; "+v.name(cHost)+"=Vendor Ltd; "+v.name(cProvider)+"=Seller GmbH; InvoiceIssuerName=Seller GmbH")
		wants(t, "free", find(t, out, "x_LineItemId=rowj"), "BilledCost=0; ListCost=0; ListUnitPrice=0; InvoiceId=DE-0001; PricingUnit=GB")
		wants(t, "discount", find(t, out, "ChargeDescription=Additional usage discount"), "ChargeCategory=Adjustment; x_ChargeSubType=Discount; SubAccountId=444455556666")
		wants(t, "goodwill", find(t, out, "ChargeDescription=Goodwill"), "ChargeCategory=Adjustment; BilledCost=-2; SubAccountId=-")
		tax := find(t, out, "ChargeCategory=Tax")
		wants(t, "tax", tax, "x_ChargeSubType=Tax; PricingQuantity=-; SkuId=-; PricingCategory=-")
		for _, id := range []string{"rowd", "rowe"} {
			if slices.ContainsFunc(out, func(r line) bool { return r["x_LineItemId"] == id }) {
				t.Errorf("%s: %s is in the file", v, id)
			}
		}
	}
	resale := export(t, m, read, Options{V14, Resale})
	wants(t, "resale", find(t, resale, "x_LineItemId=rowa"), "ServiceProviderName=Amazon Web Services; InvoiceIssuerName=Seller GmbH; HostProviderName=Amazon Web Services")
	wants(t, "resale", find(t, resale, "ChargeDescription=Goodwill"), "ServiceProviderName=Seller GmbH; HostProviderName=-")
}

// Nothing of what the customer's file holds tells what the seller buys for, keeps or earns.
func TestKeepsTheSellersSecrets(t *testing.T) {
	terms := plain
	terms.UsageDiscount = &agreement.PercentOf{Percent: dec("5"), Of: agreement.OfPartnerDiscount}
	const discount, net, bundled = "-7.7654321", "91.8765432", "-0.3580247"
	file := report(
		"unblended_cost=100; unblended_rate=100; net_unblended_cost="+net+`; discount={"spp_discount": -7.7654321, "bundled_discount": -0.3580247}`,
		"line_item_type=SppDiscount; unblended_cost=-3.9876543; line_item_description=SPP programme discount",
	)
	m, read := billed(t, fileOf("a.csv", file), march, terms, "0.92")
	secrets := []string{discount[1:], net, "3.9876543", "SPP", "programme", "Spp", "partner", "Partner", "margin", "retained"}
	for _, s := range secrets[:3] {
		secrets = append(secrets, currency.Plain(dec(s).Mul(dec("0.92"))))
	}
	kept := dec(discount).Add(dec("-3.9876543"))
	secrets = append(secrets, currency.Plain(kept.Neg()), currency.Plain(kept.Neg().Mul(dec("0.92"))))
	for _, v := range Versions {
		for _, identity := range []Identity{MSP, Resale} {
			var b bytes.Buffer
			if _, err := Write(t.Context(), &b, m, read, Options{v, identity}, CSV); err != nil {
				t.Fatal(err)
			}
			text := gunzip(t, b.Bytes())
			if !strings.Contains(text, "Additional usage discount") || !strings.Contains(text, currency.Plain(dec(bundled).Mul(dec("0.92")))) {
				t.Errorf("%s: the discounts that the customer gets are missing", v)
			}
			for _, s := range secrets {
				if strings.Contains(text, s) {
					t.Errorf("%s %s: the file says %q", v, identity, s)
				}
			}
		}
	}
}

func gunzip(t *testing.T, b []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
