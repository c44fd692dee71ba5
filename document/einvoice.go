package document

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strings"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
)

// Specification identifiers (BT-24) and business process (BT-23).
const (
	guidelineEN     = "urn:cen.eu:en16931:2017"
	guidelinePeppol = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"
	processPeppol   = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
)

// schemeEmail is the electronic address scheme of e-mail, which Peppol does not deliver to.
const schemeEmail = "EM"

//go:embed data/eas.csv
var easCSV string

type vatScheme struct{ prefix, scheme, form string }

var vatSchemes = func() []vatScheme {
	r := csv.NewReader(strings.NewReader(easCSV))
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		panic("document: data/eas.csv: " + err.Error())
	}
	var list []vatScheme
	for _, f := range rows[1:] {
		list = append(list, vatScheme{f[0], f[1], f[2]})
	}
	return list
}()

// An eInvoice is a document in the terms of EN 16931: what UBL and CII have in common.
type eInvoice struct {
	invoice.Document
	guideline      string // BT-24
	process        string // BT-23
	number         string // BT-1
	typeCode       string // BT-3: 380 invoice, 381 credit note
	buyerReference string // BT-10
	note           string // BT-22
	terms          string // BT-20
	means          string // BT-81
	seller, buyer  eParty
	tax            eTax
	lines          []eLine
}

type eParty struct {
	invoice.Party
	scheme, endpoint                 string // BT-34, BT-49
	registrationScheme, registration string // BT-30, BT-47: the book's "0106:12345678" names the scheme
	vat                              string // BT-31, BT-48; empty with category O
	contact                          bool   // BG-6: the seller's
}

// An eTax is the one tax category of a document.
type eTax struct {
	invoice.TaxLine
	percent    string // empty with category O, which has none (BR-O-05)
	code, text string // BT-121, BT-120
}

type eLine struct {
	invoice.Line
	id, quantity, price string
	attributes          [][2]string // BG-32
}

// model turns an issued document into the terms of EN 16931.
func model(d invoice.Document) (eInvoice, error) {
	if !issued(d) {
		return eInvoice{}, ErrNotIssued
	}
	if len(d.Tax) != 1 {
		return eInvoice{}, fmt.Errorf("a document has one tax category, got %d", len(d.Tax))
	}
	e := eInvoice{
		Document: d, number: *d.Number, typeCode: "380",
		note:  strings.Join(notes(d), " "),
		terms: paymentTerms(d),
		// The agreement is a reference that the buyer knows (Peppol R003 and DE-R-015 want one).
		buyerReference: d.Buyer.Reference,
		guideline:      guidelineEN,
	}
	if d.Kind == invoice.KindCreditNote {
		e.typeCode = "381"
	}
	if e.buyerReference == "" {
		e.buyerReference = d.Agreement
	}
	if d.Payment.IBAN != "" {
		e.means = "30" // credit transfer
		if d.Currency == "EUR" {
			e.means = "58" // SEPA credit transfer
		}
	}
	notSubject := d.Tax[0].Category == invoice.CategoryNotSubject
	e.seller, e.buyer = party(d.Seller, notSubject), party(d.Buyer, notSubject)
	e.seller.contact = true
	e.tax.TaxLine = d.Tax[0]
	if !notSubject {
		e.tax.percent = currency.Plain(d.Tax[0].Percent)
	}
	e.tax.code, e.tax.text = d.Tax[0].ReasonText()
	for _, l := range d.Lines {
		e.lines = append(e.lines, line(l))
	}
	return e, nil
}

func party(p invoice.Party, notSubject bool) eParty {
	e := eParty{Party: p}
	if _, err := invoice.ParseTaxID(p.TaxID); err == nil {
		e.vat = taxIDPlain(p.TaxID)
	}
	e.scheme, e.endpoint = endpoint(p, e.vat)
	e.registrationScheme, e.registration = registration(p.RegistrationID)
	if notSubject {
		e.vat = "" // BR-O-02 to BR-O-04
	}
	return e
}

// peppol says whether the party has an address that Peppol delivers to.
func (p eParty) peppol() bool { return p.endpoint != "" && p.scheme != schemeEmail }

// endpoint is the electronic address: the book's, else the VAT id's, else the e-mail address.
func endpoint(p invoice.Party, vat string) (scheme, id string) {
	if scheme, id, ok := strings.Cut(p.Endpoint, ":"); ok && id != "" {
		return scheme, id
	}
	for _, s := range vatSchemes {
		if vat == "" || !strings.HasPrefix(vat, s.prefix) {
			continue
		}
		switch digits := onlyDigits(vat); s.form {
		case "digits":
			return s.scheme, digits
		case "organisation": // a Swedish VAT id is the organisation number and 01
			return s.scheme, digits[:10]
		case "ovt":
			return s.scheme, "0037" + digits
		}
		return s.scheme, vat
	}
	if p.Email != "" {
		return schemeEmail, p.Email
	}
	return "", ""
}

// registration splits "0106:12345678" into scheme (ISO 6523) and id; other ids have no scheme.
func registration(id string) (scheme, plain string) {
	if scheme, plain, ok := strings.Cut(id, ":"); ok && len(scheme) == 4 && onlyDigits(scheme) == scheme {
		return scheme, plain
	}
	return "", id
}

// line puts the sign of a line into its quantity: EN 16931 knows no negative prices (BR-27).
func line(l invoice.Line) eLine {
	e := eLine{Line: l, id: fmt.Sprint(l.Position), quantity: "1"}
	price := invoice.Money{Number: l.Net.Number.Abs(), Places: l.Net.Places}
	e.price = price.String()
	if l.Net.Number.Sign() < 0 {
		e.quantity = "-1"
	}
	add := func(name, value string) {
		if value = clean(value); value != "" {
			e.attributes = append(e.attributes, [2]string{name, value})
		}
	}
	add("Section", sectionTitle(l.Section))
	add("AWS account", deref(l.Account))
	add("AWS invoice", deref(l.AWSInvoice))
	if l.Source != nil {
		add("Charged by AWS", l.Source.String())
	}
	if l.Rate != nil {
		add("Exchange rate", currency.Plain(*l.Rate))
	}
	return e
}

// taxIDPlain is a VAT id without separators, in capitals.
func taxIDPlain(id string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", ".", "", "-", "").Replace(id))
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}
