package focus

import (
	"fmt"
	"strings"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/ingest/cur"
)

const amazon = "Amazon Web Services"

// batch writes the rows of a batch.
func (w *writer) batch(b *cur.Batch) error {
	in := w.in
	if b.Source() != w.source {
		w.source, w.plans = b.Source(), nil // charges are numbered by file
	}
	in.begin(b, w.sheet)
	for len(w.plans) < b.Charges() {
		w.plans = append(w.plans, w.plan(b.Key(len(w.plans))))
	}
	for i := range b.Len() {
		p := w.plans[b.Charge(i)]
		if p.treatment == leaveOut {
			continue
		}
		if err := w.row(p, i); err != nil {
			return fmt.Errorf("%s: %w", b.Where(i), err)
		}
	}
	return w.err
}

// row writes what row i of the batch becomes, one part after the other.
func (w *writer) row(p *plan, i int) error {
	cost, _, err := read(w.in.unblended, i)
	if err != nil {
		return err
	}
	quantity, has, err := read(w.in.quantity, i)
	if err != nil {
		return err
	}
	if !has || quantity.sign() == 0 && cost.sign() != 0 {
		quantity = amount{units: 1_0000000000}
	}
	var effective amount
	if p.treatment == asUsed {
		from := w.in.reservedEffective
		if p.savingsPlan {
			from = w.in.planEffective
		}
		if effective, _, err = read(from, i); err != nil {
			return err
		}
	}
	f := &w.figures
	*f = figures{cost: cost, quantity: quantity, effective: effective}
	if p.weights == nil {
		return w.part(p, &p.parts[0], i, f)
	}
	costs, quantities, effectives := cost.split(p.weights), quantity.split(p.weights), effective.split(p.weights)
	for k := range p.parts {
		f.cost, f.quantity, f.effective = costs[k], quantities[k], effectives[k]
		f.shared = true
		if err := w.part(p, &p.parts[k], i, f); err != nil {
			return err
		}
	}
	return nil
}

// figures are the numbers of a row or of a share of it, in AWS's currency.
type figures struct {
	cost, quantity, effective amount
	shared                    bool
}

// part writes what a row, or a share of it, becomes.
func (w *writer) part(p *plan, part *planPart, i int, f *figures) error {
	w.room()
	in, s := w.in, w.sheet
	if part.cells == nil || part.serial != s.serial {
		part.cells, part.serial = newCells(s), s.serial
		w.charge(part.cells, p, part)
	}
	r := w.cells
	r.copy(part.cells)
	if err := in.common(r, i, p.key.Product); err != nil {
		return err
	}
	switch {
	case part.account != "":
		r.setText(cSubAccountName, w.accountName(part.account))
	case r.texts[slots[cSubAccountName]] != none:
		if !p.named {
			p.named = true
			w.accounts[p.key.Account] = r.text(cSubAccountName)
		}
	case p.key.Account != "":
		r.setText(cSubAccountName, p.key.Account)
	}
	w.period(r, p, i)
	billed := number{}
	if !p.negated {
		var err error
		if billed, err = f.cost.at(p.rate, costPlaces); err != nil {
			return err
		}
		w.count(part, billed)
	}
	r.setNumber(cBilledCost, billed)
	switch p.treatment {
	case asUsage, asUsed, asFee, asUpfront, asPeriod, asRefund:
		if err := w.priced(r, p, i, f, billed); err != nil {
			return err
		}
	case asCredit, asOff, leaveOut:
		r.setCosts(billed)
		if err := setBoth(r, f.cost, p.rate); err != nil {
			return err
		}
		for _, c := range []column{cPricingUnit, cSkuMeter} {
			r.null(c)
		}
		if p.treatment == asOff {
			r.setText(cChargeDescription, w.name(p.key.Product))
		}
	}
	s.add(r)
	if p.treatment == asPeriod {
		return w.unused(r, p, part, i, f)
	}
	return nil
}

