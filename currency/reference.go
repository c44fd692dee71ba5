package currency

import (
	"cmp"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/calendar"
)

// ECB is the source of the euro reference rates.
const ECB = "ecb"

// Which published rate of a source is the rate of a billed month. Each rule gives the same rate
// whenever it is asked, once the rates of that day are imported.
const (
	// DayMonthEnd: the last rate published in the month.
	DayMonthEnd = "month_end"
	// DayMonthAverage: the mean of the rates published in the month. A cross rate is that of the
	// means, as the source itself publishes them.
	DayMonthAverage = "month_average"
	// DayLastBefore: the last rate published before the month begins, so that it is known in advance.
	DayLastBefore = "last_before"
	// DayPublication: the first rate published once the month is over, when its bill is made.
	DayPublication = "publication"
)

// DefaultMaxAge is how many days a rate may be older than the day it is for. Between two
// publications of a central bank lie at most five (Easter), six where Maundy Thursday is a holiday.
const DefaultMaxAge = 7

//go:embed data/rate_sources.csv
var rateSources string

// A publisher is who stands behind a source of rates.
type publisher struct {
	base    Code // "": the quotes name both currencies, and there are no cross rates
	monthly bool // one rate a calendar month, dated with its first day
	name    string
}

var publishers = func() map[string]publisher {
	m := map[string]publisher{}
	for line := range strings.Lines(rateSources) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, ",")
		if len(f) != 4 || !Code(f[1]).Known() {
			panic("currency: data/rate_sources.csv: " + line)
		}
		m[f[0]] = publisher{base: Code(f[1]), monthly: f[2] == "month", name: f[3]}
	}
	return m
}()

// TaxSource is the source whose rates turn tax into a currency: that of the currency's own
// authority (Switzerland, Great Britain, Norway), else the ECB (VAT Directive art. 91(2)).
func TaxSource(to Code) string {
	for _, source := range slices.Sorted(maps.Keys(publishers)) {
		if publishers[source].base == to {
			return source
		}
	}
	return ECB
}

// A Table holds published rates. It is made once and may be read by many.
type Table struct {
	series map[pair]*series
	newest map[string]calendar.Date // by source
}

type pair struct {
	source   string
	from, to Code
}

// A series is what was published for one pair, by date.
type series struct {
	rates []Rate
}

// NewTable returns a table of rates as published: each with its pair, value, source, date and the
// digest of the file it came from. Of two for one source, pair and date the later one counts.
func NewTable(published []Rate) *Table {
	t := &Table{series: map[pair]*series{}, newest: map[string]calendar.Date{}}
	for _, r := range published {
		p := pair{r.Source, r.From, r.To}
		if t.series[p] == nil {
			t.series[p] = &series{}
		}
		t.series[p].rates = append(t.series[p].rates, r)
		if r.Date.After(t.newest[r.Source]) {
			t.newest[r.Source] = r.Date
		}
	}
	for _, s := range t.series {
		slices.SortStableFunc(s.rates, func(a, b Rate) int { return a.Date.Compare(b.Date) })
		last := s.rates[:0]
		for _, r := range s.rates {
			if n := len(last); n > 0 && last[n-1].Date.Equal(r.Date) {
				last[n-1] = r
			} else {
				last = append(last, r)
			}
		}
		s.rates = last
	}
	return t
}

// on returns the rate of a day.
func (s *series) on(day calendar.Date) (Rate, bool) {
	i, ok := slices.BinarySearchFunc(s.rates, day, func(r Rate, d calendar.Date) int { return r.Date.Compare(d) })
	if !ok {
		return Rate{}, false
	}
	return s.rates[i], true
}

// A leg is a step of a conversion: a published pair, taken as it is or turned round.
type leg struct {
	*series
	turned bool
}

