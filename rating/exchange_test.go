package rating

import (
	"errors"
	"testing"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// TestExchange: which rate a charge converts at, and in what words there is none.
func TestExchange(t *testing.T) {
	stated := func(from, to currency.Code, value string) *currency.Rate {
		return &currency.Rate{From: from, To: to, Value: currency.MustParse(value), Source: agreement.ExchangeAWSInvoice, Date: calendar.MustDate("2026-04-03")}
	}
	bills := []ingest.Bill{
		{ID: "SAME", Payment: ingest.BillAmount{Currency: "EUR", Exchange: stated("USD", "EUR", "0.9")}},
		{ID: "TURNED", Payment: ingest.BillAmount{Currency: "EUR", Exchange: stated("EUR", "USD", "1.25")}},
		{ID: "NONE", Payment: ingest.BillAmount{Currency: "EUR"}},
		{ID: "FROM", Payment: ingest.BillAmount{Currency: "EUR", Exchange: stated("GBP", "EUR", "1.1")}},
		{ID: "TO", Payment: ingest.BillAmount{Currency: "EUR", Exchange: stated("USD", "GBP", "0.8")}},
		{ID: "TURNED-FROM", Payment: ingest.BillAmount{Currency: "EUR", Exchange: stated("EUR", "GBP", "0.8")}},
		{ID: "TURNED-TO", Payment: ingest.BillAmount{Currency: "EUR", Exchange: stated("GBP", "USD", "1.2")}},
		{ID: "CHF", Payment: ingest.BillAmount{Currency: "CHF", Exchange: stated("USD", "CHF", "0.8")}},
	}
	aws := agreement.Exchange{Source: agreement.ExchangeAWSInvoice}
	fixed := agreement.Exchange{Source: agreement.ExchangeFixed, From: "USD", To: "EUR", Rate: currency.MustParse("0.92")}
	reference := func(from, to currency.Code) (currency.Rate, error) {
		if from != "USD" || to != "EUR" {
			return currency.Rate{}, errors.New("asked for another pair")
		}
		return *stated("USD", "EUR", "0.91"), nil
	}
	marked := fixed
	marked.MarkupPercent = currency.MustParse("10")
	for _, tt := range []struct {
		name      string
		exchange  agreement.Exchange
		from      currency.Code
		invoice   string
		reference func(from, to currency.Code) (currency.Rate, error)
		want      string
	}{
		{"AWS's own", aws, "USD", "SAME", nil, "0.9"},
		{"AWS's, turned round", aws, "USD", "TURNED", nil, "0.8"},
		{"no conversion", aws, "EUR", "NONE", nil, "1"},
		{"AWS states none", aws, "USD", "NONE", nil, "no rate from USD to EUR: AWS invoice NONE states none"},
		{"from another currency", aws, "USD", "FROM", nil, "no rate from USD to EUR: AWS invoice FROM states one from GBP to EUR"},
		{"into another currency", aws, "USD", "TO", nil, "no rate from USD to EUR: AWS invoice TO states one from USD to GBP"},
		{"turned, from another", aws, "USD", "TURNED-FROM", nil, "no rate from USD to EUR: AWS invoice TURNED-FROM states one from EUR to GBP"},
		{"turned, into another", aws, "USD", "TURNED-TO", nil, "no rate from USD to EUR: AWS invoice TURNED-TO states one from GBP to USD"},
		{"paid in another currency", aws, "USD", "CHF", nil, "no rate from USD to EUR: AWS invoice CHF is paid in CHF"},
		{"not listed", aws, "USD", "GONE", nil, "no rate from USD to EUR: AWS invoice GONE is not listed"},
		{"fixed", fixed, "USD", "GONE", nil, "0.92"},
		{"fixed, with markup", marked, "USD", "GONE", nil, "1.012"},
		{"fixed from another currency", fixed, "GBP", "SAME", nil, "no rate from GBP to EUR: the terms fix USD to EUR"},
		{"fixed into another currency", agreement.Exchange{Source: agreement.ExchangeFixed, From: "USD", To: "CHF", Rate: currency.MustParse("0.8")}, "USD", "SAME", nil, "no rate from USD to EUR: the terms fix USD to CHF"},
		{"of reference", agreement.Exchange{Source: agreement.ExchangeECB}, "USD", "SAME", reference, "0.91"},
		{"of reference, none imported", agreement.Exchange{Source: agreement.ExchangeECB}, "USD", "SAME", nil, "no rate from USD to EUR: no reference rates are imported"},
		{"of no source", agreement.Exchange{Source: "guess"}, "USD", "SAME", nil, `no rate from USD to EUR: unknown exchange source "guess"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rate, err := Exchange(agreement.Terms{Currency: "EUR", Exchange: tt.exchange}, bills, tt.reference)(tt.from, tt.invoice)
			got := currency.Plain(rate.Value)
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
