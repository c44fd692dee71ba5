package book

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// TestStoredObjects: any object a book can hold comes back from JSON, and from YAML, as it was.
func TestStoredObjects(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := roundTrip(anyBook(t)); err != nil {
			t.Fatal(err)
		}
	})
}

// TestMergeOverStored: applying a whole object over any stored one of its id gives that object, and
// applying nothing gives the stored one.
func TestMergeOverStored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := anyBook(t), anyBook(t)
		// Absent keys keep what is stored, so each absent one is written as null.
		data, err := json.Marshal(map[string]any{
			"sellers": named(t, after.Sellers), "buyers": named(t, after.Buyers), "payers": named(t, after.Payers), "agreements": named(t, after.Agreements),
		})
		if err != nil {
			t.Fatal(err)
		}
		b, errs := Parse("book.json", data)
		if len(errs) > 0 {
			t.Fatalf("parse %s: %v", data, errs)
		}
		if diff := cmp.Diff(after, b.Merge(before), same); diff != "" {
			t.Fatalf("the whole object over another (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(before, (Book{}).Merge(before), same); diff != "" {
			t.Fatalf("nothing over an object (-want +got):\n%s", diff)
		}
	})
}

// named returns the objects as JSON in which every key of full.yaml stands, as null where the
// object has none.
func named[T any](t *rapid.T, objects []T) []map[string]any {
	var all []map[string]any
	for _, x := range objects {
		data, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]any{}
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{
			"tax_id", "registration_id", "tax_registration", "email", "phone", "endpoint", "logo", "time_zone", "reference", "tax", "payment_currency",
			"own_accounts", "invoices", "client", "transfer", "billed", "service_term", "hold", "adjustments", "split", "address", "cur",
		} {
			known := fmt.Sprintf("%T", x)
			if _, ok := m[key]; !ok && keyOf[known][key] {
				m[key] = nil
			}
			if inner, ok := m[key].(map[string]any); ok {
				for k := range keyOf[key] {
					if _, ok := inner[k]; !ok {
						inner[k] = nil
					}
				}
			}
		}
		all = append(all, m)
	}
	return all
}

func set(keys ...string) map[string]bool {
	m := map[string]bool{}
	for _, k := range keys {
		m[k] = true
	}
	return m
}

// keyOf are the optional keys of objects and of the objects inside them.
var keyOf = map[string]map[string]bool{
	"agreement.Seller":    set("tax_id", "registration_id", "tax_registration", "email", "phone", "endpoint", "logo", "time_zone", "address"),
	"agreement.Buyer":     set("tax_id", "registration_id", "email", "endpoint", "reference", "tax", "address"),
	"agreement.Payer":     set("payment_currency", "own_accounts", "invoices"),
	"agreement.Agreement": set("client", "transfer", "billed", "service_term", "hold", "adjustments", "split", "tax"),
	"address":             set("street", "street2", "city", "postal_code", "region"),
	"transfer":            set("id", "accepted", "start", "end", "status"),
	"billed":              set("from", "to"),
	"service_term":        set("accepted_at", "commitment_end", "aws_end"),
	"cur":                 set("payer_account"),
}

func anyText(t *rapid.T, label string) string {
	return rapid.StringMatching(`[A-Za-z0-9#:&*!|>'"%@{\[-][A-Za-zÀ-žΑ-ωА-я0-9#:&*!|>'"%@{}\[\],? .\\/+-]{0,12}[A-Za-zА-я0-9😀\]]`).Draw(t, label)
}

func maybe(t *rapid.T, label string, f func() string) string {
	if rapid.Bool().Draw(t, label+" set") {
		return f()
	}
	return ""
}

func optional(t *rapid.T, label string) string {
	return maybe(t, label, func() string { return anyText(t, label) })
}

func anyOf[T any](t *rapid.T, label string, words ...T) T {
	return rapid.SampledFrom(words).Draw(t, label)
}

func anyMonth(t *rapid.T) calendar.Month {
	return calendar.MustMonth("2020-01").Add(rapid.IntRange(0, 200).Draw(t, "month"))
}

func anyTime(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "no time") {
		return time.Time{}
	}
	return anyMonth(t).Start().Add(time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "ns")))
}

