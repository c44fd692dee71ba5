package invoice

import (
	"fmt"
	"strings"
	"testing"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/rating"
)

// rulesOf are the rules that a document breaks.
func rulesOf(d Document) string {
	var rules []string
	for _, v := range Check(d) {
		rules = append(rules, v.Rule)
	}
	return strings.Join(rules, " ")
}

// TestCheckNothingElse: a document that breaks a rule breaks that one alone, and what is just
// within a rule breaks none.
func TestCheckNothingElse(t *testing.T) {
	number, empty := "DE-2026-000001", ""
	var never calendar.Date
	for _, tt := range []struct {
		name, want string
		spoil      func(d *Document)
	}{
		{"a draft needs no number and no dates", "", func(d *Document) { d.Status, d.Number, d.IssueDate, d.DueDate = StatusDrafted, nil, nil, nil }},
		{"an empty number", "BR-02", func(d *Document) { d.Number = &empty }},
		{"no issue date", "BR-03", func(d *Document) { d.IssueDate = &never }},
		{"no due date", "BR-CO-25", func(d *Document) { d.DueDate = &never }},
		{"a credit note", "", func(d *Document) { d.Kind = KindCreditNote }},
		{"a period of a day", "", func(d *Document) { d.Period.End = d.Period.Start }},
		{"corrects", "", func(d *Document) { d.Corrects = &Reference{ID: "x", Number: number} }},
		{"no IBAN", "", func(d *Document) { d.Payment.IBAN = "" }},
		{"seller without VAT id, with registration id", "BR-AE-02", func(d *Document) { d.Seller.TaxID = "" }},
		{"seller with VAT id, without registration id", "", func(d *Document) { d.Seller.RegistrationID = "" }},
		{"seller with neither", "BR-CO-26 BR-AE-02", func(d *Document) { d.Seller.TaxID, d.Seller.RegistrationID = "", "" }},
		{"category O: no VAT ids asked for", "", func(d *Document) {
			d.Tax[0].Category, d.Tax[0].Reason, d.Seller.TaxID, d.Buyer.TaxID = CategoryNotSubject, "VATEX-EU-O", "", ""
		}},
		{"category S", "", func(d *Document) { standard(d, "19") }},
		{"category S and a reason that is no code", "", func(d *Document) { standard(d, "19"); d.Tax[0].Reason = "VATEX-EU-XX" }},
		{"category S at 0", "BR-S-05", func(d *Document) { standard(d, "0") }},
		{"category Z without a reason", "", func(d *Document) { d.Tax[0].Category, d.Tax[0].Reason = CategoryZero, "" }},
		{"category Z and a reason that is no code", "", func(d *Document) { d.Tax[0].Category, d.Tax[0].Reason = CategoryZero, "VATEX-EU-XX" }},
		{"category E with a free text", "", func(d *Document) { d.Tax[0].Category, d.Tax[0].Reason = CategoryExempt, "exempt by law" }},
		{"category G without a reason", "BR-G-10", func(d *Document) { d.Tax[0].Category, d.Tax[0].Reason = CategoryExport, " " }},
		{"tax a cent off", "BR-CO-17", func(d *Document) { standard(d, "19"); addTax(d, "0.01") }},
		{"tax of a correction a cent less than a unit off, above", "", func(d *Document) {
			standard(d, "19")
			addTax(d, "0.99")
			d.Corrects = &Reference{ID: "x", Number: number}
		}},
		{"and below", "", func(d *Document) {
			standard(d, "19")
			addTax(d, "-0.99")
			d.Corrects = &Reference{ID: "x", Number: number}
		}},
		{"tax of a correction a unit off, above", "BR-CO-17", func(d *Document) { standard(d, "19"); addTax(d, "1"); d.Corrects = &Reference{ID: "x", Number: number} }},
		{"and below", "BR-CO-17", func(d *Document) {
			standard(d, "19")
			addTax(d, "-1")
			d.Corrects = &Reference{ID: "x", Number: number}
		}},
		{"tax in a national currency", "", func(d *Document) { standard(d, "19"); national(d, "PLN", "100") }},
		{"of 0", "", func(d *Document) { standard(d, "19"); national(d, "PLN", "0") }},
		{"of the other sign", "BR-53", func(d *Document) { standard(d, "19"); national(d, "PLN", "-1") }},
		{"of no tax, but not 0", "BR-53", func(d *Document) { national(d, "PLN", "1") }},
		{"a total of 0", "BR-CO-10 BR-CO-13 A-POSITIVE", func(d *Document) { d.Totals.Net.Number, d.Totals.Gross.Number = dec("0"), dec("0") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := Draft(c1())
			d = d.Issue(number, calendar.MustDate("2026-04-08"), 30)
			tt.spoil(&d)
			if got := rulesOf(d); got != tt.want {
				t.Errorf("breaks %q, want %q", got, tt.want)
			}
		})
	}
	if got := Reasons([]Violation{{"BR-02", "a number"}}); len(got) != 1 || got[0].Code != "BR-02" || got[0].Text != "a number" {
		t.Errorf("reasons %v", got)
	}
	d, _ := Draft(c1())
	d.Lines[2].Position = 9
	if found := Check(d); len(found) != 1 || found[0].Text != "line 3 has position 9" {
		t.Errorf("found %v", found)
	}
}

