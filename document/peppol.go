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
	if !e.seller.peppol() || !e.buyer.peppol() {
		return false
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
		return e.seller.vat == "" || strings.HasSuffix(e.seller.vat, "MVA") // NO-R-001
	case "IT":
		n := len([]rune(clean(e.seller.TaxRegistration)))                                          // IT-R-001
		return placed(e.seller) && e.seller.Address.Street != "" && (n == 0 || n >= 11 && n <= 16) // IT-R-002 to IT-R-004
	case "SE":
		// SE-R-003, SE-R-004: the organisation number; SE-R-005: what may stand in BT-32; SE-R-006: rates.
		id, tax := e.seller.registration, clean(e.seller.TaxRegistration)
		return (id == "" || len(id) == 10 && onlyDigits(id) == id) && (tax == "" || strings.EqualFold(tax, "Godkänd för F-skatt")) &&
			(e.tax.Category != invoice.CategoryStandard || slices.Contains([]string{"25", "12", "6"}, e.tax.percent))
	case "DK", "GR", "IS":
		return false // they want data that the book does not hold, such as the mark of a Greek invoice
	}
	return true
}

// placed says whether the party's city and postal code are known.
func placed(p eParty) bool { return p.Address.City != "" && p.Address.PostalCode != "" }

// dutchID says whether the legal id is of the chamber of commerce (KVK) or of the government (OIN).
func dutchID(p eParty) bool { return slices.Contains([]string{"0106", "0190"}, p.registrationScheme) }
