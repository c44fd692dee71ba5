package document

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
)

func dec(s string) currency.Decimal { return currency.MustParse(s) }

// A random is a small generator of numbers that are the same everywhere (xorshift).
type random uint64

func (r *random) n(n int) int {
	x := uint64(*r)
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	*r = random(x)
	return int(x % uint64(n))
}

func pick[T any](r *random, list []T) T { return list[r.n(len(list))] }

func address(street, city, postal, country string) agreement.Address {
	return agreement.Address{Street: street, City: city, PostalCode: postal, Country: country}
}

// Ids and accounts are the examples that the authorities' documents show.
var (
	corpusSellers = []agreement.Seller{
		{ID: "SEL-DE", Name: "Seller GmbH", Country: "DE", TaxID: "DE136695976", RegistrationID: "HRB 1234", Currency: "EUR", Address: address("Hauptstr. 1", "Berlin", "10115", "DE"), Payment: agreement.Payment{Days: 30, IBAN: "DE02120300000000202051", BIC: "BYLADEM1001", Bank: "Beispielbank"}},
		{ID: "SEL-NL", Name: "Verkoper B.V.", Country: "NL", TaxID: "NL004495445B01", RegistrationID: "0106:12345678", Currency: "EUR", Address: address("Dam 1", "Amsterdam", "1012", "NL"), Payment: agreement.Payment{Days: 14, IBAN: "NL91ABNA0417164300"}},
		{ID: "SEL-FR", Name: "Vendeur & Fils S.A.", Country: "FR", TaxID: "FR40303265045", RegistrationID: "303265045", Currency: "EUR", Address: address("1 rue de l'Église", "Paris", "75001", "FR"), Payment: agreement.Payment{Days: 45, IBAN: "FR1420041010050500013M02606"}},
		{ID: "SEL-CH", Name: "Verkäufer AG", Country: "CH", TaxID: "CHE-100.155.212 MWST", RegistrationID: "CHE-100.155.212", Currency: "CHF", Address: address("Bahnhofstr. 1", "Zürich", "8001", "CH"), Payment: agreement.Payment{Days: 30, IBAN: "CH9300762011623852957"}},
		{ID: "SEL-GB", Name: "Seller Ltd", Country: "GB", TaxID: "GB980780684", RegistrationID: "01234567", Currency: "GBP", Address: address("1 High Street", "London", "SW1A 1AA", "GB"), Payment: agreement.Payment{Days: 30, IBAN: "GB82WEST12345698765432"}},
		{ID: "SEL-NO", Name: "Selger AS", Country: "NO", TaxID: "NO995525828MVA", RegistrationID: "0192:995525828", TaxRegistration: "Foretaksregisteret", Currency: "NOK", Address: address("Storgata 1", "Oslo", "0155", "NO"), Payment: agreement.Payment{Days: 30, IBAN: "NO9386011117947"}},
		{ID: "SEL-PL", Name: "Sprzedawca Sp. z o.o.", Country: "PL", TaxID: "PL8567346215", RegistrationID: "0000123456", Currency: "PLN", Address: address("ul. Długa 1", "Łódź", "90-001", "PL"), Payment: agreement.Payment{Days: 7, IBAN: "PL61109010140000071219812874"}},
		{ID: "SEL-IE", Name: "Seller Éire DAC", Country: "IE", TaxID: "IE6433435F", RegistrationID: "123456", Currency: "EUR", Address: address("1 Grafton Street", "Dublin", "D02", "IE")},
		{ID: "SEL-FI", Name: "Myyjä Oy", Country: "FI", TaxID: "FI20774740", RegistrationID: "2077474-0", Currency: "EUR", Address: address("Mannerheimintie 1", "Helsinki", "00100", "FI"), Payment: agreement.Payment{Days: 21, IBAN: "FI2112345600000785"}},
		{ID: "SEL-IT", Name: "Venditore S.p.A.", Country: "IT", TaxID: "IT00743110157", RegistrationID: "MI-123456", TaxRegistration: "00743110157", Currency: "EUR", Address: address("Via Roma 1", "Milano", "20121", "IT"), Payment: agreement.Payment{Days: 30, IBAN: "IT60X0542811101000000123456"}},
		{ID: "SEL-SE", Name: "Säljare AB", Country: "SE", TaxID: "SE556036079301", RegistrationID: "5560360793", TaxRegistration: "Godkänd för F-skatt", Currency: "SEK", Address: address("Storgatan 1", "Stockholm", "111 22", "SE"), Payment: agreement.Payment{Days: 30, IBAN: "SE4550000000058398257466"}},
	}
	corpusBuyers = []agreement.Buyer{
		{ID: "BUY-NL", Name: "Buyer B.V.", Country: "NL", TaxID: "NL123456789B13", Address: address("Main 1", "Utrecht", "3511", "NL"), Email: "ap@buyer.example"},
		{ID: "BUY-DE", Name: "Käufer & Söhne GmbH <West>", Country: "DE", TaxID: "DE136695976", Address: address("Ringstraße 5", "Köln", "50667", "DE"), Reference: "04011000-12345-34"},
		{ID: "BUY-GR", Name: "Αγοραστής Α.Ε.", Country: "GR", TaxID: "EL094259216", Address: address("Οδός Ερμού 1", "Αθήνα", "10563", "GR")},
		{ID: "BUY-BG", Name: "Купувач ООД", Country: "BG", TaxID: "BG175074752", Address: address("бул. Витоша 1", "София", "1000", "BG")},
		{ID: "BUY-PL", Name: "Żółw i Gęś S.A.", Country: "PL", TaxID: "PL8567346215", Address: address("ul. Świętokrzyska 1", "Kraków", "30-015", "PL")},
		{ID: "BUY-US", Name: "Buyer Inc.", Country: "US", TaxID: "12-3456789", RegistrationID: "5551234", Address: agreement.Address{Street: "1 Main Street", City: "New York", PostalCode: "10001", Region: "NY", Country: "US"}, Email: "ap@buyer.example"},
		{ID: "BUY-JP", Name: "株式会社バイヤー", Country: "JP", Address: address("千代田 1", "東京", "100-0001", "JP"), Email: "ap@buyer.example"},
		{ID: "BUY-CH", Name: "Käufer AG", Country: "CH", TaxID: "CHE100155212", Address: address("Rue du Rhône 1", "Genève", "1204", "CH")},
		{ID: "BUY-ES", Name: "Compradora Canaria S.L.", Country: "ES", TaxID: "ESA13585625", Address: address("Calle Mayor 1", "Las Palmas", "35001", "ES")},
		{ID: "BUY-FI", Name: "Ostaja Oyj", Country: "FI", TaxID: "FI20774740", Address: address("Aleksanterinkatu 1", "Helsinki", "00100", "FI")},
	}
	corpusLabels = []string{
		"Amazon Elastic Compute Cloud", "Amazon Simple Storage Service", "AWS Data Transfer", "R&D <Cloud> \"Guard\"", "Αποθήκευση δεδομένων", "Хранение данных",
		"控制\u0001字符\nAI", "Tab\tand\u0000null", "=HYPERLINK(\"http://x.example\")", "@SUM(1+1)", "Łączność przemysłowa",
	}
)

