package focus

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
)

// Sub types of rows that AWS's files do not have (x_ChargeSubType).
const (
	subRounding = "Rounding"         // what the printed line has beyond its rows, below a cent
	subChanged  = "Delivery changed" // what it has beyond the rows that AWS delivers today
	subDiscount = "Discount"
	subFee      = "Seller fee"
	subTax      = "Tax"
	subCredit   = "Credit note"
	subInvoice  = "Supplementary invoice"
)

// base sets what all rows of a document have in common; b is nil for what is on no document.
func (w *writer) base(r *cells, b *bill, buyer string) {
	r.clear()
	r.setText(cBillingAccountID, w.m.Agreement)
	r.setText(cBillingAccountName, buyer)
	r.setText(cBillingAccountType, "Reseller Agreement")
	r.setText(cBillingCurrency, string(w.m.Currency))
	r.setText(cPricingCurrency, string(w.m.Currency))
	r.setTime(cBillingPeriodStart, w.start)
	r.setTime(cBillingPeriodEnd, w.end)
	r.setTime(cChargePeriodStart, w.start)
	r.setTime(cChargePeriodEnd, w.end)
	r.setText(cInvoiceIssuerName, w.m.Seller)
	r.setText(cProvider, w.m.Seller)
	if w.o.Version == V12 { // never NULL there
		r.setText(cHost, w.m.Seller)
	}
	if b != nil {
		r.setText(cBillingCurrency, string(b.Currency))
		r.setText(cPricingCurrency, string(b.Currency))
		r.setText(cInvoiceID, b.number)
		r.setText(cInvoiceIssuerName, b.Seller.Name)
		r.setText(cProvider, b.Seller.Name)
	}
}

func (w *writer) subAccount(r *cells, account string) {
	if account == "" {
		return
	}
	r.setText(cSubAccountID, account)
	r.setText(cSubAccountType, "AWS Account")
	r.setText(cSubAccountName, w.accountName(account))
}

// accountName is the name of a usage account; one that AWS does not name goes by its id, since the
// specification wants a name wherever there is an id.
func (w *writer) accountName(account string) string { return cmp.Or(w.accounts[account], account) }

// service sets the service of a row, so that one name has one category in the whole file.
func (w *writer) service(r *cells, product, name string, marketplace bool) {
	s, known := serviceOf(product, name, marketplace)
	if !known && product != "" {
		w.unknown[product] = true
	}
	if first, ok := w.services[name]; ok {
		s = first
	} else {
		w.services[name] = s
	}
	r.setText(cServiceName, name)
	r.setText(cServiceCategory, s.category)
	r.setText(cServiceSubcategory, s.subcategory)
}

// name is a product's display name, as on the invoice.
func (w *writer) name(product string) string {
	if n, ok := ingest.ProductName(product); ok {
		return n
	}
	return cmp.Or(w.m.Names[product], product, "Other")
}

// loose writes what was priced and is no row of a file: discounts inside rows, which the invoice
// prints on lines of their own, and what the month's Savings Plans leave over.
func (w *writer) loose(list []rating.Priced) error {
	for _, p := range list {
		shares := w.buyers(p.Account)
		weights := make([]currency.Decimal, len(shares))
		for i, s := range shares {
			weights[i] = s.weight
		}
		for i, a := range amountOf(p.Source.Number).split(weights) {
			if a.sign() == 0 {
				continue
			}
			part := planPart{share: shares[i], line: -1}
			if part.bill != nil {
				part.line = part.bill.line(p)
			}
			billed, err := a.at(newRate(p.Rate.Value), costPlaces)
			if err != nil {
				return err
			}
			w.count(&part, billed)
			r := w.blank(part.bill, part.buyer)
			if part.line >= 0 {
				r.setText(cInvoiceDetailID, part.bill.details[part.line])
			}
			w.subAccount(r, p.Account)
			w.service(r, p.Product, cmp.Or(p.Label, w.name(p.Product)), false)
			r.setText(cHost, amazon)
			if w.o.Identity == Resale {
				r.setText(cProvider, amazon)
			}
			r.setText(cPricingCurrency, string(p.Source.Currency))
			r.setText(cChargeDescription, p.Label)
			r.setText(xServiceCode, p.Product)
			r.setText(xAwsInvoiceID, p.Invoice)
			r.setText(xLineItemType, ingest.TypeDiscount)
			sub := subDiscount
			if p.Charge < 0 {
				sub = "Savings Plans remainder"
				r.null(xLineItemType)
			}
			w.adjustment(r, sub, billed)
			source, err := a.number(costPlaces)
			if err != nil {
				return err
			}
			r.setNumber(cPricingCurrencyEffectiveCost, source)
			w.sheet.add(r)
		}
	}
	return nil
}

// blank returns the cells of a new row.
func (w *writer) blank(b *bill, buyer string) *cells {
	w.room()
	w.base(w.cells, b, buyer)
	return w.cells
}

