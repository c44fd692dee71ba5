package document

import (
	"bytes"
	"testing"

	"github.com/arrears-billing/arrears/invoice"
)

// A document that Peppol would refuse says that it is plain EN 16931.
func TestPeppolOrNot(t *testing.T) {
	original, _ := sample(t) // between German parties, with all that Peppol wants
	swedish := func(d *invoice.Document) {
		d.Seller.Address.Country, d.Seller.RegistrationID = "SE", "5560360793"
		d.Tax = []invoice.TaxLine{d.Tax[0]}
		d.Tax[0].Percent = dec("25")
	}
	tests := []struct {
		name  string
		spoil func(d *invoice.Document)
		want  bool
	}{
		{"as it is", func(*invoice.Document) {}, true},
		{"no phone", func(d *invoice.Document) { d.Seller.Phone = "" }, false},
		{"no account", func(d *invoice.Document) { d.Payment.IBAN = "" }, false},
		{"no city of the buyer", func(d *invoice.Document) { d.Buyer.Address.City = "" }, false},
		{"no phone, to France", func(d *invoice.Document) {
			d.Seller.Phone, d.Buyer.Address.Country, d.Buyer.TaxID = "", "FR", "FR40303265045"
		}, true},
		{"buyer without an address there", func(d *invoice.Document) { d.Buyer.TaxID = "" }, false},
		{"buyer with an endpoint", func(d *invoice.Document) { d.Buyer.TaxID, d.Buyer.Endpoint = "", "0088:7300010000001" }, true},
		{"Dutch seller without scheme", func(d *invoice.Document) { d.Seller.Address.Country, d.Seller.RegistrationID = "NL", "12345678" }, false},
		{"Dutch seller", func(d *invoice.Document) { d.Seller.Address.Country, d.Seller.RegistrationID = "NL", "0106:12345678" }, true},
		{"Dutch month that ends as a credit note", func(d *invoice.Document) {
			d.Seller.Address.Country, d.Seller.RegistrationID, d.Kind = "NL", "0106:12345678", invoice.KindCreditNote
		}, false},
		{"Swedish seller", swedish, true},
		{"Swedish seller at a rate that there is not", func(d *invoice.Document) { swedish(d); d.Tax[0].Percent = dec("19") }, false},
		{"Swedish seller with a tax number", func(d *invoice.Document) { swedish(d); d.Seller.TaxRegistration = "123" }, false},
		{"Swedish seller, approved for F-tax", func(d *invoice.Document) { swedish(d); d.Seller.TaxRegistration = "Godkänd för F-skatt" }, true},
		{"Italian seller", func(d *invoice.Document) {
			d.Seller.Address.Country, d.Seller.TaxRegistration = "IT", "RSSMRA70A01F205X"
		}, true},
		{"Italian seller with a short tax number", func(d *invoice.Document) { d.Seller.Address.Country, d.Seller.TaxRegistration = "IT", "123" }, false},
		{"Swedish seller whose number is mistyped", func(d *invoice.Document) { swedish(d); d.Seller.RegistrationID = "5560360794" }, false},
		{"Norwegian buyer", func(d *invoice.Document) { d.Buyer.TaxID = "NO995525828MVA" }, true},
		{"Norwegian buyer whose number is mistyped", func(d *invoice.Document) { d.Buyer.TaxID = "NO995525829MVA" }, false},
		{"Norwegian seller whose number is mistyped", func(d *invoice.Document) {
			d.Seller.Address.Country, d.Seller.TaxID, d.Seller.Endpoint = "NO", "NO995525829MVA", "0088:7300010000001"
		}, false},
		{"mistyped endpoint", func(d *invoice.Document) { d.Buyer.Endpoint = "0088:7300010000002" }, false},
		{"Australian endpoint", func(d *invoice.Document) { d.Buyer.Endpoint = "0151:51824753556" }, true},
		{"mistyped Australian endpoint", func(d *invoice.Document) { d.Buyer.Endpoint = "0151:51824753557" }, false},
		{"mistyped Belgian registration", func(d *invoice.Document) { d.Buyer.RegistrationID = "0208:0428759498" }, false},
		{"Danish seller", func(d *invoice.Document) { d.Seller.Address.Country = "DK" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := original
			tt.spoil(&d)
			b, err := UBL(d)
			if err != nil {
				t.Fatal(err)
			}
			if got := bytes.Contains(b, []byte(guidelinePeppol)); got != tt.want {
				t.Errorf("Peppol %v, want %v", got, tt.want)
			}
			if got := bytes.Contains(b, []byte("<cbc:ProfileID>")); got != tt.want {
				t.Errorf("process %v, want %v", got, tt.want)
			}
		})
	}
}
