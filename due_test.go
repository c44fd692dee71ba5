package arrears

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/book"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/rating"
)

// TestDue asks, day by day, which month is due: domain.md R31 to R37 and vector V36, by what AWS
// states of the transfer. What it says of the status must not matter (I6).
func TestDue(t *testing.T) {
	const (
		before = "not_due before_first_month"
		after  = "not_due after_final_month"
		early  = "not_due not_yet_due"
		due    = "due"
	)
	tests := []struct {
		name       string
		start, end string // of the transfer
		billed     calendar.Window
		month      string
		asOf       string
		want       string
	}{
		// Accepted 2026-02-19: the transfer starts on 1 March, AWS charges March until 1 April, the
		// first invoice comes shortly after.
		{"R32 the month of acceptance is the customer's own", "2026-03-01", "", calendar.Window{}, "2026-02", "2026-03-08", before},
		{"R33 the first month is not billed while it runs", "2026-03-01", "", calendar.Window{}, "2026-03", "2026-03-31", early},
		{"R33 nor before AWS's support charges are there", "2026-03-01", "", calendar.Window{}, "2026-03", "2026-04-07", early},
		{"R33 first invoice in April", "2026-03-01", "", calendar.Window{}, "2026-03", "2026-04-08", due},
		{"R31 accepted 2026-02-01: first invoice in April too", "2026-03-01", "", calendar.Window{}, "2026-03", "2026-04-08", due},
		{"R34 then monthly", "2026-03-01", "", calendar.Window{}, "2026-04", "2026-05-08", due},

		// Removed 2027-05-10: the transfer ends on 31 May.
		{"R36 the month of removal is billed", "2026-03-01", "2027-05-31T23:59:59Z", calendar.Window{}, "2027-05", "2027-06-08", due},
		{"R37 not before June", "2026-03-01", "2027-05-31T23:59:59Z", calendar.Window{}, "2027-05", "2027-05-31", early},
		{"R37 June is not billed", "2026-03-01", "2027-05-31T23:59:59Z", calendar.Window{}, "2027-06", "2027-07-08", after},
		{"AWS ends in milliseconds", "2026-03-01", "2027-05-31T23:59:59.999Z", calendar.Window{}, "2027-05", "2027-06-08", due},

		{"V36 started a month before", "2025-09-01", "", calendar.Window{}, "2025-10", "2025-11-08", due},
		{"V36 starts on the first", "2025-10-01", "", calendar.Window{}, "2025-10", "2025-11-08", due},
		{"V36 starts a month later", "2025-11-01", "", calendar.Window{}, "2025-10", "2025-11-08", before},

		{"a successor on the same transfer", "2026-03-01", "", calendar.Window{From: calendar.MustMonth("2026-06")}, "2026-05", "2026-06-08", before},
		{"and its predecessor", "2026-03-01", "", calendar.Window{To: calendar.MustMonth("2026-05")}, "2026-06", "2026-07-08", after},
		{"no transfer yet", "", "", calendar.Window{}, "2026-03", "2026-04-08", before},
	}
	b, errs := book.Parse("book.yaml", []byte(scenarioBook))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, tt := range tests {
		for _, status := range []string{"", "REQUESTED", "ACCEPTED", "DECLINED", "CANCELED", "EXPIRED", "WITHDRAWN"} {
			t.Run(tt.name+" "+status, func(t *testing.T) {
				a := b.Agreements[0]
				a.Transfer = agreement.Transfer{Start: instant(t, tt.start), End: instant(t, tt.end), Status: status}
				a.Billed = tt.billed
				a.Terms[0].From = calendar.MustMonth("2025-01")
				v := &view{month: calendar.MustMonth(tt.month), dir: &directory{book: b}}
				var as assessment
				got := due
				if _, decided := (&Engine{AsOf: instant(t, tt.asOf)}).before(v, &a, &as); decided {
					got = as.outcome.Status + " " + as.outcome.Reasons[0].Code
				}
				if got != tt.want {
					t.Errorf("%s as of %s is %q, want %q", tt.month, tt.asOf, got, tt.want)
				}
			})
		}
	}
}

// instant reads a day, which is its midnight, or an instant; the empty text is none.
func instant(t *testing.T, s string) time.Time {
	t.Helper()
	if s == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, s); err == nil {
			return at
		}
	}
	t.Fatalf("not a time: %q", s)
	return time.Time{}
}