// adjustment makes a row one without a price: all its costs are one amount.
func (w *writer) adjustment(r *cells, sub string, n number) {
	r.setText(cChargeCategory, "Adjustment")
	r.setText(cChargeFrequency, "One-Time")
	r.setText(xChargeSubType, sub)
	r.setCosts(n)
	r.setNumber(cPricingCurrencyEffectiveCost, n)
}

// sellerLines writes the seller's own lines, by the accounts they are a percentage of.
func (w *writer) sellerLines(b *bill) error {
	for i, l := range b.Lines {
		if l.Source != nil {
			continue
		}
		amounts := map[string]currency.Decimal{"": l.Exact}
		if w.m.Split == nil {
			amounts = w.byAccount(l)
		}
		for _, account := range slices.Sorted(maps.Keys(amounts)) {
			n, err := numberOf(amounts[account], costPlaces)
			if err != nil {
				return err
			}
			b.sums[i] = b.sums[i].Add(n)
			r := w.blank(b, b.Buyer.Name)
			r.setText(cInvoiceDetailID, b.details[i])
			w.subAccount(r, account)
			w.service(r, "", l.Label, false)
			r.setText(cChargeDescription, l.Label)
			if l.Section != rating.SectionFees {
				w.adjustment(r, subDiscount, n)
				w.sheet.add(r)
				continue
			}
			if err := w.fee(r, l.Label, amounts[account], n); err != nil {
				return err
			}
			w.sheet.add(r)
		}
	}
	return nil
}

// byAccount shares a seller line as it was computed; what belongs to no account has none.
func (w *writer) byAccount(l invoice.Line) map[string]currency.Decimal {
	amounts, sum := map[string]currency.Decimal{}, currency.Zero
	for _, s := range w.m.Rated.Seller {
		if s.Section != l.Section || s.Label != l.Label {
			continue
		}
		parts := s.ByAccount
		if parts == nil {
			parts = map[string]currency.Decimal{"": s.Exact.Number}
		}
		for account, d := range parts {
			amounts[account] = amounts[account].Add(d)
			sum = sum.Add(d)
		}
	}
	if !sum.Equal(l.Exact) {
		return map[string]currency.Decimal{"": l.Exact}
	}
	return amounts
}

// fee makes a row a fee of the seller's: bought once in the month, at its own price.
func (w *writer) fee(r *cells, label string, amount currency.Decimal, n number) error {
	r.setText(cChargeCategory, "Purchase")
	r.setText(cChargeFrequency, "Recurring")
	r.setText(cPricingCategory, "Standard")
	r.setText(xChargeSubType, subFee)
	r.setText(cSkuID, label)
	r.setText(cSkuPriceID, label)
	r.setText(cSkuMeter, label)
	r.setText(cPricingUnit, "Units")
	quantity := one
	if amount.Sign() < 0 {
		quantity, amount = one.Neg(), amount.Neg()
	}
	q, err := numberOf(quantity, quantityPlaces)
	if err != nil {
		return err
	}
	price, err := numberOf(amount, pricePlaces)
	if err != nil {
		return err
	}
	cost, err := times(price, q)
	if err != nil {
		return err
	}
	r.setNumber(cPricingQuantity, q)
	for _, c := range []column{cListUnitPrice, cContractedUnitPrice, cPricingCurrencyListUnitPrice, cPricingCurrencyContractedUnitPrice} {
		r.setNumber(c, price)
	}
	r.setNumber(cListCost, cost)
	r.setNumber(cContractedCost, cost)
	for _, c := range []column{cBilledCost, cEffectiveCost, cPricingCurrencyEffectiveCost} {
		r.setNumber(c, n)
	}
	return nil
}

// taxes writes the tax of a document, shared over the accounts by what their lines come to. class
// is that of a correction.
func (w *writer) taxes(b *bill, class string) error {
	net := map[string]currency.Decimal{}
	for _, l := range b.Lines {
		account := ""
		if l.Account != nil {
			account = *l.Account
		}
		net[account] = net[account].Add(l.Net.Number)
	}
	accounts := slices.Sorted(maps.Keys(net))
	for i, t := range b.Tax {
		if t.Amount.Number.IsZero() {
			continue
		}
		weights := make([]currency.Decimal, len(accounts))
		for j, a := range accounts {
			if weights[j] = net[a]; b.Totals.Net.Number.Sign() < 0 {
				weights[j] = weights[j].Neg()
			}
		}
		parts := currency.Split(t.Amount.Number, weights, b.Currency.MinorUnits())
		of := accounts
		if parts == nil { // an account with less than nothing has no share
			parts, of = []currency.Decimal{t.Amount.Number}, []string{""}
		}
		for j, part := range parts {
			if part.IsZero() {
				continue
			}
			n, err := numberOf(part, costPlaces)
			if err != nil {
				return err
			}
			r := w.blank(b, b.Buyer.Name)
			w.correct(r, b, class)
			w.subAccount(r, of[j])
			r.setText(cInvoiceDetailID, b.detail("tax-"+strconv.Itoa(i+1)))
			w.service(r, "", "Tax", false)
			r.setText(cChargeCategory, "Tax")
			r.setText(cChargeFrequency, "One-Time")
			r.setText(cChargeDescription, taxText(t))
			r.setText(xChargeSubType, subTax)
			r.setCosts(n)
			r.setNumber(cPricingCurrencyEffectiveCost, n)
			w.sheet.add(r)
		}
	}
	return nil
}

