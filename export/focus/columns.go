// Package focus writes a month as FOCUS, the open format of cost and usage data: one row a charge
// of the customer, in the words of AWS's own export, priced as the seller billed it. The sum of
// BilledCost by InvoiceId is the payable amount of that invoice, to the cent, and by
// InvoiceDetailId the printed line (docs/FOCUS.md).
package focus

// A column is one that is written, in some profile.
type column int

// The columns of Cost and Usage in both profiles, then our own.
const (
	cAvailabilityZone column = iota
	cBilledCost
	cBillingAccountID
	cBillingAccountName
	cBillingAccountType
	cBillingCurrency
	cBillingPeriodEnd
	cBillingPeriodStart
	cCapacityReservationID
	cCapacityReservationStatus
	cChargeCategory
	cChargeClass
	cChargeDescription
	cChargeFrequency
	cChargePeriodEnd
	cChargePeriodStart
	cCommitmentDiscountCategory
	cCommitmentDiscountID
	cCommitmentDiscountName
	cCommitmentDiscountQuantity
	cCommitmentDiscountStatus
	cCommitmentDiscountType
	cCommitmentDiscountUnit
	cConsumedQuantity
	cConsumedUnit
	cContractedCost
	cContractedUnitPrice
	cEffectiveCost
	cHost // PublisherName in 1.2, HostProviderName in 1.4
	cInvoiceDetailID
	cInvoiceID
	cInvoiceIssuerName
	cListCost
	cListUnitPrice
	cPricingCategory
	cPricingCurrency
	cPricingCurrencyContractedUnitPrice
	cPricingCurrencyEffectiveCost
	cPricingCurrencyListUnitPrice
	cPricingQuantity
	cPricingUnit
	cProvider // ProviderName in 1.2, ServiceProviderName in 1.4
	cRegionID
	cRegionName
	cResourceID
	cResourceName
	cResourceType
	cServiceCategory
	cServiceName
	cServiceSubcategory
	cSkuID
	cSkuMeter
	cSkuPriceDetails
	cSkuPriceID
	cSubAccountID
	cSubAccountName
	cSubAccountType
	cTags

	// Always NULL: what they are about is not in AWS's files, or not sold.
	cAllocatedMethodDetails
	cAllocatedMethodID
	cAllocatedResourceID
	cAllocatedResourceName
	cAllocatedTags
	cCommitmentProgramEligibilityDetails
	cContractApplied

	xAwsInvoiceID
	xAwsPayerAccountID
	xChargeSubType
	xCostCategories
	xLineItemID
	xLineItemType
	xOperation
	xRatingRuleID
	xServiceCode
	xUsageType

	numColumns
)

// A kind is how the values of a column are kept and written.
type kind int

const (
	kindText     kind = iota // few different values: kept as ids
	kindID                   // nearly every value is another one
	kindJSON                 // text that is a JSON object
	kindCost                 // DECIMAL(38, 24)
	kindPrice                // DECIMAL(38, 14)
	kindQuantity             // DECIMAL(38, 10)
	kindTime                 // UTC, in microseconds
)

// Places of the decimal columns. AWS states prices and quantities with at most ten places, and an
// exchange rate has ten, so that a price with 14 places times a quantity is a cost without
// rounding, and so is an amount times a rate (docs/FOCUS.md, "Numbers").
const (
	costPlaces     = 24
	pricePlaces    = 14
	quantityPlaces = 10
	precision      = 38
)

func (k kind) places() int32 {
	switch k {
	case kindCost:
		return costPlaces
	case kindPrice:
		return pricePlaces
	case kindQuantity:
		return quantityPlaces
	case kindText, kindID, kindJSON, kindTime:
	}
	return 0
}

func (k kind) decimal() bool { return k == kindCost || k == kindPrice || k == kindQuantity }