// legs finds how a source leads from one currency to another: a published pair, the same turned
// round, or through the source's base currency.
func (t *Table) legs(source string, from, to Code) ([]leg, error) {
	if l, ok := t.leg(source, from, to); ok {
		return []leg{l}, nil
	}
	if base := publishers[source].base; base != "" {
		a, okA := t.leg(source, from, base)
		b, okB := t.leg(source, base, to)
		if okA && okB {
			return []leg{a, b}, nil
		}
	}
	if t.newest[source].IsZero() {
		return nil, fmt.Errorf("no rate from %s to %s: no rates of %s are imported for this time", from, to, name(source))
	}
	return nil, fmt.Errorf("no rate from %s to %s: %s publishes none", from, to, name(source))
}

func (t *Table) leg(source string, from, to Code) (leg, bool) {
	if s, ok := t.series[pair{source, from, to}]; ok {
		return leg{s, false}, true
	}
	s, ok := t.series[pair{source, to, from}]
	return leg{s, true}, ok
}

func name(source string) string {
	if p, ok := publishers[source]; ok {
		return p.name + " (" + source + ")"
	}
	return source
}

// days returns the days from first to last on which all legs were published.
func days(legs []leg, first, last calendar.Date) []calendar.Date {
	var all []calendar.Date
	rates := legs[0].rates
	i, _ := slices.BinarySearchFunc(rates, first, func(r Rate, d calendar.Date) int { return r.Date.Compare(d) })
	for ; i < len(rates) && !rates[i].Date.After(last); i++ {
		day := rates[i].Date
		if !slices.ContainsFunc(legs[1:], func(l leg) bool { _, ok := l.on(day); return !ok }) {
			all = append(all, day)
		}
	}
	return all
}

// compute returns the rate over legs, each the mean of its rates on the days, dated with the last
// of them. A published rate is returned as it is; a computed one is rounded once, half to even, to
// ten places. The number of days cancels out between a leg that is turned and one that is not.
func compute(source string, from, to Code, legs []leg, on []calendar.Date) (Rate, error) {
	r := Rate{From: from, To: to, Source: source, Date: on[len(on)-1]}
	over, under := MustParse("1"), MustParse("1")
	n := decimalOf(len(on))
	var digests []string
	for _, l := range legs {
		sum := Zero
		for _, day := range on {
			q, _ := l.on(day)
			if q.Value.Sign() <= 0 {
				return Rate{}, fmt.Errorf("rate %s/%s of %s on %s is not positive: %s", q.From, q.To, name(source), day, Plain(q.Value))
			}
			sum = sum.Add(q.Value)
			if q.Digest != "" && !slices.Contains(digests, q.Digest) {
				digests = append(digests, q.Digest)
			}
		}
		if l.turned {
			over, under = over.Mul(n), under.Mul(sum)
		} else {
			over, under = over.Mul(sum), under.Mul(n)
		}
	}
	if r.Value = quotient(over, under); r.Value.IsZero() {
		return Rate{}, fmt.Errorf("the rate from %s to %s of %s is 0 at %d places", from, to, name(source), RatePlaces)
	}
	r.Digest = strings.Join(digests, " ")
	return r, nil
}

func decimalOf(n int) Decimal { return MustParse(fmt.Sprint(n)) }

// Month returns the rate of a billed month by one of the day rules; "" is DayMonthEnd. A rate more
// than maxAge days away from the day it is for is stale and an error (0: DefaultMaxAge), and so is
// a rate that could still change, because the source's rates are not imported up to that day.
func (t *Table) Month(source, rule string, from, to Code, m calendar.Month, maxAge int) (Rate, error) {
	if from == to {
		return Same(from), nil
	}
	switch monthly := publishers[source].monthly; {
	case rule == DayMonthEnd, rule == "", rule == DayMonthAverage && monthly:
		return t.On(source, from, to, m.Last(), maxAge)
	case rule == DayLastBefore:
		return t.On(source, from, to, m.First().AddDays(-1), maxAge)
	case rule == DayPublication && monthly:
		return t.On(source, from, to, m.Add(1).Last(), maxAge)
	case rule == DayPublication:
		return t.after(source, from, to, m.Last(), maxAge)
	case rule == DayMonthAverage:
		return t.average(source, from, to, m, maxAge)
	}
	return Rate{}, fmt.Errorf("no rate from %s to %s: unknown rule for the day: %q", from, to, rule)
}

