package cur

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// TestCharges: what rows become, case by case. A case's rows share account, product and invoice;
// its columns are named without the prefix line_item_.
func TestCharges(t *testing.T) {
	dec := currency.MustParse
	type charges []ingest.Charge
	of := func(typ string) ingest.Key { return ingest.Key{Type: typ} }
	tests := []struct {
		name    string
		columns string // the last ones; type and cost come before
		rows    []string
		want    charges
	}{
		{"rows of one key are one charge, zeros counted", "x", []string{"Usage,1.5,", "Usage,-7.0E-10,", "Usage,0,"}, charges{
			{Key: of("Usage"), Unblended: dec("1.4999999993"), Rows: 3, NonZero: 2},
		}},
		{"a sum that floats get wrong", "x", []string{"Usage,827250.19,", "Usage,0.30000000000000004,", "Usage,0.1,", "Usage,0.2,"}, charges{
			{Key: of("Usage"), Unblended: dec("827250.79000000000000004"), Rows: 4, NonZero: 4},
		}},
		{"a commitment, a split row and a taxed row are charges of their own", "reservation_reservation_a_r_n,line_item_operation,line_item_tax_type",
			[]string{"Fee,1,arn:x,,", "Fee,2,,,", "Fee,4,,EKSPod-EC2,", "Fee,8,,ECSTask-EC2,", "Fee,16,,RunInstances,VAT"}, charges{
				{Key: of("Fee"), Unblended: dec("2"), Rows: 1, NonZero: 1},
				{Key: ingest.Key{Type: "Fee", Taxed: true}, Unblended: dec("16"), Rows: 1, NonZero: 1},
				{Key: ingest.Key{Type: "Fee", Split: true}, Unblended: dec("12"), Rows: 2, NonZero: 2},
				{Key: ingest.Key{Type: "Fee", Commitment: true}, Unblended: dec("1"), Rows: 1, NonZero: 1},
			}},
		{"descriptions class Discount, Refund and Credit rows only", "line_item_line_item_description",
			[]string{"Usage,1,AWS SPP Discount", "Credit,-2,AWS SPP Discount", "Credit,-4,Free tier", "Refund,-8,Enterprise Discount Program refund"}, charges{
				{Key: ingest.Key{Type: "Credit", Class: "none"}, Unblended: dec("-4"), Rows: 1, NonZero: 1},
				{Key: ingest.Key{Type: "Credit", Class: "partner"}, Unblended: dec("-2"), Rows: 1, NonZero: 1},
				{Key: ingest.Key{Type: "Refund", Class: "enterprise"}, Unblended: dec("-8"), Rows: 1, NonZero: 1},
				{Key: of("Usage"), Unblended: dec("1"), Rows: 1, NonZero: 1},
			}},
		{"without a net cost a discount is a reduction, whatever its sign", "discount_spp_discount", []string{"Usage,10,0.5", "Usage,10,-0.5", "Usage,10,"}, charges{
			{Key: of("Usage"), Unblended: dec("30"), Rows: 3, NonZero: 3, Parts: []ingest.Part{{Key: "spp_discount", Amount: dec("-1")}}},
		}},
		{"with a net cost it has the sign of net - unblended", "discount_spp_discount,line_item_net_unblended_cost",
			[]string{"Usage,10,0.5,9.5", "Usage,10,-0.5,9.5", "Usage,-10,-0.7,-9.3", "Usage,-10,0.7,-9.3"}, charges{
				{Key: of("Usage"), Rows: 4, NonZero: 4, Parts: []ingest.Part{{Key: "spp_discount", Amount: dec("0.4")}}},
			}},
		{"all parts of a row flip together", "discount_spp_discount,discount_edp_discount,line_item_net_unblended_cost", []string{"Usage,10,3,-1,8"}, charges{
			{Key: of("Usage"), Unblended: dec("10"), Rows: 1, NonZero: 1, Parts: []ingest.Part{{Key: "edp_discount", Amount: dec("1")}, {Key: "spp_discount", Amount: dec("-3")}}},
		}},
		{"what parts leave unexplained, and how often it is too much", "discount_spp_discount,line_item_net_unblended_cost",
			[]string{"Usage,10,-0.5,9.5000001", "Usage,10,-0.5,9.500001", "Usage,10,-0.5,9.5000010001", "Usage,10,,9", "Usage,10,-0.5,"}, charges{
				{Key: of("Usage"), Unblended: dec("50"), Rows: 5, NonZero: 5, Parts: []ingest.Part{{Key: "spp_discount", Amount: dec("-2")}}, Rest: dec("-0.9999978999"), Off: 2},
			}},
		{"discount rows, disguised ones and tax are not compared", "line_item_net_unblended_cost,line_item_line_item_description,line_item_tax_type",
			[]string{"SppDiscount,-5,0,,", "Credit,-5,0,AWS SPP Discount,", "Credit,-5,0,Free tier,", "Tax,5,0,,", "Usage,5,0,,VAT"}, charges{
				{Key: ingest.Key{Type: "Credit", Class: "none"}, Unblended: dec("-5"), Rows: 1, NonZero: 1, Rest: dec("5"), Off: 1},
				{Key: ingest.Key{Type: "Credit", Class: "partner"}, Unblended: dec("-5"), Rows: 1, NonZero: 1},
				{Key: of("SppDiscount"), Unblended: dec("-5"), Rows: 1, NonZero: 1},
				{Key: of("Tax"), Unblended: dec("5"), Rows: 1, NonZero: 1},
				{Key: ingest.Key{Type: "Usage", Taxed: true}, Unblended: dec("5"), Rows: 1, NonZero: 1},
			}},
		{"the map counts before the column of the same kind; the total is no part", "discount,discount_bundled_discount,discount_total_discount",
			[]string{
				`Usage,10,"{""bundled_discount"":-1,""total_discount"":-9}",-1,-9`, `Usage,10,{},-2,-2`, `Usage,10,"{""bundled_discount"":null}",-4,`,
				`Usage,10,"{""new_discount"":""-8.0E-2"",""spp_discount"":0}",,`,
			}, charges{
				{Key: of("Usage"), Unblended: dec("40"), Rows: 4, NonZero: 4, Parts: []ingest.Part{{Key: "bundled_discount", Amount: dec("-7")}, {Key: "new_discount", Amount: dec("-0.08")}}},
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("line_item_line_item_type,line_item_unblended_cost," + tt.columns)
			b.WriteString(",bill_payer_account_id,line_item_usage_account_id,line_item_product_code,bill_billing_entity,bill_bill_type,bill_invoice_id,line_item_currency_code\n")
			for _, r := range tt.rows {
				b.WriteString(r + ",,,,,,,\n")
			}
			s, err := Scan(t.Context(), inMemory("a.csv", b.String()), march)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]ingest.Charge(tt.want), s.Set.Charges); diff != "" {
				t.Errorf("charges differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNames: products that the data's table lacks are called what the first row says that says
// anything, and Discount rows of class none show their smallest description.
func TestNames(t *testing.T) {
	file := csvHeader[:len(csvHeader)-1] + ",product/ProductName,product,lineItem/LineItemDescription\n"
	row := func(product, typ, name, m, description string) {
		file += "1,1," + product + "," + typ + ",AWS Marketplace,Anniversary,,USD,1,,," + name + "," + m + "," + description + "\n"
	}
	row("vendor1", "Usage", "", `"{""region"":""x""}"`, "")
	row("vendor1", "Usage", "", `"{""product_name"":""Z of the map""}"`, "")
	row("vendor1", "Usage", "A later", "", "")
	row("vendor2", "Usage", "B", `"{""product_name"":""not this""}"`, "")
	row("AmazonS3", "Usage", "some other name", "", "")
	row("vendor3", "Discount", "", "", "b: unheard of")
	row("vendor3", "Discount", "", "", "a: unheard of")
	row("vendor3", "Discount", "", "", "AWS SPP Discount")
	s, err := Scan(t.Context(), inMemory("a.csv", file), march)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"vendor1": "Z of the map", "vendor2": "B"}, s.Set.Names); diff != "" {
		t.Errorf("names differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"vendor3": "a: unheard of"}, s.Set.Descriptions); diff != "" {
		t.Errorf("descriptions differ (-want +got):\n%s", diff)
	}
}

// TestNormal: legacy names in the form of parquet (aws.md 1.4).
func TestNormal(t *testing.T) {
	for name, want := range map[string]string{
		"lineItem/UnblendedCost":         "line_item_unblended_cost",
		"bill/PayerAccountId":            "bill_payer_account_id",
		"reservation/ReservationARN":     "reservation_reservation_a_r_n",
		"savingsPlan/SavingsPlanARN":     "savings_plan_savings_plan_a_r_n",
		"product/ProductName":            "product_product_name",
		"discount/SppDiscount":           "discount_spp_discount",
		"resourceTags/user:Cost-Center_": "resource_tags_user_cost_center",
		"line_item_unblended_cost":       "line_item_unblended_cost",
	} {
		if got := normal(name); got != want {
			t.Errorf("normal(%q) = %q, want %q", name, got, want)
		}
	}
}
