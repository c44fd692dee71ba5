package invoice

import (
	"fmt"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// VAT categories (EN 16931 BT-118, UNCL 5305).
const (
	CategoryStandard   = "S"
	CategoryZero       = "Z"
	CategoryExempt     = "E"
	CategoryReverse    = "AE" // the buyer owes the tax
	CategoryExport     = "G"
	CategoryNotSubject = "O" // outside the scope of the seller's VAT
)

// A decision is the tax category of a document, its percentage and the reason printed on it.
type decision struct {
	category string
	percent  currency.Decimal
	reason   string // VATEX code or text; empty for S
}

// decideTax applies the five rules of design 7, first match first. Everything that this reseller
// sells is one service to one buyer, so a document has one category.
func decideTax(in Input) (decision, []agreement.Reason) {
	undetermined := func(format string, args ...any) (decision, []agreement.Reason) {
		return decision{}, []agreement.Reason{{Code: ReasonTaxUndetermined, Text: fmt.Sprintf(format, args...)}}
	}

	// 1: a person has decided, for the agreement or for the buyer.
	for _, o := range []*agreement.TaxOverride{in.TaxOverride, in.Buyer.Tax} {
		if o == nil {
			continue
		}
		if err := checkOverride(*o); err != nil {
			return undetermined("tax override: %v", err)
		}
		return decision{o.Category, o.Percent, o.Reason}, nil
	}

	day := in.Month.Last()
	seller, ok := territoryOf(in.Seller.Country, in.Seller.Address, day)
	if !ok {
		return undetermined("seller %s: country %q is not an ISO 3166 code", in.Seller.ID, in.Seller.Country)
	}
	buyer, ok := territoryOf(in.Buyer.Country, in.Buyer.Address, day)
	if !ok {
		return undetermined("buyer %s: country %q is not an ISO 3166 code", in.Buyer.ID, in.Buyer.Country)
	}

	// 2: at home. A territory without a rate is one that the data does not know.
	if seller.ID == buyer.ID {
		percent, ok := standardRate(seller, day)
		if !ok {
			return undetermined("no standard VAT rate of %s on %s is known: state the tax of buyer %s or of the agreement in the book",
				seller.ID, day, in.Buyer.ID)
		}
		return decision{category: CategoryStandard, percent: percent}, nil
	}
	here, ok := areas[seller.Area]
	if !ok {
		return undetermined("seller %s is in %s, for which no VAT rules are known: state the tax of buyer %s or of the agreement in the book",
			in.Seller.ID, seller.ID, in.Buyer.ID)
	}

	// 3: reverse charge between member states.
	if seller.Area == "EU" && buyer.Area == "EU" {
		if in.Buyer.TaxID == "" {
			return undetermined("buyer %s in %s has no VAT id, which the reverse charge needs", in.Buyer.ID, buyer.ID)
		}
		state, err := ParseTaxID(in.Buyer.TaxID)
		if err != nil {
			return undetermined("buyer %s: %v", in.Buyer.ID, err)
		}
		registered, ok := TerritoryOf(state, "", day)
		if !ok || registered.Area != "EU" {
			return undetermined("buyer %s: %s is not the VAT id of a member state of the EU", in.Buyer.ID, in.Buyer.TaxID)
		}
		if registered.ID == seller.ID || state == in.Seller.Country {
			return undetermined("buyer %s in %s has a VAT id of the seller's own member state: %s", in.Buyer.ID, buyer.ID, in.Buyer.TaxID)
		}
		return decision{category: CategoryReverse, reason: "VATEX-EU-AE"}, nil
	}

	// 4 and the sellers for which the data says something else: the service is supplied where the buyer is.
	return decision{category: here.outside, reason: here.reason}, nil
}

// territoryOf is the VAT territory of a seller or buyer: that of its country, in which the postal
// code of an address elsewhere says nothing.
func territoryOf(country string, a agreement.Address, day calendar.Date) (Territory, bool) {
	if a.Country != "" && a.Country != country {
		return TerritoryOf(country, "", day)
	}
	return TerritoryOf(country, a.PostalCode, day)
}

// checkOverride says what is wrong with a person's decision. A category other than S has no tax,
// and needs a reason if EN 16931 wants one on the document.
func checkOverride(o agreement.TaxOverride) error {
	switch o.Category {
	case CategoryStandard:
		if o.Percent.Sign() <= 0 {
			return fmt.Errorf("category S needs a percentage above 0, got %s", currency.Plain(o.Percent))
		}
	case CategoryZero, CategoryExempt, CategoryReverse, CategoryExport, CategoryNotSubject:
		if !o.Percent.IsZero() {
			return fmt.Errorf("category %s has no tax, got %s %%", o.Category, currency.Plain(o.Percent))
		}
		if o.Reason == "" && o.Category != CategoryZero {
			return fmt.Errorf("category %s needs a reason", o.Category)
		}
	default:
		return fmt.Errorf("category %q is not one of S, Z, E, AE, G, O", o.Category)
	}
	return nil
}

// nationalTax states the tax in the currency of the seller's territory when the document has
// another (VAT Directive art. 230; EN 16931 BT-6, BT-111), at the official rate of the month's last
// day, rounded to that currency's minor unit. It returns nil where that is not needed.
func nationalTax(in Input, by decision, tax currency.Decimal) (*NationalTax, []agreement.Reason) {
	if by.category != CategoryStandard {
		return nil, nil
	}
	day := in.Month.Last()
	territory, ok := territoryOf(in.Seller.Country, in.Seller.Address, day)
	if !ok || territory.Currency == "" || territory.Currency == in.Currency {
		return nil, nil
	}
	if in.NationalRate == nil {
		return nil, []agreement.Reason{{Code: ReasonNoRate, Text: fmt.Sprintf(
			"tax must be stated in %s too, and there are no rates of %s", territory.Currency, territory.RateSource())}}
	}
	rate, err := in.NationalRate(in.Currency, territory.Currency, day)
	if err != nil {
		return nil, []agreement.Reason{{Code: ReasonNoRate, Text: fmt.Sprintf(
			"tax must be stated in %s too: %v", territory.Currency, err)}}
	}
	if rate.From != in.Currency || rate.To != territory.Currency || rate.Value.Sign() <= 0 {
		return nil, []agreement.Reason{{Code: ReasonNoRate, Text: fmt.Sprintf(
			"tax must be stated in %s too, and the rate for %s is %s %s/%s",
			territory.Currency, in.Currency, currency.Plain(rate.Value), rate.From, rate.To)}}
	}
	return &NationalTax{
		Currency: territory.Currency,
		Amount:   money(tax.Mul(rate.Value).Round(territory.Currency.MinorUnits()), territory.Currency),
		Rate:     rate,
	}, nil
}
