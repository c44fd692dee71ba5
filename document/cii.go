package document

import (
	"strings"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/invoice"
)

// CII returns an issued document as UN/CEFACT Cross Industry Invoice in the profile of EN 16931,
// the same bytes that Factur-X embeds. Its elements are in D16B and in D22B.
func CII(d invoice.Document) ([]byte, error) {
	e, err := model(d)
	if err != nil {
		return nil, err
	}
	w := newXML("rsm:CrossIndustryInvoice",
		"xmlns:rsm", "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
		"xmlns:ram", "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
		"xmlns:qdt", "urn:un:unece:uncefact:data:standard:QualifiedDataType:100",
		"xmlns:udt", "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100")
	c := crossIndustry{w, e}
	c.header()
	c.open("rsm:SupplyChainTradeTransaction")
	for _, l := range e.lines {
		c.line(l)
	}
	c.agreement()
	c.open("ram:ApplicableHeaderTradeDelivery") // BT-72: the service of a month is complete on its last day
	c.open("ram:ActualDeliverySupplyChainEvent")
	c.date("ram:OccurrenceDateTime", "udt", e.Period.End)
	c.close(2)
	c.settlement()
	return w.bytes(), nil
}

type crossIndustry struct {
	*xmlWriter
	e eInvoice
}

// date writes a date in an element of its own; format 102 is YYYYMMDD.
func (c crossIndustry) date(element, kind string, d calendar.Date) {
	c.open(element)
	c.text(kind+":DateTimeString", strings.ReplaceAll(d.String(), "-", ""), "format", "102")
	c.close(1)
}

func (c crossIndustry) header() {
	c.open("rsm:ExchangedDocumentContext")
	c.id("ram:GuidelineSpecifiedDocumentContextParameter", "ram:ID", c.e.guideline)
	c.close(1)
	c.open("rsm:ExchangedDocument")
	c.text("ram:ID", c.e.number)
	c.text("ram:TypeCode", c.e.typeCode)
	c.date("ram:IssueDateTime", "udt", *c.e.IssueDate)
	c.id("ram:IncludedNote", "ram:Content", c.e.note)
	c.close(1)
}

// id writes an element with one text in it, unless the text is empty.
func (c crossIndustry) id(element, inner, text string, attributes ...string) {
	if clean(text) == "" {
		return
	}
	c.open(element)
	c.text(inner, text, attributes...)
	c.close(1)
}

func (c crossIndustry) line(l eLine) {
	c.open("ram:IncludedSupplyChainTradeLineItem")
	c.open("ram:AssociatedDocumentLineDocument")
	c.text("ram:LineID", l.id)
	c.id("ram:IncludedNote", "ram:Content", l.How)
	c.close(1)
	c.open("ram:SpecifiedTradeProduct")
	c.text("ram:SellerAssignedID", deref(l.Product))
	c.text("ram:Name", l.Label)
	for _, a := range l.attributes {
		c.open("ram:ApplicableProductCharacteristic")
		c.text("ram:Description", a[0])
		c.text("ram:Value", a[1])
		c.close(1)
	}
	c.close(1)
	c.open("ram:SpecifiedLineTradeAgreement")
	c.id("ram:NetPriceProductTradePrice", "ram:ChargeAmount", l.price)
	c.close(1)
	c.open("ram:SpecifiedLineTradeDelivery")
	c.text("ram:BilledQuantity", l.quantity, "unitCode", "C62")
	c.close(1)
	c.open("ram:SpecifiedLineTradeSettlement")
	c.open("ram:ApplicableTradeTax")
	c.text("ram:TypeCode", "VAT")
	c.text("ram:CategoryCode", c.e.tax.Category)
	c.text("ram:RateApplicablePercent", c.e.tax.percent)
	c.close(1)
	c.id("ram:SpecifiedTradeSettlementLineMonetarySummation", "ram:LineTotalAmount", l.Net.String())
	c.close(2)
}

func (c crossIndustry) agreement() {
	c.open("ram:ApplicableHeaderTradeAgreement")
	c.text("ram:BuyerReference", c.e.buyerReference)
	c.party("ram:SellerTradeParty", c.e.seller)
	c.party("ram:BuyerTradeParty", c.e.buyer)
	c.id("ram:BuyerOrderReferencedDocument", "ram:IssuerAssignedID", c.e.PurchaseOrder)
	c.id("ram:ContractReferencedDocument", "ram:IssuerAssignedID", c.e.Agreement)
	c.close(1)
}