// setBoth sets the effective cost in AWS's currency and the invoice's.
func setBoth(r *cells, effective amount, at rate) error {
	n, err := effective.at(at, costPlaces)
	if err != nil {
		return err
	}
	source, err := effective.number(costPlaces)
	if err != nil {
		return err
	}
	r.setNumber(cEffectiveCost, n)
	r.setNumber(cPricingCurrencyEffectiveCost, source)
	return nil
}

// count adds an amount to its line.
func (w *writer) count(part *planPart, billed number) {
	switch {
	case part.bill == nil:
		w.unbilled = w.unbilled.Add(billed)
	case part.line < 0:
		part.bill.rest = part.bill.rest.Add(billed)
	default:
		part.bill.sums[part.line] = part.bill.sums[part.line].Add(billed)
	}
}

// charge sets what all rows of a charge's part have in common.
func (w *writer) charge(r *cells, p *plan, part *planPart) {
	w.base(r, part.bill, part.buyer)
	k := p.key
	r.setText(cPricingCurrency, string(k.Currency))
	if part.line >= 0 {
		r.setText(cInvoiceDetailID, part.bill.details[part.line])
	}
	account := k.Account
	if part.account != "" {
		account = part.account
	}
	w.subAccount(r, account)
	marketplace := k.BillingEntity == ingest.EntityMarketplace
	host := amazon
	if marketplace && k.LegalEntity != "" {
		host = k.LegalEntity
	}
	r.setText(cHost, host)
	if w.o.Identity == Resale {
		r.setText(cProvider, host)
	}
	w.service(r, k.Product, w.name(k.Product), marketplace)
	r.setText(xServiceCode, k.Product)
	r.setText(xAwsInvoiceID, k.Invoice)
	r.setText(xAwsPayerAccountID, k.Payer)
	r.setText(xRatingRuleID, p.rule)
	r.setText(xLineItemType, k.Type)

	category, frequency, pricing := "Usage", "Usage-Based", "Standard"
	switch p.treatment {
	case asUsage:
	case asUsed:
		pricing = "Committed"
		r.setText(cCommitmentDiscountStatus, "Used")
	case asFee:
		category, frequency = "Purchase", "One-Time"
		if k.BillType != ingest.BillPurchase && (k.Type != ingest.TypeFee || strings.Contains(strings.ToLower(w.name(k.Product)), "support")) {
			frequency = "Recurring"
		}
	case asUpfront:
		category, frequency = "Purchase", "One-Time"
	case asPeriod:
		category, frequency = "Purchase", "Recurring"
	case asCredit:
		category, frequency, pricing = "Credit", "One-Time", ""
	case asRefund:
		frequency = "One-Time"
	case asOff, leaveOut:
		category, frequency, pricing = "Adjustment", "One-Time", ""
		r.setText(xLineItemType, ingest.TypeDiscount) // whose discount it was is not the customer's
		r.setText(xChargeSubType, "Discount")
	}
	r.setText(cChargeCategory, category)
	r.setText(cChargeFrequency, frequency)
	r.setText(cPricingCategory, pricing)
}

// period sets the time of use. AWS ends some periods with their last second, FOCUS with the first
// instant behind it. What takes back or adds to a month before this one corrects it.
func (w *writer) period(r *cells, p *plan, i int) {
	start, ok := w.in.Time(cur.UsageStart, i)
	if !ok {
		start = w.start
	}
	end, ok := w.in.Time(cur.UsageEnd, i)
	if !ok {
		end = w.end
	}
	if end%60 == 59 {
		end++
	}
	r.setTime(cChargePeriodStart, start)
	r.setTime(cChargePeriodEnd, max(end, start+1))
	if start < w.start && (p.treatment == asRefund || p.treatment == asUsage || p.treatment == asUsed || p.treatment == asOff) {
		r.setText(cChargeClass, "Correction")
	}
}

