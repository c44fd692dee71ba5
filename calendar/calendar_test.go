package calendar

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	if s == "" {
		return time.Time{}
	}
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParseMonth(t *testing.T) {
	for _, s := range []string{"2026-03", "0001-01", "9999-12", "2000-02"} {
		if m, err := ParseMonth(s); err != nil || m.String() != s {
			t.Errorf("ParseMonth(%q) = %s, %v", s, m, err)
		}
	}
	for _, s := range []string{"", "2026", "2026-3", "2026-00", "2026-13", "26-03", "0000-01", "2026-03-01", "2026-03 ", "March 2026", "-026-03"} {
		if m, err := ParseMonth(s); err == nil {
			t.Errorf("ParseMonth(%q) = %s, want an error", s, m)
		}
	}
}

func TestParseDate(t *testing.T) {
	for _, s := range []string{"2026-03-31", "2024-02-29"} {
		if d, err := ParseDate(s); err != nil || d.String() != s {
			t.Errorf("ParseDate(%q) = %s, %v", s, d, err)
		}
	}
	for _, s := range []string{"", "2026-02-29", "2026-04-31", "2026-3-1", "31.03.2026", "2026-03-31T00:00:00Z"} {
		if d, err := ParseDate(s); err == nil {
			t.Errorf("ParseDate(%q) = %s, want an error", s, d)
		}
	}
}

// anyMonth draws a month in which AWS could send a bill.
func anyMonth(t *rapid.T, label string) Month {
	return MustMonth("2006-01").Add(rapid.IntRange(0, 2000).Draw(t, label))
}

// Months partition time: every instant lies in exactly one, and it is the one that MonthOf names.
func TestMonthsPartitionTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMonth(t, "month")
		if !m.End().Equal(m.Add(1).Start()) {
			t.Fatalf("%s ends at %s, the next begins at %s", m, m.End(), m.Add(1).Start())
		}
		span := m.End().Sub(m.Start())
		if span < 28*24*time.Hour || span > 31*24*time.Hour {
			t.Fatalf("%s lasts %s", m, span)
		}
		in := m.Start().Add(time.Duration(rapid.Int64Range(0, int64(span)-1).Draw(t, "ns")))
		zone := time.FixedZone("", rapid.IntRange(-14*3600, 14*3600).Draw(t, "zone"))
		if got := MonthOf(in.In(zone)); got != m {
			t.Fatalf("MonthOf(%s) = %s, want %s", in, got, m)
		}
		if got := MonthOf(m.Start().Add(-1)); got != m.Add(-1) {
			t.Fatalf("the instant before %s lies in %s", m, got)
		}
		if m.First().Month() != m || m.Last().Month() != m || !m.Last().AddDays(1).Equal(m.Add(1).First()) {
			t.Fatalf("%s runs from %s to %s", m, m.First(), m.Last())
		}
	})
}

func TestMonthArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMonth(t, "month")
		n := rapid.IntRange(-70, 500).Draw(t, "n")
		other := m.Add(n)
		if other.Sub(m) != n || other.Add(-n) != m {
			t.Fatalf("%s + %d = %s, which is %d months later", m, n, other, other.Sub(m))
		}
		if m.Before(other) != (n > 0) || m.After(other) != (n < 0) || (m.Compare(other) < 0) != (n > 0) || (m == other) != (n == 0) {
			t.Fatalf("%s and %s are ordered wrongly", m, other)
		}
		if m.Before(other) != m.Start().Before(other.Start()) {
			t.Fatalf("%s and %s are not ordered as their first instants", m, other)
		}
		back, err := ParseMonth(m.String())
		if err != nil || back != m {
			t.Fatalf("ParseMonth(%s) = %s, %v", m, back, err)
		}
	})
}

func TestMonthDay(t *testing.T) {
	for _, tt := range []struct {
		month string
		day   int
		want  string
	}{
		{"2026-04", 8, "2026-04-08"},
		{"2026-02", 28, "2026-02-28"},
		{"2026-02", 29, "2026-03-01"}, // runs into the next month
		{"2024-02", 29, "2024-02-29"},
	} {
		if got := MustMonth(tt.month).Day(tt.day).String(); got != tt.want {
			t.Errorf("%s.Day(%d) = %s, want %s", tt.month, tt.day, got, tt.want)
		}
	}
}