// columns gives each column its name, in 1.2 where the profiles differ, and its kind.
var columns = [numColumns]struct {
	name string
	kind kind
	null bool // may be NULL
}{
	cAvailabilityZone:                   {"AvailabilityZone", kindText, true},
	cBilledCost:                         {"BilledCost", kindCost, false},
	cBillingAccountID:                   {"BillingAccountId", kindText, false},
	cBillingAccountName:                 {"BillingAccountName", kindText, true},
	cBillingAccountType:                 {"BillingAccountType", kindText, false},
	cBillingCurrency:                    {"BillingCurrency", kindText, false},
	cBillingPeriodEnd:                   {"BillingPeriodEnd", kindTime, false},
	cBillingPeriodStart:                 {"BillingPeriodStart", kindTime, false},
	cCapacityReservationID:              {"CapacityReservationId", kindText, true},
	cCapacityReservationStatus:          {"CapacityReservationStatus", kindText, true},
	cChargeCategory:                     {"ChargeCategory", kindText, false},
	cChargeClass:                        {"ChargeClass", kindText, true},
	cChargeDescription:                  {"ChargeDescription", kindText, true},
	cChargeFrequency:                    {"ChargeFrequency", kindText, false},
	cChargePeriodEnd:                    {"ChargePeriodEnd", kindTime, false},
	cChargePeriodStart:                  {"ChargePeriodStart", kindTime, false},
	cCommitmentDiscountCategory:         {"CommitmentDiscountCategory", kindText, true},
	cCommitmentDiscountID:               {"CommitmentDiscountId", kindText, true},
	cCommitmentDiscountName:             {"CommitmentDiscountName", kindText, true},
	cCommitmentDiscountQuantity:         {"CommitmentDiscountQuantity", kindQuantity, true},
	cCommitmentDiscountStatus:           {"CommitmentDiscountStatus", kindText, true},
	cCommitmentDiscountType:             {"CommitmentDiscountType", kindText, true},
	cCommitmentDiscountUnit:             {"CommitmentDiscountUnit", kindText, true},
	cConsumedQuantity:                   {"ConsumedQuantity", kindQuantity, true},
	cConsumedUnit:                       {"ConsumedUnit", kindText, true},
	cContractedCost:                     {"ContractedCost", kindCost, false},
	cContractedUnitPrice:                {"ContractedUnitPrice", kindPrice, true},
	cEffectiveCost:                      {"EffectiveCost", kindCost, false},
	cHost:                               {"PublisherName", kindText, true},
	cInvoiceDetailID:                    {"InvoiceDetailId", kindText, true},
	cInvoiceID:                          {"InvoiceId", kindText, true},
	cInvoiceIssuerName:                  {"InvoiceIssuerName", kindText, false},
	cListCost:                           {"ListCost", kindCost, false},
	cListUnitPrice:                      {"ListUnitPrice", kindPrice, true},
	cPricingCategory:                    {"PricingCategory", kindText, true},
	cPricingCurrency:                    {"PricingCurrency", kindText, false},
	cPricingCurrencyContractedUnitPrice: {"PricingCurrencyContractedUnitPrice", kindPrice, true},
	cPricingCurrencyEffectiveCost:       {"PricingCurrencyEffectiveCost", kindCost, false},
	cPricingCurrencyListUnitPrice:       {"PricingCurrencyListUnitPrice", kindPrice, true},
	cPricingQuantity:                    {"PricingQuantity", kindQuantity, true},
	cPricingUnit:                        {"PricingUnit", kindText, true},
	cProvider:                           {"ProviderName", kindText, false},
	cRegionID:                           {"RegionId", kindText, true},
	cRegionName:                         {"RegionName", kindText, true},
	cResourceID:                         {"ResourceId", kindText, true},
	cResourceName:                       {"ResourceName", kindText, true},
	cResourceType:                       {"ResourceType", kindText, true},
	cServiceCategory:                    {"ServiceCategory", kindText, false},
	cServiceName:                        {"ServiceName", kindText, false},
	cServiceSubcategory:                 {"ServiceSubcategory", kindText, false},
	cSkuID:                              {"SkuId", kindText, true},
	cSkuMeter:                           {"SkuMeter", kindText, true},
	cSkuPriceDetails:                    {"SkuPriceDetails", kindJSON, true},
	cSkuPriceID:                         {"SkuPriceId", kindText, true},
	cSubAccountID:                       {"SubAccountId", kindText, true},
	cSubAccountName:                     {"SubAccountName", kindText, true},
	cSubAccountType:                     {"SubAccountType", kindText, true},
	cTags:                               {"Tags", kindJSON, true},

	cAllocatedMethodDetails:              {"AllocatedMethodDetails", kindJSON, true},
	cAllocatedMethodID:                   {"AllocatedMethodId", kindText, true},
	cAllocatedResourceID:                 {"AllocatedResourceId", kindText, true},
	cAllocatedResourceName:               {"AllocatedResourceName", kindText, true},
	cAllocatedTags:                       {"AllocatedTags", kindJSON, true},
	cCommitmentProgramEligibilityDetails: {"CommitmentProgramEligibilityDetails", kindJSON, true},
	cContractApplied:                     {"ContractApplied", kindJSON, true},

	xAwsInvoiceID:      {"x_AwsInvoiceId", kindText, true},
	xAwsPayerAccountID: {"x_AwsPayerAccountId", kindText, true},
	xChargeSubType:     {"x_ChargeSubType", kindText, true},
	xCostCategories:    {"x_CostCategories", kindJSON, true},
	xLineItemID:        {"x_LineItemId", kindID, true},
	xLineItemType:      {"x_LineItemType", kindText, true},
	xOperation:         {"x_Operation", kindText, true},
	xRatingRuleID:      {"x_RatingRuleId", kindText, true},
	xServiceCode:       {"x_ServiceCode", kindText, true},
	xUsageType:         {"x_UsageType", kindText, true},
}

// A Version is a version of the specification that is written.
type Version string

// The profiles: what tools read today, and the latest.
const (
	V12 Version = "1.2"
	V14 Version = "1.4"
)

// Versions lists the profiles.
var Versions = []Version{V12, V14}

// only12 and only14 are the columns that one profile has and the other lacks.
var only14 = map[column]bool{
	cAllocatedMethodDetails: true, cAllocatedMethodID: true, cAllocatedResourceID: true, cAllocatedResourceName: true,
	cAllocatedTags: true, cCommitmentProgramEligibilityDetails: true, cContractApplied: true, cInvoiceDetailID: true,
}

// name is what the column is called in the version.
func (v Version) name(c column) string {
	switch {
	case v == V14 && c == cProvider:
		return "ServiceProviderName"
	case v == V14 && c == cHost:
		return "HostProviderName"
	}
	return columns[c].name
}
