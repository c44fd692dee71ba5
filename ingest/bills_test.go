package ingest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// bill is a summary with all that AWS tells; tests replace parts of its text.
const bill = `{
  "AccountId": "999900001111", "InvoiceId": "EUINDE26-1001", "InvoiceType": "INVOICE", "BillType": "ANNIVERSARY",
  "InvoiceFrequency": "RECURRING", "BillingPeriod": {"Month": 3, "Year": 2026},
  "IssuedDate": "2026-04-03T00:00:00+00:00", "DueDate": 1777766400.0,
  "Entity": {"InvoicingEntity": "Amazon Web Services EMEA SARL", "BillingEntity": "AWS"},
  "BillSourceAccounts": ["111122223333"], "BillSourceAccountsTotalCount": 1, "ReceiverRole": "BUYER",
  "BaseCurrencyAmount": {"CurrencyCode": "USD", "TotalAmount": "119.00", "TotalAmountBeforeTax": "100.00",
    "AmountBreakdown": {"SubTotalAmount": "107.00",
      "Discounts": {"TotalAmount": "-7.00", "Breakdown": [{"Description": "Discount (AWS SPP Discount)", "Amount": "-7.00", "Rate": ""}]},
      "Taxes": {"TotalAmount": "19.00", "Breakdown": []}}},
  "PaymentCurrencyAmount": {"CurrencyCode": "EUR", "TotalAmount": "109.48", "TotalAmountBeforeTax": "92.00",
    "CurrencyExchangeDetails": {"SourceCurrencyCode": "USD", "TargetCurrencyCode": "EUR", "Rate": "0.9200000000"}}
}`

func page(bills ...string) string {
	return `{"InvoiceSummaries": [` + strings.Join(bills, ",\n") + `]}`
}

