//go:build crash

package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The crash test (make crash) proves I12 on the real binary: ended at any instant of a month, the
// next run ends in the same state as if nothing had happened, by `verify --dump`.
//
// A binary built with the tag crash names the points that it passes in the store and its blobs
// (store/crash_on.go). The test lists those of an undisturbed `run --issue` of twelve agreements,
// ends the program at every pass of every point in turn, runs the same again, and compares.

var (
	crashPasses = flag.Int("passes", 0, "end at this many passes of each point, spread evenly; 0: at every one")
	crashKills  = flag.Int("kills", 10, "how often to kill at a random instant")
)

// A bench runs commands of one binary on copies of one data folder.
type bench struct {
	binary string
	book   string
	before string // data folder after apply, before the run
}

func TestCrashAnywhere(t *testing.T) {
	b := newBench(t)
	undisturbed := b.copy(t, "undisturbed")
	list := filepath.Join(t.TempDir(), "points")
	b.run(t, undisturbed, 3, "ARREARS_CRASH_LIST="+list)
	want := b.dump(t, undisturbed)
	wantMonth(t, want)

	passed, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	passes := map[string]int{}
	for point := range strings.Lines(string(passed)) {
		passes[strings.TrimSpace(point)]++
	}
	if len(passes) < 15 {
		t.Fatalf("only %d points were passed: is the binary built with the tag crash?\n%s", len(passes), passed)
	}

	type exit struct {
		point string
		n     int
	}
	var exits []exit
	for _, point := range slices.Sorted(keys(passes)) {
		every := 1
		if *crashPasses > 0 {
			every = max(1, passes[point] / *crashPasses)
		}
		for n := 1; n <= passes[point]; n += every {
			exits = append(exits, exit{point, n})
		}
		t.Logf("%-20s %d passes", point, passes[point])
	}
	t.Logf("%d points, %d exits", len(passes), len(exits))

	// Two at a time: half of each is waiting for the disk.
	work := make(chan exit)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for x := range work {
				name := fmt.Sprintf("%s:%d", x.point, x.n)
				data := b.copy(t, name)
				if code := b.exec(t, data, "ARREARS_CRASH="+name); code != 137 {
					// Passes by parallel workers vary a little from run to run: the last may not come.
					if x.n < passes[x.point]*9/10 {
						t.Errorf("%s: exit %d, want 137", name, code)
					}
				}
				b.wantRecovery(t, name, data, want)
			}
		})
	}
	for _, x := range exits {
		work <- x
	}
	close(work)
	wg.Wait()
}

// TestKillAnytime kills the program at random instants, several times each before it may finish.
func TestKillAnytime(t *testing.T) {
	b := newBench(t)
	undisturbed := b.copy(t, "undisturbed")
	start := time.Now()
	b.run(t, undisturbed, 3)
	takes := time.Since(start)
	want := b.dump(t, undisturbed)
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range *crashKills {
		name := fmt.Sprintf("kill %d (seed %d)", i, seed)
		data := b.copy(t, fmt.Sprint("kill-", i))
		for range 3 {
			cmd := b.command(data, b.args()...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(r.Int64N(int64(takes))))
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			_ = cmd.Wait() // killed, or done before
		}
		b.wantRecovery(t, name, data, want)
	}
}

// wantRecovery runs the month again after a crash, and wants the state of the undisturbed run and
// no finding; then once more, which must change nothing.
func (b *bench) wantRecovery(t *testing.T, name, data, want string) {
	t.Helper()
	for _, again := range []string{"again", "and again"} {
		if code := b.exec(t, data); code != 3 {
			t.Errorf("%s: %s: run exits with %d, want 3", name, again, code)
			return
		}
		if got := b.dump(t, data); got != want {
			t.Errorf("%s: %s: another state than without the crash:\n%s", name, again, firstDifference(want, got))
			return
		}
	}
	if out, err := b.command(data, "verify").CombinedOutput(); err != nil {
		t.Errorf("%s: verify: %v\n%s", name, err, out)
	}
	if err := os.RemoveAll(data); err != nil {
		t.Error(err)
	}
}

// wantMonth checks that the month is worth crashing: documents of both series, a split, a month
// that waits.
func wantMonth(t *testing.T, dump string) {
	t.Helper()
	for _, part := range []string{
		`"number":"DE-2026-000001"`, `"number":"CH-2026-000001"`, `"number":"DE-CN-2026-000001"`,
		`"part":"BUY-2"`, `"status":"waiting"`, `"status":"issued"`, `{"kind":"blob"`, `{"kind":"event"`,
	} {
		if !strings.Contains(dump, part) {
			t.Fatalf("the undisturbed month has no %s:\n%s", part, dump)
		}
	}
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{binary: filepath.Join(dir, "arrears"), book: filepath.Join(dir, "book.yaml"), before: filepath.Join(dir, "before")}
	build := exec.Command("go", "build", "-tags", "crash", "-o", b.binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	writeBook(t, dir, b.book)
	if out, err := b.command(b.before, "apply", "-f", b.book).CombinedOutput(); err != nil {
		t.Fatalf("apply: %v\n%s", err, out)
	}
	return b
}

func (b *bench) args() []string { return []string{"run", "--month", "2026-03", "--issue"} }

func (b *bench) command(data string, args ...string) *exec.Cmd {
	cmd := exec.Command(b.binary, append(args, "--data", data, "--as-of", "2026-04-09")...)
	cmd.Env = append(os.Environ(), "ARREARS_DATABASE=")
	return cmd
}

// exec runs the month and returns its exit code.
func (b *bench) exec(t *testing.T, data string, env ...string) int {
	t.Helper()
	cmd := b.command(data, b.args()...)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Error(err)
		return -1
	}
	if code := cmd.ProcessState.ExitCode(); code != 137 && code != 3 {
		t.Logf("exit %d:\n%s", code, out)
	}
	return cmd.ProcessState.ExitCode()
}

// run is exec that must end with a code.
func (b *bench) run(t *testing.T, data string, want int, env ...string) {
	t.Helper()
	if code := b.exec(t, data, env...); code != want {
		t.Fatalf("run exits with %d, want %d", code, want)
	}
}

func (b *bench) dump(t *testing.T, data string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := b.command(data, "verify", "--dump")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("verify --dump: %v\n%s", err, stderr.String())
	}
	return string(out)
}

// copy returns a copy of the data folder before the run.
func (b *bench) copy(t *testing.T, name string) string {
	t.Helper()
	data := filepath.Join(filepath.Dir(b.before), "data "+name)
	if err := os.CopyFS(data, os.DirFS(b.before)); err != nil {
		t.Fatal(err)
	}
	return data
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
			return fmt.Sprintf("line %d\n- %s\n+ %s", i+1, a, b)
		}
	}
	return "none"
}

func keys(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
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
