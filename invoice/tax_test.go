package invoice

import (
	"errors"
	"strings"
	"testing"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

func TestTax(t *testing.T) {
	tests := []struct {
		name           string
		seller, postal string // the seller's country and postal code
		buyer, code    string // the buyer's
		taxID          string
		month          string
		want           string // category, percent, reason; or what the reason says
	}{
		{"at home", "DE", "10115", "DE", "80331", "", "2026-03", "S 19 "},
		{"dated rate before", "FI", "00100", "FI", "00100", "", "2024-08", "S 24 "},
		{"dated rate after", "FI", "00100", "FI", "00100", "", "2024-09", "S 25.5 "},
		{"Liechtenstein with Switzerland", "CH", "8001", "LI", "9490", "", "2026-03", "S 8.1 "},
		{"Monaco with France", "FR", "75001", "MC", "98000", "", "2026-03", "S 20 "},
		{"Isle of Man with Great Britain", "GB", "SW1A", "IM", "IM1", "", "2026-03", "S 20 "},
		{"reverse charge", "DE", "10115", "NL", "3511", "NL004495445B01", "2026-03", "AE 0 VATEX-EU-AE"},
		{"reverse charge to Greece", "DE", "10115", "GR", "10431", "EL094259216", "2026-03", "AE 0 VATEX-EU-AE"},
		{"id of another member state than the buyer's", "DE", "10115", "NL", "3511", "FR40303265045", "2026-03", "AE 0 VATEX-EU-AE"},
		{"no id", "DE", "10115", "NL", "3511", "", "2026-03", "buyer BUY in NL has no VAT id"},
		{"malformed id", "DE", "10115", "NL", "3511", "NL12", "2026-03", `not a VAT id of NL: "NL12"`},
		{"Greek id with GR", "DE", "10115", "GR", "10431", "GR094259216", "2026-03", "Greek VAT ids begin with EL"},
		{"id of the seller's state", "DE", "10115", "NL", "3511", "DE136695976", "2026-03", "the seller's own member state"},
		{"id of no member state", "DE", "10115", "NL", "3511", "CHE-100.155.212", "2026-03", "not the VAT id of a member state"},
		{"from Great Britain to Northern Ireland", "GB", "SW1A", "GB", "BT1 1AA", "XI980780684", "2026-03", "S 20 "},
		{"to Switzerland", "DE", "10115", "CH", "8001", "", "2026-03", "O 0 VATEX-EU-O"},
		{"to the United States", "DE", "10115", "US", "10001", "", "2026-03", "O 0 VATEX-EU-O"},
		{"to the Canary Islands", "ES", "28001", "ES", "35001", "", "2026-03", "O 0 VATEX-EU-O"},
		{"to Ceuta", "DE", "10115", "ES", "51001", "", "2026-03", "O 0 VATEX-EU-O"},
		{"to Melilla", "DE", "10115", "ES", "52 001", "", "2026-03", "O 0 VATEX-EU-O"},
		{"to Aland", "DE", "10115", "FI", "FI-22100", "FI01120389", "2026-03", "O 0 VATEX-EU-O"},
		{"to Buesingen", "DE", "10115", "DE", "D-78266", "", "2026-03", "O 0 VATEX-EU-O"},
		{"to Heligoland", "DE", "10115", "DE", "27498", "", "2026-03", "O 0 VATEX-EU-O"},
		{"to Livigno", "IT", "00118", "IT", "23041", "", "2026-03", "O 0 VATEX-EU-O"},
		{"to Athos", "DE", "10115", "GR", "63086", "", "2026-03", "O 0 VATEX-EU-O"},
		{"to Reunion", "FR", "75001", "FR", "97400", "", "2026-03", "O 0 VATEX-EU-O"},
		{"to Northern Ireland", "DE", "10115", "GB", "BT1 5GS", "XI980780684", "2026-03", "O 0 VATEX-EU-O"},
		{"from Northern Ireland", "GB", "BT1 5GS", "IE", "D02", "IE6388047V", "2026-03", "O 0 VATEX-EU-O"},
		{"id of Northern Ireland is not for services", "DE", "10115", "IE", "D02", "XI980780684", "2026-03", "not the VAT id of a member state"},
		{"from Switzerland to the EU", "CH", "8001", "DE", "10115", "DE136695976", "2026-03", "O 0 VATEX-EU-O"},
		{"from Great Britain to the EU", "GB", "SW1A", "IE", "D02", "IE6388047V", "2026-03", "O 0 VATEX-EU-O"},
		{"from Norway", "NO", "0150", "DE", "10115", "", "2026-03", "G 0 Services for use abroad, Norwegian VAT Act section 6-22"},
		{"in Norway", "NO", "0150", "NO", "5003", "", "2026-03", "S 25 "},
		{"in Madeira", "PT", "9000-012", "PT", "9050-100", "", "2026-03", "S 22 "},
		{"in the Azores", "PT", "9500", "PT", "9999-999", "", "2026-03", "S 16 "},
		{"from the mainland to Madeira", "PT", "1000-001", "PT", "9000-012", "PT501964843", "2026-03", "the seller's own member state"},
		{"from Madeira to the mainland", "PT", "9000-012", "PT", "1000-001", "PT501964843", "2026-03", "the seller's own member state"},
		{"from the EU to Madeira", "DE", "10115", "PT", "9000-012", "PT501964843", "2026-03", "AE 0 VATEX-EU-AE"},
		{"seller of no known area", "US", "10001", "DE", "10115", "", "2026-03", "seller SEL is in US, for which no VAT rules are known"},
		{"home without a rate", "US", "10001", "US", "10001", "", "2026-03", "no standard VAT rate of US on 2026-03-31"},
		{"no country", "DE", "10115", "", "", "", "2026-03", `buyer BUY: country "" is not an ISO 3166 code`},
		{"before any rate", "CH", "8001", "CH", "8001", "", "2017-12", "no standard VAT rate of CH"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, reasons := decideTax(Input{
				Month:  calendar.MustMonth(tt.month),
				Seller: agreement.Seller{ID: "SEL", Country: tt.seller, Address: agreement.Address{PostalCode: tt.postal}},
				Buyer:  agreement.Buyer{ID: "BUY", Country: tt.buyer, TaxID: tt.taxID, Address: agreement.Address{PostalCode: tt.code}},
			})
			got := d.category + " " + currency.Plain(d.percent) + " " + d.reason
			if len(reasons) > 0 {
				got = reasons[0].Text
				if reasons[0].Code != ReasonTaxUndetermined || !strings.Contains(got, tt.want) {
					t.Errorf("%s: %q, want %q", reasons[0].Code, got, tt.want)
				}
			} else if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A postal code says where a party is only in the country of its address: 35000 is Rennes in France,
// and would be on the Canary Islands in Spain.
func TestTaxPostalCodeOfAnotherCountry(t *testing.T) {
	madrid := agreement.Seller{ID: "SEL", Country: "ES", Address: agreement.Address{PostalCode: "28001", Country: "ES"}}
	rennes := agreement.Address{PostalCode: "35000", Country: "FR"}
	for _, tt := range []struct {
		name   string
		seller agreement.Seller
		buyer  agreement.Buyer
	}{
		{"buyer", madrid, agreement.Buyer{ID: "BUY", Country: "ES", Address: rennes}},
		{"seller", agreement.Seller{ID: "SEL", Country: "ES", Address: rennes}, agreement.Buyer{ID: "BUY", Country: "ES", Address: madrid.Address}},
	} {
		d, reasons := decideTax(Input{Month: calendar.MustMonth("2026-03"), Seller: tt.seller, Buyer: tt.buyer})
		if len(reasons) > 0 || d.category != "S" || !d.percent.Equal(dec("21")) {
			t.Errorf("%s: got %s %s %v, want S 21", tt.name, d.category, currency.Plain(d.percent), reasons)
		}
	}
}

func TestTaxOverride(t *testing.T) {
	in := c1()
	in.Buyer.TaxID = ""
	in.Buyer.Tax = &agreement.TaxOverride{Category: "E", Reason: "Exempt by treaty"}
	d, reasons := Draft(in)
	if len(reasons) > 0 || d.Tax[0].Category != "E" || d.Tax[0].Reason != "Exempt by treaty" {
		t.Errorf("buyer's override: %+v, %v", d.Tax, reasons)
	}
	in.TaxOverride = &agreement.TaxOverride{Category: "S", Percent: dec("7"), Reason: "Reduced rate"}
	d, reasons = Draft(in)
	if len(reasons) > 0 || d.Tax[0].Category != "S" || d.Totals.Tax.String() != "75.45" {
		t.Errorf("the agreement's override goes first: %+v, %v", d.Tax, reasons)
	}
	for want, o := range map[string]agreement.TaxOverride{
		`category "X" is not one of`:       {Category: "X", Reason: "?"},
		"category AE has no tax, got 19 %": {Category: "AE", Percent: dec("19"), Reason: "?"},
		"category O needs a reason":        {Category: "O"},
		"needs a percentage above 0":       {Category: "S"},
	} {
		in.TaxOverride = &o
		if _, reasons := Draft(in); len(reasons) != 1 || !strings.Contains(reasons[0].Text, want) {
			t.Errorf("override %+v: %v, want %q", o, reasons, want)
		}
	}
}

// A document in another currency than the territory's states its tax in that too, at the rate of the
// month's last day; without a rate there is no document.
func TestNationalTax(t *testing.T) {
	in := c1()
	in.Buyer = sellerAsBuyer()
	in.Seller.Country, in.Seller.Address.Country = "PL", "PL"
	in.Buyer.Country = "PL"
	if _, reasons := Draft(in); len(reasons) != 1 || reasons[0].Code != ReasonNoRate {
		t.Errorf("no source of rates: %v", reasons)
	}
	in.NationalRate = func(currency.Code, currency.Code, calendar.Date) (currency.Rate, error) {
		return currency.Rate{}, errors.New("no ECB rate EUR/PLN for 2026-03-31: import the reference rates")
	}
	if _, reasons := Draft(in); len(reasons) != 1 || !strings.Contains(reasons[0].Text, "import the reference rates") {
		t.Errorf("no rate: %v", reasons)
	}
	in.NationalRate = func(from, to currency.Code, day calendar.Date) (currency.Rate, error) {
		return currency.Rate{From: from, To: to, Value: dec("4.2"), Source: "ecb", Date: day}, nil
	}
	d, reasons := Draft(in)
	if len(reasons) > 0 {
		t.Fatal(reasons)
	}
	n := d.TaxNational // 1077.91 x 23 % = 247.92, x 4.2
	if n == nil || n.Currency != "PLN" || n.Amount.String() != "1041.26" || n.Rate.Date.String() != "2026-03-31" {
		t.Errorf("national tax %+v", n)
	}
	for i := range in.Priced {
		in.Priced[i].Exact.Number = in.Priced[i].Exact.Number.Neg()
	}
	in.SellerLines = nil
	if d, _ := Draft(in); d.Kind != KindCreditNote || d.TaxNational.Amount.Number.Sign() <= 0 {
		t.Errorf("%s with national tax %s, want a positive one", d.Kind, d.TaxNational.Amount)
	}
}

// Examples of ids are those that the authorities' own documents and the companies' imprints show.
func TestTaxIDs(t *testing.T) {
	valid := []string{
		"ATU13585627", "BE0428759497", "BG175074752", "CY10259033P", "CZ25123891", "DE136695976", "DK13585628",
		"EE100931558", "EL094259216", "ES54362315K", "ESX2482300W", "ESA13585625", "ESJ99216582", "FI20774740", "FR40303265045",
		"HR33392005961", "HU12892312", "IE6433435F", "IE6433435OA", "IT00743110157", "LT119511515", "LU15027442",
		"LV40003521600", "MT11679112", "NL004495445B01", "NL123456789B13", "PL8567346215", "PT501964843", "RO18547290",
		"SE123456789701", "SI50223054", "SK2022749619", "CHE-100.155.212 MWST", "CHE100155212", "GB980780684", "XI980780684", "NO995525828MVA",
	}
	for _, id := range valid {
		if _, err := ParseTaxID(id); err != nil {
			t.Errorf("ParseTaxID(%q): %v", id, err)
			continue
		}
		if w := TaxIDWarning(id); w != "" {
			t.Errorf("TaxIDWarning(%q) = %q, want none", id, w)
		}
	}
	for _, id := range []string{"ATU13585626", "BE0428759498", "DE136695977", "EL123456781", "FR41303265045", "IT00743110158", "NL004495446B01", "PL8567346216", "CHE-100.155.213"} {
		if _, err := ParseTaxID(id); err != nil {
			t.Errorf("ParseTaxID(%q): %v", id, err)
		} else if TaxIDWarning(id) == "" {
			t.Errorf("TaxIDWarning(%q) is empty", id)
		}
	}
	for _, id := range []string{"", "136695976", "DE13669597", "DE1366959760", "GR094259216", "XX123", "NL004495445", "CHE1234"} {
		if c, err := ParseTaxID(id); err == nil {
			t.Errorf("ParseTaxID(%q) = %s, want an error", id, c)
		}
	}
}

// Every procedure must tell most single wrong digits.
func TestCheckDigitsTell(t *testing.T) {
	for _, id := range []string{
		"ATU13585627", "BE0428759497", "BG175074752", "CZ25123891", "DE136695976", "DK13585628", "EE100931558", "EL094259216",
		"FI20774740", "FR40303265045", "HR33392005961", "HU12892312", "IE6433435F", "IT00743110157", "LT119511515", "LU15027442",
		"LV40003521600", "MT11679112", "PL8567346215", "PT501964843", "RO18547290", "SE123456789701", "SI50223054", "SK2022749619",
		"CHE100155212", "GB980780684", "NO995525828",
	} {
		wrong, told := 0, 0
		for i := range id {
			if id[i] < '0' || id[i] > '9' {
				continue
			}
			for c := byte('0'); c <= '9'; c++ {
				if other := id[:i] + string(c) + id[i+1:]; c != id[i] {
					if _, err := ParseTaxID(other); err != nil {
						continue
					}
					wrong++
					if TaxIDWarning(other) != "" {
						told++
					}
				}
			}
		}
		if told*10 < wrong*9 {
			t.Errorf("%s: %d of %d wrong ids are told", id, told, wrong)
		}
	}
}