func (c crossIndustry) party(element string, p eParty) {
	c.open(element)
	c.text("ram:Name", p.Name)
	if p.registrationScheme != "" {
		c.id("ram:SpecifiedLegalOrganization", "ram:ID", p.registration, "schemeID", p.registrationScheme)
	} else {
		c.id("ram:SpecifiedLegalOrganization", "ram:ID", p.registration)
	}
	if p.contact && (p.Email != "" || p.Phone != "") {
		c.open("ram:DefinedTradeContact")
		c.text("ram:PersonName", p.Name)
		c.id("ram:TelephoneUniversalCommunication", "ram:CompleteNumber", p.Phone)
		c.id("ram:EmailURIUniversalCommunication", "ram:URIID", p.Email)
		c.close(1)
	}
	c.open("ram:PostalTradeAddress")
	c.text("ram:PostcodeCode", p.Address.PostalCode)
	c.text("ram:LineOne", p.Address.Street)
	c.text("ram:LineTwo", p.Address.Street2)
	c.text("ram:CityName", p.Address.City)
	c.text("ram:CountryID", p.CountryCode())
	c.text("ram:CountrySubDivisionName", p.Address.Region)
	c.close(1)
	c.id("ram:URIUniversalCommunication", "ram:URIID", p.endpoint, "schemeID", p.scheme)
	c.id("ram:SpecifiedTaxRegistration", "ram:ID", p.vat, "schemeID", "VA")
	c.id("ram:SpecifiedTaxRegistration", "ram:ID", p.TaxRegistration, "schemeID", "FC") // BT-32
	c.close(1)
}

func (c crossIndustry) settlement() {
	e := c.e
	c.open("ram:ApplicableHeaderTradeSettlement")
	if e.means != "" {
		c.text("ram:PaymentReference", e.number)
	}
	if e.TaxNational != nil {
		c.text("ram:TaxCurrencyCode", string(e.TaxNational.Currency))
	}
	c.text("ram:InvoiceCurrencyCode", string(e.Currency))
	if e.means != "" {
		c.open("ram:SpecifiedTradeSettlementPaymentMeans")
		c.text("ram:TypeCode", e.means)
		c.open("ram:PayeePartyCreditorFinancialAccount")
		c.text("ram:IBANID", taxIDPlain(e.Payment.IBAN))
		c.text("ram:AccountName", e.Seller.Name)
		c.close(1)
		c.id("ram:PayeeSpecifiedCreditorFinancialInstitution", "ram:BICID", e.Payment.BIC)
		c.close(1)
	}
	c.open("ram:ApplicableTradeTax")
	c.text("ram:CalculatedAmount", e.tax.Amount.String())
	c.text("ram:TypeCode", "VAT")
	c.text("ram:ExemptionReason", e.tax.text)
	c.text("ram:BasisAmount", e.tax.Base.String())
	c.text("ram:CategoryCode", e.tax.Category)
	c.text("ram:ExemptionReasonCode", e.tax.code)
	c.text("ram:RateApplicablePercent", e.tax.percent)
	c.close(1)
	c.open("ram:BillingSpecifiedPeriod")
	c.date("ram:StartDateTime", "udt", e.Period.Start)
	c.date("ram:EndDateTime", "udt", e.Period.End)
	c.close(1)
	c.open("ram:SpecifiedTradePaymentTerms")
	c.text("ram:Description", e.terms)
	c.date("ram:DueDateDateTime", "udt", *e.DueDate)
	c.close(1)
	c.open("ram:SpecifiedTradeSettlementHeaderMonetarySummation")
	c.text("ram:LineTotalAmount", e.Totals.Net.String())
	c.text("ram:TaxBasisTotalAmount", e.Totals.Net.String())
	c.text("ram:TaxTotalAmount", e.Totals.Tax.String(), "currencyID", string(e.Currency))
	if n := e.TaxNational; n != nil {
		c.text("ram:TaxTotalAmount", n.Amount.String(), "currencyID", string(n.Currency))
	}
	c.text("ram:GrandTotalAmount", e.Totals.Gross.String())
	c.text("ram:DuePayableAmount", e.Totals.Gross.String())
	c.close(1)
	if r := e.Corrects; r != nil {
		c.open("ram:InvoiceReferencedDocument")
		c.text("ram:IssuerAssignedID", r.Number)
		c.date("ram:FormattedIssueDateTime", "qdt", r.Date)
		c.close(1)
	}
	c.close(1)
}
