package invoice

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/rating"
)

// Codes of the reasons for which no document can be drafted (contract.md).
const (
	ReasonNoRate          = "no_exchange_rate"
	ReasonTaxUndetermined = "tax_undetermined"
)

// An Input is all that a document depends on (I4).
type Input struct {
	ID            string // derived, such as AGR-0001-2026-03
	Agreement     string
	Month         calendar.Month
	PurchaseOrder string
	Seller        agreement.Seller
	Buyer         agreement.Buyer
	TaxOverride   *agreement.TaxOverride // the agreement's; it goes before the buyer's
	Currency      currency.Code
	First, Final  bool
	Priced        []rating.Priced     // those without a section are on no document
	SellerLines   []rating.SellerLine // fees, discounts and adjustments
	// NationalRate returns what one unit of from is worth in to, as the tax authority's source
	// publishes it for the day; it is asked only when tax is due in another currency than the
	// territory's. An error says in words why there is none.
	NationalRate func(from, to currency.Code, day calendar.Date) (currency.Rate, error)
	Versions     map[string]string
	Notes        []string
}

// Draft makes the month's document: lines, tax and totals (design 7). The order of the input does
// not matter. Reasons say why there can be none, and then the document is only good to look at.
//
// A document whose total is zero has no reasons: nothing is to be billed, and the caller says so.
func Draft(in Input) (Document, []agreement.Reason) {
	d := Document{
		ID:        in.ID,
		Kind:      KindInvoice,
		Status:    StatusDrafted,
		Agreement: in.Agreement,
		Month:     in.Month,
		Period:    Period{in.Month.First(), in.Month.Last()},

		PurchaseOrder: in.PurchaseOrder,
		Seller:        sellerParty(in.Seller),
		Buyer:         buyerParty(in.Buyer),
		Payment:       in.Seller.Payment,
		Currency:      in.Currency,
		First:         in.First,
		Final:         in.Final,

		Tax:      []TaxLine{},
		Rates:    rates(in.Priced),
		Notes:    slices.Clone(in.Notes),
		Versions: in.Versions,
	}
	lines, reasons := draftLines(in)
	d.Lines = lines
	net := round(lines, in.Currency.MinorUnits())
	d.Totals = totals(net, currency.Zero, in.Currency)
	if len(reasons) > 0 || net.IsZero() {
		return d, reasons
	}
	decision, reasons := decideTax(in)
	if len(reasons) > 0 {
		return d, reasons
	}
	tax := currency.Percent(net, decision.percent).Round(in.Currency.MinorUnits())
	d.Tax = []TaxLine{{
		Category: decision.category,
		Percent:  decision.percent,
		Base:     money(net, in.Currency),
		Amount:   money(tax, in.Currency),
		Reason:   decision.reason,
	}}
	d.Totals = totals(net, tax, in.Currency)
	d.TaxNational, reasons = nationalTax(in, decision, tax)
	if net.Sign() < 0 {
		d = d.flipped()
		d.Kind = KindCreditNote
	}
	return d, reasons
}

// draftLines groups the priced charges and the seller's lines: a line is one (section, account,
// product, label, AWS invoice, rate), lines of exactly 0 are left out, and the order is the
// document's. The lines have no net yet.
func draftLines(in Input) ([]Line, []agreement.Reason) {
	type key struct {
		section                         rating.Section
		account, product, label, awsInv string
		rate                            string
		source                          currency.Code
	}
	byKey := map[key]*Line{}
	hows := map[key][]string{}
	strange := map[currency.Code]bool{}
	rate, rateOf := "", currency.Zero
	for _, p := range in.Priced {
		if p.Section == "" {
			continue
		}
		if p.Exact.Currency != in.Currency {
			strange[p.Exact.Currency] = true
			continue
		}
		if rate == "" || !p.Rate.Value.Equal(rateOf) { // most charges have the rate of the one before
			rate, rateOf = currency.Plain(p.Rate.Value), p.Rate.Value
		}
		k := key{p.Section, p.Account, p.Product, p.Label, p.Invoice, rate, p.Source.Currency}
		l, ok := byKey[k]
		if !ok {
			value := p.Rate.Value
			l = &Line{
				Section: p.Section, Label: p.Label,
				Product: text(p.Product), Account: text(p.Account), AWSInvoice: text(p.Invoice),
				Source: &currency.Amount{Currency: p.Source.Currency}, Rate: &value,
			}
			byKey[k] = l
		}
		l.Source.Number = l.Source.Number.Add(p.Source.Number)
		l.Exact = l.Exact.Add(p.Exact.Number)
	}
	for _, s := range in.SellerLines {
		if s.Exact.Currency != in.Currency {
			strange[s.Exact.Currency] = true
			continue
		}
		k := key{section: s.Section, label: s.Label}
		l, ok := byKey[k]
		if !ok {
			l = &Line{Section: s.Section, Label: s.Label}
			byKey[k] = l
		}
		l.Exact = l.Exact.Add(s.Exact.Number)
		if s.How != "" {
			hows[k] = append(hows[k], s.How)
		}
	}
	if len(strange) > 0 {
		var codes []string
		for c := range strange {
			codes = append(codes, fmt.Sprintf("%q", string(c)))
		}
		slices.Sort(codes)
		return []Line{}, []agreement.Reason{{
			Code: ReasonNoRate,
			Text: fmt.Sprintf("amounts in %s have no rate to %s, the document's currency", strings.Join(codes, ", "), in.Currency),
		}}
	}
	sorted := make([]*Line, 0, len(byKey))
	for k, l := range byKey {
		if l.Exact.IsZero() {
			continue
		}
		slices.Sort(hows[k])
		l.How = strings.Join(hows[k], "; ")
		sorted = append(sorted, l)
	}
	slices.SortFunc(sorted, func(a, b *Line) int { return compareLines(*a, *b) })
	lines := make([]Line, 0, len(sorted))
	for i, l := range sorted {
		l.Position = i + 1
		lines = append(lines, *l)
	}
	return lines, nil
}

