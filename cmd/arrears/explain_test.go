package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
)

// explained is a node of arrears explain --json.
type explained struct {
	Kind, Text string
	Amount     *currency.Decimal
	Currency   *string
	Children   []explained
}

// TestExplainCorrection: AWS restates a month, then its rate is corrected, then the terms: each time
// the delta document is explained by what was billed, what it is now and why, and the parts of
// every line sum to it exactly. The document names the versions that it was computed from.
func TestExplainCorrection(t *testing.T) {
	dir := t.TempDir()
	if err := copyStory(dir); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	change := func(file string, pairs ...string) {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(pairs); i += 2 {
			if !bytes.Contains(text, []byte(pairs[i])) {
				t.Fatalf("%s has no %q", file, pairs[i])
			}
		}
		if err := os.WriteFile(file, []byte(strings.NewReplacer(pairs...).Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	call := func(want int, args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append(args, "--as-of", "2026-05-10", "--data", "data"), &stdout, &stderr); code != want {
			t.Fatalf("arrears %s: exit %d, want %d\n%s%s", strings.Join(args, " "), code, want, stdout.String(), stderr.String())
		}
		return stdout.String()
	}
	document := func(id string) (d invoice.Document) {
		t.Helper()
		if err := json.Unmarshal([]byte(call(exitDone, "invoice", "show", id, "--json")), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	explain := func(id string) explained {
		t.Helper()
		var x explained
		if err := json.Unmarshal([]byte(call(exitDone, "explain", id, "--json")), &x); err != nil {
			t.Fatal(err)
		}
		d := document(id)
		n := 0
		for _, line := range x.Children {
			if line.Kind != "line" {
				continue
			}
			sum := currency.Zero
			for _, part := range line.Children {
				if part.Kind != "part" || *part.Currency != string(d.Currency) {
					t.Errorf("%s: a child of a line is %+v", id, part)
				}
				sum = sum.Add(*part.Amount)
			}
			if !sum.Equal(d.Lines[n].Net.Number) || !line.Amount.Equal(d.Lines[n].Net.Number) {
				t.Errorf("%s line %d is %s, its parts sum to %s: %+v", id, n+1, d.Lines[n].Net.Number, sum, line)
			}
			n++
		}
		if n != len(d.Lines) {
			t.Errorf("%s has %d lines, %d are explained", id, len(d.Lines), n)
		}
		return x
	}
	text := func(x explained) string {
		b, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}

	call(exitDone, "apply", "-f", "book.yaml")
	call(exitDone, "run", "--month", "2026-03", "--issue")

	csv, bills := filepath.Join("aws", "AGR-0001", "data", "BILLING_PERIOD=2026-03", "cur-00001.csv"), filepath.Join("aws", "invoices", "2026-03.json")
	change(csv, "INV1,USD,1000", "INV1,USD,1100.0056789")
	change(bills, `"TotalAmountBeforeTax": "930.00"`, `"TotalAmountBeforeTax": "1030.01"`, `"TotalAmount": "1116.00"`, `"TotalAmount": "1216.01"`)
	call(exitDone, "replay", "--month", "2026-03", "--agreement", "AGR-0001", "--apply", "delta", "--reason", "restated")
	x := explain("AGR-0001-2026-03-c1")
	for _, want := range []string{"delivery restated: rule 15 usage", "billed 920, now 1012.005224588", "the difference to what was billed by DE-2026-000001"} {
		if !strings.Contains(text(x), want) {
			t.Errorf("no %q in %s", want, text(x))
		}
	}
	if rows := call(exitDone, "explain", "AGR-0001-2026-03-c1", "--line", "1"); !strings.Contains(rows, "cur-00001.csv row 1") || strings.Contains(rows, "AGR-0002") {
		t.Errorf("the rows of the correction:\n%s", rows)
	}

	// A part given back by hand is named, and corrections after it are still explained exactly.
	call(exitDone, "invoice", "credit", "AGR-0001-2026-03", "--line", "1=10.00", "--reason", "goodwill")
	change(csv, "1100.0056789", "1200.00")
	change(bills, `"TotalAmountBeforeTax": "1030.01"`, `"TotalAmountBeforeTax": "1130.00"`, `"TotalAmount": "1216.01"`, `"TotalAmount": "1316.00"`)
	call(exitDone, "replay", "--month", "2026-03", "--agreement", "AGR-0001", "--apply", "delta", "--reason", "again")
	if x := explain("AGR-0001-2026-03-c3"); !strings.Contains(text(x), "given back by hand") {
		t.Errorf("no goodwill in %s", text(x))
	}

	change(bills, `"Rate": "0.92"`, `"Rate": "0.93"`)
	call(exitDone, "replay", "--month", "2026-03", "--agreement", "AGR-0001", "--apply", "delta", "--reason", "rate")
	if x := explain("AGR-0001-2026-03-c4"); !strings.Contains(text(x), "rate corrected") {
		t.Errorf("no rate in %s", text(x))
	}

	change("book.yaml", `percent: "5", of: partner_discount`, `percent: "7.5", of: usage`)
	call(exitDone, "apply", "-f", "book.yaml")
	call(exitDone, "replay", "--month", "2026-03", "--agreement", "AGR-0001", "--apply", "delta", "--reason", "terms")
	x = explain("AGR-0001-2026-03-c5")
	if got := text(x); !strings.Contains(got, "terms corrected: the seller's own line") || !strings.Contains(got, "-7.5 % of usage") {
		t.Errorf("no terms in %s", got)
	}
	first, last := document("AGR-0001-2026-03").Versions, document("AGR-0001-2026-03-c5").Versions
	if first["agreement/AGR-0001"] != "1" || last["agreement/AGR-0001"] != "2" {
		t.Errorf("versions are %v and %v", first, last)
	}

	// Credited whole and issued anew: the credit gives back, the new one is explained as a month is.
	change(csv, "1200.00", "1000")
	change(bills, `"TotalAmountBeforeTax": "1130.00"`, `"TotalAmountBeforeTax": "930.00"`, `"TotalAmount": "1316.00"`, `"TotalAmount": "1116.00"`)
	call(exitDone, "replay", "--month", "2026-03", "--agreement", "AGR-0001", "--apply", "full", "--reason", "full")
	if x := explain("AGR-0001-2026-03-c6"); !strings.Contains(text(x), "given back: rule 15 usage") {
		t.Errorf("not given back: %s", text(x))
	}
	if got := call(exitDone, "explain", "AGR-0001-2026-03-c7"); strings.Contains(got, "the difference to") || !strings.Contains(got, "rule 15 usage: billed") {
		t.Errorf("issued anew:\n%s", got)
	}
	call(exitDone, "verify")
}