func anyDate(t *rapid.T) calendar.Date {
	if rapid.Bool().Draw(t, "no date") {
		return calendar.Date{}
	}
	return anyMonth(t).Day(rapid.IntRange(1, 31).Draw(t, "day"))
}

func anyDecimal(t *rapid.T, low, high int64) currency.Decimal {
	return currency.MustParse(fmt.Sprint(rapid.Int64Range(low*1e6, high*1e6).Draw(t, "decimal"))).Shift(-6)
}

func anyPercentOf(t *rapid.T, label string, words ...string) *agreement.PercentOf {
	if rapid.Bool().Draw(t, "no "+label) {
		return nil
	}
	p := &agreement.PercentOf{Percent: anyDecimal(t, 0, 100)}
	if len(words) > 0 {
		p.Of = anyOf(t, "of", words...)
	}
	return p
}

func anyAccount(t *rapid.T) agreement.AccountID {
	return agreement.AccountID(rapid.StringMatching(`[0-9]{12}`).Draw(t, "account"))
}

func anyAddress(t *rapid.T, country string) agreement.Address {
	return agreement.Address{
		Street: optional(t, "street"), Street2: optional(t, "street2"), City: optional(t, "city"),
		PostalCode: optional(t, "postal code"), Region: optional(t, "region"), Country: country,
	}
}

func anyTax(t *rapid.T) *agreement.TaxOverride {
	if rapid.Bool().Draw(t, "no tax") {
		return nil
	}
	return &agreement.TaxOverride{Category: anyOf(t, "category", "S", "Z", "E", "AE", "G", "O"), Percent: anyDecimal(t, 0, 100), Reason: optional(t, "reason")}
}

func anyTerms(t *rapid.T) []agreement.Terms {
	var all []agreement.Terms
	for range rapid.IntRange(1, 3).Draw(t, "terms") {
		x := agreement.Terms{
			// Absent values are inherited from the entry before, so each has its own here.
			From: anyMonth(t), Seller: anyText(t, "seller"), Buyer: anyText(t, "buyer"), Currency: anyOf[currency.Code](t, "currency", "EUR", "USD", "JPY"),
			PurchaseOrder: anyText(t, "po"), Support: anyOf(t, "support", agreement.Resold, agreement.PartnerLed),
			UsageDiscount:        anyPercentOf(t, "usage discount", agreement.OfPartnerDiscount, agreement.OfUsage),
			SupportDiscount:      anyPercentOf(t, "support discount"),
			EnterpriseSupportFee: agreement.PercentOf{Percent: anyDecimal(t, 0, 100), Of: anyOf(t, "of", agreement.OfUsage, agreement.OfUsageAndCommitments)},
			PartnerLedDiscount:   anyPercentOf(t, "pls discount", agreement.OfFee, agreement.OfUsage),
			SharedFees:           anyOf(t, "shared", agreement.SharedPayer, agreement.SharedLinkedAccounts),
			Exchange:             agreement.Exchange{Source: anyOf(t, "source", agreement.ExchangeAWSInvoice, agreement.ExchangeECB, agreement.ExchangeFixed)},
			PrivatePricing:       anyOf(t, "private", agreement.PrivateBlock, agreement.PrivatePassOn),
		}
		switch x.Exchange.Source {
		case agreement.ExchangeECB:
			x.Exchange.Day = anyOf(t, "day", "", currency.DayMonthEnd, currency.DayMonthAverage, currency.DayLastBefore, currency.DayPublication)
			x.Exchange.MaxAgeDays = rapid.IntRange(0, 31).Draw(t, "age")
		case agreement.ExchangeFixed:
			x.Exchange.From, x.Exchange.To, x.Exchange.Rate = "USD", "EUR", anyDecimal(t, 1, 9)
		}
		x.Exchange.MarkupPercent = anyDecimal(t, 0, 100)
		all = append(all, x)
	}
	return all
}

