package document

import (
	"github.com/arrears-billing/arrears/invoice"
)

// UBL returns an issued document as UBL 2.1 Invoice or CreditNote, in the profile of Peppol BIS
// Billing 3.0 when it can be sent there, else of EN 16931.
func UBL(d invoice.Document) ([]byte, error) {
	e, err := model(d)
	if err != nil {
		return nil, err
	}
	if e.peppol() {
		e.guideline, e.process = guidelinePeppol, processPeppol
	}
	credit := d.Kind == invoice.KindCreditNote
	root := "Invoice"
	if credit {
		root = "CreditNote"
	}
	w := newXML(root,
		"xmlns", "urn:oasis:names:specification:ubl:schema:xsd:"+root+"-2",
		"xmlns:cac", "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
		"xmlns:cbc", "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2")
	u := ubl{w, e, credit}
	u.header()
	u.party("cac:AccountingSupplierParty", e.seller)
	u.party("cac:AccountingCustomerParty", e.buyer)
	u.open("cac:Delivery") // BT-72: the service of a month is complete on its last day
	u.text("cbc:ActualDeliveryDate", e.Period.End.String())
	u.close(1)
	u.payment()
	u.tax()
	u.totals()
	for _, l := range e.lines {
		u.line(l)
	}
	return w.bytes(), nil
}

type ubl struct {
	*xmlWriter
	e      eInvoice
	credit bool
}

func (u ubl) amount(element string, m invoice.Money) {
	u.text(element, m.String(), "currencyID", string(u.e.Currency))
}

func (u ubl) header() {
	e := u.e
	u.text("cbc:CustomizationID", e.guideline)
	u.text("cbc:ProfileID", e.process)
	u.text("cbc:ID", e.number)
	u.text("cbc:IssueDate", e.IssueDate.String())
	if u.credit {
		u.text("cbc:CreditNoteTypeCode", e.typeCode)
	} else {
		u.text("cbc:DueDate", e.DueDate.String())
		u.text("cbc:InvoiceTypeCode", e.typeCode)
	}
	u.text("cbc:Note", e.note)
	u.text("cbc:DocumentCurrencyCode", string(e.Currency))
	if e.TaxNational != nil {
		u.text("cbc:TaxCurrencyCode", string(e.TaxNational.Currency))
	}
	u.text("cbc:BuyerReference", e.buyerReference)
	u.open("cac:InvoicePeriod")
	u.text("cbc:StartDate", e.Period.Start.String())
	u.text("cbc:EndDate", e.Period.End.String())
	u.close(1)
	u.reference("cac:OrderReference", e.PurchaseOrder)
	if c := e.Corrects; c != nil {
		u.open("cac:BillingReference")
		u.open("cac:InvoiceDocumentReference")
		u.text("cbc:ID", c.Number)
		u.text("cbc:IssueDate", c.Date.String())
		u.close(2)
	}
	u.reference("cac:ContractDocumentReference", e.Agreement)
}

func (u ubl) reference(element, id string) {
	if clean(id) == "" {
		return
	}
	u.open(element)
	u.text("cbc:ID", id)
	u.close(1)
}

func (u ubl) party(element string, p eParty) {
	u.open(element)
	u.open("cac:Party")
	u.text("cbc:EndpointID", p.endpoint, "schemeID", p.scheme)
	u.open("cac:PostalAddress")
	u.text("cbc:StreetName", p.Address.Street)
	u.text("cbc:AdditionalStreetName", p.Address.Street2)
	u.text("cbc:CityName", p.Address.City)
	u.text("cbc:PostalZone", p.Address.PostalCode)
	u.text("cbc:CountrySubentity", p.Address.Region)
	u.open("cac:Country")
	u.text("cbc:IdentificationCode", p.CountryCode())
	u.close(2)
	if p.vat != "" {
		u.open("cac:PartyTaxScheme")
		u.text("cbc:CompanyID", p.vat)
		u.taxScheme()
		u.close(1)
	}
	if clean(p.TaxRegistration) != "" { // BT-32
		u.open("cac:PartyTaxScheme")
		u.text("cbc:CompanyID", p.TaxRegistration)
		u.open("cac:TaxScheme")
		u.text("cbc:ID", "TAX")
		u.close(2)
	}
	u.open("cac:PartyLegalEntity")
	u.text("cbc:RegistrationName", p.Name)
	if p.registrationScheme != "" {
		u.text("cbc:CompanyID", p.registration, "schemeID", p.registrationScheme)
	} else {
		u.text("cbc:CompanyID", p.registration)
	}
	u.close(1)
	if p.contact && (p.Email != "" || p.Phone != "") {
		u.open("cac:Contact")
		u.text("cbc:Name", p.Name)
		u.text("cbc:Telephone", p.Phone)
		u.text("cbc:ElectronicMail", p.Email)
		u.close(1)
	}
	u.close(2)
}

