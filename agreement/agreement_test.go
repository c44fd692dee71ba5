package agreement

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/calendar"
)

func month(s string) calendar.Month {
	if s == "" {
		return calendar.Month{}
	}
	return calendar.MustMonth(s)
}

func TestAccountID(t *testing.T) {
	for id, want := range map[AccountID]bool{
		"111122223333": true, "000000000001": true,
		"": false, "11112222333": false, "1111222233334": false, "1111-2222-33": false, "11112222333a": false, "１１１１": false,
	} {
		if got := id.Valid(); got != want {
			t.Errorf("AccountID(%q).Valid() = %t, want %t", id, got, want)
		}
	}
}

// R33 and R37: accepted 2026-02-19, removed 2027-05-10, whatever AWS calls the transfer today (I6).
func TestWindow(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	end := time.Date(2027, 5, 31, 23, 59, 59, 999_000_000, time.UTC)
	tests := []struct {
		name           string
		start, end     time.Time
		billed         [2]string
		from, to       string
		ok             bool
		withoutMonths  string
		withLastMonths string
	}{
		{"open", start, time.Time{}, [2]string{}, "2026-03", "", true, "2026-02", "2040-01"},
		{"ended", start, end, [2]string{}, "2026-03", "2027-05", true, "2027-06", "2027-05"},
		{"cut at both ends", start, end, [2]string{"2026-06", "2026-08"}, "2026-06", "2026-08", true, "2026-09", "2026-08"},
		{"billed months cannot widen it", start, end, [2]string{"2025-01", "2030-01"}, "2026-03", "2027-05", true, "2026-02", "2027-05"},
		{"billed months outside", start, end, [2]string{"2027-06", ""}, "", "", false, "2027-06", ""},
		{"no transfer yet", time.Time{}, time.Time{}, [2]string{"2026-03", ""}, "", "", false, "2026-03", ""},
	}
	for _, tt := range tests {
		for _, status := range []string{"", "REQUESTED", "ACCEPTED", "WITHDRAWN", "EXPIRED"} {
			a := Agreement{
				Transfer: Transfer{Accepted: start.AddDate(0, 0, -10), Start: tt.start, End: tt.end, Status: status},
				Billed:   Billed{From: month(tt.billed[0]), To: month(tt.billed[1])},
			}
			w, ok := a.Window()
			if ok != tt.ok {
				t.Errorf("%s, %s: window %v, %t; want %t", tt.name, status, w, ok, tt.ok)
				continue
			}
			if !ok {
				continue
			}
			if w.From != month(tt.from) || w.To != month(tt.to) {
				t.Errorf("%s, %s: window %s to %s, want %s to %s", tt.name, status, w.From, w.To, tt.from, tt.to)
			}
			if w.Contains(month(tt.withoutMonths)) || !w.Contains(month(tt.withLastMonths)) {
				t.Errorf("%s, %s: window %v has %s or lacks %s", tt.name, status, w, tt.withoutMonths, tt.withLastMonths)
			}
		}
	}
}

func TestTermsAt(t *testing.T) {
	a := Agreement{Terms: []Terms{{From: month("2026-03"), PurchaseOrder: "1"}, {From: month("2026-06"), PurchaseOrder: "2"}, {From: month("2026-07"), PurchaseOrder: "3"}}}
	for m, want := range map[string]string{"2026-02": "", "2026-03": "1", "2026-05": "1", "2026-06": "2", "2026-07": "3", "2031-01": "3"} {
		terms, ok := a.TermsAt(month(m))
		if terms.PurchaseOrder != want || ok != (want != "") {
			t.Errorf("TermsAt(%s) = terms %q, %t; want %q", m, terms.PurchaseOrder, ok, want)
		}
	}
	if _, ok := (&Agreement{}).TermsAt(month("2026-03")); ok {
		t.Error("an agreement without terms has terms")
	}
}

