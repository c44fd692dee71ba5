package reconcile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/rating"
)

func dec(s string) currency.Decimal { return currency.MustParse(s) }

var tolerance = agreement.Tolerance{PerGroup: dec("0.01"), Percent: dec("0.001"), Max: dec("5")}

// bill is an AWS invoice in USD: before tax, tax, and the discounts of its breakdown.
func bill(id, kind, before, tax string, discounts ...ingest.BillDiscount) ingest.Bill {
	b := ingest.Bill{ID: id, Type: kind, BillType: ingest.BillTypeAnniversary, BillingEntity: ingest.EntityAWS}
	b.Base = ingest.BillAmount{Currency: "USD", BeforeTax: dec(before), Total: dec(before).Add(dec(tax)), Discounts: discounts}
	return b
}

func spp(amount string) ingest.BillDiscount {
	return ingest.BillDiscount{Description: "Discount (AWS SPP Discount)", Amount: dec(amount)}
}

// rows are what the rows of an AWS invoice sum to.
func rows(id string, groups int, before, tax, partner string) rating.InvoiceSum {
	return rating.InvoiceSum{Invoice: id, Currency: "USD", Groups: groups, BeforeTax: dec(before), Tax: dec(tax), Partner: dec(partner)}
}

// show is a result in a line: proven or not, each comparison, then what waits, blocks and warns.
func show(r Result) string {
	var parts []string
	if r.Proven {
		parts = append(parts, "proven")
	}
	for _, l := range r.Lines {
		verdict := "differs"
		if l.OK {
			verdict = "ok"
		}
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %s-%s=%s within %s %s %s", l.AWSInvoice,
			currency.Plain(l.Rows), currency.Plain(l.Invoice), currency.Plain(l.Difference), currency.Plain(l.Tolerance), verdict, l.Note)))
	}
	for _, list := range []struct {
		name    string
		reasons []agreement.Reason
	}{{"waiting", r.Waiting}, {"blocked", r.Blocks}, {"warning", r.Warnings}} {
		for _, reason := range list.reasons {
			parts = append(parts, list.name+" "+reason.Code+" "+reason.AWSInvoice)
		}
	}
	return strings.Join(parts, "; ")
}

