package arrears

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/store"
)

const (
	ecbMarch = "Date,USD,CHF,\n2026-03-31,1.1498,0.9190,\n2026-03-30,1.1484,0.9172,\n"
	ecbApril = "Date,USD,CHF,\n2026-04-01,1.1525,0.9245,\n2026-03-31,1.1498,0.9190,\n2026-03-30,1.1484,0.9172,\n"
	// The publisher has corrected a rate.
	ecbCorrected = "Date,USD,CHF,\n2026-03-31,1.1499,0.9190,\n"
	authorities  = "source,from,to,date,rate\nbazg,EUR,CHF,2026-03-31,0.93\nhmrc,GBP,EUR,2026-03-01,1.15\n"
)

func ratesEngine(t *testing.T) *Engine {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Create: true, Write: true, Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Engine{DB: db, AsOf: time.Date(2026, 4, 8, 0, 0, 0, 0, time.UTC), By: "test"}
}

func TestImportRates(t *testing.T) {
	e := ratesEngine(t)
	for _, tt := range []struct {
		name, file      string
		rates, imported int
		first, last     string
	}{
		{"new", ecbMarch, 4, 4, "2026-03-30", "2026-03-31"},
		{"again", ecbMarch, 4, 0, "2026-03-30", "2026-03-31"},
		{"longer", ecbApril, 6, 2, "2026-03-30", "2026-04-01"},
		{"corrected", ecbCorrected, 2, 1, "2026-03-31", "2026-03-31"},
	} {
		r, err := e.ImportRates(t.Context(), "rates.csv", []byte(tt.file))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if r.Rates != tt.rates || r.Imported != tt.imported || r.First.String() != tt.first || r.Last.String() != tt.last {
			t.Errorf("%s: %+v, want %d of %d from %s to %s", tt.name, r, tt.imported, tt.rates, tt.first, tt.last)
		}
	}
	rates, err := e.Rates(t.Context(), store.RateFilter{To: "USD"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rates {
		got = append(got, r.Source+" "+r.Date.String()+" "+currency.Plain(r.Value))
	}
	want := []string{"ecb 2026-03-30 1.1484", "ecb 2026-03-31 1.1499", "ecb 2026-04-01 1.1525"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rates mismatch (-want +got):\n%s", diff)
	}

	_, err = e.ImportRates(t.Context(), "bad.csv", []byte("Date,USD\n2026-04-02,1.15\n2026-04-03,no\n"))
	if _, ok := errors.AsType[*currency.FileError](err); !ok {
		t.Fatalf("a bad file: %v, want a *currency.FileError", err)
	}
	if after, err := e.Rates(t.Context(), store.RateFilter{To: "USD"}); err != nil || len(after) != len(rates) {
		t.Errorf("a bad file left %d rates, want %d as before (%v)", len(after), len(rates), err)
	}
}

// What a month's rates are, and what identifies them, changes with the rates near it alone.
func TestReferences(t *testing.T) {
	e := ratesEngine(t)
	march := calendar.MustMonth("2026-03")
	imports := func(file string) (References, string) {
		t.Helper()
		if file != "" {
			if _, err := e.ImportRates(t.Context(), "rates.csv", []byte(file)); err != nil {
				t.Fatal(err)
			}
		}
		refs, id, err := e.references(t.Context(), march)
		if err != nil {
			t.Fatal(err)
		}
		return refs, id
	}
	none, id0 := imports("")
	if r, err := none.Rate(agreement.Exchange{}, "USD", "EUR", march); err == nil {
		t.Errorf("without rates: %+v, want an error (I3)", r)
	}
	refs, id1 := imports(ecbMarch)
	check := func(refs References, want string) {
		t.Helper()
		r, err := refs.Rate(agreement.Exchange{Source: agreement.ExchangeECB}, "USD", "EUR", march)
		if err != nil || currency.Plain(r.Value) != want || r.Date.String() != "2026-03-31" || r.Digest == "" {
			t.Errorf("USD/EUR of March: %s of %s, %v; want %s", currency.Plain(r.Value), r.Date, err, want)
		}
	}
	check(refs, "0.8697164724")
	_, id2 := imports("Date,USD,\n2025-11-28,1.1600,\n")
	refs, id3 := imports(ecbCorrected)
	check(refs, "0.8696408383")
	if id0 == id1 || id1 != id2 || id2 == id3 {
		t.Errorf("identities %q, %q, %q, %q: want the first, third and fourth import alone to change them", id0, id1, id2, id3)
	}

	refs, _ = imports(authorities)
	for _, tt := range []struct {
		from, to currency.Code
		want     string
	}{{"EUR", "CHF", "0.93"}, {"EUR", "GBP", "0.8695652174"}, {"USD", "EUR", "0.8696408383"}} {
		r, err := refs.TaxRate(tt.from, tt.to, march.Last())
		if err != nil || currency.Plain(r.Value) != tt.want {
			t.Errorf("tax in %s for %s: %s, %v; want %s", tt.to, tt.from, currency.Plain(r.Value), err, tt.want)
		}
	}
	if r, err := refs.TaxRate("EUR", "NOK", march.Last()); err == nil {
		t.Errorf("tax in NOK without rates of Norges Bank: %+v, want an error", r)
	}
}