func (u ubl) taxScheme() {
	u.open("cac:TaxScheme")
	u.text("cbc:ID", "VAT")
	u.close(1)
}

func (u ubl) payment() {
	e := u.e
	if e.means != "" {
		u.open("cac:PaymentMeans")
		u.text("cbc:PaymentMeansCode", e.means)
		if u.credit {
			u.text("cbc:PaymentDueDate", e.DueDate.String())
		}
		u.text("cbc:PaymentID", e.number)
		u.open("cac:PayeeFinancialAccount")
		u.text("cbc:ID", taxIDPlain(e.Payment.IBAN))
		u.text("cbc:Name", e.Seller.Name)
		u.reference("cac:FinancialInstitutionBranch", e.Payment.BIC)
		u.close(2)
	}
	u.open("cac:PaymentTerms")
	u.text("cbc:Note", e.terms)
	u.close(1)
}

func (u ubl) tax() {
	e := u.e
	u.open("cac:TaxTotal")
	u.amount("cbc:TaxAmount", e.Totals.Tax)
	u.open("cac:TaxSubtotal")
	u.amount("cbc:TaxableAmount", e.tax.Base)
	u.amount("cbc:TaxAmount", e.tax.Amount)
	u.open("cac:TaxCategory")
	u.text("cbc:ID", e.tax.Category)
	u.text("cbc:Percent", e.tax.percent)
	u.text("cbc:TaxExemptionReasonCode", e.tax.code)
	u.text("cbc:TaxExemptionReason", e.tax.text)
	u.taxScheme()
	u.close(3)
	if n := e.TaxNational; n != nil {
		u.open("cac:TaxTotal")
		u.text("cbc:TaxAmount", n.Amount.String(), "currencyID", string(n.Currency))
		u.close(1)
	}
}

func (u ubl) totals() {
	t := u.e.Totals
	u.open("cac:LegalMonetaryTotal")
	u.amount("cbc:LineExtensionAmount", t.Net)
	u.amount("cbc:TaxExclusiveAmount", t.Net)
	u.amount("cbc:TaxInclusiveAmount", t.Gross)
	u.amount("cbc:PayableAmount", t.Gross)
	u.close(1)
}

func (u ubl) line(l eLine) {
	element, quantity := "cac:InvoiceLine", "cbc:InvoicedQuantity"
	if u.credit {
		element, quantity = "cac:CreditNoteLine", "cbc:CreditedQuantity"
	}
	u.open(element)
	u.text("cbc:ID", l.id)
	u.text("cbc:Note", l.How)
	u.text(quantity, l.quantity, "unitCode", "C62")
	u.amount("cbc:LineExtensionAmount", l.Net)
	u.open("cac:Item")
	u.text("cbc:Name", l.Label)
	u.reference("cac:SellersItemIdentification", deref(l.Product))
	u.open("cac:ClassifiedTaxCategory")
	u.text("cbc:ID", u.e.tax.Category)
	u.text("cbc:Percent", u.e.tax.percent)
	u.taxScheme()
	u.close(1)
	for _, a := range l.attributes {
		u.open("cac:AdditionalItemProperty")
		u.text("cbc:Name", a[0])
		u.text("cbc:Value", a[1])
		u.close(1)
	}
	u.close(1)
	u.open("cac:Price")
	u.text("cbc:PriceAmount", l.price, "currencyID", string(u.e.Currency))
	u.close(2)
}