func taxText(t invoice.TaxLine) string {
	return fmt.Sprintf("Tax %s %% (category %s)", currency.Plain(t.Percent), t.Category)
}

// round writes, for each line, what the printed amount has beyond its rows.
func (w *writer) round(b *bill) error {
	unit := one.Shift(-b.Currency.MinorUnits())
	most := unit.Add(one.Shift(-currency.SharePlaces).Mul(decimal.NewFromInt(w.rows + int64(w.sheet.rows))))
	add := func(i int, d currency.Decimal) error {
		if d.IsZero() {
			return nil
		}
		sub, text := subRounding, "Rounding"
		if d.Abs().GreaterThan(most) {
			if !w.m.Changed {
				return fmt.Errorf("the rows of line %d of %s come to %s less than is printed: this is a bug, nothing was published", i+1, b.ID, currency.Plain(d))
			}
			sub, text = subChanged, "Difference to the charges as billed"
			w.changed = w.changed.Add(d.Abs())
		}
		n, err := numberOf(d, costPlaces)
		if err != nil {
			return err
		}
		r := w.blank(b, b.Buyer.Name)
		if i >= 0 {
			w.about(r, b, i)
			text += " of " + b.Lines[i].Label
		} else {
			w.service(r, "", "Rounding", false)
		}
		r.setText(cChargeDescription, text)
		w.adjustment(r, sub, n)
		w.sheet.add(r)
		return nil
	}
	for i, l := range b.Lines {
		if err := add(i, l.Net.Number.Sub(decimalOf(b.sums[i], costPlaces))); err != nil {
			return err
		}
	}
	return add(-1, decimalOf(b.rest, costPlaces).Neg())
}

// about sets what line i of a document is about.
func (w *writer) about(r *cells, b *bill, i int) {
	l := b.Lines[i]
	r.setText(cInvoiceDetailID, b.details[i])
	if l.Account != nil {
		w.subAccount(r, *l.Account)
	}
	if l.AWSInvoice != nil {
		r.setText(xAwsInvoiceID, *l.AWSInvoice)
	}
	product, name, marketplace := "", l.Label, l.Section == rating.SectionMarketplace
	if l.Product != nil {
		product, name = *l.Product, w.name(*l.Product)
		r.setText(xServiceCode, product)
		r.setText(cHost, amazon)
		if seller, ok := strings.CutPrefix(l.Label, name+" ("); ok && marketplace {
			r.setText(cHost, strings.TrimSuffix(seller, ")"))
		}
		if w.o.Identity == Resale {
			r.setText(cProvider, r.text(cHost))
		}
	}
	w.service(r, product, name, marketplace)
}

// correction writes a document that corrects a month: one row a line, at the printed amount, and
// its tax. What was billed before stays as it was written.
func (w *writer) correction(b *bill) error {
	sub := subInvoice
	if b.Kind == invoice.KindCreditNote {
		sub = subCredit
	}
	for i, l := range b.Lines {
		if l.Net.Number.IsZero() {
			continue
		}
		n, err := numberOf(l.Net.Number, costPlaces)
		if err != nil {
			return err
		}
		r := w.blank(b, b.Buyer.Name)
		w.about(r, b, i)
		w.correct(r, b, "Correction")
		r.setText(cChargeDescription, l.Label)
		w.adjustment(r, sub, n)
		category, frequency := correctionCategory(l.Section)
		r.setText(cChargeCategory, category)
		r.setText(cChargeFrequency, frequency)
		w.sheet.add(r)
	}
	return w.taxes(b, "Correction")
}

// correct marks a row as a correction of the document's month.
func (w *writer) correct(r *cells, b *bill, class string) {
	if class == "" {
		return
	}
	r.setText(cChargeClass, class)
	r.setTime(cChargePeriodStart, b.Month.Start().Unix())
	r.setTime(cChargePeriodEnd, b.Month.End().Unix())
}

func correctionCategory(s rating.Section) (category, frequency string) {
	switch s {
	case rating.SectionUsage, rating.SectionMarketplace, rating.SectionRefunds:
		return "Usage", "Usage-Based"
	case rating.SectionReserved, rating.SectionSavingsPlans, rating.SectionSupport, rating.SectionOther, rating.SectionFees:
		return "Purchase", "Recurring"
	case rating.SectionCredits:
		return "Credit", "One-Time"
	case rating.SectionAWSDiscounts, rating.SectionDiscounts:
	}
	return "Adjustment", "One-Time"
}