func TestParseBills(t *testing.T) {
	march := calendar.MustMonth("2026-03")
	want := Bill{
		ID: "EUINDE26-1001", Account: "999900001111", Type: BillInvoice, BillType: BillTypeAnniversary,
		BillingEntity: EntityAWS, InvoicingEntity: "Amazon Web Services EMEA SARL",
		Month: march, Issued: calendar.MustDate("2026-04-03"), Sources: []string{"111122223333"}, HasSources: true,
		Base: BillAmount{
			Currency: "USD", Total: currency.MustParse("119.00"), BeforeTax: currency.MustParse("100.00"),
			Discounts: []BillDiscount{{"Discount (AWS SPP Discount)", currency.MustParse("-7.00")}},
		},
		Payment: BillAmount{
			Currency: "EUR", Total: currency.MustParse("109.48"), BeforeTax: currency.MustParse("92.00"),
			Exchange: &currency.Rate{
				From: "USD", To: "EUR", Value: currency.MustParse("0.92"), Source: "aws_invoice",
				Date: calendar.MustDate("2026-04-03"), AWSInvoice: "EUINDE26-1001",
			},
		},
	}
	change := func(from, to string) string {
		if !strings.Contains(bill, from) {
			t.Fatalf("no %s in the bill", from)
		}
		return strings.Replace(bill, from, to, 1)
	}
	with := func(f func(*Bill)) []Bill {
		b := want
		f(&b)
		return []Bill{b}
	}
	for _, tt := range []struct {
		name, text string
		want       []Bill
	}{
		{"a page", page(bill), []Bill{want}},
		{"no bill", page(), nil},
		{"a bare list", "[" + bill + "]", []Bill{want}},
		{"an empty list", "[]", nil},
		{"a bare summary", bill, []Bill{want}},
		{"pages one after the other", page(bill) + "\n" + page() + page(change("1001", "1000")), []Bill{
			with(func(b *Bill) {
				b.ID = "EUINDE26-1000"
				x := *b.Payment.Exchange
				x.AWSInvoice = b.ID
				b.Payment.Exchange = &x
			})[0], want,
		}},
		{"pages in a list", `[{"InvoiceSummaries": [` + bill + `], "NextToken": "n"}, ` + page() + `]`, []Bill{want}},
		{"the same bill twice", page(bill, bill), []Bill{want}},
		{"issued in seconds since 1970", page(change(`"2026-04-03T00:00:00+00:00"`, "1775174400")), []Bill{want}},
		{"issued in seconds with exponent", page(change(`"2026-04-03T00:00:00+00:00"`, "1.7751744E9")), []Bill{want}},
		{"issued on a day", page(change(`"2026-04-03T00:00:00+00:00"`, `"2026-04-03"`)), []Bill{want}},
		{"a list of discounts", page(change(`{"TotalAmount": "-7.00", "Breakdown": [{"Description": "Discount (AWS SPP Discount)", "Amount": "-7.00", "Rate": ""}]}`,
			`[{"Description": "Discount (AWS SPP Discount)", "Amount": "-7.00"}]`)), []Bill{want}},
		{"Marketplace", page(change(`"BillingEntity": "AWS"`, `"BillingEntity": "AWS_MARKETPLACE"`)), with(func(b *Bill) { b.BillingEntity = EntityMarketplace })},
		{"no source accounts: the payer's own", page(change(`["111122223333"]`, "[]")), with(func(b *Bill) { b.Sources = []string{} })},
		{"source accounts absent", page(change(`"BillSourceAccounts": ["111122223333"],`, "")), with(func(b *Bill) { b.Sources, b.HasSources = nil, false })},
		{"source accounts null", page(change(`["111122223333"]`, "null")), with(func(b *Bill) { b.Sources, b.HasSources = nil, false })},
		{"total from the taxes", page(change(`"TotalAmount": "119.00", `, "")), []Bill{want}},
		{"no exchange rate", page(change(`"0.9200000000"`, `""`)), with(func(b *Bill) { b.Payment.Exchange = nil })},
		{"a rate to itself", page(change(`"TargetCurrencyCode": "EUR"`, `"TargetCurrencyCode": "USD"`)), with(func(b *Bill) { b.Payment.Exchange = nil })},
		{"a cancelled invoice is information, whatever it says", page(strings.NewReplacer(`"ANNIVERSARY"`, `"ANNIVERSARY", "TaxAuthorityStatus": "CANCELLED"`, `"Month": 3`, `"Month": 2`).Replace(bill)),
			with(func(b *Bill) { b.TaxAuthorityState = "CANCELLED" })},
		{"a payment receipt without amounts", `[{"InvoiceId": "R-1", "InvoiceType": "PAYMENT_RECEIPT"}]`,
			[]Bill{{ID: "R-1", Type: BillPaymentReceipt, BillingEntity: EntityAWS, Month: march}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseBills("2026-03.json", []byte(tt.text), march)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("bills (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseBillsRefuses(t *testing.T) {
	change := func(from, to string) string {
		if !strings.Contains(bill, from) {
			t.Fatalf("no %s in the bill", from)
		}
		return page(strings.Replace(bill, from, to, 1))
	}
	const id = "2026-03.json: invoice EUINDE26-1001: "
	for _, tt := range []struct{ name, text, want string }{
		{"empty file", " \n", "2026-03.json: empty, want"},
		{"not JSON", page(bill) + "\n\n{", "not JSON"},
		{"the line of what is not JSON", "{\n\n\"InvoiceSummaries\": [}", "2026-03.json: line 3: not JSON"},
		{"other JSON", `{"Invoices": []}`, "neither a page with InvoiceSummaries nor a summary"},
		{"a list of texts", `["a"]`, "want an object"},
		{"pages missing", `{"InvoiceSummaries": [], "NextToken": "n"}`, "pages are missing"},
		{"an amount as number", change(`"TotalAmountBeforeTax": "100.00"`, `"TotalAmountBeforeTax": 100.00`), id + "BaseCurrencyAmount.TotalAmountBeforeTax: want text, not a JSON number"},
		{"a decimal comma", change(`"TotalAmountBeforeTax": "100.00"`, `"TotalAmountBeforeTax": "100,00"`), id + `BaseCurrencyAmount.TotalAmountBeforeTax: not a number: "100,00"`},
		{"no amount before tax", change(`"TotalAmountBeforeTax": "100.00",`, ""), id + "BaseCurrencyAmount.TotalAmountBeforeTax: is missing"},
		{"no base amount", change(`"BaseCurrencyAmount"`, `"Other"`), id + "BaseCurrencyAmount.TotalAmountBeforeTax: is missing"},
		{"a discount that is no number", change(`"Amount": "-7.00"`, `"Amount": ""`), id + `BaseCurrencyAmount.AmountBreakdown.Discounts[0].Amount: not a number: ""`},
		{"a rate of zero", change(`"0.9200000000"`, `"0"`), id + `PaymentCurrencyAmount.CurrencyExchangeDetails.Rate: not a positive rate: "0"`},
		{"a negative rate", change(`"0.9200000000"`, `"-0.92"`), "not a positive rate"},
		{"a rate too fine", change(`"0.9200000000"`, `"0.92000000001"`), "more than 10 decimal places"},
		{"a currency that is none", change(`"CurrencyCode": "USD"`, `"CurrencyCode": "US$"`), id + `BaseCurrencyAmount.CurrencyCode: not an ISO 4217 currency code: "US$"`},
		{"another month", change(`"Month": 3`, `"Month": 4`), id + "BillingPeriod: is 2026-04, but the file is of 2026-03"},
		{"no such month", change(`"Month": 3`, `"Month": 13`), id + "BillingPeriod: not a month"},
		{"no period", change(`"BillingPeriod"`, `"Period"`), id + "BillingPeriod: is missing"},
		{"an unknown type", change(`"INVOICE"`, `"DEBIT_NOTE"`), id + `InvoiceType: is "DEBIT_NOTE", want INVOICE, CREDIT_MEMO, PAYMENT_RECEIPT`},
		{"an unknown bill type", change(`"ANNIVERSARY"`, `"WEEKLY"`), id + `BillType: is "WEEKLY"`},
		{"no bill type", change(`"BillType": "ANNIVERSARY",`, ""), id + "BillType: is missing"},
		{"an unknown billing entity", change(`"BillingEntity": "AWS"`, `"BillingEntity": "AISPL"`), id + `Entity.BillingEntity: is "AISPL"`},
		{"no invoice id", change(`"EUINDE26-1001"`, `""`), "2026-03.json: invoice #1: InvoiceId: is missing"},
		{"no issue date", change(`"IssuedDate"`, `"Date"`), id + "IssuedDate: is missing"},
		{"an issue date that is none", change(`"2026-04-03T00:00:00+00:00"`, `"3 April"`), id + `not a time, want RFC 3339: "3 April"`},
		{"whose invoice", strings.Replace(change(`"AccountId": "999900001111",`, ""), `"BillSourceAccounts": ["111122223333"],`, "", 1), id + "AccountId: is missing"},
		{"twice, differently", page(bill, strings.Replace(bill, `"100.00"`, `"100.01"`, 1)), id + "InvoiceId: stands there twice with different contents"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseBills("2026-03.json", []byte(tt.text), calendar.MustMonth("2026-03"))
			if err == nil {
				t.Fatalf("ParseBills = %+v, want an error", got)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %q in it", err, tt.want)
			}
			var be *BillError
			if !errors.As(err, &be) || be.File != "2026-03.json" {
				t.Errorf("%v: not a *BillError that names the file", err)
			}
		})
	}
}

// All that is wrong is told at once.
func TestParseBillsAllErrors(t *testing.T) {
	text := strings.NewReplacer(`"100.00"`, `"x"`, `"0.9200000000"`, `"0"`).Replace(page(bill, strings.Replace(bill, "1001", "1002", 1)))
	_, err := ParseBills("2026-03.json", []byte(text), calendar.MustMonth("2026-03"))
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("%v\nwant four errors", err)
	}
}

func TestReadBills(t *testing.T) {
	march := calendar.MustMonth("2026-03")
	dir := tree(t, map[string]string{"2026-03.json": page(bill), "2026-02.json": "{", "old/2026-04.json": page(bill)})
	got, err := ReadBills(t.Context(), Folder(dir), march)
	if err != nil || len(got) != 1 {
		t.Errorf("ReadBills = %+v, %v", got, err)
	}
	if _, err := ReadBills(t.Context(), Folder(dir), march.Add(1)); !errors.Is(err, ErrNoBills) {
		t.Errorf("ReadBills of a month without a file: %v, want ErrNoBills", err)
	}
	if _, err := ReadBills(t.Context(), Folder(dir), march.Add(-1)); err == nil || errors.Is(err, ErrNoBills) || !strings.Contains(err.Error(), dir) {
		t.Errorf("ReadBills of a broken file: %v, want an error that names %s", err, dir)
	}
}

// Whatever the file says, bills have an id, the month and positive rates, and read the same again.
func FuzzBills(f *testing.F) {
	f.Add([]byte(page(bill)))
	f.Add([]byte(page(bill, bill) + page()))
	f.Add([]byte(`[{"InvoiceId": "R-1", "InvoiceType": "PAYMENT_RECEIPT", "IssuedDate": 1.7e9}]`))
	f.Add([]byte(`{"InvoiceSummaries": [{"InvoiceId": 1}], "NextToken": ""}`))
	march := calendar.MustMonth("2026-03")
	f.Fuzz(func(t *testing.T, b []byte) {
		bills, err := ParseBills("f", b, march)
		if err != nil {
			return
		}
		for i, x := range bills {
			if x.ID == "" || x.Month != march || i > 0 && bills[i-1].ID >= x.ID {
				t.Errorf("%q gives %+v", b, x)
			}
			for _, a := range []BillAmount{x.Base, x.Payment} {
				if a.Exchange != nil && (a.Exchange.Value.Sign() <= 0 || !a.Exchange.From.Known() || !a.Exchange.To.Known()) {
					t.Errorf("%q gives the rate %+v", b, a.Exchange)
				}
			}
		}
		again, err := ParseBills("f", b, march)
		if err != nil || !slices.EqualFunc(bills, again, sameBill) {
			t.Errorf("the second time %+v, %v, want %+v", again, err, bills)
		}
	})
}
