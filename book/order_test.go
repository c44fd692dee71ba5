package book

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
)

func TestParseOrder(t *testing.T) {
	// The order that contract.md shows.
	got, errs := ParseOrder("order.yaml", read(t, "testdata/order.yaml"))
	if len(errs) > 0 {
		t.Fatalf("ParseOrder: %v", errs)
	}
	want := agreement.Order{
		Type: agreement.Buy, Product: agreement.ProductEssentials, Client: "CLI-0001", Seller: "SEL-DE", Buyer: "BUY-0001",
		Account: agreement.OrderAccount{
			Option: agreement.ExistingAccount, ManagementAccount: "111122223333", Model: agreement.ModelBillingTransfer, Regions: []string{"eu-central-1"},
		},
		Contact: agreement.Contact{Name: "...", Email: "ops@customer.example", Phone: "..."},
		Support: agreement.PartnerLed, Currency: "EUR", PurchaseOrder: "PO-77",
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("ParseOrder mismatch (-want +got):\n%s", diff)
	}

	got, errs = ParseOrder("order.yaml", []byte(`
type: termination
agreement: AGR-0001
contact: {name: A, email: a@customer.example}
end: 2027-05
at_term_end: true
`))
	if len(errs) > 0 || got.Agreement != "AGR-0001" || got.End != calendar.MustMonth("2027-05") || !got.AtTermEnd {
		t.Errorf("a termination: %+v, %v", got, errs)
	}
}

func TestParseOrderErrors(t *testing.T) {
	for yaml, want := range map[string]string{
		"":                              "order.yaml: nothing is written here [empty]",
		"{}":                            "order.yaml:1:1: type is missing [missing]",
		"type: ''":                      "order.yaml:1:1: type is missing [missing]",
		"type: buy":                     `order.yaml:1:7: type: "buy" is not one of: purchase, change, termination [unknown_value]`,
		"type: purchase\nstatus: draft": "order.yaml:2:1: status: unknown key [unknown_key]",
		"type: purchase\naccount: {management_account: \"1234\"}":     `order.yaml:2:31: account.management_account: not an AWS account id: "1234" [account_id_malformed]`,
		"type: purchase\naccount: {option: old}":                      `order.yaml:2:19: account.option: "old" is not one of: existing, new [unknown_value]`,
		"type: purchase\naccount: {private_pricing: \"true\"}":        `order.yaml:2:28: account.private_pricing: want true or false, not "true" [malformed]`,
		"type: purchase\naccount: {regions: eu-central-1}":            `order.yaml:2:20: account.regions: want a list, not "eu-central-1" [wrong_type]`,
		"type: purchase\ncontact: {email: nobody}":                    `order.yaml:2:18: contact.email: not an e-mail address: "nobody" [malformed]`,
		"type: purchase\nsupport: gold":                               `order.yaml:2:10: support: "gold" is not one of: resold, partner_led [unknown_value]`,
		"type: purchase\nroot_password: hunter2":                      "order.yaml:2:1: root_password: the book takes no credentials [credentials]",
		"type: purchase\ncontact: {name: ASIAIOSFODNN7EXAMPLE}":       "order.yaml:2:17: contact.name: this looks like a credential; the book takes none [credentials]",
		"type: purchase\naccount: {option: existing, region: [a, b]}": "order.yaml:2:29: account.region: unknown key [unknown_key]",
	} {
		_, errs := ParseOrder("order.yaml", []byte(yaml))
		if len(errs) != 1 || errs[0].Error()+" ["+errs[0].Code+"]" != want {
			t.Errorf("ParseOrder(%q) = %v, want %s", yaml, errs, want)
		}
	}
}

func FuzzOrder(f *testing.F) {
	f.Add([]byte("type: purchase\naccount: {regions: [eu-central-1], private_pricing: true}\nend: 2027-05\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		order, errs := ParseOrder("order.yaml", data)
		if len(errs) == 0 && order.Type == "" {
			t.Errorf("an order without a type: %+v", order)
		}
		ParseTerms("terms.yaml", data, agreement.Terms{})
	})
}
