package rating

import (
	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/ingest"
)

// A verdict is what the table of dispositions says of a row. A code means that it blocks.
type verdict struct {
	rule        string
	disposition Disposition
	section     Section
	code        string
}

// decide is the table of dispositions (design 5): the first rule that matches decides. costly
// says that some row of the charge has an amount.
func (m *month) decide(k ingest.Key, costly bool) verdict {
	switch {
	case k.Invoice == "" && (k.BillType == ingest.BillRefund || k.BillType == ingest.BillPurchase) && costly:
		return verdict{rule: "0 no AWS invoice yet", disposition: Deferred}
	case m.Former[k.Invoice] != "" && k.Type != ingest.TypeTax && !k.Taxed:
		return verdict{rule: "0 refund of another agreement's month", disposition: Deferred}

	case k.Split && costly:
		return verdict{rule: "1 split row", disposition: Quarantined, code: "split_rows"}
	case k.Split:
		return verdict{rule: "1 split row without cost", disposition: Offset}

	case k.Type == ingest.TypeTax || k.Taxed:
		return verdict{rule: "2 tax", disposition: Tax}

	case isPartner(k) && m.zero[k.Invoice]:
		return verdict{rule: "3 partner discount of a zero invoice", disposition: PassedOn, section: SectionAWSDiscounts}
	case isPartner(k):
		return verdict{rule: "3 partner discount", disposition: Retained}

	case m.partnerLed && m.support(k) == ingest.SupportEnterprise && !m.zero[k.Invoice]:
		return verdict{rule: "4 Enterprise support", disposition: Replaced}

	case k.BillingEntity == ingest.EntityMarketplace && isMarketplaceType(k.Type):
		return billed("5 marketplace", SectionMarketplace)

	case k.Type == ingest.TypeSavingsPlanCoveredUsage || k.Type == ingest.TypeSavingsPlanNegation:
		return verdict{rule: "6 savings plan offset", disposition: Offset}

	case isPrivate(k) && m.Terms.PrivatePricing == agreement.PrivatePassOn:
		return billed("7 private pricing passed on", SectionAWSDiscounts)
	case isPrivate(k):
		return verdict{rule: "7 private pricing", disposition: Quarantined, code: "private_pricing"}

	case k.Type == ingest.TypeCredit:
		return billed("8 credit", SectionCredits)
	case k.Type == ingest.TypeRefund:
		return billed("9 refund", SectionRefunds)

	case k.Type == ingest.TypeBundledDiscount, k.Type == ingest.TypeRiVolumeDiscount,
		k.Type == ingest.TypeDiscount && (k.Class == ingest.ClassBundled || k.Class == ingest.ClassRIVolume):
		return billed("10 AWS discount", SectionAWSDiscounts)
	case k.Type == ingest.TypeDiscount:
		return verdict{rule: "11 unknown discount", disposition: Quarantined, code: "unknown_discount"}

	case m.isSupport(k) && (k.Type == ingest.TypeUsage || k.Type == ingest.TypeFee):
		return billed("12 support", SectionSupport)

	case k.Type == ingest.TypeRIFee, k.Type == ingest.TypeFee && k.Commitment:
		return billed("13 reserved instance", SectionReserved)

	case k.Type == ingest.TypeSavingsPlanRecurringFee, k.Type == ingest.TypeSavingsPlanUpfrontFee:
		return billed("14 savings plan", SectionSavingsPlans)

	case k.Type == ingest.TypeUsage, k.Type == ingest.TypeDiscountedUsage:
		return billed("15 usage", SectionUsage)

	case k.Type == ingest.TypeFee, k.Type == ingest.TypeFlatRateSubscription, k.Type == ingest.TypeFlateRateSubscription:
		return billed("16 fee", SectionOther)
	}
	return verdict{rule: "17 unknown line item type", disposition: Quarantined, code: "unknown_line_item_type"}
}

func billed(rule string, s Section) verdict {
	return verdict{rule: rule, disposition: Billed, section: s}
}

// isPartner: the reseller's own discount, as a row or by its description.
func isPartner(k ingest.Key) bool {
	return k.Type == ingest.TypeSppDiscount || k.Type == ingest.TypeDistributorDiscount ||
		k.Class == ingest.ClassPartner || k.Class == ingest.ClassDistributor
}

// isPrivate: enterprise programme or private rate.
func isPrivate(k ingest.Key) bool {
	return k.Type == ingest.TypeEdpDiscount || k.Type == ingest.TypePrivateRateDiscount ||
		k.Class == ingest.ClassEnterprise || k.Class == ingest.ClassPrivateRate
}

func (m *month) isSupport(k ingest.Key) bool {
	kind := m.support(k)
	return kind == ingest.SupportPlan || kind == ingest.SupportEnterprise
}

func isMarketplaceType(t string) bool {
	switch t {
	case ingest.TypeUsage, ingest.TypeFee, ingest.TypeCredit, ingest.TypeRefund, ingest.TypeDiscount,
		ingest.TypeFlatRateSubscription, ingest.TypeFlateRateSubscription:
		return true
	}
	return false
}
