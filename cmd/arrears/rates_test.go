package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/fixtures"
)

func TestRates(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const march = "Date,USD,CHF,\n2026-03-31,1.1498,0.9190,\n2026-03-30,1.1484,N/A,\n"
	good := write("eurofxref-hist.csv", march)
	bad := write("bad.csv", "Date,USD\n2026-03-31,one\n")
	book := write("book.yaml", "payers: [{account: \"999900001111\", reconcile: none}]\n")
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/eurofxref.csv" {
			http.NotFound(w, r)
			return
		}
		if _, err := w.Write([]byte("Date, USD, \n1 April 2026, 1.1525, \n")); err != nil {
			t.Error(err)
		}
	}))
	defer served.Close()

	arrears := func(code int, args ...string) (stdout, stderr string) {
		t.Helper()
		var out, errs bytes.Buffer
		if got := run(t.Context(), append([]string{"--data", data}, args...), &out, &errs); got != code {
			t.Fatalf("arrears %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, &out, &errs)
		}
		return strings.ReplaceAll(out.String(), dir, "DIR"), strings.ReplaceAll(errs.String(), dir, "DIR")
	}

	// Only apply makes a data folder.
	if _, stderr := arrears(2, "rates", "import", good); !strings.Contains(stderr, "DIR/data") {
		t.Errorf("import without data: %q, want the missing folder named", stderr)
	}
	arrears(0, "apply", "-f", book)

	if out, _ := arrears(0, "rates", "import", good); out != "DIR/eurofxref-hist.csv: 3 rates from 2026-03-30 to 2026-03-31, 3 of them new\n" {
		t.Errorf("import: %q", out)
	}
	if out, _ := arrears(0, "rates", "import", good, "--json"); !strings.Contains(out, `"imported": 0`) {
		t.Errorf("import again: %q, want nothing new", out)
	}
	t.Setenv("ARREARS_RATES_URL", served.URL+"/eurofxref.csv")
	if out, _ := arrears(0, "rates", "import"); !strings.HasSuffix(out, "1 rate from 2026-04-01 to 2026-04-01, 1 of them new\n") {
		t.Errorf("import from the URL: %q", out)
	}
	arrears(1, "rates", "import", served.URL+"/absent.csv")

	const list = `ecb          2026-03-31  1 EUR = 0.919 CHF
ecb          2026-03-30  1 EUR = 1.1484 USD
ecb          2026-03-31  1 EUR = 1.1498 USD
ecb          2026-04-01  1 EUR = 1.1525 USD
`
	if out, _ := arrears(0, "rates", "list"); out != list {
		t.Errorf("list:\n%swant:\n%s", out, list)
	}
	if out, _ := arrears(0, "rates", "list", "--to", "USD", "--since", "2026-03-31", "--until", "2026-03-31", "--json"); !strings.Contains(out, `"rate": "1.1498"`) || strings.Contains(out, "1.1484") {
		t.Errorf("list of one day: %s", out)
	}

	// A bad file changes nothing and is named with its position, for people and for scripts.
	out, stderr := arrears(2, "rates", "import", bad, "--json")
	if want := "arrears: DIR/bad.csv:2:12: not a number: \"one\"\n"; !strings.HasPrefix(stderr, want) {
		t.Errorf("bad file: %q, want %q", stderr, want)
	}
	for _, want := range []string{`"code": "invalid_rates"`, `"line": 2`, `"column": 12`} {
		if !strings.Contains(out, want) {
			t.Errorf("bad file: %s without %s", out, want)
		}
	}
	if _, stderr := arrears(2, "rates", "import", filepath.Join(dir, "absent.csv")); stderr != "arrears: DIR/absent.csv: no such file\n" {
		t.Errorf("absent file: %q", stderr)
	}
	if _, stderr := arrears(2, "rates", "list", "--since", "March"); !strings.Contains(stderr, `--since: not a date`) {
		t.Errorf("bad date: %q", stderr)
	}
	if out, _ := arrears(0, "rates", "list"); out != list {
		t.Errorf("list after bad files:\n%swant:\n%s", out, list)
	}
}