// priced sets prices, quantities and costs of a row that has a price.
func (w *writer) priced(r *cells, p *plan, i int, f *figures, billed number) error {
	in, s := w.in, r.sheet
	if err := w.sku(r, i, p.key); err != nil {
		return err
	}
	if r.texts[slots[cPricingUnit]] == none {
		r.setText(cPricingUnit, "Units")
	}
	if p.treatment == asUsage {
		r.setID(cPricingCategory, in.pricing.id(i, s))
		if r.texts[slots[cPricingCategory]] == none {
			r.setText(cPricingCategory, "Standard")
		}
	}
	list, contracted, err := w.unitPrices(p, i, f)
	if err != nil {
		return err
	}
	if f.cost.sign() < 0 { // prices are not negative: the quantity is taken back
		f.quantity = f.quantity.abs().neg()
	}
	quantity, err := f.quantity.number(quantityPlaces)
	if err != nil {
		return err
	}
	r.setNumber(cPricingQuantity, quantity)
	if err := w.costs(r, p, cListUnitPrice, cPricingCurrencyListUnitPrice, cListCost, list, quantity); err != nil {
		return err
	}
	if err := w.costs(r, p, cContractedUnitPrice, cPricingCurrencyContractedUnitPrice, cContractedCost, contracted, quantity); err != nil {
		return err
	}
	if p.treatment == asUsage || p.treatment == asUsed {
		r.setNumber(cConsumedQuantity, quantity)
		if r.setID(cConsumedUnit, in.consumed.id(i, s)); r.texts[slots[cConsumedUnit]] == none {
			r.setText(cConsumedUnit, r.text(cPricingUnit))
		}
	}
	commitment := w.commitment(r, i)
	switch {
	case p.treatment == asUsed:
		// What is recognised of the commitment is what is used of it.
		if err := w.commitmentQuantity(r, p, i, &figures{cost: f.effective, quantity: f.quantity}); err != nil {
			return err
		}
		return setBoth(r, f.effective, p.rate)
	case p.treatment == asPeriod, p.treatment == asUpfront:
		if err := w.commitmentQuantity(r, p, i, f); err != nil {
			return err
		}
		return setBoth(r, amount{}, p.rate) // it covers later usage
	case p.treatment == asRefund && commitment:
		r.setText(cChargeCategory, "Purchase")
		if err := w.commitmentQuantity(r, p, i, f); err != nil {
			return err
		}
		return setBoth(r, amount{}, p.rate)
	case commitment: // a row of another type that names a commitment has none of its own
		for _, c := range []column{cCommitmentDiscountID, cCommitmentDiscountCategory, cCommitmentDiscountType} {
			r.null(c)
		}
	}
	r.setNumber(cEffectiveCost, billed)
	source, err := f.cost.number(costPlaces)
	r.setNumber(cPricingCurrencyEffectiveCost, source)
	return err
}

// unitPrices returns the list price and the price before commitments of row i, in AWS's currency.
// AWS states no pricing term where an offer of its own gives the unit for less than the public
// price, such as a free tier: there the offer's price is the list price, as in AWS's own export.
func (w *writer) unitPrices(p *plan, i int, f *figures) (list, contracted amount, err error) {
	in := w.in
	own, hasOwn, err := read(in.unblendedRate, i)
	if err != nil {
		return list, contracted, err
	}
	public, hasPublic, err := read(in.publicRate, i)
	if err != nil {
		return list, contracted, err
	}
	bought := p.treatment == asFee || p.treatment == asUpfront || p.treatment == asPeriod || p.treatment == asRefund
	if bought || !hasOwn || !f.shared && !priceGives(own, f.quantity, f.cost) {
		own = f.cost.per(f.quantity)
	}
	own = own.abs()
	list = own
	if hasPublic && !bought && (p.treatment != asUsage || in.term.ID(i) != 0) {
		list = public.abs()
	}
	if p.treatment == asUsed && !p.savingsPlan {
		own = list // a reserved hour costs nothing: the price is the one without the reservation
	}
	return list, own, nil
}