func TestJSON(t *testing.T) {
	type both struct {
		M Month  `json:"m,omitzero"`
		D Date   `json:"d,omitzero"`
		W Window `json:"w"`
	}
	for _, tt := range []struct {
		v    both
		want string
	}{
		{both{}, `{"w":{}}`},
		{both{MustMonth("2026-03"), MustDate("2026-03-31"), Window{From: MustMonth("2026-03")}}, `{"m":"2026-03","d":"2026-03-31","w":{"from":"2026-03"}}`},
	} {
		data, err := json.Marshal(tt.v)
		if err != nil || string(data) != tt.want {
			t.Errorf("Marshal = %s, %v; want %s", data, err, tt.want)
		}
		var back both
		if err := json.Unmarshal(data, &back); err != nil || back != tt.v {
			t.Errorf("Unmarshal(%s) = %+v, %v", data, back, err)
		}
	}
	var m Month
	if err := json.Unmarshal([]byte(`"2026-13"`), &m); err == nil {
		t.Errorf("a month 2026-13 decodes to %s", m)
	}
	var d Date
	if err := json.Unmarshal([]byte(`"2026-02-30"`), &d); err == nil {
		t.Errorf("a date 2026-02-30 decodes to %s", d)
	}
}

func TestTransferWindow(t *testing.T) {
	tests := []struct {
		name             string
		start, end       string
		from, to, billed string // billed: some months that must be
		not              string // a month that must not be
	}{
		{"R19: accepted 2026-02-19, first billed day 2026-03-01", "2026-03-01T00:00:00Z", "", "2026-03", "", "2026-03", "2026-02"},
		{"R32: accepted 2026-12-05, starts 2027-01-01", "2027-01-01T00:00:00Z", "", "2027-01", "", "2027-01", "2026-12"},
		{"R36: removed 2027-05-10, last billed day 2027-05-31", "2026-03-01T00:00:00Z", "2027-05-31T23:59:59Z", "2026-03", "2027-05", "2027-05", "2027-06"},
		{"R37: milliseconds do not matter", "2026-03-01T00:00:00Z", "2027-05-31T23:59:59.999Z", "2026-03", "2027-05", "2027-05", "2027-06"},
		{"A-3: withdrawn, ends with the last day of the next month", "2026-03-01T00:00:00Z", "2026-07-31T23:59:59Z", "2026-03", "2026-07", "2026-07", "2026-08"},
		{"an end one second early loses the month", "2026-03-01T00:00:00Z", "2027-05-31T23:59:58Z", "2026-03", "2027-04", "2027-04", "2027-05"},
		{"an end one millisecond before that second does too", "2026-03-01T00:00:00Z", "2027-05-31T23:59:58.999Z", "2026-03", "2027-04", "2027-04", "2027-05"},
		{"an end at the first of a month is that of the month before", "2026-03-01T00:00:00Z", "2027-06-01T00:00:00Z", "2026-03", "2027-05", "2027-05", "2027-06"},
		{"a start within a month begins with the next", "2026-03-01T00:00:01Z", "", "2026-04", "", "2026-04", "2026-03"},
		{"a start in another zone is that instant", "2026-03-01T01:00:00+01:00", "", "2026-03", "", "2026-03", "2026-02"},
		{"a start that is the first only there is not", "2026-03-01T00:00:00-01:00", "", "2026-04", "", "2026-04", "2026-03"},
		{"one month", "2026-02-01T00:00:00Z", "2026-02-28T23:59:59Z", "2026-02", "2026-02", "2026-02", "2026-03"},
		{"leap year", "2024-02-01T00:00:00Z", "2024-02-29T23:59:59Z", "2024-02", "2024-02", "2024-02", "2024-03"},
		{"V36: starts 1 November, October is not billed", "2025-11-01T00:00:00Z", "", "2025-11", "", "2025-11", "2025-10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, ok := TransferWindow(at(t, tt.start), at(t, tt.end))
			if !ok || w.From.String() != tt.from || w.To.String() != tt.to {
				t.Fatalf("window %s to %s, %t; want %s to %s", w.From, w.To, ok, tt.from, tt.to)
			}
			if !w.Contains(MustMonth(tt.billed)) {
				t.Errorf("%s is not billed", tt.billed)
			}
			if w.Contains(MustMonth(tt.not)) {
				t.Errorf("%s is billed", tt.not)
			}
		})
	}
	for _, tt := range []struct{ name, start, end string }{
		{"no start", "", ""},
		{"no start but an end", "", "2026-05-31T23:59:59Z"},
		{"ends before it starts", "2026-03-01T00:00:00Z", "2026-02-28T23:59:59Z"},
		{"no whole month", "2026-03-01T00:00:00Z", "2026-03-31T23:59:58Z"},
		{"no whole month, from within", "2026-03-02T00:00:00Z", "2026-03-31T23:59:59Z"},
	} {
		if w, ok := TransferWindow(at(t, tt.start), at(t, tt.end)); ok {
			t.Errorf("%s: window %+v, want none", tt.name, w)
		}
	}
}

