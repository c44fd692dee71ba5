package arrears_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/fixtures"
	"github.com/arrears-billing/arrears/store"
)

// The months of the made-up customers come to what fixtures expects, which has its own arithmetic;
// every cent of AWS's has its place; and running again changes nothing. They have usage, reservations,
// Marketplace, other charges and discounts (R30).
func TestStories(t *testing.T) {
	for name, story := range map[string]fixtures.Story{"small": fixtures.Small(1), "demo": fixtures.Demo(1)} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := story.Write(dir); err != nil {
				t.Fatal(err)
			}
			db, err := store.Open(t.Context(), store.Options{Dir: filepath.Join(dir, "data"), Create: true, Command: "test"})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}()
			e := &arrears.Engine{DB: db, By: "test"}
			applied, err := e.Apply(t.Context(), false, filepath.Join(dir, "book.yaml"))
			if err != nil || len(applied.Errors) > 0 {
				t.Fatalf("apply: %v %v", err, applied.Errors)
			}
			for _, m := range story.Months {
				e.AsOf = story.AsOf(m).Time()
				report, err := e.Run(t.Context(), arrears.RunOptions{Month: m, Issue: true})
				if err != nil {
					t.Fatal(err)
				}
				compareMonth(t, story, m, report)
				again, err := e.Run(t.Context(), arrears.RunOptions{Month: m, Issue: true})
				if err != nil {
					t.Fatal(err)
				}
				for i := range report.Agreements {
					report.Agreements[i].Changed = false
				}
				if diff := cmp.Diff(report, again); diff != "" {
					t.Errorf("%s: the second run differs (-first +second):\n%s", m, diff)
				}
			}
		})
	}
}

func compareMonth(t *testing.T, story fixtures.Story, m calendar.Month, report arrears.RunReport) {
	t.Helper()
	rows := map[string]arrears.AgreementRow{}
	for _, row := range report.Agreements {
		rows[row.Agreement] = row
	}
	for _, want := range story.Expected {
		if want.Month != m {
			continue
		}
		row, ok := rows[want.Agreement]
		if !ok {
			t.Errorf("%s %s: not in the report", want.Agreement, m)
			continue
		}
		if want.Status == "drafted" {
			want.Status = arrears.Issued
		}
		got := fixtures.Expected{Agreement: row.Agreement, Month: m, Status: row.Status}
		if len(row.Reasons) > 0 {
			got.Reason = row.Reasons[0].Code
		}
		if len(row.Warnings) > 0 {
			t.Errorf("%s %s: warnings %+v", row.Agreement, m, row.Warnings)
		}
		if row.Net != nil && row.Status == arrears.Issued {
			got.Document, got.Currency, got.Net = *row.Document, string(*row.Currency), *row.Net
		}
		if s := row.Source; s != nil {
			got.Rows, got.Unblended, got.InRow = int(s.Rows), currency.Plain(s.Unblended), currency.Plain(s.InRowDiscounts)
			got.Dispositions = map[string]string{}
			for d, sum := range s.Dispositions {
				got.Dispositions[string(d)] = currency.Plain(sum)
			}
		}
		if want.Status == arrears.Waiting {
			want.Dispositions, got.Dispositions = nil, nil // a month that waits is not rated
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", want.Agreement, m, diff)
		}
	}
	for _, p := range report.Payers {
		if !p.Difference.IsZero() {
			t.Errorf("payer %s, %s: %s that nobody accounts for", p.Payer, m, p.Difference)
		}
	}
	if len(report.OpenMonths)+len(report.Unclaimed) > 0 && m == story.Months[0] {
		t.Errorf("%s: open %+v, unclaimed %+v", m, report.OpenMonths, report.Unclaimed)
	}
}
