package agreement

import (
	"testing"

	"github.com/arrears-billing/arrears/currency"
)

// An order in a currency that nothing gives a rate for is refused: every month would be blocked.
func TestRated(t *testing.T) {
	r := Register{Payers: map[AccountID]Payer{testPayer: {Account: testPayer, PaymentCurrency: "EUR"}, "888800001111": {}}}
	tests := []struct {
		name     string
		payer    AccountID
		exchange Exchange
		currency currency.Code
		want     bool
	}{
		{"what the payer pays AWS in", testPayer, Exchange{Source: ExchangeAWSInvoice}, "EUR", true},
		{"what AWS charges in", testPayer, Exchange{Source: ExchangeAWSInvoice}, BaseCurrency, true},
		{"another one", testPayer, Exchange{Source: ExchangeAWSInvoice}, "CHF", false},
		{"another one by reference rates", testPayer, Exchange{Source: ExchangeECB}, "CHF", true},
		{"a fixed rate", testPayer, Exchange{Source: ExchangeFixed, From: "USD", To: "CHF"}, "CHF", true},
		{"a fixed rate for another", testPayer, Exchange{Source: ExchangeFixed, From: "USD", To: "EUR"}, "CHF", false},
		{"nobody knows what the payer pays in", "888800001111", Exchange{Source: ExchangeAWSInvoice}, "CHF", true},
	}
	for _, tt := range tests {
		refused := r.rated(tt.payer, Terms{Currency: tt.currency, Exchange: tt.exchange})
		if got := refused == nil; got != tt.want {
			t.Errorf("%s: taken %v, want %v (%v)", tt.name, got, tt.want, refused)
		}
	}
}