func corpusRate(from, to currency.Code, day calendar.Date) (currency.Rate, error) {
	return currency.Rate{From: from, To: to, Value: dec("4.2137"), Source: "ecb", Date: day}, nil
}

// corpusInput makes a month of n charges.
func corpusInput(r *random, i, n int, s agreement.Seller, b agreement.Buyer, cur currency.Code) invoice.Input {
	s.Email, s.Phone = "billing@seller.example", "+49 30 1234567"
	in := invoice.Input{
		ID: fmt.Sprintf("AGR-%04d-2026-03", i), Agreement: fmt.Sprintf("AGR-%04d", i), Month: calendar.MustMonth("2026-03"),
		PurchaseOrder: pick(r, []string{"", "PO-77", "PO-4711/2026 Cloud & Platform"}), Seller: s, Buyer: b, Currency: cur,
		First: i%7 == 0, Final: i%11 == 0, NationalRate: corpusRate,
		Versions: map[string]string{"rules": "2026-11-1"},
	}
	for j := range n {
		rate := currency.Rate{From: "USD", To: cur, Value: dec(pick(r, []string{"0.92", "0.9134567891", "151.2"})), Source: "aws_invoice",
			Date: calendar.MustDate("2026-04-03"), AWSInvoice: pick(r, []string{"EUINDE26-123456", "2609293185", "SGIN26-350441"})}
		if cur == "USD" {
			rate.Value, rate.Source = dec("1"), "same"
		}
		sign := ""
		section := rating.Sections[r.n(6)]
		if r.n(5) == 0 {
			sign, section = "-", rating.Sections[6+r.n(3)]
		}
		source := currency.Amount{Number: dec(fmt.Sprintf("%s%d.%09d", sign, r.n(9000), r.n(1_000_000_000))), Currency: "USD"}
		account := pick(r, []string{"111122223333", "444455556666", fmt.Sprintf("9999%08d", j)})
		if n >= 1000 {
			account = fmt.Sprintf("9999%08d", j) // so that every charge is a line
		}
		in.Priced = append(in.Priced, rating.Priced{
			Disposition: rating.Billed, Section: section, Account: account,
			Product: pick(r, []string{"AmazonEC2", "AmazonS3", "AWSDataTransfer"}), Label: pick(r, corpusLabels), Invoice: rate.AWSInvoice,
			Source: source, Rate: rate, Exact: currency.Amount{Number: source.Number.Mul(rate.Value), Currency: cur},
		})
	}
	if r.n(2) == 0 {
		in.SellerLines = append(in.SellerLines,
			rating.SellerLine{Section: rating.SectionFees, Label: "Enterprise support for AWS", How: "5 % of usage, 1234.5 " + string(cur), Exact: currency.Amount{Number: dec("61.725"), Currency: cur}},
			rating.SellerLine{Section: rating.SectionDiscounts, Label: "Additional usage discount", How: "-5 % of partner discount on usage, 69.766666 " + string(cur), Exact: currency.Amount{Number: dec("-3.4883333"), Currency: cur}})
	}
	return in
}