// A month whose terms convert at the ECB's rate: blocked without rates, drafted with them, and held
// against AWS's own rate.
func TestReferenceRateMonth(t *testing.T) {
	dir := t.TempDir()
	if err := fixtures.Demo(1).Write(dir); err != nil {
		t.Fatal(err)
	}
	arrears := func(code int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		args = append([]string{"--data", filepath.Join(dir, "data"), "--as-of", "2026-09-09"}, args...)
		if got := run(t.Context(), args, &out, &errs); got != code {
			t.Fatalf("arrears %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, &out, &errs)
		}
		return out.String()
	}
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	arrears(0, "apply", "-f", filepath.Join(dir, "book.yaml"))
	arrears(0, "apply", "-f", write("ecb.yaml", `
agreements:
  - id: AGR-0001
    terms: [{from: 2026-04, seller: SEL-DE, buyer: BUY-0001, currency: EUR, support: resold, exchange: {source: ecb, markup_percent: "2"}}]
`))
	month := []string{"run", "--month", "2026-08", "--agreement", "AGR-0001", "--json"}
	if out := arrears(3, month...); !strings.Contains(out, `"no_exchange_rate"`) || !strings.Contains(out, `"status": "blocked"`) {
		t.Fatalf("without rates: %s, want the agreement blocked", out)
	}
	// August ends on a Monday.
	arrears(0, "rates", "import", write("early.csv", "Date,USD\n2026-08-28,1.1600\n"))
	if out := arrears(3, month...); !strings.Contains(out, "end with 2026-08-28; import newer ones") {
		t.Fatalf("with rates up to the 28th: %s, want newer ones asked for", out)
	}
	const whole = "Date,USD\n2026-08-31,1.2500\n2026-08-28,1.1600\n"
	arrears(0, "rates", "import", write("whole.csv", whole))
	if out := arrears(0, month...); !strings.Contains(out, `"status": "drafted"`) {
		t.Fatalf("with rates: %s, want a draft", out)
	}
	shown := arrears(0, "invoice", "show", "AGR-0001-2026-08", "--json")
	// 1 / 1.25 and 2 percent.
	digest := fmt.Sprintf(`"digest": "sha256:%x"`, sha256.Sum256([]byte(whole)))
	for _, want := range []string{`"rate": "0.816"`, `"source": "ecb"`, `"date": "2026-08-31"`, digest} {
		if !strings.Contains(shown, want) {
			t.Errorf("the draft does not say %s", want)
		}
	}

	var report struct {
		Exposure []struct {
			Agreement       string
			Source, Charged currency.Amount
			Rate            currency.Rate
			AWSRate         currency.Rate   `json:"aws_rate"`
			AtAWSRate       currency.Amount `json:"at_aws_rate"`
			Difference      currency.Decimal
		}
	}
	if err := json.Unmarshal([]byte(arrears(0, "rates", "exposure", "--month", "2026-08", "--json")), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Exposure) == 0 {
		t.Fatal("no exposure")
	}
	for _, x := range report.Exposure {
		charged, at := x.Source.Number.Mul(currency.MustParse("0.816")), x.Source.Number.Mul(x.AWSRate.Value)
		if x.Agreement != "AGR-0001" || !x.Charged.Number.Equal(charged) || !x.AtAWSRate.Number.Equal(at) || !x.Difference.Equal(charged.Sub(at)) || x.AWSRate.Source != "aws_invoice" {
			t.Errorf("exposure %+v", x)
		}
	}
	if out := arrears(0, "rates", "exposure", "--month", "2026-08"); !strings.Contains(out, "0.816") {
		t.Errorf("the table: %s", out)
	}
	arrears(2, "rates", "exposure")
	arrears(2, "rates", "exposure", "--month", "2026-08", "--agreement", "AGR-9")

	// A rate that is corrected before anything is issued changes the draft; the same file changes nothing.
	before := arrears(0, "invoice", "show", "AGR-0001-2026-08", "--json")
	arrears(0, "rates", "import", filepath.Join(dir, "whole.csv"))
	arrears(0, month...)
	if after := arrears(0, "invoice", "show", "AGR-0001-2026-08", "--json"); after != before {
		t.Error("importing a file again changed the draft")
	}
	arrears(0, "rates", "import", write("corrected.csv", "Date,USD\n2026-08-31,1.2000\n"))
	arrears(0, month...)
	if after := arrears(0, "invoice", "show", "AGR-0001-2026-08", "--json"); !strings.Contains(after, `"rate": "0.85"`) {
		t.Error("a corrected rate did not change the draft")
	}
}
