package rating

import (
	"fmt"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// Exchange returns the function that finds the rate of an AWS invoice's charges by the terms
// (design 5, "Conversion"). reference gives the reference rate of the month for the ecb policy.
// Nothing is ever converted 1:1 for want of a rate (I3).
func Exchange(t agreement.Terms, bills []ingest.Bill, reference func(from, to currency.Code) (currency.Rate, error)) func(currency.Code, string) (currency.Rate, error) {
	byID := map[string]ingest.Bill{}
	for _, b := range bills {
		byID[b.ID] = b
	}
	return func(from currency.Code, invoice string) (currency.Rate, error) {
		if from == t.Currency {
			return currency.Same(from), nil
		}
		rate, err := baseRate(t, byID, from, invoice, reference)
		if err != nil {
			return currency.Rate{}, err
		}
		return rate.WithMarkup(t.Exchange.MarkupPercent), nil
	}
}

func baseRate(t agreement.Terms, bills map[string]ingest.Bill, from currency.Code, invoice string, reference func(from, to currency.Code) (currency.Rate, error)) (currency.Rate, error) {
	x := t.Exchange
	switch x.Source {
	case agreement.ExchangeAWSInvoice:
		return invoiceRate(bills, from, t.Currency, invoice)
	case agreement.ExchangeFixed:
		if x.From != from || x.To != t.Currency {
			return currency.Rate{}, fmt.Errorf("no rate from %s to %s: the terms fix %s to %s", from, t.Currency, x.From, x.To)
		}
		return currency.Rate{From: x.From, To: x.To, Value: x.Rate, Source: agreement.ExchangeFixed, Date: t.From.First()}, nil
	case agreement.ExchangeECB:
		if reference == nil {
			return currency.Rate{}, fmt.Errorf("no rate from %s to %s: no reference rates are imported", from, t.Currency)
		}
		return reference(from, t.Currency)
	}
	return currency.Rate{}, fmt.Errorf("no rate from %s to %s: unknown exchange source %q", from, t.Currency, x.Source)
}

// invoiceRate is the rate that AWS states on the invoice, in the direction asked for.
func invoiceRate(bills map[string]ingest.Bill, from, to currency.Code, invoice string) (currency.Rate, error) {
	b, ok := bills[invoice]
	if !ok {
		return currency.Rate{}, fmt.Errorf("no rate from %s to %s: AWS invoice %s is not listed", from, to, name(invoice))
	}
	if b.Payment.Currency != to {
		return currency.Rate{}, fmt.Errorf("no rate from %s to %s: AWS invoice %s is paid in %s", from, to, invoice, b.Payment.Currency)
	}
	x := b.Payment.Exchange
	switch {
	case x == nil:
		return currency.Rate{}, fmt.Errorf("no rate from %s to %s: AWS invoice %s states none", from, to, invoice)
	case x.From == from && x.To == to:
		return *x, nil
	case x.From == to && x.To == from:
		return x.Inverse()
	}
	return currency.Rate{}, fmt.Errorf("no rate from %s to %s: AWS invoice %s states one from %s to %s", from, to, invoice, x.From, x.To)
}