// priceGives says whether price x quantity is the cost, but for AWS's rounding.
func priceGives(price, quantity, cost amount) bool {
	if price.odd || quantity.odd || cost.odd {
		rest := price.value().Mul(quantity.value()).Sub(cost.value())
		return rest.Abs().LessThanOrEqual(mostRest)
	}
	a, ok := product(price.units, quantity.units, 0)
	b, ok2 := product(cost.units, 1, 10)
	if !ok || !ok2 {
		return false
	}
	rest := a.Sub(b).Abs()
	return rest.HighBits() == 0 && rest.LowBits() <= 1e11
}

// mostRest is what AWS's rounding of a cost may make: 1e-9.
var mostRest = currency.MustParse("0.000000001")

// per returns the amount for one unit of a quantity.
func (a amount) per(quantity amount) amount {
	if quantity.sign() == 0 {
		return a
	}
	return amountOf(currency.PerUnit(a.value(), quantity.value(), pricePlaces))
}

// costs sets a unit price in both currencies, and the cost it gives.
func (w *writer) costs(r *cells, p *plan, price, source, cost column, a amount, quantity number) error {
	n, err := w.price(a, p.rate)
	if err != nil {
		return err
	}
	s, err := a.number(pricePlaces)
	if err != nil {
		return err
	}
	c, err := times(n, quantity)
	if err != nil {
		return err
	}
	r.setNumber(price, n)
	r.setNumber(source, s)
	r.setNumber(cost, c)
	return nil
}

// price is a unit price at an exchange rate. There are few different ones.
func (w *writer) price(a amount, at rate) (number, error) {
	if a.odd || !at.quick || at.places == 0 {
		return a.at(at, pricePlaces)
	}
	key := priceKey{a.units, at.mantissa, at.places}
	if n, ok := w.priceCache[key]; ok {
		return n, nil
	}
	n, err := a.at(at, pricePlaces)
	if len(w.priceCache) < 1<<16 {
		w.priceCache[key] = n
	}
	return n, err
}

type priceKey struct {
	units, mantissa int64
	places          int32
}

// commitment names the Savings Plan or reservation of row i.
func (w *writer) commitment(r *cells, i int) bool {
	in, s := w.in, r.sheet
	switch {
	case in.savingsPlan.ID(i) != 0:
		r.setID(cCommitmentDiscountID, s.id(cCommitmentDiscountID, in.savingsPlan.At(i)))
		r.setText(cCommitmentDiscountCategory, "Spend")
		r.setText(cCommitmentDiscountType, "Savings Plan")
	case in.reserved.ID(i) != 0:
		r.setID(cCommitmentDiscountID, s.id(cCommitmentDiscountID, in.reserved.At(i)))
		r.setText(cCommitmentDiscountCategory, "Usage")
		r.setText(cCommitmentDiscountType, "Reserved Instance")
	default:
		return false
	}
	return true
}

// commitmentQuantity sets how much of the commitment a row is about: money for a Savings Plan,
// units of use for a reservation.
func (w *writer) commitmentQuantity(r *cells, p *plan, i int, f *figures) error {
	if r.texts[slots[cCommitmentDiscountID]] == none {
		return nil
	}
	if p.savingsPlan || w.in.savingsPlan.ID(i) != 0 {
		r.setText(cCommitmentDiscountUnit, string(p.key.Currency))
		return r.setAmount(cCommitmentDiscountQuantity, f.cost)
	}
	normalized, units := cur.NormalizedAmount, cur.UsageAmount
	if p.treatment == asPeriod || p.treatment == asUpfront {
		normalized, units = cur.ReservationNormalizedUnits, cur.ReservationUnits
	}
	return w.reserved(r, i, normalized, units, f)
}

