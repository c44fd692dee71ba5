package agreement

import (
	"fmt"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// The service term has two ends. What was agreed are 12 calendar months from the start of billing
// (R20): CommitmentEnd, by which a termination is reviewed. What AWS enforces is a commitment of
// at most 365 days from the handshake: TermEnd. The second lies before the first when the
// customer accepts before the start, so that there is a gap in which AWS would let either side go.

// TermMonths is the length of the minimum term (R20, R43).
const TermMonths = 12

// CommitmentEnd returns the last day of the minimum term: 12 calendar months from the first
// month. Start 2026-03 gives 2027-02-28.
func CommitmentEnd(first calendar.Month) calendar.Date {
	return first.Add(TermMonths - 1).Last()
}

// Bounds of a fixed commitment.
const (
	minTermDays = 60
	maxTermDays = 365
)

// AWS checks days and months by its own clock, from which ours may differ: every bound that it
// checks is kept away from by clockMargin. What it refuses all the same is asked for once more with
// dayMargin, before a person is.
const (
	clockMargin = 10 * time.Minute
	dayMargin   = 25 * time.Hour
)

// TermEnd returns the end of the commitment that AWS is asked for: the beginning of the last day
// of the minimum term, so that the transfer can still be ended with that month, but no later than
// 365 days from now and no earlier than 60, and within a margin of both.
func TermEnd(commitment calendar.Date, now time.Time, margin time.Duration) time.Time {
	now = now.UTC().Truncate(time.Second)
	end := commitment.Time()
	if latest := now.AddDate(0, 0, maxTermDays).Add(-margin); end.After(latest) {
		end = latest
	}
	if earliest := now.AddDate(0, 0, minTermDays).Add(margin); end.Before(earliest) {
		end = earliest
	}
	return end
}

// gapDays is how long before the gap between the two ends Operations is warned.
const gapDays = 30

// wantTerm picks up a service term that the customer accepts late (domain.md W17) and warns of
// the gap between the two ends.
func (c *Case) wantTerm(now time.Time) (Request, error) {
	st, l := c.Agreement.ServiceTerm, c.Life
	running := l.Status == Active || l.Status == Updating
	if running && !l.GapWarned && !st.AcceptedAt.IsZero() && st.AWSEnd.Before(st.CommitmentEnd) &&
		!now.Before(st.AWSEnd.AddDays(-gapDays).Time()) {
		l.GapWarned, l.Updated = true, now
		c.emit(now, EventTermGap, fmt.Sprintf("AWS enforces the service term until %s, the commitment runs until %s", st.AWSEnd, st.CommitmentEnd),
			"aws_end", st.AWSEnd.String(), "commitment_end", st.CommitmentEnd.String())
	}
	if !running || !st.AcceptedAt.IsZero() || l.Handshake.ID == "" || l.Handshake.Status != HandshakePending {
		return nil, nil
	}
	if c.Order != nil && c.Order.InProcess() && c.Order.Type == Buy {
		return nil, nil
	}
	return ListHandshakes{l.Relationship}, nil
}

func (c *Case) stepTerm(now time.Time, a Answer) error {
	if a.Err != nil {
		return a.Err
	}
	h, ok := c.ownHandshake(a)
	if !ok || h.Status == HandshakePending {
		return errWait
	}
	c.Life.Handshake.Status, c.Life.Updated = h.Status, now
	if h.Status == HandshakeAccepted {
		c.termAccepted(now, h)
	}
	return errWait
}