// TestVectorsAreCovered: every vector has a scenario, or a line that says where it is.
func TestVectorsAreCovered(t *testing.T) {
	files, err := os.ReadDir("testdata/scenarios")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	vector := regexp.MustCompile(`\b[VC][0-9]+\b`)
	for _, f := range files {
		text, err := os.ReadFile("testdata/scenarios/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		comment, _, _ := strings.Cut(string(text), "\n-- ")
		if f.Name() == "README.md" {
			_, comment, _ = strings.Cut(string(text), "| vector | where |")
		}
		for _, v := range vector.FindAllString(comment, -1) {
			found[v] = true
		}
	}
	for kind, last := range map[string]int{"V": 38, "C": 16} {
		for n := 1; n <= last; n++ {
			if v := kind + strconv.Itoa(n); !found[v] {
				t.Errorf("no scenario of vector %s", v)
			}
		}
	}
}

// A memo belongs to the agreement that had the organisation in the month of the invoice that it
// corrects.
func TestFormer(t *testing.T) {
	b, errs := book.Parse("book.yaml", []byte(scenarioBook))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	before, now := b.Agreements[0], b.Agreements[0]
	before.ID, before.Billed = "AGR-0000", calendar.Window{To: calendar.MustMonth("2026-02")}
	now.Billed = calendar.Window{From: calendar.MustMonth("2026-03")}
	b.Agreements = []agreement.Agreement{before, now}
	v := &view{month: march, dir: &directory{book: b}, bills: map[agreement.AccountID]payerBills{
		now.Payer: {months: map[string]calendar.Month{"FEB": calendar.MustMonth("2026-02"), "MAR": march}},
	}}
	for _, tt := range []struct {
		name     string
		kind     string
		original string
		want     string
		unplaced string
	}{
		{"of a month of the agreement before", ingest.BillCreditMemo, "FEB", "AGR-0000", ""},
		{"of its own month", ingest.BillCreditMemo, "MAR", "", ""},
		{"of an invoice that AWS does not list any more", ingest.BillCreditMemo, "OLD", "", "AGR-0000"},
		{"without an original", ingest.BillCreditMemo, "", "", ""},
		{"no memo", ingest.BillInvoice, "FEB", "", ""},
	} {
		if got := v.unplaced(&now, ingest.Bill{ID: "CM1", Type: tt.kind, Original: tt.original}); got != tt.unplaced {
			t.Errorf("%s: unplaced %q, want %q", tt.name, got, tt.unplaced)
		}
		if got := v.former(&now, ingest.Bill{ID: "CM1", Type: tt.kind, Original: tt.original}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := v.former(&before, ingest.Bill{ID: "CM1", Type: ingest.BillCreditMemo, Original: "FEB"}); got != "" {
		t.Errorf("the agreement before itself: %q", got)
	}
	if got := v.unplaced(&before, ingest.Bill{ID: "CM1", Type: ingest.BillCreditMemo, Original: "OLD"}); got != "" {
		t.Errorf("the agreement before itself: unplaced %q", got)
	}
}

// An invoice of long ago, which a memo of the month corrects, is looked for back to the first month
// that the agreement before had the organisation, and no further.
func TestFormerOfLongAgo(t *testing.T) {
	b, errs := book.Parse("book.yaml", []byte(scenarioBook))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	before, now := b.Agreements[0], b.Agreements[0]
	before.ID, before.Billed = "AGR-0000", calendar.Window{From: march, To: calendar.MustMonth("2026-04")}
	now.Billed = calendar.Window{From: calendar.MustMonth("2026-05")}
	b.Agreements = []agreement.Agreement{before, now}
	payer := agreement.Payer{Account: now.Payer, Invoices: t.TempDir()}
	list := func(month, id, kind, original string) {
		t.Helper()
		m := calendar.MustMonth(month)
		text := fmt.Sprintf(`[{"AccountId": %q, "InvoiceId": %q, "InvoiceType": %q, "BillType": "ANNIVERSARY", "OriginalInvoiceId": %q,
			"IssuedDate": "2026-09-03T00:00:00Z", "BillingPeriod": {"Month": %d, "Year": 2026}, "Entity": {"BillingEntity": "AWS"},
			"BaseCurrencyAmount": {"CurrencyCode": "USD", "TotalAmount": "1.00", "TotalAmountBeforeTax": "1.00"}}]`,
			payer.Account, id, kind, original, int(m.First().Time().Month()))
		if err := os.WriteFile(filepath.Join(payer.Invoices, month+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list("2026-02", "FEB", ingest.BillInvoice, "")
	list("2026-03", "MAR", ingest.BillInvoice, "")
	for original, want := range map[string]string{"MAR": "AGR-0000", "FEB": ""} {
		list("2026-08", "CM1", ingest.BillCreditMemo, original)
		v := &view{month: calendar.MustMonth("2026-08"), dir: &directory{book: b}}
		e := &Engine{}
		bills := e.bills(t.Context(), payer, v.month, v.dir.handedOver(payer.Account))
		if bills.err != nil || len(bills.month) != 1 {
			t.Fatalf("%+v", bills)
		}
		v.bills = map[agreement.AccountID]payerBills{payer.Account: bills}
		if got := v.former(&now, bills.month[0]); got != want {
			t.Errorf("a memo of %s: %q, want %q", original, got, want)
		}
	}
}

// What AWS's invoices and the rows that have one come to is compared, whatever became of the rows:
// those without an invoice are left out, those of another agreement's month are not.
func TestAWSDifference(t *testing.T) {
	b, errs := book.Parse("book.yaml", []byte(scenarioBook))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	a := &b.Agreements[0]
	amount := currency.MustParse
	charge := func(kind, invoice, cost string) ingest.Charge {
		return ingest.Charge{Key: ingest.Key{Payer: string(a.ManagementAccount), Type: kind, Invoice: invoice, Currency: "USD"}, Unblended: amount(cost), Rows: 1, NonZero: 1}
	}
	set := ingest.ChargeSet{Rows: 4, Charges: []ingest.Charge{
		charge("Usage", "INV1", "100"), charge("Tax", "INV1", "19"),
		charge("Refund", "CM1", "-10"), // gives back a month of the agreement before
		charge("Refund", "", "-5"),     // AWS has not invoiced it yet
	}}
	r := &run{Engine: &Engine{}, view: &view{month: march, dir: &directory{book: b}}, chosen: []*agreement.Agreement{a}}
	l := newLedger()
	r.addDelivery(l, &delivery{summary: summary{Organisations: summarise(set)}}, []int{0}, []AgreementRow{{Status: Drafted, Source: &SourceRow{
		Currency: "USD", Dispositions: map[rating.Disposition]currency.Decimal{
			rating.Billed: amount("100"), rating.Tax: amount("19"), rating.Deferred: amount("-15"),
		},
	}}}, nil)
	total := l.total(a.Payer, "USD")
	total.AWS = amount("90") // INV1 and CM1 before tax
	total.Close()
	if !total.Difference.IsZero() || !total.AWSDifference.IsZero() || !total.CUR.Equal(amount("104")) {
		t.Errorf("rows %s, difference %s, difference to AWS's invoices %s; want 104, 0, 0", total.CUR, total.Difference, total.AWSDifference)
	}
}

// An organisation that the exports of two agreements hold is counted once, where an agreement reads
// it from, and the double is named: whichever comes first.
func TestControlTotalsCountOnce(t *testing.T) {
	b, errs := book.Parse("book.yaml", []byte(scenarioBook))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	first := &b.Agreements[0]
	other := *first
	other.ID, other.ManagementAccount, other.CUR.Location = "AGR-0002", "444455556666", "aws/AGR-0002"
	b.Agreements = append(b.Agreements, other)
	amount := currency.MustParse
	delivered := func(location string, costs ...string) *delivery {
		var charges []ingest.Charge
		for i, cost := range costs {
			payer := []string{"111122223333", "444455556666", "777788889999"}[i]
			if cost != "" {
				charges = append(charges, ingest.Charge{Key: ingest.Key{Payer: payer, Type: "Usage", Invoice: "INV", Currency: "USD"}, Unblended: amount(cost), Rows: 1, NonZero: 1})
			}
		}
		return &delivery{source: agreement.Source{Location: location}, summary: summary{Organisations: summarise(ingest.ChargeSet{Charges: charges})}}
	}
	row := func(cost string) AgreementRow {
		return AgreementRow{Status: Drafted, Source: &SourceRow{Currency: "USD", Unblended: amount(cost), Dispositions: map[rating.Disposition]currency.Decimal{rating.Billed: amount(cost)}}}
	}
	for _, turned := range []bool{false, true} {
		r := &run{Engine: &Engine{}, RunOptions: RunOptions{Month: march}, view: &view{month: march, dir: &directory{book: b}}, chosen: []*agreement.Agreement{&b.Agreements[0], &b.Agreements[1]}}
		rows := []AgreementRow{row("100"), row("50")}
		// AGR-0001's export holds its own organisation, one of nobody, and AGR-0002's; AGR-0002's holds both, and the same of nobody.
		r.deliveries = []*delivery{delivered("aws/AGR-0001", "100", "50", "7"), delivered("aws/AGR-0002", "100", "50", "7")}
		if turned {
			r.chosen[0], r.chosen[1] = r.chosen[1], r.chosen[0]
			rows[0], rows[1] = rows[1], rows[0]
			r.deliveries[0], r.deliveries[1] = r.deliveries[1], r.deliveries[0]
		}
		totals, unclaimed, doubles := r.controlTotals(rows)
		if len(totals) != 1 || !totals[0].CUR.Equal(amount("157")) || !totals[0].Billed.Equal(amount("150")) || !totals[0].Waiting.IsZero() ||
			!totals[0].Unclaimed.Equal(amount("7")) || !totals[0].Difference.IsZero() {
			t.Errorf("turned %t: totals %+v", turned, totals)
		}
		if len(unclaimed) != 1 || !unclaimed[0].Unblended.Equal(amount("7")) {
			t.Errorf("turned %t: unclaimed %+v", turned, unclaimed)
		}
		var got []string
		for _, d := range doubles {
			got = append(got, d.ManagementAccount+" "+d.Counted+" "+d.Also+" "+d.Unblended.String())
		}
		want := []string{"111122223333 aws/AGR-0001 aws/AGR-0002 100", "444455556666 aws/AGR-0002 aws/AGR-0001 50", "777788889999 aws/AGR-0001 aws/AGR-0002 7"}
		if turned {
			want[2] = "777788889999 aws/AGR-0002 aws/AGR-0001 7"
		}
		if !slices.Equal(got, want) {
			t.Errorf("turned %t: doubles %q, want %q", turned, got, want)
		}
	}
}