func anyBook(t *rapid.T) Book {
	country := func() string { return anyOf(t, "country", "DE", "CH", "NO", "GR", "US") }
	s := agreement.Seller{
		ID: "SEL-1", Name: anyText(t, "name"), Country: country(), TaxID: optional(t, "tax id"), RegistrationID: optional(t, "registration"), TaxRegistration: optional(t, "tax registration"),
		Currency: "EUR", Currencies: rapid.SliceOfN(rapid.SampledFrom([]currency.Code{"EUR", "USD", "CHF"}), 1, 3).Draw(t, "currencies"),
		Series: agreement.Series{Invoice: "DE", CreditNote: anyOf(t, "cn", "DE-CN", "DE/GS"), Reset: anyOf(t, "reset", "yearly", "never")},
		Email:  maybe(t, "email", func() string { return "a@seller.example" }), Phone: optional(t, "phone"),
		Endpoint: maybe(t, "endpoint", func() string { return "9930:DE136695976" }), Logo: maybe(t, "logo", func() string { return "/logos/a.png" }),
		TimeZone: maybe(t, "zone", func() string { return "Europe/Berlin" }),
		Payment:  agreement.Payment{Days: rapid.IntRange(0, 365).Draw(t, "days"), IBAN: "DE02120300000000202051", BIC: "BYLADEM1001", Bank: anyText(t, "bank")},
		DueDay:   rapid.IntRange(1, 28).Draw(t, "due"), Approval: anyOf(t, "approval", "none", "required", "four_eyes"),
	}
	s.Address = anyAddress(t, country())
	b := agreement.Buyer{
		ID: "BUY-1", Name: anyText(t, "name"), Country: country(), TaxID: optional(t, "tax id"), RegistrationID: optional(t, "registration"),
		Email: maybe(t, "email", func() string { return "b@buyer.example" }), Reference: optional(t, "reference"), Tax: anyTax(t),
	}
	b.Address = anyAddress(t, country())
	p := agreement.Payer{
		Account: "999900001111", PaymentCurrency: anyOf[currency.Code](t, "pays", "", "EUR"), OwnAccounts: []agreement.AccountID{anyAccount(t)},
		Invoices: anyOf(t, "invoices", "", "api", "/aws/invoices", "s3://bucket.example/invoices"), Reconcile: anyOf(t, "reconcile", "invoices", "none"),
		Tolerance: agreement.Tolerance{PerGroup: anyDecimal(t, 0, 9), Percent: anyDecimal(t, 0, 100), Max: anyDecimal(t, 0, 9)},
	}
	a := agreement.Agreement{
		ID: "AGR-1", Client: optional(t, "client"), Product: anyOf(t, "product", agreement.ProductEssentials, agreement.ProductLegacy),
		Payer: anyAccount(t), ManagementAccount: anyAccount(t),
		Transfer:    agreement.Transfer{ID: optional(t, "transfer"), Accepted: anyTime(t), Start: anyTime(t), End: anyTime(t), Status: optional(t, "status")},
		ServiceTerm: agreement.ServiceTerm{AcceptedAt: anyTime(t), CommitmentEnd: anyDate(t), AWSEnd: anyDate(t)},
		CUR: agreement.Source{
			Location: anyOf(t, "cur", "/cur/a", "s3://bucket.example/a b/c"), Manifest: anyOf(t, "manifest", "required", "none"),
			PayerAccount: anyOf(t, "payer account", "", "*", "999900001111"),
		},
		Tax: anyTax(t), Terms: anyTerms(t),
	}
	if rapid.Bool().Draw(t, "narrowed") {
		a.Billed = agreement.Billed{From: anyMonth(t)}
	}
	if rapid.Bool().Draw(t, "held") {
		a.Hold = &agreement.Hold{From: anyMonth(t), To: anyMonth(t), Reason: anyText(t, "reason")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "adjustments") {
		a.Adjustments = append(a.Adjustments, agreement.Adjustment{
			Month: anyMonth(t), Label: anyText(t, "label"), Amount: anyDecimal(t, -1000, 1000), Reason: optional(t, "reason"), By: optional(t, "by"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "split") {
		a.Split = append(a.Split, agreement.BuyerSplit{From: anyMonth(t), Shares: []agreement.BuyerShare{
			{Buyer: anyText(t, "buyer"), Percent: anyDecimal(t, 0, 100), Accounts: map[agreement.AccountID]currency.Decimal{anyAccount(t): anyDecimal(t, 0, 100)}},
			{Buyer: anyText(t, "buyer"), PurchaseOrder: optional(t, "po"), Percent: anyDecimal(t, 0, 100)},
		}})
	}
	return Book{Sellers: []agreement.Seller{s}, Buyers: []agreement.Buyer{b}, Payers: []agreement.Payer{p}, Agreements: []agreement.Agreement{a}}
}
