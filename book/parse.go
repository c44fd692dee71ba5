package book

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // a seller's time zone must not depend on the machine

	"go.yaml.in/yaml/v3"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
)

// Parse reads one book. name is the file's name, for errors and because relative paths in a book
// are relative to its folder. Objects with errors are returned as far as they could be read; with
// any error, nothing of the book may be applied.
func Parse(name string, data []byte) (Book, []Error) {
	var b Book
	r := newReader(name)
	root, ok := r.parseYAML(data)
	if !ok {
		return b, Sort(r.errs)
	}
	top := &origin{file: name, at: map[string]position{}, bad: map[string]bool{}}
	o, ok := r.object(top, "", root)
	if !ok {
		return b, Sort(r.errs)
	}
	objects(o, "sellers", &b.Sellers, &b.from.sellers, (*object).seller)
	objects(o, "buyers", &b.Buyers, &b.from.buyers, (*object).buyer)
	objects(o, "payers", &b.Payers, &b.from.payers, (*object).payer)
	objects(o, "agreements", &b.Agreements, &b.from.agreements, (*object).agreement)
	o.done()
	return b, Sort(r.errs)
}

func newReader(name string) *reader {
	folder := filepath.Dir(name)
	if abs, err := filepath.Abs(folder); err == nil { // fails only without a working folder
		folder = abs
	}
	return &reader{file: name, folder: folder}
}

// objects reads a list of the book's objects, each with an origin of its own.
func objects[T any](o *object, key string, list *[]T, from *[]*origin, read func(*object, *T)) {
	o.list(key, func(_ int, path string, n *yaml.Node) {
		at := &origin{file: o.r.file, path: path, at: map[string]position{}, bad: map[string]bool{}}
		in, ok := o.r.object(at, "", n)
		if !ok {
			return
		}
		var x T
		read(in, &x)
		in.done()
		at.named = in.named
		*list, *from = append(*list, x), append(*from, at)
	})
}

// What applies where the book is silent (contract.md).
const (
	defaultPaymentDays = 30
	defaultDueDay      = 8
	defaultFeePercent  = "5"
)

func (o *object) seller(s *agreement.Seller) {
	*s = agreement.Seller{DueDay: defaultDueDay, Approval: "none", Payment: agreement.Payment{Days: defaultPaymentDays}}
	o.id("id", &s.ID)
	o.text("name", &s.Name)
	o.country("country", &s.Country)
	o.text("tax_id", &s.TaxID)
	o.text("registration_id", &s.RegistrationID)
	o.text("tax_registration", &s.TaxRegistration)
	o.code("currency", &s.Currency)
	o.each("currencies", func(e *object, key string) {
		var c currency.Code
		if e.code(key, &c); c != "" {
			s.Currencies = append(s.Currencies, c)
		}
	})
	if len(s.Currencies) == 0 && s.Currency != "" {
		s.Currencies = []currency.Code{s.Currency}
	}
	o.series(&s.Series)
	o.address(&s.Address, s.Country)
	o.email("email", &s.Email)
	o.text("phone", &s.Phone)
	o.endpoint("endpoint", &s.Endpoint)
	o.place("logo", &s.Logo)
	o.text("time_zone", &s.TimeZone)
	if _, err := time.LoadLocation(s.TimeZone); err != nil || s.TimeZone == "Local" {
		o.fail("time_zone", codeUnknownValue, fmt.Sprintf("not a time zone: %q", s.TimeZone), "a name such as Europe/Berlin")
		s.TimeZone = ""
	}
	o.inner("payment", func(p *object) {
		p.integer("days", &s.Payment.Days, 0, 365)
		p.iban("iban", &s.Payment.IBAN)
		p.bic("bic", &s.Payment.BIC)
		p.text("bank", &s.Payment.Bank)
	})
	o.integer("due_day", &s.DueDay, 1, 28)
	o.word("approval", &s.Approval, "none", "required", "four_eyes")
}

// series reads {invoice, credit_note, reset}, or the prefix of invoices alone.
func (o *object) series(s *agreement.Series) {
	*s = agreement.Series{Reset: "yearly"}
	if n, _ := o.get("series"); n == nil || n.Kind == yaml.ScalarNode {
		o.prefix("series", &s.Invoice)
	} else {
		o.inner("series", func(in *object) {
			in.prefix("invoice", &s.Invoice)
			in.prefix("credit_note", &s.CreditNote)
			in.word("reset", &s.Reset, "yearly", "never")
		})
	}
	if s.CreditNote == "" && s.Invoice != "" {
		s.CreditNote = s.Invoice + "-CN"
	}
}

// prefix reads the prefix of a series. It must not look like one with a year, or DE-2026 without
// yearly reset and DE with it would number alike.
func (o *object) prefix(key string, to *string) {
	var s string
	if o.text(key, &s); s == "" {
		return
	}
	last := s[strings.LastIndexByte(s, '-')+1:]
	year := len(last) == 4 && strings.Trim(last, "0123456789") == ""
	if strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/") != "" || strings.HasSuffix(s, "-") || year || len(s) > 20 {
		o.fail(joinPath(o.path, key), codeMalformed, fmt.Sprintf("not a prefix of document numbers: %q", s),
			"capitals, digits, hyphens, slashes, at most 20, no year at the end: DE gives DE-2026-000001")
		return
	}
	*to = s
}

