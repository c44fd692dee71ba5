package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/arrears-billing/arrears/store/storetest"
)

// on runs a command in this process on a store, and returns its output; another exit code than
// want fails the test.
func on(t *testing.T, want int, store []string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), append(append(args, store...), "--as-of", "2026-04-09"), &stdout, &stderr)
	if code != want {
		t.Fatalf("arrears %s: exit %d, want %d\n%s%s", strings.Join(args, " "), code, want, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// TestEnginesAgree runs a month of twelve agreements on SQLite and on PostgreSQL: the dumps are
// the same, byte for byte.
func TestEnginesAgree(t *testing.T) {
	server := storetest.StartPostgres(t)
	dir := t.TempDir()
	book := filepath.Join(dir, "book.yaml")
	writeBook(t, dir, book)
	var dumps []string
	for _, store := range [][]string{
		{"--data", filepath.Join(dir, "sqlite")},
		{"--data", filepath.Join(dir, "postgres"), "--database", server.URL(t)},
	} {
		on(t, exitDone, store, "apply", "-f", book)
		on(t, exitLook, store, "run", "--month", "2026-03") // drafts; one waits
		on(t, exitLook, store, "run", "--month", "2026-03", "--issue")
		dumps = append(dumps, on(t, exitDone, store, "verify", "--dump"))
		on(t, exitDone, store, "verify")
	}
	if !strings.Contains(dumps[0], `"number":"DE-2026-000001"`) {
		t.Fatalf("nothing was issued:\n%s", dumps[0])
	}
	if dumps[0] != dumps[1] {
		t.Errorf("SQLite and PostgreSQL differ: %s", firstDifference(dumps[0], dumps[1]))
	}
}

// TestMigrate starts a data folder, and again changes nothing.
func TestMigrate(t *testing.T) {
	store := []string{"--data", filepath.Join(t.TempDir(), "data")}
	on(t, exitUsage, store, "verify") // there is none, and looking makes none
	for range 2 {
		if got, want := on(t, exitDone, store, "migrate", "--json"), "{\n  \"schema\": 2\n}\n"; got != want {
			t.Errorf("migrate --json prints %q, want %q", got, want)
		}
	}
	on(t, exitDone, store, "verify")
}

// TestLostCache: charge sets that are damaged or gone are read again, and the month is the same.
func TestLostCache(t *testing.T) {
	var dumps []string
	for _, lost := range []bool{false, true} {
		dir := t.TempDir()
		book, store := filepath.Join(dir, "book.yaml"), []string{"--data", filepath.Join(dir, "data")}
		writeBook(t, dir, book)
		on(t, exitDone, store, "apply", "-f", book)
		on(t, exitLook, store, "run", "--month", "2026-03")
		if lost {
			damage(t, filepath.Join(dir, "data", "blobs"))
		}
		// With other terms every agreement is computed again.
		text, err := os.ReadFile(book)
		if err == nil {
			err = os.WriteFile(book, bytes.ReplaceAll(text, []byte(`percent: "5", of: usage`), []byte(`percent: "6", of: usage`)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		on(t, exitDone, store, "apply", "-f", book)
		on(t, exitLook, store, "run", "--month", "2026-03")
		on(t, exitDone, store, "verify")
		dumps = append(dumps, monthLines(on(t, exitDone, store, "verify", "--dump")))
	}
	if dumps[0] != dumps[1] {
		t.Errorf("the month is another: %s", firstDifference(dumps[0], dumps[1]))
	}
}

// damage removes every other blob and overwrites the rest.
func damage(t *testing.T, folder string) {
	t.Helper()
	blobs, err := filepath.Glob(filepath.Join(folder, "??", "*"))
	if err != nil || len(blobs) < 24 {
		t.Fatalf("%d blobs, %v: want those of twelve deliveries", len(blobs), err)
	}
	for i, blob := range blobs {
		if i%2 == 0 {
			err = os.Remove(blob)
		} else {
			err = os.WriteFile(blob, []byte("{}"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// monthLines returns the lines of a dump that are months.
func monthLines(dump string) string {
	var out strings.Builder
	for line := range strings.Lines(dump) {
		if strings.HasPrefix(line, `{"kind":"month"`) {
			out.WriteString(line)
		}
	}
	return out.String()
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		var a, b string
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			from := 0 // of what differs, a little before
			for from < min(len(a), len(b)) && a[from] == b[from] {
				from++
			}
			from = max(0, from-100)
			return fmt.Sprintf("line %d from byte %d\n- %s\n+ %s", i+1, from, a[from:], b[from:])
		}
	}
	return "none"
}

// writeBook writes a book of twelve agreements with a delivery each: two sellers, one agreement
// split over two buyers, one whose month is a credit note, one whose delivery is not final.
func writeBook(t *testing.T, dir, name string) {
	t.Helper()
	var book strings.Builder
	book.WriteString(`sellers:
  - {id: SEL-DE, name: Seller GmbH, country: DE, tax_id: DE136695976, registration_id: HRB 1234, currency: EUR, currencies: [EUR, USD], series: DE, address: {street: Hauptstr. 1, city: Berlin, postal_code: "10115", country: DE}, payment: {days: 30}}
  - {id: SEL-CH, name: Seller AG, country: CH, tax_id: CHE-116.281.710, registration_id: CHE-116.281.710, currency: CHF, currencies: [CHF, USD], series: CH, address: {street: Bahnhofstr. 1, city: Zug, postal_code: "6300", country: CH}, payment: {days: 30}}
buyers:
  - {id: BUY-1, name: Buyer B.V., country: NL, tax_id: NL004495445B01, address: {street: Main 1, city: Utrecht, postal_code: "3511", country: NL}}
  - {id: BUY-2, name: Buyer Inc., country: US, address: {street: Main 2, city: Boston, postal_code: "02108", country: US}}
payers:
  - {account: "999900001111", payment_currency: USD, reconcile: none}
agreements:
`)
	for i := 1; i <= 12; i++ {
		id, account := fmt.Sprintf("AGR-%04d", i), fmt.Sprintf("1111222233%02d", i)
		seller, buyer := "SEL-DE", "BUY-1"
		if i%3 == 0 {
			seller, buyer = "SEL-CH", "BUY-2"
		}
		fmt.Fprintf(&book, `  - id: %s
    product: aws-essentials
    payer: "999900001111"
    management_account: "%s"
    seller: %s
    buyer: %s
    currency: USD
    transfer: {id: rt-%04d, start: 2026-03-01T00:00:00Z, status: ACCEPTED}
    cur: {source: ./cur/%s, manifest: none}
`, id, account, seller, buyer, i, id)
		if i == 7 {
			book.WriteString(`    split: [{from: 2026-03, shares: [{buyer: BUY-1, percent: "60"}, {buyer: BUY-2, percent: "40"}]}]
`)
		}
		book.WriteString(`    terms: [{from: 2026-03, support: resold, usage_discount: {percent: "5", of: usage}}]
`)
		writeDelivery(t, filepath.Join(dir, "cur", id), account, i)
	}
	if err := os.WriteFile(name, []byte(book.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeDelivery writes a small csv export of March.
func writeDelivery(t *testing.T, root, account string, i int) {
	t.Helper()
	var rows strings.Builder
	rows.WriteString("bill_payer_account_id,line_item_usage_account_id,bill_bill_type,bill_billing_entity,bill_invoice_id," +
		"line_item_product_code,line_item_line_item_type,line_item_currency_code,line_item_unblended_cost,line_item_line_item_description\n")
	invoice := fmt.Sprintf("INV%04d", i)
	if i == 11 {
		invoice = "" // not final: waits
	}
	row := func(product, kind, cost string) {
		fmt.Fprintf(&rows, "%s,%s,Anniversary,AWS,%s,%s,%s,USD,%s,%s\n", account, account, invoice, product, kind, cost, kind)
	}
	row("AmazonEC2", "Usage", fmt.Sprintf("%d.123456789", 100*i))
	row("AmazonS3", "Usage", fmt.Sprintf("%d.00000001", i))
	row("AmazonEC2", "BundledDiscount", "-1.5")
	if i == 4 {
		row("AmazonEC2", "Refund", "-5000") // more than all charges: a credit note
	}
	folder := filepath.Join(root, "data", "BILLING_PERIOD=2026-03")
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(rows.String())); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "export-00001.csv.gz"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