// standard gives a document category S at a percentage, with its tax.
func standard(d *Document, percent string) {
	tax := &d.Tax[0]
	tax.Category, tax.Percent, tax.Reason = CategoryStandard, dec(percent), ""
	tax.Amount.Number = currency.Percent(tax.Base.Number, tax.Percent).Round(2)
	d.Totals = totals(d.Totals.Net.Number, tax.Amount.Number, d.Currency)
}

func addTax(d *Document, amount string) {
	d.Tax[0].Amount.Number = d.Tax[0].Amount.Number.Add(dec(amount))
	d.Totals = totals(d.Totals.Net.Number, d.Tax[0].Amount.Number, d.Currency)
}

func national(d *Document, code currency.Code, amount string) {
	d.TaxNational = &NationalTax{Currency: code, Amount: money(dec(amount), code)}
}

func TestIBAN(t *testing.T) {
	for iban, want := range map[string]bool{
		"DE02120300000000202051":               true,
		"de02 1203 0000 0000 2020 51":          true,
		"NO9386011117947":                      true, // the shortest
		"MT84MALT011000012345MTLCAST001S":      true, // letters inside
		"LC55HEMM000100010012001200023015":     true, // 32
		"GB82WEST12345698765432":               true,
		"DE02120300000000202052":               false,
		"NO938601111794":                       false, // 14
		"DE0212030000000020205100000000000000": false, // 36
		"DE02-1203-0000-0000-2020-51":          false,
		"DE02120300000000202:51":               false,
		"DE02120300000000202[51":               false,
		"DE02120300000000202@51":               false,
		"DE02120300000000202/51":               false,
		"":                                     false,
	} {
		if got := validIBAN(iban); got != want {
			t.Errorf("%q is %t, want %t", iban, got, want)
		}
	}
	// Of the check digits one pair is right, from 15 characters to 34; of other lengths, and with any
	// sign that is no letter or digit, none is.
	right := func(format string) int {
		n := 0
		for check := range 97 {
			if validIBAN(fmt.Sprintf(format, check)) {
				n++
			}
		}
		return n
	}
	for length := 13; length <= 36; length++ {
		want := 1
		if length < 15 || length > 34 {
			want = 0
		}
		if got := right("XX%02d" + strings.Repeat("1", length-4)); got != want {
			t.Errorf("of %d characters %d are right, want %d", length, got, want)
		}
	}
	for c := rune(33); c < 127; c++ {
		want := 0
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			want = 1
		}
		if c == '%' {
			continue
		}
		if got := right("XX%02d1111111111111" + string(c)); got != want {
			t.Errorf("with %q %d are right, want %d", c, got, want)
		}
	}
}

