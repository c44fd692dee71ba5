package ingest

import (
	"strings"
	"testing"
)

func TestClassOf(t *testing.T) {
	for _, tt := range []struct {
		name, typ, description string
		want                   Class
	}{
		{"other types have none", TypeUsage, "AWS SPP Discount", ""},
		{"discount types have none", TypeSppDiscount, "AWS SPP Discount", ""},
		{"empty description", TypeDiscount, "", ClassNone},
		{"invoice wording", TypeDiscount, "Discount (AWS SPP Discount)", ClassPartner},
		{"refund of a partner discount", TypeRefund, "Refund for AWS Solution Provider Program Discount", ClassPartner},
		{"any case", TypeCredit, "aws spp DISCOUNT", ClassPartner},
		{"whole words only", TypeCredit, "CSPP Private Offer", ClassNone},
		{"distributor", TypeDiscount, "AWS Distributor Discount", ClassDistributor},
		{"a product called Distributor", TypeCredit, "AWS Systems Manager Distributor", ClassNone},
		{"EDP as a refund", TypeRefund, "Enterprise Program Discount", ClassEnterprise},
		{"EDP in full", TypeDiscount, "AWS Enterprise Discount Program Discount", ClassEnterprise},
		{"EDP in short", TypeCredit, "EDP_Q3-adjustment", ClassEnterprise},
		{"private rate card", TypeDiscount, "Private Rate Card Discount", ClassPrivateRate},
		{"private pricing", TypeCredit, "Private pricing adjustment (PPA)", ClassPrivateRate},
		{"both: the one that asks a person", TypeDiscount, "SPP on EDP usage", ClassEnterprise},
		{"bundled", TypeDiscount, "Bundled Discount for AWS WAF", ClassBundled},
		{"promotional credit", TypeCredit, "AWS Activate credit", ClassNone},
		{"invalid text", TypeCredit, "\xff\xfe SPP\xff", ClassPartner},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ClassOf(tt.typ, tt.description); got != tt.want {
				t.Errorf("ClassOf(%q, %q) = %q, want %q", tt.typ, tt.description, got, tt.want)
			}
		})
	}
	if got := (BillDiscount{Description: "Discount (AWS SPP Discount)"}).Class(); got != ClassPartner {
		t.Errorf("BillDiscount.Class() = %q, want %q", got, ClassPartner)
	}
}

// Patterns and keys must name classes that rating knows, or a discount would have no rule.
func TestClassesAreKnown(t *testing.T) {
	known := map[Class]bool{
		ClassPartner: true, ClassDistributor: true, ClassEnterprise: true,
		ClassPrivateRate: true, ClassBundled: true, ClassRIVolume: true,
	}
	for _, p := range classPatterns {
		if !known[p.class] || p.class == ClassRIVolume || len(strings.TrimSpace(p.words)) == 0 {
			t.Errorf("data/discount_classes.csv: %q of class %q", p.words, p.class)
		}
	}
	for k, c := range partClasses {
		if !known[c] {
			t.Errorf("data/discount_keys.csv: %s of class %q", k, c)
		}
	}
}

func TestPartClass(t *testing.T) {
	for _, tt := range []struct {
		key  string
		want Class
		ok   bool
	}{
		{"spp_discount", ClassPartner, true},
		{"ri_volume_discount", ClassRIVolume, true},
		{"edp_discount", ClassEnterprise, true},
		{PartTotal, "", false},
		{"loyalty_discount", "", false},
	} {
		if got, ok := PartClass(tt.key); got != tt.want || ok != tt.ok {
			t.Errorf("PartClass(%q) = %q, %v, want %q, %v", tt.key, got, ok, tt.want, tt.ok)
		}
	}
}

func TestProductName(t *testing.T) {
	if got, ok := ProductName("AmazonEC2"); got != "Amazon Elastic Compute Cloud" || !ok {
		t.Errorf(`ProductName("AmazonEC2") = %q, %v`, got, ok)
	}
	if got, ok := ProductName("8zl6zqb7mo2ggkvqzaxxxxxxx"); got != "" || ok {
		t.Errorf("a Marketplace code has the name %q, want none", got)
	}
}

func TestSupport(t *testing.T) {
	for _, tt := range []struct {
		code, name string
		want       SupportKind
	}{
		{"AWSSupportEnterprise", "", SupportEnterprise},
		{"awssupportenterprise", "", SupportEnterprise},
		{"x1", "AWS Support (Enterprise)", SupportEnterprise},
		{"AWSEnterpriseOnRamp", "", SupportPlan},
		{"x1", "AWS Support (Enterprise On-Ramp)", SupportPlan},
		{"x1", "AWS Support (Unified Operations)", SupportPlan},
		{"AWSSupportBusiness", "AWS Support (Business)", SupportPlan},
		{"AWSDeveloperSupport", "", SupportPlan},
		{"AWSSupportPlatinum", "", SupportUnknown},
		{"x1", "AWS Countdown Support", SupportUnknown},
		{"AmazonEC2", "Amazon Elastic Compute Cloud", NotSupport},
		{"", "", NotSupport},
	} {
		if got := Support(tt.code, tt.name); got != tt.want {
			t.Errorf("Support(%q, %q) = %v, want %v", tt.code, tt.name, got, tt.want)
		}
	}
}
