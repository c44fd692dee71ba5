package agreement

import (
	"fmt"
	"slices"
	"time"
)

// wantTidy takes away what an ended agreement holds in AWS, once nothing needs it any more: an
// open offer of a service term at once; billing group and relationship after the last month is
// settled, since they carry the pricing and the partner discount until then (domain.md W39). It
// looks for what was made just before a crash and is not noted.
func (c *Case) wantTidy(now time.Time) (Request, error) {
	l := c.Life
	if (l.Status != Failed && l.Status != Terminated) || !l.Tidied.IsZero() {
		return nil, nil
	}
	if l.EndWanted && !c.Facts.Followed {
		v, ok := c.pass.looked["transfer"]
		if !ok {
			return DescribeTransfer{c.Agreement.Transfer.ID}, nil
		}
		if t, _ := v.(ResponsibilityTransfer); t.Status == TransferAccepted {
			return EndTransfer{t.ID, c.earliestEnd(now, t.Start)}, nil
		}
	}
	if r := c.wantNoOffer(); r != nil {
		return r, nil
	}
	if _, billed := c.Agreement.Window(); billed && (!c.over(now) || !c.Facts.Settled) {
		return nil, nil
	}
	switch {
	case l.BillingGroup != "":
		return DeleteBillingGroup{l.BillingGroup}, nil
	case l.TransferARN != "" && !c.seen("groups"):
		return ListBillingGroups{l.TransferARN}, nil
	case l.Relationship != "" && !slices.Contains(c.Facts.Held, l.Relationship):
		return DeleteRelationship{l.Program, l.Relationship}, nil
	}
	l.Relationship, l.Tidied, l.Updated = "", now, now
	return nil, nil
}

// wantNoOffer finds the relationship and takes back every service term that is still offered on it.
// One that another agreement of the organisation holds is left alone, but for this one's own offer.
func (c *Case) wantNoOffer() Request {
	l := c.Life
	if l.Relationship == "" && l.Program != "" && !c.Facts.Others && !c.seen("relationships") {
		return ListRelationships{l.Program, c.Agreement.ManagementAccount}
	}
	if l.Relationship == "" {
		return nil
	}
	v, ok := c.pass.looked["handshakes"]
	if !ok {
		return ListHandshakes{l.Relationship}
	}
	held := slices.Contains(c.Facts.Held, l.Relationship)
	list, _ := v.([]ChannelHandshake)
	for _, h := range list {
		if h.Status == HandshakePending && (!held || h.ID == l.Handshake.ID) {
			return CancelHandshake{h.ID}
		}
	}
	return nil
}

func (c *Case) stepTidy(now time.Time, a Answer) error {
	l := c.Life
	f := FaultOf(a.Err)
	gone := f == nil || f.Kind == NotFound
	switch r := a.To.(type) {
	case DescribeTransfer, EndTransfer:
		return c.failedTransferSeen(now, r, a)
	case ListRelationships:
		if !gone {
			return a.Err
		}
		list, _ := a.Value.([]Relationship)
		c.look("relationships", list)
		if len(list) > 0 && !slices.Contains(c.Facts.Held, list[0].ID) {
			l.Relationship, l.Updated = list[0].ID, now
		}
		return nil
	case ListHandshakes:
		if !gone {
			return a.Err
		}
		list, _ := a.Value.([]ChannelHandshake)
		c.look("handshakes", list)
		if h, ok := c.ownHandshake(a); ok && h.Status != l.Handshake.Status {
			l.Handshake.Status, l.Updated = h.Status, now
		}
		return nil
	case CancelHandshake:
		if f != nil && f.Kind != Conflict && f.Kind != NotFound {
			return a.Err
		}
		delete(c.pass.looked, "handshakes") // no longer open, by us or by the customer: look again
		return nil
	case ListBillingGroups:
		if !gone {
			return a.Err
		}
		groups, _ := a.Value.([]BillingGroup)
		c.look("groups", groups)
		if len(groups) > 0 {
			l.BillingGroup, l.Updated = groups[0].ARN, now
		}
		return nil
	case DeleteBillingGroup:
		if !gone {
			return a.Err
		}
		delete(c.pass.looked, "groups")
		l.BillingGroup, l.Updated = "", now
		return nil
	case DeleteRelationship:
		if !gone {
			return a.Err
		}
		l.Relationship, l.Updated = "", now
		return nil
	}
	return fmt.Errorf("agreement %s: no use for the answer to %T", l.Agreement, a.To)
}

// failedTransferSeen ends the transfer that a failed order left behind, as soon as AWS lets it.
func (c *Case) failedTransferSeen(now time.Time, r Request, a Answer) error {
	f := FaultOf(a.Err)
	if end, ok := r.(EndTransfer); ok && f != nil {
		switch {
		case f.Reason == "END_DATE_TOO_EARLY" && !c.seen("later"):
			c.look("later", end.End)
			return nil
		case f.Kind == Conflict:
			c.pass.looked = nil
			return nil
		}
		c.askEnd(now, f)
		return errWait
	}
	if f != nil {
		return a.Err
	}
	t, _ := a.Value.(ResponsibilityTransfer)
	c.look("transfer", t)
	switch {
	case t.Status == TransferWithdrawn && !t.End.IsZero():
		c.Agreement.Transfer.End, c.Agreement.Transfer.Status = t.End, string(t.Status)
		c.Life.EndWanted, c.Life.Reasons, c.Life.Updated = false, without(c.Life.Reasons, "end_refused"), now
		c.emit(now, EventTransferEnds, "the billing transfer ends on "+t.End.Format(time.RFC3339), "transfer", t.ID)
		return nil
	case t.Status == TransferAccepted:
		return nil
	}
	return errWait
}
