package worker

import (
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

func mustCron(t *testing.T, expression, zone string) Cron {
	t.Helper()
	c, err := ParseCron(expression, zone)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCronOnDaysOf23And25Hours(t *testing.T) {
	tests := []struct {
		name, cron, zone, after string
		want                    []string
	}{
		{"a time that the day does not have fires when the clocks jump", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"a time that the day has twice fires the first time", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"asked between the two, the next is the next day's", "30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z",
			[]string{"2026-10-26T01:30:00Z"}},
		{"hourly goes by elapsed time when clocks go back", "0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z",
			[]string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
		{"hourly goes by elapsed time when clocks go forward", "0 * * * *", "Europe/Berlin", "2026-03-29T00:30:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
		{"midnight that does not exist", "0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z",
			[]string{"2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"}},
		{"half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z",
			[]string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
		{"the eighth of the month", "0 6 8 * *", "UTC", "2026-12-31T00:00:00Z", []string{"2027-01-08T06:00:00Z", "2027-02-08T06:00:00Z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustCron(t, tt.cron, tt.zone)
			at, err := time.Parse(time.RFC3339, tt.after)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				at = c.Next(at)
				if got := at.Format(time.RFC3339); got != want {
					t.Fatalf("next is %s, want %s", got, want)
				}
			}
		})
	}
}

func TestCronRefuses(t *testing.T) {
	for _, tt := range [][2]string{{"* * *", ""}, {"61 * * * *", ""}, {"0 0 30 2 *", ""}, {"0 6 * * *", "Europe/Atlantis"}, {"0 6 * * *", "Local"}, {"TZ=UTC 0 6 * * *", ""}} {
		if _, err := ParseCron(tt[0], tt[1]); err == nil {
			t.Errorf("%q in %q is taken", tt[0], tt[1])
		}
	}
}

// Every day has exactly one firing of a daily task, whatever the clocks do; Next rises; Last is
// Next's inverse.
func TestCronDaily(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "Asia/Gaza", "UTC"}).Draw(t, "zone")
		minute, hour := rapid.IntRange(0, 59).Draw(t, "minute"), rapid.IntRange(0, 23).Draw(t, "hour")
		c, err := ParseCron(time.Date(2000, 1, 1, hour, minute, 0, 0, time.UTC).Format("4 15 * * *"), zone)
		if err != nil {
			t.Fatal(err)
		}
		day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 720).Draw(t, "day"))
		at := c.Next(day)
		for range 10 {
			next := c.Next(at)
			if gap := next.Sub(at); gap < 22*time.Hour || gap > 26*time.Hour {
				t.Fatalf("%s: %s, then %s", c.Expression, at, next)
			}
			if last := c.Last(next.Add(-time.Second)); !last.Equal(at) {
				t.Fatalf("the last before %s is %s, want %s", next, last, at)
			}
			at = next
		}
	})
}