// compareLines orders lines as they stand on the document: section, account, product, label, AWS
// invoice, bytewise, absent ones first; then rate and source currency, which only break ties.
func compareLines(a, b Line) int {
	if a.Section != b.Section {
		return cmp.Compare(slices.Index(rating.Sections, a.Section), slices.Index(rating.Sections, b.Section))
	}
	if c := compareTexts(a.Account, b.Account); c != 0 {
		return c
	}
	if c := compareTexts(a.Product, b.Product); c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(a.Label, b.Label),
		compareTexts(a.AWSInvoice, b.AWSInvoice),
		compareRates(a.Rate, b.Rate),
		cmp.Compare(sourceCurrency(a), sourceCurrency(b)),
	)
}

func compareTexts(a, b *string) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return cmp.Compare(*a, *b)
}

func compareRates(a, b *currency.Decimal) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return a.Cmp(*b)
}

func sourceCurrency(l Line) currency.Code {
	if l.Source == nil {
		return ""
	}
	return l.Source.Currency
}

// text returns nil for the empty text: what is absent is null in JSON.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// round gives every line its net and returns the net total: the exact total rounded half away
// from zero to the minor unit. Each line is floored, and the units that are then missing go one
// each to the largest fractional parts, ties to the earlier line, so that the lines sum to the
// total. No line is off by a whole unit.
func round(lines []Line, places int32) currency.Decimal {
	total, floors := currency.Zero, currency.Zero
	unit := currency.MustParse("1").Shift(-places)
	fractions := make([]currency.Decimal, len(lines))
	order := make([]int, len(lines))
	for i := range lines {
		floor := lines[i].Exact.Shift(places).Floor().Shift(-places)
		lines[i].Net = Money{floor, places}
		fractions[i] = lines[i].Exact.Sub(floor)
		total, floors = total.Add(lines[i].Exact), floors.Add(floor)
		order[i] = i
	}
	net := total.Round(places)
	slices.SortStableFunc(order, func(a, b int) int { return fractions[b].Cmp(fractions[a]) })
	missing := net.Sub(floors)
	for _, i := range order {
		if missing.IsZero() {
			break
		}
		lines[i].Net.Number = lines[i].Net.Number.Add(unit)
		missing = missing.Sub(unit)
	}
	return net
}

// rates lists the exchange rates of the lines, each once, by currency, AWS invoice and day.
// A currency has no rate to itself.
func rates(priced []rating.Priced) []Rate {
	seen := map[string]bool{}
	list := []Rate{}
	for _, p := range priced {
		r := p.Rate
		if p.Section == "" || r.From == r.To {
			continue
		}
		entry := Rate{r.From, r.To, r.Value, r.Source, r.Date, r.AWSInvoice, r.Markup, r.Digest}
		id := fmt.Sprintf("%q", []string{
			string(r.From), string(r.To), currency.Plain(r.Value), r.Source, r.Date.String(), r.AWSInvoice, r.Markup,
		})
		if !seen[id] {
			seen[id] = true
			list = append(list, entry)
		}
	}
	slices.SortFunc(list, compareDocumentRates)
	return list
}

func compareDocumentRates(a, b Rate) int {
	return cmp.Or(
		cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.AWSInvoice, b.AWSInvoice),
		a.Date.Compare(b.Date), cmp.Compare(a.Source, b.Source), a.Rate.Cmp(b.Rate), cmp.Compare(a.Markup, b.Markup),
	)
}

func money(d currency.Decimal, c currency.Code) Money { return Money{d, c.MinorUnits()} }

func totals(net, tax currency.Decimal, c currency.Code) Totals {
	return Totals{money(net, c), money(tax, c), money(net.Add(tax), c)}
}

// sellerParty freezes the seller's name and address on the document (I8).
func sellerParty(s agreement.Seller) Party {
	return Party{
		ID: s.ID, Name: s.Name, Address: s.Address, Country: s.Country, TaxID: s.TaxID, RegistrationID: s.RegistrationID,
		TaxRegistration: s.TaxRegistration, Email: s.Email, Phone: s.Phone, Endpoint: s.Endpoint, Logo: s.Logo,
	}
}

func buyerParty(b agreement.Buyer) Party {
	return Party{
		ID: b.ID, Name: b.Name, Address: b.Address, Country: b.Country, TaxID: b.TaxID, RegistrationID: b.RegistrationID,
		Email: b.Email, Reference: b.Reference, Endpoint: b.Endpoint,
	}
}