var overrides = []*agreement.TaxOverride{
	{Category: "E", Reason: "Exempt by treaty"}, {Category: "E", Reason: "VATEX-EU-132"}, {Category: "Z", Reason: "Zero rated"},
	{Category: "G", Reason: "VATEX-EU-G"}, {Category: "O", Reason: "VATEX-EU-O"}, {Category: "S", Percent: dec("7"), Reason: "Reduced rate"},
}

// corpus makes more than 200 issued documents of every kind: all tax categories, tax in two
// currencies, negative lines, months that end as credit notes, credits in full and in part, residues
// of rounding, one line and 5,000, texts in other scripts and with characters that XML forbids.
func corpus(tb testing.TB) []invoice.Document {
	tb.Helper()
	corpusOnce.Do(func() { corpusDocuments = makeCorpus(tb) })
	return corpusDocuments
}

var (
	corpusOnce      sync.Once
	corpusDocuments []invoice.Document
)

func makeCorpus(tb testing.TB) []invoice.Document {
	tb.Helper()
	r := random(20261122)
	var documents []invoice.Document
	numbers := map[string]int{}
	issue := func(d invoice.Document) invoice.Document {
		kind := d.Seller.ID[4:]
		if d.Kind == invoice.KindCreditNote {
			kind += "-CN"
		}
		numbers[kind]++
		d = d.Issue(fmt.Sprintf("%s-2026-%06d", kind, numbers[kind]), calendar.MustDate("2026-04-08"), d.Payment.Days)
		if found := invoice.Check(d); len(found) > 0 {
			tb.Fatalf("%s for %s: %v", *d.Number, d.Buyer.ID, found)
		}
		documents = append(documents, d)
		return d
	}
	draft := func(in invoice.Input) (invoice.Document, bool) {
		d, reasons := invoice.Draft(in)
		return d, len(reasons) == 0 && !d.Totals.Gross.Number.IsZero()
	}
	for i := 0; len(documents) < 240; i++ {
		s := corpusSellers[i%len(corpusSellers)]
		b := pick(&r, corpusBuyers)
		if r.n(3) == 0 { // at home
			b = agreement.Buyer{ID: "BUY-HOME", Name: "Home Buyer", Country: s.Country, Address: s.Address, RegistrationID: s.RegistrationID, TaxID: s.TaxID}
		}
		in := corpusInput(&r, i, 1+r.n(60), s, b, pick(&r, []currency.Code{s.Currency, "EUR", "USD", "GBP", "JPY"}))
		if r.n(4) == 0 {
			in.TaxOverride = pick(&r, overrides)
		}
		if r.n(8) == 0 { // a month that gives back more than it charges
			for j := range in.Priced {
				in.Priced[j].Source.Number = in.Priced[j].Source.Number.Neg()
				in.Priced[j].Exact.Number = in.Priced[j].Exact.Number.Neg()
			}
		}
		d, ok := draft(in)
		if !ok {
			continue // no VAT id, for example
		}
		d = issue(d)
		if r.n(4) == 0 {
			c, err := invoice.Credit(d, nil, nil, d.ID+"-c1", "Wrong & credited <in full>")
			if err != nil {
				tb.Fatal(err)
			}
			issue(c)
		} else if r.n(4) == 0 {
			for _, l := range d.Lines {
				if part := l.Net.Number.Mul(dec("0.3")).Truncate(d.Currency.MinorUnits()); part.Sign() > 0 && part.Cmp(d.Totals.Net.Number) < 0 {
					c, err := invoice.Credit(d, nil, []invoice.CreditLine{{Position: l.Position, Amount: &part}}, d.ID+"-c1", "Goodwill")
					if err != nil {
						tb.Fatal(err)
					}
					issue(c)
					break
				}
			}
		}
	}
	for _, n := range []int{1, 41, 42, 5000} {
		in := corpusInput(&r, 9000+n, n, corpusSellers[0], corpusBuyers[0], "EUR")
		if n == 1 {
			in.SellerLines = nil
		}
		if n == 41 || n == 42 {
			in.Seller.Logo = logoPNG(tb)
		}
		d, ok := draft(in)
		if !ok {
			tb.Fatalf("no document of %d lines", n)
		}
		issue(d)
	}
	return documents
}

