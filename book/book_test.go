package book

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

var update = flag.Bool("update", false, "rewrite what the golden files want")

// same compares objects by what they mean: 5 is 5.00, no list is an empty list.
var same = cmp.Options{
	cmpopts.EquateEmpty(),
	cmpopts.EquateComparable(calendar.Month{}),
	cmpopts.IgnoreUnexported(Book{}),
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestParseContract reads the book that contract.md shows, key by key.
func TestParseContract(t *testing.T) {
	b, errs := Parse("/books/book.yaml", read(t, "testdata/contract.yaml"))
	if len(errs) > 0 {
		t.Fatalf("Parse: %v", errs)
	}
	if errs := Check(b); len(errs) > 0 {
		t.Fatalf("Check: %v", errs)
	}
	want := Book{
		Sellers: []agreement.Seller{{
			ID: "SEL-DE", Name: "Seller GmbH", Country: "DE", TaxID: "DE136695976", RegistrationID: "HRB 1234",
			Currency: "EUR", Currencies: []currency.Code{"EUR", "CHF", "USD"},
			Series:  agreement.Series{Invoice: "DE", CreditNote: "DE-CN", Reset: "yearly"},
			Address: agreement.Address{Street: "Hauptstr. 1", City: "Berlin", PostalCode: "10115", Country: "DE"},
			Payment: agreement.Payment{Days: 30, IBAN: "DE02120300000000202051", BIC: "BYLADEM1001"},
			DueDay:  8, Approval: "none",
		}},
		Buyers: []agreement.Buyer{{
			ID: "BUY-0001", Name: "Buyer B.V.", Country: "NL", TaxID: "NL004495445B01",
			Address: agreement.Address{Street: "Main 1", City: "Utrecht", PostalCode: "3511", Country: "NL"},
			Email:   "ap@buyer.example",
		}},
		Payers: []agreement.Payer{{
			Account: "999900001111", PaymentCurrency: "EUR", OwnAccounts: []agreement.AccountID{"999900001111"},
			Invoices: "/books/aws/invoices", Reconcile: "invoices", Tolerance: agreement.DefaultTolerance(),
		}},
		Agreements: []agreement.Agreement{{
			ID: "AGR-0001", Client: "CLI-0001", Product: agreement.ProductEssentials, Payer: "999900001111", ManagementAccount: "111122223333",
			Transfer: agreement.Transfer{
				ID: "rt-0001", Accepted: time.Date(2026, 2, 19, 10, 0, 0, 0, time.UTC),
				Start: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Status: "ACCEPTED",
			},
			ServiceTerm: agreement.ServiceTerm{
				AcceptedAt:    time.Date(2026, 2, 20, 9, 0, 0, 0, time.UTC),
				CommitmentEnd: calendar.MustDate("2027-02-28"), AWSEnd: calendar.MustDate("2027-02-19"),
			},
			CUR: agreement.Source{Location: "/books/aws/AGR-0001", Manifest: "required"},
			Terms: []agreement.Terms{{
				From: calendar.MustMonth("2026-03"), Seller: "SEL-DE", Buyer: "BUY-0001", Currency: "EUR", PurchaseOrder: "PO-77",
				Support:              agreement.Resold,
				UsageDiscount:        &agreement.PercentOf{Percent: currency.MustParse("5"), Of: agreement.OfPartnerDiscount},
				SupportDiscount:      &agreement.PercentOf{Percent: currency.MustParse("20")},
				EnterpriseSupportFee: agreement.PercentOf{Percent: currency.MustParse("5"), Of: agreement.OfUsage},
				PartnerLedDiscount:   &agreement.PercentOf{Percent: currency.MustParse("1"), Of: agreement.OfFee},
				SharedFees:           agreement.SharedPayer, Exchange: agreement.Exchange{Source: agreement.ExchangeAWSInvoice},
				PrivatePricing: agreement.PrivateBlock,
			}},
		}},
	}
	if diff := cmp.Diff(want, b, same); diff != "" {
		t.Errorf("Parse mismatch (-want +got):\n%s", diff)
	}
}

// TestErrors holds what a person sees for each bad book: testdata/errors/*.txtar, with book.yaml,
// perhaps stored.yaml (applied before), and want.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar := txtar.Parse(read(t, file))
			var b, before Book
			var errs []Error
			var want *txtar.File
			for i, f := range ar.Files {
				switch f.Name {
				case "want":
					want = &ar.Files[i]
				case "stored.yaml":
					var e []Error
					if before, e = Parse(f.Name, f.Data); len(e) > 0 {
						t.Fatalf("stored.yaml: %v", e)
					}
				default:
					p, e := Parse(f.Name, f.Data)
					b.join(p)
					errs = append(errs, e...)
				}
			}
			if want == nil {
				t.Fatal("no file want")
			}
			whole := b.Merge(before)
			got := report("", Sort(append(errs, Check(whole)...))) + report("warning: ", Warnings(whole))
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("errors mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func report(prefix string, errs []Error) string {
	var s strings.Builder
	for _, e := range errs {
		fmt.Fprintf(&s, "%s%s [%s]\n", prefix, e, e.Code)
		if e.Hint != "" {
			fmt.Fprintf(&s, "    hint: %s\n", e.Hint)
		}
	}
	return s.String()
}

// A book is stored as JSON, and its JSON is a book: what is parsed comes back the same both ways.
func roundTrip(b Book) error {
	data, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	var stored Book
	if err := json.Unmarshal(data, &stored); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if diff := cmp.Diff(b, stored, same); diff != "" {
		return fmt.Errorf("JSON mismatch (-want +got):\n%s", diff)
	}
	again, err := json.Marshal(stored)
	if err != nil || !bytes.Equal(data, again) {
		return fmt.Errorf("JSON differs when encoded again: %w\n%s\n%s", err, data, again)
	}
	if len(b.Sellers)+len(b.Buyers)+len(b.Payers)+len(b.Agreements) == 0 {
		return nil
	}
	parsed, errs := Parse("book.json", data)
	if len(errs) > 0 {
		return fmt.Errorf("parse %s: %v", data, errs)
	}
	if diff := cmp.Diff(b, parsed, same); diff != "" {
		return fmt.Errorf("YAML mismatch (-want +got):\n%s", diff)
	}
	return nil
}

func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"testdata/contract.yaml", "testdata/full.yaml"} {
		b, errs := Parse(name, read(t, name))
		if len(errs) > 0 {
			t.Fatalf("%s: %v", name, errs)
		}
		if err := roundTrip(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzBook: no input makes Parse, Check or Merge panic, and what parses comes back the same.
func FuzzBook(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "testdata/errors/*.txtar"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			if filepath.Ext(name) == ".yaml" {
				f.Add(data)
				continue
			}
			for _, file := range txtar.Parse(data).Files {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, errs := Parse("book.yaml", data)
		Check(b.Merge(Book{}))
		Check(b.Merge(b))
		if len(errs) > 0 {
			for _, e := range errs {
				if e.Line < 0 || e.Text == "" || e.Code == "" {
					t.Errorf("error without text, code or position: %+v", e)
				}
			}
			return
		}
		if err := roundTrip(b); err != nil {
			t.Error(err)
		}
	})
}