func TestInvoices(t *testing.T) {
	invoice, memo := ingest.BillInvoice, ingest.BillCreditMemo
	tests := []struct {
		name  string
		sums  []rating.InvoiceSum
		bills []ingest.Bill
		loose bool // the payer says reconcile: none
		want  string
	}{
		{"the same", []rating.InvoiceSum{rows("A", 1, "100", "19", "0")}, []ingest.Bill{bill("A", invoice, "100", "19")}, false,
			"proven; A 100-100=0 within 0.01 ok"},
		{"off by all that is allowed", []rating.InvoiceSum{rows("A", 3, "100.03", "0", "0")}, []ingest.Bill{bill("A", invoice, "100", "0")}, false,
			"proven; A 100.03-100=0.03 within 0.03 ok"},
		{"off by more, below", []rating.InvoiceSum{rows("A", 3, "99.9699", "0", "0")}, []ingest.Bill{bill("A", invoice, "100", "0")}, false,
			"A 99.9699-100=-0.0301 within 0.03 differs; blocked not_reconciled A"},
		{"a share of a large invoice is allowed, of a negative one too", []rating.InvoiceSum{rows("A", 1, "-200001.9", "0", "0")}, []ingest.Bill{bill("A", memo, "-200000", "0")}, false,
			"proven; A -200001.9--200000=-1.9 within 2 ok"},
		{"at most five dollars", []rating.InvoiceSum{rows("A", 1, "1000005.01", "0", "0")}, []ingest.Bill{bill("A", invoice, "1000000", "0")}, false,
			"A 1000005.01-1000000=5.01 within 5 differs; blocked not_reconciled A"},
		{"a memo states amounts without sign: its rows and its tax are negative", []rating.InvoiceSum{rows("A", 1, "-50", "-9.5", "0")}, []ingest.Bill{bill("A", memo, "50", "9.5")}, false,
			"proven; A -50--50=0 within 0.01 ok"},
		{"a memo whose tax rows are positive", []rating.InvoiceSum{rows("A", 1, "-50", "9.5", "0")}, []ingest.Bill{bill("A", memo, "50", "9.5")}, false,
			"proven; A -50--50=0 within 0.01 ok; warning tax_not_reconciled A"},
		{"tax off by what is allowed, and by more", []rating.InvoiceSum{rows("A", 1, "100", "19.01", "0"), rows("B", 1, "100", "18.98", "0")},
			[]ingest.Bill{bill("A", invoice, "100", "19"), bill("B", invoice, "100", "19")}, false,
			"proven; A 100-100=0 within 0.01 ok; B 100-100=0 within 0.01 ok; warning tax_not_reconciled B"},

		{"an invoice without rows", nil, []ingest.Bill{bill("A", invoice, "100", "0")}, false,
			"A 0-100=-100 within 0 differs; blocked not_reconciled A"},
		{"an invoice of 0 without rows", nil, []ingest.Bill{bill("A", invoice, "0", "0")}, false, "proven; A 0-0=0 within 0 ok"},
		{"a memo without rows is pending", nil, []ingest.Bill{bill("A", memo, "5", "0")}, false, "proven; A 0--5=5 within 0 ok pending"},
		{"a memo of 0 is not", nil, []ingest.Bill{bill("A", memo, "0", "0")}, false, "proven; A 0-0=0 within 0 ok"},

		{"rows of an invoice that is not listed wait", []rating.InvoiceSum{rows("A", 1, "10", "0", "0")}, nil, false,
			"A 10-0=10 within 0 differs not listed; waiting invoices_missing A"},
		{"rows of 0 do not", []rating.InvoiceSum{rows("A", 0, "0", "0", "0")}, nil, false, "proven; A 0-0=0 within 0 ok not listed"},
		{"rows that cancel out do", []rating.InvoiceSum{rows("A", 1, "0", "0", "0")}, nil, false,
			"A 0-0=0 within 0 differs not listed; waiting invoices_missing A"},
		{"discounts inside rows of 0 do", []rating.InvoiceSum{rows("A", 0, "-3", "0", "0")}, nil, false,
			"A -3-0=-3 within 0 differs not listed; waiting invoices_missing A"},
		{"tax alone does", []rating.InvoiceSum{rows("A", 0, "0", "1.9", "0")}, nil, false,
			"A 0-0=0 within 0 differs not listed; waiting invoices_missing A"},

		{"the breakdown's discounts are added up, signs are nobody's business", []rating.InvoiceSum{rows("A", 2, "90", "0", "-10")},
			[]ingest.Bill{bill("A", invoice, "90", "0", spp("4"), spp("6"))}, false, "proven; A 90-90=0 within 0.02 ok"},
		{"a discount off by what is allowed", []rating.InvoiceSum{rows("A", 2, "90", "0", "-10")}, []ingest.Bill{bill("A", invoice, "90", "0", spp("-10.02"))}, false,
			"proven; A 90-90=0 within 0.02 ok"},
		{"smaller in the rows than on the invoice", []rating.InvoiceSum{rows("A", 2, "90", "0", "-10")}, []ingest.Bill{bill("A", invoice, "90", "0", spp("-10.03"))}, false,
			"A 90-90=0 within 0.02 ok; blocked partner_discount_differs A"},
		{"on the invoice and not in the rows", []rating.InvoiceSum{rows("A", 1, "90", "0", "0")}, []ingest.Bill{bill("A", invoice, "90", "0", spp("-10"))}, false,
			"A 90-90=0 within 0.01 ok; blocked partner_discount_differs A"},
		{"in the rows and no breakdown", []rating.InvoiceSum{rows("A", 1, "90", "0", "-10")}, []ingest.Bill{bill("A", invoice, "90", "0")}, false,
			"proven; A 90-90=0 within 0.01 ok; warning partner_discount_unproven A"},
		{"a breakdown of 0 and no rows", []rating.InvoiceSum{rows("A", 1, "90", "0", "0")}, []ingest.Bill{bill("A", invoice, "90", "0", spp("0"))}, false,
			"proven; A 90-90=0 within 0.01 ok"},

		{"nothing blocks where the payer says so, and nothing is proven", []rating.InvoiceSum{rows("A", 1, "90", "0", "-10"), rows("B", 1, "1", "0", "0"), rows("C", 1, "5", "0", "0")},
			[]ingest.Bill{bill("A", invoice, "90", "0", spp("-11")), bill("B", invoice, "2", "0")}, true,
			"A 90-90=0 within 0.01 ok; B 1-2=-1 within 0.01 differs; C 5-0=5 within 0 ok not listed; warning not_reconciled A; warning not_reconciled B"},
		{"receipts are information", nil, []ingest.Bill{bill("A", "PAYMENT_RECEIPT", "90", "0")}, false, "proven"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Invoices(Input{Sums: tt.sums, Bills: tt.bills, Tolerance: tolerance, Strict: !tt.loose})
			if diff := cmp.Diff(tt.want, show(r)); diff != "" {
				t.Errorf("mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// TestInTwoCurrencies: the same number is not the same amount.
func TestInTwoCurrencies(t *testing.T) {
	sum := rows("A", 1, "100", "0", "0")
	sum.Currency = "EUR"
	r := Invoices(Input{Sums: []rating.InvoiceSum{sum}, Bills: []ingest.Bill{bill("A", ingest.BillInvoice, "100", "0")}, Tolerance: tolerance, Strict: true})
	if want := "A 100-100=0 within 0.01 differs; blocked not_reconciled A"; show(r) != want {
		t.Errorf("got %s, want %s", show(r), want)
	}
}

// TestMemoOfAnotherMonth: rows of a memo may come with another month's delivery than its figures.
func TestMemoOfAnotherMonth(t *testing.T) {
	r := Invoices(Input{
		Sums: []rating.InvoiceSum{rows("M", 1, "-5", "0", "0")}, Memos: []ingest.Bill{bill("M", ingest.BillCreditMemo, "5", "0"), bill("N", ingest.BillCreditMemo, "7", "0")},
		Tolerance: tolerance, Strict: true,
	})
	if want := "proven; M -5--5=0 within 0.01 ok"; show(r) != want {
		t.Errorf("got %s, want %s", show(r), want)
	}
}

// TestTotals: whatever the parts are, Difference is what CUR has more than all of them, and each
// part counts once.
func TestTotals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cents := func(name string) currency.Decimal {
			return currency.Decimal{}.Add(dec(fmt.Sprintf("%d", rapid.IntRange(-1000, 1000).Draw(t, name)))).Mul(dec("0.01"))
		}
		tot := Totals{Waiting: cents("waiting"), Own: cents("own"), Unclaimed: cents("unclaimed"), TaxRows: cents("tax rows"), Uninvoiced: cents("uninvoiced"), AWS: cents("aws")}
		sum := tot.Waiting.Add(tot.Own).Add(tot.Unclaimed)
		for range 2 {
			sums := map[rating.Disposition]currency.Decimal{}
			for _, d := range rating.Dispositions {
				sums[d] = cents(string(d))
				sum = sum.Add(sums[d])
			}
			tot.Add(sums)
		}
		extra := cents("extra")
		tot.CUR = sum.Add(extra)
		tot.Close()
		if !tot.Difference.Equal(extra) {
			t.Fatalf("difference %s, want %s", tot.Difference, extra)
		}
		if want := tot.CUR.Sub(tot.TaxRows).Sub(tot.Uninvoiced).Sub(tot.AWS); !tot.AWSDifference.Equal(want) {
			t.Fatalf("AWS's difference %s, want %s", tot.AWSDifference, want)
		}
	})
	var tot Totals
	tot.Add(map[rating.Disposition]currency.Decimal{
		rating.Billed: dec("1"), rating.PassedOn: dec("0.5"), rating.Retained: dec("2"), rating.Tax: dec("3"), rating.Offset: dec("4"),
		rating.Replaced: dec("5"), rating.Deferred: dec("6"), rating.Quarantined: dec("7"),
	})
	got := fmt.Sprint(tot.Billed, tot.Retained, tot.Tax, tot.Offset, tot.Replaced, tot.Deferred, tot.Quarantined)
	if want := "1.5 2 3 4 5 6 7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