// logoPNG is a small picture with transparent corners.
func logoPNG(tb testing.TB) string {
	tb.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 240, 60))
	for y := range 60 {
		for x := range 240 {
			if (x/20+y/20)%2 == 0 {
				img.Set(x, y, color.NRGBA{24, 66, 112, 255})
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		tb.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// TestCorpus makes every rendering of the corpus twice and compares the bytes. With CORPUS_DIR it
// writes them there, for the official validators (see docs/CONFORMANCE.md).
func TestCorpus(t *testing.T) {
	documents := corpus(t)
	if len(documents) < 200 {
		t.Fatalf("%d documents, want at least 200", len(documents))
	}
	dir := os.Getenv("CORPUS_DIR")
	seen := map[string]bool{}
	for i, d := range documents {
		seen[d.Tax[0].Category+" "+d.Kind] = true
		if d.TaxNational != nil {
			seen["national"] = true
		}
		if dir == "" && i%24 != 0 {
			continue // a sample is enough to see that bytes are the same
		}
		for _, format := range Formats {
			b, err := Render(d, format)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Render(d, format)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b, again) {
				t.Errorf("%s as %s: other bytes the second time", *d.Number, format)
			}
			if dir != "" {
				extension := map[string]string{"ubl": "ubl.xml", "cii": "cii.xml"}[format]
				if extension == "" {
					extension = format
				}
				if err := os.WriteFile(filepath.Join(dir, *d.Number+"."+extension), b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, want := range []string{"S invoice", "AE invoice", "O invoice", "E invoice", "Z invoice", "G invoice", "S credit_note", "AE credit_note", "O credit_note", "national"} {
		if !seen[want] {
			t.Errorf("the corpus has no %s", want)
		}
	}
}
