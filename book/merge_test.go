package book

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

func parse(t *testing.T, yaml string) Book {
	t.Helper()
	b, errs := Parse("/books/book.yaml", []byte(yaml))
	if len(errs) > 0 {
		t.Fatalf("Parse: %v", errs)
	}
	return b
}

func TestMerge(t *testing.T) {
	whole := func(t *testing.T) Book {
		b, errs := Parse("/books/full.yaml", read(t, "testdata/full.yaml"))
		if len(errs) > 0 {
			t.Fatalf("Parse: %v", errs)
		}
		return b
	}
	tests := []struct {
		name   string
		yaml   string
		change func(*Book) // what differs from full.yaml afterwards
	}{
		{"one key", `agreements: [{id: AGR-1, client: CLI-9}]`, func(b *Book) {
			b.Agreements[0].Client = "CLI-9"
		}},
		{"a key of an inner object", `agreements: [{id: AGR-1, transfer: {end: 2026-12-31T23:59:59Z}}]`, func(b *Book) {
			b.Agreements[0].Transfer.End = calendar.MustMonth("2027-01").Start().Add(-1e9)
		}},
		{"null takes a value away", `agreements: [{id: AGR-1, hold: null, transfer: {end: null}, billed: null}]`, func(b *Book) {
			b.Agreements[0].Hold = nil
			b.Agreements[0].Transfer.End = time.Time{}
			b.Agreements[0].Billed = agreement.Billed{}
		}},
		{"null falls back to the default", `{sellers: [{id: SEL-CH, due_day: null, currencies: null, currency: CHF}], payers: [{account: "999900001111", reconcile: null}]}`, func(b *Book) {
			b.Sellers[0].DueDay = 8
			b.Sellers[0].Currencies = []currency.Code{"CHF"}
			b.Payers[0].Reconcile = "invoices"
		}},
		{"a list is replaced whole", `{sellers: [{id: SEL-CH, currencies: [EUR]}], agreements: [{id: AGR-1, adjustments: []}]}`, func(b *Book) {
			b.Sellers[0].Currencies = []currency.Code{"EUR"}
			b.Agreements[0].Adjustments = nil
		}},
		{"a hold is replaced whole", `agreements: [{id: AGR-1, hold: {from: 2026-07, reason: again}}]`, func(b *Book) {
			b.Agreements[0].Hold = &agreement.Hold{From: calendar.MustMonth("2026-07"), Reason: "again"}
		}},
		{"the short form of a series is whole", `sellers: [{id: SEL-CH, series: XX}]`, func(b *Book) {
			b.Sellers[0].Series = agreement.Series{Invoice: "XX", CreditNote: "XX-CN", Reset: "yearly"}
		}},
		{"a key of a series", `sellers: [{id: SEL-CH, series: {reset: yearly}}]`, func(b *Book) {
			b.Sellers[0].Series.Reset = "yearly"
		}},
		{"defaults of silent keys do not overwrite", `sellers: [{id: SEL-CH, name: Other SA}]`, func(b *Book) {
			b.Sellers[0].Name = "Other SA"
		}},
		{"new objects come last, with defaults", `buyers: [{id: BUY-0, name: New, country: FR}]`, func(b *Book) {
			b.Buyers = append(b.Buyers, agreement.Buyer{ID: "BUY-0", Name: "New", Country: "FR", Address: agreement.Address{Country: "FR"}})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := whole(t)
			got := parse(t, tt.yaml).Merge(before)
			want := whole(t)
			tt.change(&want)
			if diff := cmp.Diff(want, got, same); diff != "" {
				t.Errorf("Merge mismatch (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(whole(t), before, same); diff != "" {
				t.Errorf("Merge changed what was stored (-want +got):\n%s", diff)
			}
		})
	}
}

// Applying a book twice is applying it once (I5), for books whole and in part.
func TestMergeTwice(t *testing.T) {
	full, errs := Parse("/books/full.yaml", read(t, "testdata/full.yaml"))
	if len(errs) > 0 {
		t.Fatalf("Parse: %v", errs)
	}
	for _, b := range []Book{
		full,
		parse(t, `agreements: [{id: AGR-1, client: CLI-9, transfer: {end: null}}]`),
		parse(t, `buyers: [{id: BUY-9, name: New, country: FR}]`),
		{},
	} {
		once := b.Merge(full)
		if diff := cmp.Diff(once, b.Merge(once), same); diff != "" {
			t.Errorf("the second Merge changed something (-once +twice):\n%s", diff)
		}
	}
}

// What is stored may have faults that a book did not cause, such as an agreement that an order has
// begun: they do not keep the book from being applied.
func TestCheckIgnoresWhatIsStored(t *testing.T) {
	before := parse(t, `
payers: [{account: "999900001111", invoices: api}]
agreements: [{id: AGR-1, product: aws-essentials, payer: "999900001111", management_account: "111122223333"}]
`)
	b := parse(t, `buyers: [{id: BUY-1, name: One, country: DE}]`)
	if errs := Check(b.Merge(before)); len(errs) > 0 {
		t.Errorf("Check reports faults of stored objects: %v", errs)
	}
	if errs := Check(before); len(errs) == 0 {
		t.Error("Check reports nothing for the same objects in a book")
	}
}

// The program checks objects it has made itself (set-terms, set-currency): they have no file.
func TestCheckWithoutFile(t *testing.T) {
	before := parse(t, string(read(t, "testdata/contract.yaml")))
	a := before.Agreements[0]
	next := a.Terms[0]
	next.From, next.Currency = calendar.MustMonth("2026-06"), "GBP"
	a.Terms = append(slices.Clone(a.Terms), next)
	errs := Check(Book{Agreements: []agreement.Agreement{a}}.Merge(before))
	want := []Error{
		{Path: "agreements[0].terms[1].currency", Code: "currency_not_billed", Text: "seller SEL-DE does not bill in GBP", Hint: "it bills in EUR, CHF, USD"},
		{
			Path: "agreements[0].terms[1].currency", Code: "no_exchange_rate",
			Text: "payer 999900001111 pays AWS in EUR, so AWS's invoices state no rate from USD to GBP",
			Hint: "bill in EUR or USD, or state another source of rates: exchange: {source: ecb}",
		},
	}
	slices.SortFunc(want, func(a, b Error) int { return strings.Compare(a.Text, b.Text) })
	if diff := cmp.Diff(want, errs); diff != "" {
		t.Errorf("Check mismatch (-want +got):\n%s", diff)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	png := "\x89PNG\r\n\x1a\n..."
	write("a/logo.png", png)
	write("a/notes.txt", "hello")
	first := write("a/one.yaml", `sellers: [{id: SEL-1, logo: logo.png, name: One}]`)
	second := write("b/two.yaml", `payers: [{account: "999900001111", invoices: ../bills}]`)
	bad := write("a/bad.yaml", "sellers:\n  - {id: SEL-2, logo: notes.txt}\n  - {id: SEL-3, logo: absent.png, nme: x}\n")

	b, errs, err := Load(first, second)
	if err != nil || len(errs) > 0 {
		t.Fatalf("Load: %v, %v", errs, err)
	}
	if got, want := b.Sellers[0].Logo, base64.StdEncoding.EncodeToString([]byte(png)); got != want {
		t.Errorf("logo %q, want the file's content in base64", got)
	}
	if got, want := b.Payers[0].Invoices, filepath.Join(dir, "bills"); got != want {
		t.Errorf("invoices %q, want %q", got, want)
	}

	_, errs, err = Load(first, bad)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range errs {
		got = append(got, strings.ReplaceAll(e.Error(), dir, "DIR"))
	}
	want := []string{
		"DIR/a/bad.yaml:2:23: sellers[0].logo: not a PNG file: DIR/a/notes.txt",
		"DIR/a/bad.yaml:3:23: sellers[1].logo: open DIR/a/absent.png: no such file or directory",
		"DIR/a/bad.yaml:3:35: sellers[1].nme: unknown key",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors mismatch (-want +got):\n%s", diff)
	}

	if _, _, err := Load(filepath.Join(dir, "absent.yaml")); err == nil || !strings.Contains(err.Error(), "absent.yaml") {
		t.Errorf("Load of an absent file: %v, want an error that names it", err)
	}
}

func TestParseTerms(t *testing.T) {
	before := parse(t, string(read(t, "testdata/contract.yaml"))).Agreements[0].Terms[0]
	const list = "- {from: 2026-06, support: partner_led}\n- {from: 2026-09, support: resold, currency: USD}\n"
	for _, yaml := range []string{list, "terms:\n" + list} {
		terms, errs := ParseTerms("terms.yaml", []byte(yaml), before)
		if len(errs) > 0 {
			t.Fatalf("ParseTerms: %v", errs)
		}
		if len(terms) != 2 || terms[0].Seller != "SEL-DE" || terms[0].Currency != "EUR" || terms[1].Currency != "USD" || terms[1].PurchaseOrder != "PO-77" {
			t.Errorf("terms %+v, want them to inherit the parties of before", terms)
		}
	}
	for yaml, want := range map[string]string{
		"":                             "terms.yaml: nothing is written here",
		"[]":                           "terms.yaml:1:1: no terms in it",
		"term: []":                     "terms.yaml:1:1: term: unknown key",
		"- {from: 2026-6}":             `terms.yaml:1:10: terms[0].from: not a month, want YYYY-MM: "2026-6"`,
		"- {form: 2026-06}":            "terms.yaml:1:4: terms[0].form: unknown key",
		"terms:\n- {support: premium}": `terms.yaml:2:13: terms[0].support: "premium" is not one of: resold, partner_led`,
	} {
		_, errs := ParseTerms("terms.yaml", []byte(yaml), before)
		if len(errs) == 0 || errs[0].Error() != want {
			t.Errorf("ParseTerms(%q) = %v, want %s", yaml, errs, want)
		}
	}
}

// A short file whose aliases multiply must not take the machine's memory.
func TestAliasBomb(t *testing.T) {
	var s strings.Builder
	s.WriteString("x: &a {from: 2026-03, shares: []}\nagreements:\n - split: &s\n")
	for range 3000 {
		s.WriteString("    - *a\n")
	}
	for range 3000 {
		s.WriteString(" - split: *s\n")
	}
	_, errs := Parse("book.yaml", []byte(s.String()))
	if !slices.ContainsFunc(errs, func(e Error) bool { return strings.Contains(e.Text, "aliases") }) {
		t.Errorf("%d errors, none about aliases; first: %v", len(errs), errs[0])
	}
}