// TestSpanishIDs: the check of each kind of Spanish id tells the right control from every other.
func TestSpanishIDs(t *testing.T) {
	const letters = "TRWAGMYFPDXBNJZSQVHLCKE"
	right := map[string]bool{
		"12345678Z": true, "00000000T": true, "99999999R": true, // people
		"X1234567L": true, "Y1234567X": true, "Z1234567R": true, // foreigners
		"K1234567L": true, "L1234567L": true, "M1234567L": true, // others with the letter of seven digits
		"A58818501": true, "B83833574": true, "Q2826000H": true, // companies: a digit or a letter
	}
	for id := range right {
		if !spanish(id) {
			t.Errorf("%s is wrong", id)
		}
		others := 0
		for _, c := range letters + "0123456789" {
			if other := id[:8] + string(c); other != id && spanish(other) {
				others++
			}
		}
		if others > 1 { // a company's digit has a letter that means the same
			t.Errorf("%s: %d other controls are right", id, others)
		}
	}
	for _, id := range []string{"J1234567L", "N1234567L", "W1234567L"} {
		if spanish(id) {
			t.Errorf("%s is right", id)
		}
	}
}

// TestNationalRateOfAnotherPair: a rate that is not the one asked for is none.
func TestNationalRateOfAnotherPair(t *testing.T) {
	for name, rate := range map[string]currency.Rate{
		"from": {From: "USD", To: "PLN", Value: dec("4.2")}, "to": {From: "EUR", To: "CZK", Value: dec("4.2")},
		"zero": {From: "EUR", To: "PLN", Value: dec("0")}, "negative": {From: "EUR", To: "PLN", Value: dec("-1")},
	} {
		in := c1()
		in.Buyer = sellerAsBuyer()
		in.Seller.Country, in.Seller.Address.Country, in.Buyer.Country = "PL", "PL", "PL"
		in.NationalRate = func(currency.Code, currency.Code, calendar.Date) (currency.Rate, error) { return rate, nil }
		if d, reasons := Draft(in); len(reasons) != 1 || !strings.Contains(reasons[0].Text, "and the rate for EUR is") || d.TaxNational != nil {
			t.Errorf("%s: %v, %+v", name, reasons, d.TaxNational)
		}
	}
}

func amountOf(s string) *currency.Decimal { d := dec(s); return &d }

// TestCreditTax: the tax of parts is computed from their nets, never more than is left, and the last
// part gives back what remains; so in the national currency.
func TestCreditTax(t *testing.T) {
	in := c1()
	in.Priced, in.SellerLines = nil, []rating.SellerLine{sellerLine(rating.SectionFees, "Fee", "0.06"), sellerLine(rating.SectionFees, "Other", "0.03")}
	in.Buyer = sellerAsBuyer()
	in.Seller.Country, in.Seller.Address.Country, in.Buyer.Country = "PL", "PL", "PL" // 23 %
	in.NationalRate = func(from, to currency.Code, day calendar.Date) (currency.Rate, error) {
		return currency.Rate{From: from, To: to, Value: dec("4.5"), Source: "ecb", Date: day}, nil
	}
	d, reasons := Draft(in)
	if len(reasons) > 0 {
		t.Fatal(reasons)
	}
	d = d.Issue("PL-1", calendar.MustDate("2026-04-08"), 30)
	if d.Totals.Tax.String() != "0.02" || d.TaxNational.Amount.String() != "0.09" {
		t.Fatalf("tax %s, %s", d.Totals.Tax, d.TaxNational.Amount)
	}
	var earlier []Document
	var got []string
	for _, part := range []CreditLine{{1, amountOf("0.03")}, {1, amountOf("0.03")}, {2, amountOf("0.02")}, {2, nil}} {
		c, err := Credit(d, earlier, []CreditLine{part}, "c", "r")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s+%s(%s)", c.Totals.Net, c.Totals.Tax, c.TaxNational.Amount))
		if rules := rulesOf(c); rules != "" {
			t.Errorf("a part breaks %s", rules)
		}
		earlier = append(earlier, c)
	}
	if want := "[0.03+0.01(0.05) 0.03+0.01(0.04) 0.02+0.00(0.00) 0.01+0.00(0.00)]"; fmt.Sprint(got) != want {
		t.Errorf("parts %v, want %s", got, want)
	}
}