// reserved sets the quantity of a reservation: in normalized units where AWS states them.
func (w *writer) reserved(r *cells, i int, normalized, units cur.Column, f *figures) error {
	n, ok, err := read(w.in.Money(normalized), i)
	if err != nil {
		return err
	}
	unit := "NormalizedUnit-Hours"
	if !ok || n.sign() == 0 {
		if n, ok, err = read(w.in.Money(units), i); err != nil {
			return err
		}
		if !ok || n.sign() == 0 {
			n = f.quantity
		}
		unit = r.text(cPricingUnit)
		if unit == "Units" {
			unit = "Hours"
		}
	}
	r.setText(cCommitmentDiscountUnit, unit)
	return r.setAmount(cCommitmentDiscountQuantity, n)
}

func (r *cells) setAmount(c column, a amount) error {
	n, err := a.number(columns[c].kind.places())
	r.setNumber(c, n)
	return err
}

// text returns the text that is set in a column.
func (r *cells) text(c column) string {
	id := r.texts[slots[c]]
	if id == none {
		return ""
	}
	return r.sheet.texts[slots[c]].values[id]
}

// unused writes what a commitment's fee of the period paid for and nobody used: billed with the
// fee, so 0 here, and its cost.
func (w *writer) unused(r *cells, p *plan, part *planPart, i int, f *figures) error {
	total, minus := cur.ReservationUnusedUpfront, cur.ReservationUnusedRecurring
	if p.savingsPlan {
		total, minus = cur.SavingsPlanTotal, cur.SavingsPlanUsed
	}
	a, _, err := read(w.in.Money(total), i)
	if err != nil {
		return err
	}
	b, _, err := read(w.in.Money(minus), i)
	if err != nil {
		return err
	}
	left := a.add(b)
	if p.savingsPlan {
		left = a.add(b.neg())
	}
	if f.shared {
		left = left.split(p.weights)[indexOf(p, part)]
	}
	if left.sign() <= 0 {
		return nil
	}
	r.setText(cChargeCategory, "Usage")
	r.setText(cChargeFrequency, "Usage-Based")
	r.setText(cPricingCategory, "Committed")
	r.setText(cCommitmentDiscountStatus, "Unused")
	r.setText(xChargeSubType, "Unused")
	r.null(cInvoiceDetailID) // nothing of it is on a printed line
	r.setID(xLineItemID, r.sheet.id(xLineItemID, w.in.lineItem.At(i)))
	r.setID(cResourceID, w.sheet.id(cResourceID, []byte(r.text(cCommitmentDiscountID))))
	r.setText(cResourceType, resourceType(r.text(cCommitmentDiscountID)))
	if r.text(cResourceType) == "" {
		r.null(cResourceID)
	}
	r.setNumber(cBilledCost, number{})
	quantity := amount{units: 1_0000000000}
	if p.savingsPlan {
		r.setText(cCommitmentDiscountUnit, string(p.key.Currency))
		err = r.setAmount(cCommitmentDiscountQuantity, left)
	} else {
		err = w.reserved(r, i, cur.ReservationNormalizedUnused, cur.ReservationUnused, &figures{quantity: quantity})
	}
	if err != nil {
		return err
	}
	n, err := quantity.number(quantityPlaces)
	if err != nil {
		return err
	}
	r.setNumber(cPricingQuantity, n)
	for _, c := range [][3]column{
		{cListUnitPrice, cPricingCurrencyListUnitPrice, cListCost}, {cContractedUnitPrice, cPricingCurrencyContractedUnitPrice, cContractedCost},
	} {
		if err := w.costs(r, p, c[0], c[1], c[2], left, n); err != nil {
			return err
		}
	}
	if err := setBoth(r, left, p.rate); err != nil {
		return err
	}
	w.sheet.add(r)
	return nil
}

func indexOf(p *plan, part *planPart) int {
	for i := range p.parts {
		if &p.parts[i] == part {
			return i
		}
	}
	return 0
}
