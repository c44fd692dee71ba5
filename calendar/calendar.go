// Package calendar knows the months, days and windows that billing turns on.
// Everything is UTC: AWS opens and closes a billing period at 00:00:00 UTC of the first.
package calendar

import (
	"fmt"
	"time"
)

// A Month is a calendar month, the billing period of AWS and of every document here.
// Months are ordered and comparable; the zero value is "no month".
type Month struct {
	n int32 // months since year 0, plus one, so that zero stays free
}

// MonthOf returns the month that t lies in, in UTC.
func MonthOf(t time.Time) Month {
	t = t.UTC()
	return NewMonth(t.Year(), t.Month())
}

// NewMonth returns month m of the year.
func NewMonth(year int, m time.Month) Month {
	return Month{int32(year)*12 + int32(m-1) + 1} //nolint:gosec // years have four digits
}

// ParseMonth reads a month as YYYY-MM.
func ParseMonth(s string) (Month, error) {
	t, err := time.Parse("2006-01", s)
	if err != nil || t.Year() < 1 {
		return Month{}, fmt.Errorf("not a month, want YYYY-MM: %q", s)
	}
	return MonthOf(t), nil
}

// MustMonth is ParseMonth for months written in the program itself.
func MustMonth(s string) Month {
	m, err := ParseMonth(s)
	if err != nil {
		panic(err)
	}
	return m
}

// IsZero says that there is no month.
func (m Month) IsZero() bool { return m.n == 0 }

// Start is the first instant of the month.
func (m Month) Start() time.Time {
	return time.Date(int(m.n-1)/12, time.Month((m.n-1)%12)+1, 1, 0, 0, 0, 0, time.UTC)
}

// End is the first instant after the month.
func (m Month) End() time.Time { return m.Add(1).Start() }

// First is the first day of the month.
func (m Month) First() Date { return DateOf(m.Start()) }

// Last is the last day of the month.
func (m Month) Last() Date { return DateOf(m.End().AddDate(0, 0, -1)) }

// Day returns day d of the month; days beyond its end run into the next month.
func (m Month) Day(d int) Date { return DateOf(m.Start().AddDate(0, 0, d-1)) }

// Add returns the month n months later.
func (m Month) Add(n int) Month { return Month{m.n + int32(n)} } //nolint:gosec // a few months

// Sub returns the number of months from other to m.
func (m Month) Sub(other Month) int { return int(m.n - other.n) }

// Before says that m comes before other.
func (m Month) Before(other Month) bool { return m.n < other.n }

// After says that m comes after other.
func (m Month) After(other Month) bool { return m.n > other.n }

// Equal says that both are the same month (for go-cmp).
func (m Month) Equal(other Month) bool { return m == other }

// Compare orders months for slices.SortFunc.
func (m Month) Compare(other Month) int { return int(m.n) - int(other.n) }

// String prints the month as YYYY-MM, and no month as the empty text.
func (m Month) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Start().Format("2006-01")
}

// MarshalText prints the month as YYYY-MM.
func (m Month) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads YYYY-MM; the empty text is no month.
func (m *Month) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*m = Month{}
		return nil
	}
	v, err := ParseMonth(string(b))
	if err != nil {
		return err
	}
	*m = v
	return nil
}

// A Date is a day without a time: an issue date, a due date, the date of a rate.
// The zero value is "no date".
type Date struct {
	t time.Time // midnight UTC
}

// DateOf returns the day that t lies on, in t's own time zone.
func DateOf(t time.Time) Date {
	return NewDate(t.Year(), t.Month(), t.Day())
}

// NewDate returns a day; values beyond a month's end run on as in time.Date.
func NewDate(year int, m time.Month, day int) Date {
	return Date{time.Date(year, m, day, 0, 0, 0, 0, time.UTC)}
}

// ParseDate reads a day as YYYY-MM-DD.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Date{}, fmt.Errorf("not a date, want YYYY-MM-DD: %q", s)
	}
	return Date{t}, nil
}

// MustDate is ParseDate for days written in the program itself.
func MustDate(s string) Date {
	d, err := ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

// IsZero says that there is no date.
func (d Date) IsZero() bool { return d.t.IsZero() }

// Time is midnight UTC of the day.
func (d Date) Time() time.Time { return d.t }

// Year is the day's year.
func (d Date) Year() int { return d.t.Year() }

// Month is the month that the day lies in.
func (d Date) Month() Month { return MonthOf(d.t) }

// AddDays returns the day n days later.
func (d Date) AddDays(n int) Date { return Date{d.t.AddDate(0, 0, n)} }

// Before says that d comes before other.
func (d Date) Before(other Date) bool { return d.t.Before(other.t) }

// After says that d comes after other.
func (d Date) After(other Date) bool { return d.t.After(other.t) }

// Compare orders dates for slices.SortFunc.
func (d Date) Compare(other Date) int { return d.t.Compare(other.t) }

// Equal says that both are the same day (for go-cmp).
func (d Date) Equal(other Date) bool { return d.t.Equal(other.t) }

// String prints the day as YYYY-MM-DD, and no date as the empty text.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.t.Format(time.DateOnly)
}

// MarshalText prints the day as YYYY-MM-DD.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads YYYY-MM-DD; the empty text is no date.
func (d *Date) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*d = Date{}
		return nil
	}
	v, err := ParseDate(string(b))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// A Window is a run of whole months, both ends included. An open end is the zero month.
type Window struct {
	From Month `json:"from,omitzero"`
	To   Month `json:"to,omitzero"`
}

// TransferWindow returns the months that a billing transfer covers: month M when
// start <= M-01T00:00:00Z and there is no end, or end >= the first of M+1 minus one second
// (design 6, domain.md R36, R37). A zero end is open. Fractions of a second are cut, so
// 23:59:59 and 23:59:59.999 are the same end. It returns false when no whole month is covered.
func TransferWindow(start, end time.Time) (Window, bool) {
	if start.IsZero() {
		return Window{}, false
	}
	start = start.UTC()
	w := Window{From: MonthOf(start)}
	if start.After(w.From.Start()) {
		w.From = w.From.Add(1)
	}
	if end.IsZero() {
		return w, true
	}
	// The last covered month is the one before the month that end + 1 s lies in.
	w.To = MonthOf(end.UTC().Truncate(time.Second).Add(time.Second)).Add(-1)
	return w, !w.To.Before(w.From)
}

// Contains says whether m lies in the window.
func (w Window) Contains(m Month) bool {
	return !m.Before(w.From) && !w.Ended(m)
}

// Ended says that m comes after the window's last month.
func (w Window) Ended(m Month) bool { return !w.To.IsZero() && m.After(w.To) }

// Intersect returns the months that lie in both windows, and false when there are none.
func (w Window) Intersect(v Window) (Window, bool) {
	r := w
	if v.From.After(r.From) {
		r.From = v.From
	}
	if r.To.IsZero() || (!v.To.IsZero() && v.To.Before(r.To)) {
		r.To = v.To
	}
	return r, r.To.IsZero() || !r.To.Before(r.From)
}