// TestNotIssued: what has no number or no date is neither credited nor corrected.
func TestNotIssued(t *testing.T) {
	issued := issuedC1(t)
	for name, spoil := range map[string]func(*Document){
		"number": func(d *Document) { d.Number = nil }, "date": func(d *Document) { d.IssueDate = nil },
	} {
		d := issued
		spoil(&d)
		if _, err := Credit(d, nil, nil, "c", "r"); err == nil || !strings.Contains(err.Error(), "it is not issued") {
			t.Errorf("credit without %s: %v", name, err)
		}
		if _, err := Delta(d, nil, issued, "c", "r"); err == nil || !strings.Contains(err.Error(), "it is not issued") {
			t.Errorf("delta without %s: %v", name, err)
		}
	}
	// A credit that comes to nothing is none.
	two := []CreditLine{{1, amountOf("3.48")}, {8, amountOf("-3.48")}}
	if issued.Lines[7].Net.Number.Sign() >= 0 {
		t.Fatalf("line 8 is %v", issued.Lines[7])
	}
	if _, err := Credit(issued, nil, two, "c", "r"); err == nil || !strings.Contains(err.Error(), "must be more than 0") {
		t.Errorf("a credit of 0: %v", err)
	}
	draft, err := Credit(issued, nil, nil, "c", "r")
	if err != nil || draft.IssueDate != nil || draft.DueDate != nil {
		t.Errorf("a draft has dates: %v %v, %v", draft.IssueDate, draft.DueDate, err)
	}
}

// TestDeltaOfAnotherKind: another currency is refused while something is owed, another tax while
// something is taxed.
func TestDeltaOfAnotherKind(t *testing.T) {
	original := issuedC1(t)
	other := original
	other.Currency = "CHF"
	if _, err := Delta(original, nil, other, "c", "r"); err == nil || !strings.Contains(err.Error(), "it is in EUR, and the month is in CHF now") {
		t.Errorf("another currency: %v", err)
	}
	if _, err := Delta(original, nil, Document{Currency: "CHF"}, "c", "r"); err != nil {
		t.Errorf("nothing owed in another currency: %v", err)
	}
	for name, spoil := range map[string]func(*TaxLine){
		"category": func(l *TaxLine) { l.Category = CategoryZero }, "percent": func(l *TaxLine) { l.Percent = dec("7") },
	} {
		now := original
		now.Tax = []TaxLine{original.Tax[0]}
		spoil(&now.Tax[0])
		if _, err := Delta(original, nil, now, "c", "r"); err == nil {
			t.Errorf("another %s is let pass", name)
		}
	}
	// The delta of the same is an invoice of nothing, with the original's tax category.
	d, err := Delta(original, nil, original, "c", "r")
	if err != nil || d.Kind != KindInvoice || len(d.Lines) != 0 || len(d.Tax) != 1 || !d.Tax[0].Amount.Number.IsZero() || !d.Tax[0].Base.Number.IsZero() {
		t.Errorf("%s of %d lines, tax %+v, %v", d.Kind, len(d.Lines), d.Tax, err)
	}
}