// On returns the rate of a day: the one published then or, if none was, the last before it. Of a
// source that publishes once a month it is that of the day's month.
func (t *Table) On(source string, from, to Code, day calendar.Date, maxAge int) (Rate, error) {
	if from == to {
		return Same(from), nil
	}
	legs, err := t.legs(source, from, to)
	if err != nil {
		return Rate{}, err
	}
	if publishers[source].monthly {
		on := days(legs, day.Month().First(), day)
		if len(on) == 0 {
			return Rate{}, fmt.Errorf("no rate from %s to %s of %s for %s", from, to, name(source), day.Month())
		}
		return compute(source, from, to, legs, on[len(on)-1:])
	}
	if err := t.reaches(source, from, to, day); err != nil {
		return Rate{}, err
	}
	maxAge = cmp.Or(maxAge, DefaultMaxAge)
	on := days(legs, day.AddDays(-maxAge), day)
	if len(on) == 0 {
		return Rate{}, stale(source, from, to, legs, day, maxAge)
	}
	return compute(source, from, to, legs, on[len(on)-1:])
}

// reaches is an error when a rate for the day could still be published: the newest rate of the
// source is older than the last weekday up to it. Without this the month's rate would depend on
// when the rates were imported (I4).
func (t *Table) reaches(source string, from, to Code, day calendar.Date) error {
	weekday := day
	for wd := weekday.Time().Weekday(); wd == 0 || wd == 6; wd = weekday.Time().Weekday() {
		weekday = weekday.AddDays(-1)
	}
	if newest := t.newest[source]; newest.Before(weekday) {
		return fmt.Errorf("no rate from %s to %s for %s: the imported rates of %s end with %s; import newer ones",
			from, to, day, name(source), newest)
	}
	return nil
}

func stale(source string, from, to Code, legs []leg, day calendar.Date, maxAge int) error {
	on := days(legs, calendar.NewDate(1, 1, 1), day)
	if len(on) == 0 {
		return fmt.Errorf("no rate from %s to %s: %s has published none up to %s", from, to, name(source), day)
	}
	last := on[len(on)-1]
	age := int(day.Time().Sub(last.Time()).Hours() / 24)
	return fmt.Errorf("no rate from %s to %s for %s: the last one of %s is of %s, %d days old; at most %d are allowed",
		from, to, day, name(source), last, age, maxAge)
}

// after returns the first rate published after the day.
func (t *Table) after(source string, from, to Code, day calendar.Date, maxAge int) (Rate, error) {
	legs, err := t.legs(source, from, to)
	if err != nil {
		return Rate{}, err
	}
	maxAge = cmp.Or(maxAge, DefaultMaxAge)
	on := days(legs, day.AddDays(1), day.AddDays(maxAge))
	if len(on) == 0 {
		return Rate{}, fmt.Errorf("no rate from %s to %s: none of %s is published after %s yet, or none within %d days; the imported ones end with %s",
			from, to, name(source), day, maxAge, t.newest[source])
	}
	return compute(source, from, to, legs, on[:1])
}

func (t *Table) average(source string, from, to Code, m calendar.Month, maxAge int) (Rate, error) {
	legs, err := t.legs(source, from, to)
	if err != nil {
		return Rate{}, err
	}
	if err := t.reaches(source, from, to, m.Last()); err != nil {
		return Rate{}, err
	}
	maxAge = cmp.Or(maxAge, DefaultMaxAge)
	on := days(legs, m.First(), m.Last())
	if len(on) == 0 || on[len(on)-1].Before(m.Last().AddDays(-maxAge)) {
		return Rate{}, stale(source, from, to, legs, m.Last(), maxAge)
	}
	if first := m.First().AddDays(maxAge); on[0].After(first) {
		return Rate{}, fmt.Errorf("no mean rate from %s to %s for %s: the first one of %s in it is of %s", from, to, m, name(source), on[0])
	}
	return compute(source, from, to, legs, on)
}
