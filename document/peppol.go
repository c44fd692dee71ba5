package document

import (
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/invoice"
)

// peppol says whether the document can be sent by Peppol: both parties have an address there, and
// it has what the rules of the seller's country ask for beyond EN 16931. A document that has not is
// plain EN 16931, which any other way of sending takes. (Peppol BIS Billing 3.0, national rules as
// of 2026.5.)
func (e eInvoice) peppol() bool {
	for _, p := range []eParty{e.seller, e.buyer} {
		if !p.peppol() || !identifies(p.scheme, p.endpoint) || !identifies(p.registrationScheme, p.registration) {
			return false
		}
	}
	home := e.seller.CountryCode() == e.buyer.CountryCode()
	switch e.seller.CountryCode() {
	case "DE":
		// DE-R-001 to DE-R-009: payment, contact, cities and postal codes; DE-R-014: a VAT rate,
		// which category O must not have. All of them only between German parties.
		return !home || e.means != "" && e.seller.Email != "" && e.seller.Phone != "" &&
			placed(e.seller) && placed(e.buyer) && e.tax.percent != ""
	case "NL":
		// NL-R-001: a credit note refers to an invoice, which a month that ends as one does not;
		// NL-R-002 to NL-R-005: addresses and legal ids; NL-R-007: payment.
		return (e.Kind == invoice.KindInvoice || e.Corrects != nil) && e.means != "" && placed(e.seller) && e.seller.Address.Street != "" &&
			dutchID(e.seller) && (!home || placed(e.buyer) && e.buyer.Address.Street != "" && (e.buyer.registration == "" || dutchID(e.buyer)))
	case "NO":
		return e.seller.vat == "" || strings.HasSuffix(e.seller.vat, "MVA") && holds(e.seller.vat) // NO-R-001
	case "IT":
		n := len([]rune(clean(e.seller.TaxRegistration)))                                          // IT-R-001
		return placed(e.seller) && e.seller.Address.Street != "" && (n == 0 || n >= 11 && n <= 16) // IT-R-002 to IT-R-004
	case "SE":
		// SE-R-003, SE-R-004, SE-R-013: the organisation number; SE-R-005: what may stand in BT-32; SE-R-006: rates.
		id, tax := e.seller.registration, clean(e.seller.TaxRegistration)
		return (id == "" || holds("SE"+id+"01")) && (tax == "" || strings.EqualFold(tax, "Godkänd för F-skatt")) &&
			(e.tax.Category != invoice.CategoryStandard || slices.Contains([]string{"25", "12", "6"}, e.tax.percent))
	case "DK", "GR", "IS":
		return false // they want data that the book does not hold, such as the mark of a Greek invoice
	}
	return true
}

// identifies says whether an id can be one of its scheme. Peppol refuses documents with an id whose
// check digit is wrong (PEPPOL-COMMON-R040 to R050); the book only warns of it.
func identifies(scheme, id string) bool {
	switch scheme {
	case "0007":
		return holds("SE" + id + "01")
	case "0192":
		return holds("NO" + id)
	case "0208":
		return holds("BE" + id)
	case "0088":
		return onlyDigits(id) == id && len(id) == 13 && weighed(id, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1)%10 == 0
	case "0151": // 10 times one less than the first digit
		return onlyDigits(id) == id && len(id) == 11 && (weighed(id, 10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)-10)%89 == 0
	}
	return true
}

// holds says whether a VAT id has its country's form and its check digit fits.
func holds(vat string) bool {
	_, err := invoice.ParseTaxID(vat)
	return err == nil && invoice.TaxIDWarning(vat) == ""
}

// weighed sums digits, each times its weight.
func weighed(digits string, weights ...int) int {
	sum := 0
	for i, w := range weights {
		sum += int(digits[i]-'0') * w
	}
	return sum
}

// placed says whether the party's city and postal code are known.
func placed(p eParty) bool { return p.Address.City != "" && p.Address.PostalCode != "" }

// dutchID says whether the legal id is of the chamber of commerce (KVK) or of the government (OIN).
func dutchID(p eParty) bool { return slices.Contains([]string{"0106", "0190"}, p.registrationScheme) }