// Later terms never change an earlier month (I11): each month has the terms it had before they
// were added.
func TestTermsAtIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a Agreement
		from := month("2026-01")
		for range rapid.IntRange(1, 6).Draw(t, "terms") {
			a.Terms = append(a.Terms, Terms{From: from})
			from = from.Add(rapid.IntRange(1, 5).Draw(t, "months"))
		}
		b := a
		b.Terms = append(append([]Terms{}, a.Terms...), Terms{From: from, Support: PartnerLed})
		for m := month("2025-12"); m.Before(from.Add(5)); m = m.Add(1) {
			before, okA := a.TermsAt(m)
			after, okB := b.TermsAt(m)
			switch {
			case m.Before(from) && (okA != okB || before.From != after.From):
				t.Fatalf("%s: terms from %s, were from %s", m, after.From, before.From)
			case !m.Before(from) && after.Support != PartnerLed:
				t.Fatalf("%s: terms from %s, want the new ones from %s", m, after.From, from)
			case okB && after.From.After(m):
				t.Fatalf("%s has terms from %s", m, after.From)
			}
		}
	})
}

// Discounts begin with the first month whose end is not before the acceptance (design 5).
func TestTermDiscounts(t *testing.T) {
	tests := []struct {
		accepted, month string
		want            bool
	}{
		{"", "2026-03", false},
		{"2026-02-20T09:00:00Z", "2026-02", true},
		{"2026-02-20T09:00:00Z", "2026-01", false},
		{"2026-02-20T09:00:00Z", "2031-12", true},
		{"2026-03-01T00:00:00Z", "2026-03", true},
		{"2026-03-01T00:00:00Z", "2026-02", false},
		{"2026-02-28T23:59:59Z", "2026-02", true},
		{"2026-03-31T23:59:59.999Z", "2026-03", true},
		{"2026-04-01T00:00:00+01:00", "2026-03", true}, // still March in UTC
	}
	for _, tt := range tests {
		var a Agreement
		if tt.accepted != "" {
			at, err := time.Parse(time.RFC3339Nano, tt.accepted)
			if err != nil {
				t.Fatal(err)
			}
			a.ServiceTerm.AcceptedAt = at
		}
		// The end of the term does not end the discounts.
		a.ServiceTerm.AWSEnd = calendar.MustDate("2027-02-19")
		if got := a.TermDiscounts(month(tt.month)); got != tt.want {
			t.Errorf("accepted %q: discounts in %s: %t, want %t", tt.accepted, tt.month, got, tt.want)
		}
	}
}

func TestPayerAccount(t *testing.T) {
	for _, tt := range []struct {
		payer, id string
		wildcard  bool
	}{{"", "111122223333", false}, {"*", "", true}, {"999900001111", "999900001111", false}} {
		a := Agreement{ManagementAccount: "111122223333", CUR: Source{PayerAccount: tt.payer}}
		if id, wildcard := a.PayerAccount(); id != tt.id || wildcard != tt.wildcard {
			t.Errorf("PayerAccount of %q = %q, %t; want %q, %t", tt.payer, id, wildcard, tt.id, tt.wildcard)
		}
	}
}

func TestHeldIn(t *testing.T) {
	for _, tt := range []struct {
		from, to, month string
		held            bool
	}{
		{"2026-03", "2026-04", "2026-02", false}, {"2026-03", "2026-04", "2026-03", true},
		{"2026-03", "2026-04", "2026-04", true}, {"2026-03", "2026-04", "2026-05", false},
		{"2026-03", "", "2030-01", true},
	} {
		a := Agreement{Hold: &Hold{From: month(tt.from), To: month(tt.to)}}
		if got := a.HeldIn(month(tt.month)) != nil; got != tt.held {
			t.Errorf("held from %q to %q: %s: %t, want %t", tt.from, tt.to, tt.month, got, tt.held)
		}
	}
	if (&Agreement{}).HeldIn(month("2026-03")) != nil {
		t.Error("an agreement without a hold is held")
	}
}