// TestDeltaLines: order, positions, what made the line, and the rates of its own lines only.
func TestDeltaLines(t *testing.T) {
	original := issuedC1(t)
	in := c1()
	in.Buyer = sellerAsBuyer()
	in.Priced[3].Source.Number, in.Priced[3].Exact.Number = dec("133.333333"), dec("122.66666636") // S3 of the second account
	other := usdEUR
	other.AWSInvoice, other.Value = "INV2", dec("0.95")
	in.Priced = append(in.Priced, priced(rating.SectionUsage, "111122223333", "AWSLambda", "AWS Lambda", "10", other))
	in.SellerLines = []rating.SellerLine{sellerLine(rating.SectionDiscounts, "Additional usage discount", "-10"), sellerLine(rating.SectionDiscounts, "Additional support discount", "-1.288")}
	in.SellerLines[0].How = "another percentage"
	now, reasons := Draft(in)
	if len(reasons) > 0 {
		t.Fatal(reasons)
	}
	d, err := Delta(original, nil, now, "c1", "r")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range d.Lines {
		source := "-"
		if l.Source != nil {
			source = l.Source.String() + " x " + l.Rate.String()
		}
		corrects := 0
		if l.CorrectsLine != nil {
			corrects = *l.CorrectsLine
		}
		got = append(got, fmt.Sprintf("%d %s %s %s %s how=%q corrects %d", l.Position, l.Section, l.Label, source, l.Net, l.How, corrects))
	}
	want := []string{
		`1 usage AWS Lambda 10 USD x 0.95 9.50 how="" corrects 0`,
		`2 usage Amazon Simple Storage Service 100 USD x 0.92 92.00 how="" corrects 2`,
		`3 discounts Additional usage discount - -6.51 how="another percentage" corrects 8`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("lines\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(d.Rates) != 2 || d.Rates[0].AWSInvoice != "INV1" || d.Rates[1].AWSInvoice != "INV2" {
		t.Errorf("rates %+v", d.Rates)
	}
	// Credited and issued again, everything of the month is given back, in the document's order.
	d = d.Issue("DE-2", calendar.MustDate("2026-05-08"), 30)
	all, err := Credit(original, []Document{d}, nil, "c2", "r")
	if err != nil || !all.Totals.Gross.Number.Equal(original.Totals.Gross.Number.Add(d.Totals.Gross.Number)) {
		t.Errorf("%s, %v", all.Totals.Gross, err)
	}
	for i, l := range all.Lines {
		if l.Position != i+1 {
			t.Errorf("line %d has position %d", i+1, l.Position)
		}
	}
	if again := jsonOf(t, original); again != jsonOf(t, issuedC1(t)) {
		t.Error("the original was changed")
	}
}

// TestDraftNamesCurrencies: every currency that does not fit is named, in order; rates are those of
// lines that are converted.
func TestDraftNamesCurrencies(t *testing.T) {
	in := c1()
	in.Priced[2].Exact.Currency = "USD"
	in.SellerLines[0].Exact.Currency = "CHF"
	_, reasons := Draft(in)
	if len(reasons) != 1 || !strings.HasPrefix(reasons[0].Text, `amounts in "CHF", "USD" have no rate to EUR`) {
		t.Errorf("reasons %v", reasons)
	}
	in = c1()
	unused := usdEUR
	unused.AWSInvoice = "INV9"
	in.Priced = append(in.Priced, priced("", "111122223333", "AmazonEC2", "", "1", unused),
		priced(rating.SectionUsage, "111122223333", "AmazonEC2", "x", "0", currency.Same("USD")))
	in.Priced[len(in.Priced)-1].Exact.Currency = "EUR"
	d, reasons := Draft(in)
	if len(reasons) > 0 || len(d.Rates) != 1 || d.Rates[0].AWSInvoice != "INV1" {
		t.Errorf("rates %+v, %v", d.Rates, reasons)
	}
	in = c1()
	in.SellerLines = append(in.SellerLines, in.SellerLines[0], in.SellerLines[0])
	in.SellerLines[2].How, in.SellerLines[3].How = "b", "a"
	d, _ = Draft(in)
	for _, l := range d.Lines {
		if l.Label == "Additional usage discount" && l.How != "Additional usage discount; a; b" {
			t.Errorf("how %q", l.How)
		}
	}
}

// TestMoneyEqual: the same number with other places is printed otherwise.
func TestMoneyEqual(t *testing.T) {
	a := Money{dec("1"), 2}
	if !a.Equal(Money{dec("1.00"), 2}) || a.Equal(Money{dec("1"), 0}) || a.Equal(Money{dec("2"), 2}) {
		t.Error("Equal is wrong")
	}
}

// TestSplitWithoutPercentages: what no buyer has a percentage of goes to the first, so that nothing
// is lost; shares of a seller's line follow the accounts that they are a percentage of.
func TestSplitWithoutPercentages(t *testing.T) {
	split := agreement.BuyerSplit{Shares: []agreement.BuyerShare{
		{Buyer: "A", Percent: dec("50"), Accounts: map[agreement.AccountID]currency.Decimal{"444455556666": dec("0")}},
		{Buyer: "B", Percent: dec("50"), Accounts: map[agreement.AccountID]currency.Decimal{"444455556666": dec("0")}},
	}}
	line := sellerLine(rating.SectionFees, "Fee", "30")
	line.ByAccount = map[string]currency.Decimal{"111122223333": dec("20"), "444455556666": dec("10")}
	adjustment := sellerLine(rating.SectionFees, "Goodwill", "8")
	parts := SplitByBuyer([]rating.Priced{priced(rating.SectionUsage, "444455556666", "AmazonS3", "S3", "100", usdEUR), priced(rating.SectionUsage, "111122223333", "AmazonS3", "S3", "7", usdEUR)},
		[]rating.SellerLine{line, adjustment}, split)
	var got []string
	for _, p := range parts {
		for _, x := range p.Priced {
			got = append(got, fmt.Sprintf("%s %s %s", p.Share.Buyer, x.Account, currency.Plain(x.Source.Number)))
		}
		for _, s := range p.Seller {
			got = append(got, fmt.Sprintf("%s %s %s %d", p.Share.Buyer, s.Label, currency.Plain(s.Exact.Number), len(s.ByAccount)))
			for account, d := range s.ByAccount {
				if d.IsZero() {
					t.Errorf("%s: account %s has 0", s.Label, account)
				}
			}
			if s.Label == "Goodwill" && s.ByAccount != nil {
				t.Errorf("an adjustment has accounts: %v", s.ByAccount)
			}
		}
	}
	want := "A 444455556666 100, A 111122223333 3.5, A Fee 20 2, A Goodwill 4 0, B 111122223333 3.5, B Fee 10 1, B Goodwill 4 0"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
}

// TestNoReasonOfZero: categories S and Z have no reason, whatever a person wrote.
func TestNoReasonOfZero(t *testing.T) {
	for category, want := range map[string]string{CategoryStandard: "", CategoryZero: "", CategoryExempt: "free"} {
		if code, text := (TaxLine{Category: category, Reason: "free"}).ReasonText(); code != "" || text != want {
			t.Errorf("%s: %q %q, want %q", category, code, text, want)
		}
	}
}

// TestOverrideNeedsAReason: of the categories without tax, Z alone needs none.
func TestOverrideNeedsAReason(t *testing.T) {
	for _, category := range []string{CategoryZero, CategoryExempt, CategoryReverse, CategoryExport, CategoryNotSubject} {
		err := checkOverride(agreement.TaxOverride{Category: category})
		if (err == nil) != (category == CategoryZero) {
			t.Errorf("%s without a reason: %v", category, err)
		}
		if err := checkOverride(agreement.TaxOverride{Category: category, Reason: "r"}); err != nil {
			t.Errorf("%s with a reason: %v", category, err)
		}
	}
}

// TestCreditsInOrder: chosen lines stand in the document's order, whatever order they were named in;
// a part of a line in a whole amount is the whole line, with its source and rate.
func TestCreditsInOrder(t *testing.T) {
	original := issuedC1(t)
	whole := original.Lines[1].Net.Number
	c, err := Credit(original, nil, []CreditLine{{4, nil}, {2, &whole}, {1, amountOf("1.00")}}, "c", "r")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range c.Lines {
		got = append(got, fmt.Sprintf("%d:%d source %t", l.Position, *l.CorrectsLine, l.Source != nil && l.Rate != nil))
	}
	if want := "1:1 source false, 2:2 source true, 3:4 source true"; strings.Join(got, ", ") != want {
		t.Errorf("lines %s, want %s", strings.Join(got, ", "), want)
	}
	// What is left of a line of which a part was given back has no source any more; the others have.
	rest, err := Credit(original, []Document{c}, nil, "c2", "r")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range rest.Lines {
		if whole := l.Source != nil; whole == (*l.CorrectsLine == 1) && l.AWSInvoice != nil {
			t.Errorf("line %d of line %d has a source: %t", l.Position, *l.CorrectsLine, whole)
		}
	}
	// A line that only a correction has is given back with it, names no line, and keeps its source.
	in := c1()
	in.Buyer = sellerAsBuyer()
	in.Priced = append(in.Priced, priced(rating.SectionUsage, "111122223333", "AWSLambda", "AWS Lambda", "10", usdEUR))
	now, _ := Draft(in)
	d, err := Delta(original, nil, now, "d", "r")
	if err != nil {
		t.Fatal(err)
	}
	d = d.Issue("DE-2", calendar.MustDate("2026-05-08"), 30)
	before := jsonOf(t, d)
	all, err := Credit(original, []Document{d}, nil, "c3", "r")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, l := range all.Lines {
		if l.Label == "AWS Lambda" {
			found = true
			if l.CorrectsLine != nil || l.Source == nil || l.Source.String() != "10 USD" {
				t.Errorf("the line of the correction: %+v", l)
			}
		}
	}
	if !found {
		t.Error("the line of the correction is not given back")
	}
	// A second correction adds up with the first, and leaves both as they are.
	in.Priced[len(in.Priced)-1] = priced(rating.SectionUsage, "111122223333", "AWSLambda", "AWS Lambda", "25", usdEUR)
	now, _ = Draft(in)
	e, err := Delta(original, []Document{d}, now, "e", "r")
	if err != nil || len(e.Lines) != 1 || e.Lines[0].Source.String() != "15 USD" {
		t.Errorf("the second correction: %+v, %v", e.Lines, err)
	}
	if jsonOf(t, d) != before {
		t.Error("a correction was changed")
	}
}

// TestDeltaRatesOfLines: a correction names the rates that its own lines are converted at: by
// currency, rate and AWS invoice; a rate of no invoice serves any line, and a line of none any rate.
func TestDeltaRatesOfLines(t *testing.T) {
	rate := func(from currency.Code, value, invoice string) Rate {
		return Rate{From: from, To: "EUR", Rate: dec(value), AWSInvoice: invoice, Date: calendar.MustDate("2026-04-03")}
	}
	line := func(from currency.Code, value, invoice string) Line {
		v := dec(value)
		return Line{Source: &currency.Amount{Number: dec("1"), Currency: from}, Rate: &v, AWSInvoice: text(invoice)}
	}
	all := []Rate{rate("USD", "0.92", "INV2"), rate("USD", "0.92", "INV1"), rate("GBP", "0.92", "INV1"), rate("USD", "0.95", "INV1"), rate("USD", "0.9", "")}
	for name, tt := range map[string]struct {
		line Line
		want string
	}{
		"of its invoice":       {line("USD", "0.92", "INV1"), "USD 0.92 INV1"},
		"of another currency":  {line("GBP", "0.92", "INV1"), "GBP 0.92 INV1"},
		"of another rate":      {line("USD", "0.95", "INV1"), "USD 0.95 INV1"},
		"of no invoice":        {line("USD", "0.92", ""), "USD 0.92 INV1, USD 0.92 INV2"},
		"a rate of no invoice": {line("USD", "0.9", "INV7"), "USD 0.9 "},
		"of none":              {line("USD", "0.5", "INV1"), ""},
		"the seller's own":     {Line{}, ""},
	} {
		var got []string
		for _, r := range deltaRates([]Line{tt.line}, all, all[:2]) {
			got = append(got, fmt.Sprintf("%s %s %s", r.From, currency.Plain(r.Rate), r.AWSInvoice))
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestSameConversion: two lines are of one conversion when currency and rate are the same, or both
// have none.
func TestSameConversion(t *testing.T) {
	line := func(from currency.Code, value string) Line {
		v := dec(value)
		return Line{Source: &currency.Amount{Currency: from}, Rate: &v}
	}
	a := line("USD", "0.92")
	for name, tt := range map[string]struct {
		b    Line
		want bool
	}{
		"the same": {line("USD", "0.920"), true}, "another currency": {line("GBP", "0.92"), false},
		"another rate": {line("USD", "0.93"), false}, "none": {Line{}, false},
	} {
		if got := sameConversion(a, tt.b); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
		if got := sameConversion(tt.b, a); got != tt.want {
			t.Errorf("%s, turned: %t", name, got)
		}
	}
	if !sameConversion(Line{}, Line{}) {
		t.Error("two without are not the same")
	}
	if compareRates(nil, a.Rate) >= 0 || compareRates(a.Rate, nil) <= 0 {
		t.Error("no rate does not come first")
	}
}

// TestTaxIDWarnings: there is something to say of a well formed id whose check digit is wrong, and
// of no other.
func TestTaxIDWarnings(t *testing.T) {
	for id, want := range map[string]bool{
		"DE136695976": false, "DE136695975": true, "nonsense": false, "": false, "NL004495445B01": false,
	} {
		if got := TaxIDWarning(id) != ""; got != want {
			t.Errorf("%q: %t, want %t", id, got, want)
		}
	}
	for _, digits := range []string{"136695976", "811569869"} { // ISO 7064 MOD 11,10: one check digit is right
		n := 0
		for c := range 10 {
			if iso7064(digits[:8] + fmt.Sprint(c)) {
				n++
			}
		}
		if !iso7064(digits) || n != 1 {
			t.Errorf("%s: %t, %d check digits are right", digits, iso7064(digits), n)
		}
	}
}
