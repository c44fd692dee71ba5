package worker

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// A Cron says when a task fires, on the clocks of a time zone.
//
// Clocks are put forward and back. A time of day that a day does not have fires once, when the
// clocks jump over it; one that a day has twice fires the first time. Expressions that fire every
// hour or more often (a star or step in the hour field, @every, @hourly) go by elapsed time instead, so
// they neither pause nor repeat for an hour.
type Cron struct {
	Expression string // five fields as in crontab, @daily and its like, or @every 90m
	Zone       *time.Location

	schedule cron.Schedule
	elapsed  bool
}

// ParseCron reads an expression; zone is an IANA name, empty is UTC. Seconds, and zones inside the
// expression, are refused.
func ParseCron(expression, zone string) (Cron, error) {
	c := Cron{Expression: expression}
	var err error
	if c.Zone, err = time.LoadLocation(zone); err != nil || zone == "Local" {
		return c, fmt.Errorf("time zone %q is unknown: want an IANA name such as Europe/Berlin", zone)
	}
	if strings.Contains(expression, "TZ=") {
		return c, fmt.Errorf("%q: the time zone is a setting of its own", expression)
	}
	if c.schedule, err = cron.ParseStandard(expression); err != nil {
		return c, fmt.Errorf("%q is not a cron expression: %w", expression, err)
	}
	if s, ok := c.schedule.(*cron.SpecSchedule); ok {
		s.Location = time.UTC // wall-clock times are computed as if in UTC, see Next
		hours := strings.Fields(expression)
		c.elapsed = expression == "@hourly" || len(hours) == 5 && strings.HasPrefix(hours[1], "*")
		if s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
			return c, fmt.Errorf("%q never fires", expression)
		}
	} else {
		c.elapsed = true
	}
	return c, nil
}

// Next returns the first firing after t, in UTC.
func (c Cron) Next(t time.Time) time.Time {
	if c.elapsed {
		return c.next(t)
	}
	// Wall-clock times only rise when they are mapped to instants, but clocks are put back: begin a
	// little before, and take the first that lies after t.
	wall := asUTC(t.In(c.Zone)).Add(-24 * time.Hour)
	for {
		wall = c.schedule.Next(wall)
		if wall.IsZero() {
			return time.Time{}
		}
		if at := instant(wall, c.Zone); at.After(t) {
			return at
		}
	}
}

// next is Next by elapsed time: whole minutes of the zone's clock, whatever it was put to.
func (c Cron) next(t time.Time) time.Time {
	s, ok := c.schedule.(*cron.SpecSchedule)
	if !ok {
		return c.schedule.Next(t).UTC()
	}
	local := *s
	local.Location = c.Zone
	return local.Next(t).UTC()
}

// Last returns the last firing at or before t, looking back 400 days at the most; zero: there is none.
func (c Cron) Last(t time.Time) time.Time {
	for _, back := range []time.Duration{time.Hour, 25 * time.Hour, 35 * 24 * time.Hour, 400 * 24 * time.Hour} {
		var last time.Time
		for at := c.Next(t.Add(-back)); !at.IsZero() && !at.After(t); at = c.Next(at) {
			last = at
		}
		if !last.IsZero() {
			return last
		}
	}
	return time.Time{}
}

// asUTC is the time that a clock on the wall shows, as if it were one in UTC.
func asUTC(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// instant is when a clock on the wall of a zone first shows a time; for a time that it never
// shows, the instant at which it jumps over it.
func instant(wall time.Time, zone *time.Location) time.Time {
	guess := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := guess.ZoneBounds()
	if asUTC(guess).Equal(wall) {
		if !start.IsZero() { // shown before the clocks were put back, too?
			_, before := start.Add(-time.Second).Zone()
			_, now := guess.Zone()
			if earlier := guess.Add(-time.Duration(before-now) * time.Second); before > now && earlier.Before(start) {
				return earlier.UTC()
			}
		}
		return guess.UTC()
	}
	if asUTC(guess).Before(wall) {
		return end.UTC() // the guess lies before the jump
	}
	return start.UTC()
}