// address reads an address; its country is that of the seller or buyer unless it names another.
func (o *object) address(a *agreement.Address, country string) {
	a.Country = country
	o.inner("address", func(in *object) {
		in.text("street", &a.Street)
		in.text("street2", &a.Street2)
		in.text("city", &a.City)
		in.text("postal_code", &a.PostalCode)
		in.text("region", &a.Region)
		in.country("country", &a.Country)
	})
}

func (o *object) email(key string, to *string) {
	var s string
	if o.text(key, &s); s == "" {
		return
	}
	if name, host, ok := strings.Cut(s, "@"); !ok || name == "" || host == "" || strings.ContainsAny(s, " <>,;") || strings.Contains(host, "@") {
		o.fail(joinPath(o.path, key), codeMalformed, fmt.Sprintf("not an e-mail address: %q", s), "one address, such as ap@buyer.example")
		return
	}
	*to = s
}

// endpoint reads an electronic address of EN 16931 (BT-34, BT-49): a scheme of the EAS list and an
// id, such as 9930:DE136695976.
func (o *object) endpoint(key string, to *string) {
	var s string
	if o.text(key, &s); s == "" {
		return
	}
	if scheme, id, ok := strings.Cut(s, ":"); !ok || len(scheme) < 2 || len(scheme) > 4 || id == "" || strings.Contains(s, " ") {
		o.fail(joinPath(o.path, key), codeMalformed, fmt.Sprintf("not an electronic address: %q", s), "scheme:id, such as 9930:DE136695976")
		return
	}
	*to = s
}

// iban reads an account number without its spaces. Whether its check digits hold is a warning of
// Warnings.
func (o *object) iban(key string, to *string) {
	var s string
	if o.text(key, &s); s == "" {
		return
	}
	s = strings.ReplaceAll(s, " ", "")
	if len(s) < 15 || len(s) > 34 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" || !invoice.KnownCountry(s[:2]) {
		o.fail(joinPath(o.path, key), codeMalformed, fmt.Sprintf("not an IBAN: %q", s), "country, two check digits, account, such as DE02120300000000202051")
		return
	}
	*to = s
}

var bicForm = regexp.MustCompile(`^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$`)

func (o *object) bic(key string, to *string) {
	var s string
	if o.text(key, &s); s == "" {
		return
	}
	if !bicForm.MatchString(s) {
		o.fail(joinPath(o.path, key), codeMalformed, fmt.Sprintf("not a BIC: %q", s), "eight or eleven capitals and digits, such as BYLADEM1001")
		return
	}
	*to = s
}

// place reads a file or folder, absolute afterwards, or an s3:// address, which stays.
func (o *object) place(key string, to *string) {
	var s string
	if o.text(key, &s); s == "" {
		return
	}
	switch {
	case strings.HasPrefix(s, "s3://"):
		if bucket, _, _ := strings.Cut(s[len("s3://"):], "/"); bucket == "" {
			o.fail(joinPath(o.path, key), codeMalformed, "no bucket: "+s, "s3://bucket/prefix")
			return
		}
	case strings.Contains(s, "://"):
		o.fail(joinPath(o.path, key), codeMalformed, "neither a folder nor s3://: "+s, "")
		return
	case filepath.IsAbs(s):
		s = filepath.Clean(s)
	default:
		s = filepath.Join(o.r.folder, s)
	}
	*to = s
}

func (o *object) buyer(b *agreement.Buyer) {
	o.id("id", &b.ID)
	o.text("name", &b.Name)
	o.country("country", &b.Country)
	o.text("tax_id", &b.TaxID)
	o.text("registration_id", &b.RegistrationID)
	o.address(&b.Address, b.Country)
	o.email("email", &b.Email)
	o.text("reference", &b.Reference)
	o.endpoint("endpoint", &b.Endpoint)
	o.tax(&b.Tax)
}

// tax reads a person's decision on the tax category.
func (o *object) tax(to **agreement.TaxOverride) {
	o.inner("tax", func(in *object) {
		t := &agreement.TaxOverride{}
		in.word("category", &t.Category, "S", "Z", "E", "AE", "G", "O")
		in.percent("percent", &t.Percent)
		in.text("reason", &t.Reason)
		*to = t
	})
	o.whole("tax")
}

// whole makes a mapping be replaced as one by Merge: its keys mean nothing without each other.
func (o *object) whole(key string) {
	if _, ok := o.named[key]; ok {
		o.named[key] = nil
	}
}

