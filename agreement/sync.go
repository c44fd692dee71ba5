package agreement

import (
	"fmt"
	"time"
)

// An Observation is something about a transfer that would end its agreement, and when it was
// first seen. Nothing ends on one look (domain.md W16): it must be seen again a day later.
type Observation struct {
	Status TransferStatus `json:"status,omitempty"` // WITHDRAWN; or missing
	End    time.Time      `json:"end,omitzero"`
	At     time.Time      `json:"at,omitzero"`
}

// transferMissing is observed when AWS does not know the transfer any more. It is no status of AWS.
const transferMissing = "missing"

// observeAgain is how far apart the two looks must be.
const observeAgain = 24 * time.Hour

// wantSync compares a running agreement with AWS: by describing its transfer, never by its
// absence from a list.
func (c *Case) wantSync(now time.Time) (Request, error) {
	running := c.Life.Status == Active || c.Life.Status == Updating
	if !running || c.Agreement.Transfer.ID == "" || c.Life.Status == Terminating {
		return nil, nil
	}
	if w, ok := c.Agreement.Window(); ok && !w.To.IsZero() && !c.Agreement.Transfer.End.IsZero() {
		return nil, c.endFromBook(now, w.To.End())
	}
	return DescribeTransfer{c.Agreement.Transfer.ID}, nil
}

// endFromBook takes an end that the book states: a person has confirmed it.
func (c *Case) endFromBook(now, at time.Time) error {
	if err := c.move("end_fixed", now); err != nil {
		return err
	}
	c.emit(now, EventTransferEnds, "the billing transfer ends before "+at.Format(time.DateOnly), "transfer", c.Agreement.Transfer.ID)
	return nil
}

func (c *Case) stepSync(now time.Time, a Answer) error {
	f := FaultOf(a.Err)
	if f != nil && f.Kind != NotFound {
		return a.Err
	}
	t, _ := a.Value.(ResponsibilityTransfer)
	status := t.Status
	if f != nil {
		status = transferMissing
	}
	l := c.Life
	l.Reasons = without(without(l.Reasons, "unknown_status"), "transfer_missing")
	switch status {
	case TransferAccepted:
		l.Observed = Observation{}
		c.Agreement.Transfer.Status = string(t.Status)
		return errWait
	case TransferWithdrawn:
		if t.End.IsZero() {
			l.Reasons = append(l.Reasons, Reason{Code: "unknown_status", Text: fmt.Sprintf("transfer %s is WITHDRAWN, but AWS states no end", t.ID)})
			return errWait
		}
		if !c.observed(Observation{status, t.End, now}) {
			return errWait
		}
		if err := c.fixEnd(now, t); err != nil {
			return err
		}
		return errWait
	case transferMissing:
		if c.observed(Observation{status, time.Time{}, now}) {
			l.Reasons = append(l.Reasons, Reason{Code: "transfer_missing", Text: fmt.Sprintf("AWS does not know transfer %s; nothing was ended: Operations has to look", c.Agreement.Transfer.ID)})
		}
		return errWait
	case TransferRequested, TransferDeclined, TransferCanceled, TransferExpired:
	}
	l.Reasons = append(l.Reasons, Reason{Code: "unknown_status", Text: fmt.Sprintf("transfer %s has status %q; nothing was changed", t.ID, status)})
	return errWait
}

// observed says whether the same was seen at least a day ago; if not it remembers the first look.
func (c *Case) observed(o Observation) bool {
	was := c.Life.Observed
	if was.Status != o.Status || !was.End.Equal(o.End) {
		c.Life.Observed, c.Life.Updated = o, o.At
		return false
	}
	return !o.At.Before(was.At.Add(observeAgain))
}