// TransferWindow says for each month what design 6 says word for word: start <= M-01T00:00:00Z and
// no end, or end at whole seconds >= first of M+1 minus one second.
func TestTransferWindowIsTheRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moment := func(label string) time.Time {
			m := MustMonth("2026-01").Add(rapid.IntRange(0, 12).Draw(t, label))
			near := rapid.SampledFrom([]time.Duration{0, -1, -time.Millisecond, -time.Second, -time.Second - 1, -2 * time.Second, 1, time.Second, 36 * time.Hour}).Draw(t, label+" off")
			return m.Start().Add(near)
		}
		start, end := moment("start"), moment("end")
		if rapid.Bool().Draw(t, "open") {
			end = time.Time{}
		}
		w, ok := TransferWindow(start, end)
		for m := MustMonth("2025-11"); m.Before(MustMonth("2027-04")); m = m.Add(1) {
			want := !start.After(m.Start()) && (end.IsZero() || !end.Truncate(time.Second).Before(m.End().Add(-time.Second)))
			if got := ok && w.Contains(m); got != want {
				t.Fatalf("%s to %s: %s is billed: %t, want %t", start, end, m, got, want)
			}
		}
	})
}

// Agreements that follow each other on one transfer, cut at any months, bill each of its months
// exactly once and no other.
func TestWindowsPartitionATransfer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := anyMonth(t, "first")
		n := rapid.IntRange(1, 60).Draw(t, "months")
		end := first.Add(n).Start().Add(-time.Second)
		if rapid.Bool().Draw(t, "open") {
			end = time.Time{}
		}
		transfer, ok := TransferWindow(first.Start(), end)
		if !ok {
			t.Fatal("no window")
		}
		// Each cut is the last month of one agreement; the next begins with the month after.
		cuts := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, n-1, rapid.ID).Draw(t, "cuts")
		slices.Sort(cuts)
		var windows []Window
		from := Month{}
		for _, c := range append(cuts, -1) {
			billed := Window{From: from}
			if c >= 0 {
				billed.To = first.Add(c)
				from = first.Add(c + 1)
			}
			if w, ok := transfer.Intersect(billed); ok {
				windows = append(windows, w)
			}
		}
		for m := first.Add(-3); m.Before(first.Add(n + 12)); m = m.Add(1) {
			bills := 0
			for _, w := range windows {
				if w.Contains(m) {
					bills++
				}
			}
			want := 0
			if transfer.Contains(m) {
				want = 1
			}
			if bills != want {
				t.Fatalf("%s is billed %d times, want %d; windows %v", m, bills, want, windows)
			}
		}
	})
}

// A month lies in the intersection exactly when it lies in both, and Intersect is false exactly
// when no month does.
func TestIntersect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := MustMonth("2026-01")
		window := func(label string) Window {
			var w Window
			if f := rapid.IntRange(-1, 10).Draw(t, label+" from"); f >= 0 {
				w.From = base.Add(f)
			}
			if n := rapid.IntRange(-1, 10).Draw(t, label+" to"); n >= 0 {
				w.To = base.Add(n)
				if !w.From.IsZero() {
					w.To = w.From.Add(n)
				}
			}
			return w
		}
		a, b := window("a"), window("b")
		both, ok := a.Intersect(b)
		swapped, ok2 := b.Intersect(a)
		if ok != ok2 || ok && both != swapped {
			t.Fatalf("%v and %v: %v, swapped %v", a, b, both, swapped)
		}
		some := false
		for m := base.Add(-5); m.Before(base.Add(40)); m = m.Add(1) {
			want := a.Contains(m) && b.Contains(m)
			some = some || want
			if ok && both.Contains(m) != want {
				t.Fatalf("%v and %v: %s in %v, want %t", a, b, m, both, want)
			}
		}
		if ok != some {
			t.Fatalf("%v and %v have months in common: %t, want %t", a, b, ok, some)
		}
	})
}

// TestEmptyTexts: the empty text is the zero month and day, whatever stood there before.
func TestEmptyTexts(t *testing.T) {
	m, d := MustMonth("2026-03"), MustDate("2026-03-31")
	if err := m.UnmarshalText(nil); err != nil || !m.IsZero() {
		t.Errorf("month %s, %v", m, err)
	}
	if err := d.UnmarshalText(nil); err != nil || !d.IsZero() {
		t.Errorf("day %s, %v", d, err)
	}
}

// TestTransferWindowElsewhere: a transfer's start is an instant, in whatever zone it is written.
func TestTransferWindowElsewhere(t *testing.T) {
	zone := time.FixedZone("east", 5*3600)
	start := time.Date(2026, 3, 1, 5, 0, 0, 0, zone) // 2026-03-01T00:00:00Z
	if w, ok := TransferWindow(start, time.Time{}); !ok || w.From != MustMonth("2026-03") {
		t.Errorf("window %v, %t", w, ok)
	}
	if w, ok := TransferWindow(start.Add(-time.Second), time.Time{}); !ok || w.From != MustMonth("2026-03") {
		t.Errorf("a second before: window %v, %t", w, ok)
	}
	if w, ok := TransferWindow(start.Add(time.Second), time.Time{}); !ok || w.From != MustMonth("2026-04") {
		t.Errorf("a second later: window %v, %t", w, ok)
	}
}