func (o *object) payer(p *agreement.Payer) {
	*p = agreement.Payer{Reconcile: "invoices", Tolerance: agreement.DefaultTolerance()}
	o.account("account", &p.Account)
	o.code("payment_currency", &p.PaymentCurrency)
	o.each("own_accounts", func(e *object, key string) {
		var id agreement.AccountID
		if e.account(key, &id); id != "" {
			p.OwnAccounts = append(p.OwnAccounts, id)
		}
	})
	var invoices string
	if o.text("invoices", &invoices); invoices == "api" {
		p.Invoices = invoices
	} else {
		o.place("invoices", &p.Invoices)
	}
	o.word("reconcile", &p.Reconcile, "invoices", "none")
	o.inner("tolerance", func(in *object) {
		in.positive("per_group", &p.Tolerance.PerGroup)
		in.percent("percent", &p.Tolerance.Percent)
		in.positive("max", &p.Tolerance.Max)
	})
}

// positive reads an amount that is not negative.
func (o *object) positive(key string, to *currency.Decimal) {
	var d currency.Decimal
	path, ok := o.decimal(key, &d)
	if !ok {
		return
	}
	if d.Sign() < 0 {
		o.fail(path, codeRange, "must not be negative: "+currency.Plain(d), "")
		return
	}
	*to = d
}

func (o *object) agreement(a *agreement.Agreement) {
	*a = agreement.Agreement{CUR: agreement.Source{Manifest: "required"}}
	o.id("id", &a.ID)
	o.text("client", &a.Client)
	o.word("product", &a.Product, agreement.ProductEssentials, agreement.ProductLegacy)
	o.account("payer", &a.Payer)
	o.account("management_account", &a.ManagementAccount)
	var short agreement.Terms
	o.party(&short)
	o.inner("transfer", func(t *object) {
		t.text("id", &a.Transfer.ID)
		t.time("accepted", &a.Transfer.Accepted)
		t.time("start", &a.Transfer.Start)
		t.time("end", &a.Transfer.End)
		t.text("status", &a.Transfer.Status)
	})
	o.inner("billed", func(b *object) {
		b.month("from", &a.Billed.From)
		b.month("to", &a.Billed.To)
	})
	o.inner("service_term", func(s *object) {
		s.time("accepted_at", &a.ServiceTerm.AcceptedAt)
		s.date("commitment_end", &a.ServiceTerm.CommitmentEnd)
		s.date("aws_end", &a.ServiceTerm.AWSEnd)
	})
	o.inner("cur", func(c *object) {
		c.place("source", &a.CUR.Location)
		c.word("manifest", &a.CUR.Manifest, "required", "none")
		var payer string
		if c.text("payer_account", &payer); payer == "*" {
			a.CUR.PayerAccount = payer
		} else {
			var id agreement.AccountID
			c.account("payer_account", &id)
			a.CUR.PayerAccount = string(id)
		}
	})
	o.inner("hold", func(h *object) {
		a.Hold = &agreement.Hold{}
		h.month("from", &a.Hold.From)
		h.month("to", &a.Hold.To)
		h.text("reason", &a.Hold.Reason)
	})
	o.whole("hold")
	o.list("adjustments", func(_ int, path string, n *yaml.Node) {
		if in, ok := o.r.object(o.o, path, n); ok {
			a.Adjustments = append(a.Adjustments, in.adjustment())
			in.done()
		}
	})
	o.tax(&a.Tax)
	o.list("split", func(_ int, path string, n *yaml.Node) {
		if in, ok := o.r.object(o.o, path, n); ok {
			a.Split = append(a.Split, in.split())
			in.done()
		}
	})
	a.Terms = o.terms("terms", short)
	if _, ok := o.values["terms"]; !ok && short != (agreement.Terms{}) {
		o.fail("terms", codeTermsMissing, "missing; seller, buyer, currency and purchase_order are shorthand for its first entry",
			"write terms too, with the month they begin with")
	}
}

func (o *object) adjustment() agreement.Adjustment {
	var a agreement.Adjustment
	o.month("month", &a.Month)
	o.text("label", &a.Label)
	o.decimal("amount", &a.Amount)
	o.text("reason", &a.Reason)
	o.text("by", &a.By)
	return a
}

func (o *object) split() agreement.BuyerSplit {
	var s agreement.BuyerSplit
	o.month("from", &s.From)
	o.list("shares", func(_ int, path string, n *yaml.Node) {
		in, ok := o.r.object(o.o, path, n)
		if !ok {
			return
		}
		var share agreement.BuyerShare
		in.text("buyer", &share.Buyer)
		in.text("purchase_order", &share.PurchaseOrder)
		in.percent("percent", &share.Percent)
		in.inner("accounts", func(acc *object) {
			share.Accounts = map[agreement.AccountID]currency.Decimal{}
			for key := range acc.values {
				id := agreement.AccountID(key)
				var p currency.Decimal
				acc.percent(key, &p)
				if !id.Valid() {
					acc.fail(joinPath(acc.path, key), codeAccountID, fmt.Sprintf("not an AWS account id: %q", key), accountHint)
					continue
				}
				share.Accounts[id] = p
			}
		})
		in.done()
		s.Shares = append(s.Shares, share)
	})
	return s
}
