package book

import (
	"go.yaml.in/yaml/v3"

	"github.com/arrears-billing/arrears/agreement"
)

// ParseOrder reads an order file (contract.md, ORDER.yaml): what a customer, or Operations for
// one, writes into the wizard. It looks at the form alone; whether the order can be taken is for
// agreement.Register to say. Status, phase and all that happens later have no place in it.
func ParseOrder(name string, data []byte) (agreement.Order, []Error) {
	var order agreement.Order
	r := newReader(name)
	root, ok := r.parseYAML(data)
	if !ok {
		return order, Sort(r.errs)
	}
	o, ok := r.object(&origin{file: name, at: map[string]position{}, bad: map[string]bool{}}, "", root)
	if !ok {
		return order, Sort(r.errs)
	}
	o.word("type", &order.Type, agreement.Buy, agreement.Change, agreement.Terminate)
	o.text("product", &order.Product)
	o.text("client", &order.Client)
	o.text("seller", &order.Seller)
	o.text("buyer", &order.Buyer)
	o.account("payer", &order.Payer)
	o.text("agreement", &order.Agreement)
	o.text("follows", &order.Follows)
	o.month("from", &order.From)
	o.inner("account", func(a *object) {
		a.word("option", &order.Account.Option, agreement.ExistingAccount, agreement.NewAccount)
		a.account("management_account", &order.Account.ManagementAccount)
		a.text("model", &order.Account.Model)
		a.yes("private_pricing", &order.Account.PrivatePricing)
		a.yes("government", &order.Account.Government)
		order.Account.Regions = a.texts("regions")
	})
	o.inner("contact", func(c *object) {
		c.text("name", &order.Contact.Name)
		c.email("email", &order.Contact.Email)
		c.text("phone", &order.Contact.Phone)
	})
	o.word("support", &order.Support, agreement.Resold, agreement.PartnerLed)
	o.code("currency", &order.Currency)
	o.text("purchase_order", &order.PurchaseOrder)
	order.Services = o.texts("services")
	o.month("end", &order.End)
	o.yes("at_term_end", &order.AtTermEnd)
	o.done()
	if order.Type == "" && !o.o.bad["type"] {
		o.fail("", codeMissing, "type is missing", "purchase, change or termination")
	}
	return order, Sort(r.errs)
}

// texts reads a list of texts.
func (o *object) texts(key string) []string {
	var all []string
	o.each(key, func(e *object, key string) {
		var s string
		if e.text(key, &s); s != "" {
			all = append(all, s)
		}
	})
	return all
}

// yes reads true or false.
func (o *object) yes(key string, to *bool) {
	n, path := o.scalar(key)
	if n == nil {
		return
	}
	if n.ShortTag() != "!!bool" || n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		o.fail(path, codeMalformed, "want true or false, not "+kind(n), "")
		return
	}
	*to = n.Value == "true" || n.Value == "True" || n.Value == "TRUE"
}
