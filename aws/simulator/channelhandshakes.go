package simulator

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// A channelHandshake is a request of Partner Central that the other side has to accept.
type channelHandshake struct {
	ID         string
	Type       string
	Status     string // PENDING, ACCEPTED, REJECTED, CANCELED, EXPIRED
	PeriodType string
	NoticeDays int
	Start      time.Time // of the service period: when it was accepted
	End        time.Time // of a fixed commitment
	Note       string
	sender     string
	receiver   string
	program    *program      // of PROGRAM_MANAGEMENT_ACCOUNT
	relation   *relationship // of service periods
	created    time.Time
	updated    time.Time
	expires    time.Time
	over       bool // replaced or revoked by a later one
}

const (
	statePending  = "PENDING"
	stateRejected = "REJECTED"

	startPeriod     = "START_SERVICE_PERIOD"
	revokePeriod    = "REVOKE_SERVICE_PERIOD"
	programHand     = "PROGRAM_MANAGEMENT_ACCOUNT"
	fixedCommitment = "FIXED_COMMITMENT_PERIOD"
	minimumNotice   = "MINIMUM_NOTICE_PERIOD"
)

// servicePeriod is the service period in force between two accounts; nil if there is none.
func (s *Simulator) servicePeriod(programAccount, account string) *channelHandshake {
	for _, h := range s.channel {
		if h.Type == startPeriod && h.Status == stateAccepted && !h.over &&
			h.relation.program.Account == programAccount && h.relation.Account == account {
			return h
		}
	}
	return nil
}

func (h *channelHandshake) arn() string {
	return "arn:aws:partnercentral:us-east-1:" + h.sender + ":catalog/AWS/channel-handshake/" + h.ID
}

func (h *channelHandshake) resource() string {
	if h.relation != nil {
		return h.relation.ID
	}
	return h.program.ID
}

func (h *channelHandshake) wire() map[string]any {
	var detail map[string]any
	if h.Type == programHand {
		detail = map[string]any{"programManagementAccountHandshakeDetail": map[string]any{"program": h.program.Kind}}
	} else {
		d := map[string]any{"servicePeriodType": h.PeriodType}
		if h.Note != "" {
			d["note"] = h.Note
		}
		if h.NoticeDays > 0 {
			d["minimumNoticeDays"] = strconv.Itoa(h.NoticeDays)
		}
		if !h.Start.IsZero() {
			d["startDate"] = iso{h.Start}
		}
		if !h.End.IsZero() {
			d["endDate"] = iso{h.End}
		}
		member := "startServicePeriodHandshakeDetail"
		if h.Type == revokePeriod {
			member = "revokeServicePeriodHandshakeDetail"
		}
		detail = map[string]any{member: d}
	}
	return map[string]any{
		"id": h.ID, "arn": h.arn(), "catalog": "AWS", "handshakeType": h.Type, "ownerAccountId": h.sender,
		"senderAccountId": h.sender, "senderDisplayName": "partner " + h.sender, "receiverAccountId": h.receiver,
		"associatedResourceId": h.resource(), "detail": detail, "status": h.Status,
		"createdAt": iso{h.created}, "updatedAt": iso{h.updated},
	}
}

type periodPayload struct {
	ProgramManagementAccountIdentifier string
	Note                               string
	ServicePeriodType                  string
	MinimumNoticeDays                  string
	EndDate                            *iso
}

type createChannelHandshakeIn struct {
	HandshakeType, Catalog, AssociatedResourceIdentifier string
	Payload                                              struct {
		StartServicePeriodPayload  *periodPayload
		RevokeServicePeriodPayload *periodPayload
	}
}

func createChannelHandshake(s *Simulator, c caller, in createChannelHandshakeIn) (any, error) {
	if err := catalogKnown(in.Catalog); err != nil {
		return nil, err
	}
	h := &channelHandshake{Type: in.HandshakeType, Status: statePending, sender: c.Account, created: s.now(), updated: s.now(),
		expires: s.now().AddDate(0, 0, s.settings.ChannelHandshakeDays)}
	var err error
	switch in.HandshakeType {
	case programHand:
		err = s.inviteProgram(c, h, in)
	case startPeriod:
		err = s.requestPeriod(c, h, in)
	case revokePeriod:
		err = s.requestRevocation(c, h, in)
	default:
		err = requestInvalid("handshakeType", "no such handshake type: "+in.HandshakeType)
	}
	if err != nil {
		return nil, err
	}
	for _, other := range s.channel {
		if other.Status == statePending && other.Type == h.Type && other.resource() == h.resource() {
			return nil, conflict("ChannelHandshake", other.ID, "a handshake of this type is pending")
		}
	}
	h.ID = s.id("ch-", 13)
	s.channel = append(s.channel, h)
	return map[string]any{"channelHandshakeDetail": map[string]any{"id": h.ID, "arn": h.arn()}}, nil
}

func (s *Simulator) inviteProgram(c caller, h *channelHandshake, in createChannelHandshakeIn) error {
	p, err := s.program(c, in.AssociatedResourceIdentifier)
	if err != nil {
		return err
	}
	if p.Status == "ACTIVE" {
		return businessInvalid("the program management account is ACTIVE")
	}
	h.program, h.receiver = p, p.Account
	return nil
}

func (s *Simulator) requestPeriod(c caller, h *channelHandshake, in createChannelHandshakeIn) error {
	p := in.Payload.StartServicePeriodPayload
	if p == nil {
		return requestInvalid("payload", "startServicePeriodPayload is required")
	}
	if err := s.relate(c, h, in.AssociatedResourceIdentifier, p); err != nil {
		return err
	}
	h.PeriodType, h.Note = p.ServicePeriodType, p.Note
	switch p.ServicePeriodType {
	case fixedCommitment:
		now := s.now()
		if p.EndDate == nil {
			return requestInvalid("endDate", "a fixed commitment needs an endDate")
		}
		if p.EndDate.Before(now.AddDate(0, 0, 60)) || p.EndDate.After(now.AddDate(0, 0, 365)) {
			return businessInvalid("a fixed commitment is 60 to 365 days")
		}
		h.End = p.EndDate.Time
	case minimumNotice:
		if !slices.Contains([]string{"14", "30", "60"}, p.MinimumNoticeDays) {
			return businessInvalid("a minimum notice is 14, 30 or 60 days")
		}
		h.NoticeDays, _ = strconv.Atoi(p.MinimumNoticeDays) // one of the three
	default:
		return requestInvalid("servicePeriodType", "no such service period type: "+p.ServicePeriodType)
	}
	return nil
}

func (s *Simulator) requestRevocation(c caller, h *channelHandshake, in createChannelHandshakeIn) error {
	p := in.Payload.RevokeServicePeriodPayload
	if p == nil {
		return requestInvalid("payload", "revokeServicePeriodPayload is required")
	}
	if err := s.relate(c, h, in.AssociatedResourceIdentifier, p); err != nil {
		return err
	}
	period := s.servicePeriod(h.relation.program.Account, h.relation.Account)
	if period == nil {
		return businessInvalid("there is no service period to revoke")
	}
	h.Note, h.PeriodType, h.NoticeDays, h.Start, h.End = p.Note, period.PeriodType, period.NoticeDays, period.Start, period.End
	return nil
}

// relate binds a handshake to the relationship that it is about.
func (s *Simulator) relate(c caller, h *channelHandshake, identifier string, p *periodPayload) error {
	if !strings.HasPrefix(lastPart(identifier), "rs-") {
		return requestInvalid("associatedResourceIdentifier", "a service period belongs to a relationship")
	}
	r, err := s.relationship(c, identifier)
	if err != nil {
		return err
	}
	if lastPart(p.ProgramManagementAccountIdentifier) != r.program.ID {
		return businessInvalid("the relationship is of another program management account")
	}
	h.relation, h.receiver = r, r.Account
	return nil
}

type channelHandshakeIn struct{ Catalog, Identifier string }

// channelHandshake returns a pending handshake that the caller may answer as one of its sides.
func (s *Simulator) channelHandshake(c caller, in channelHandshakeIn, mine func(*channelHandshake) bool) (*channelHandshake, error) {
	if err := catalogKnown(in.Catalog); err != nil {
		return nil, err
	}
	for _, h := range s.channel {
		if h.ID != lastPart(in.Identifier) || h.receiver != c.Account && !h.sentBy(c) {
			continue
		}
		if !mine(h) {
			return nil, denied("the other side of the handshake has to do this")
		}
		if h.Status != statePending {
			return nil, businessInvalid("the handshake is " + h.Status)
		}
		return h, nil
	}
	return nil, notFound("ChannelHandshake", in.Identifier)
}

// sentBy says whether the caller is on the sender's side: the partner, or its program account.
func (h *channelHandshake) sentBy(c caller) bool {
	if h.relation != nil && h.relation.program.Account == c.Account {
		return true
	}
	return h.sender == c.Account || h.relation != nil && h.relation.program.Partner == c.Account
}

func (h *channelHandshake) finish(status string, now time.Time) any {
	h.Status, h.updated = status, now
	return map[string]any{"channelHandshakeDetail": map[string]any{"id": h.ID, "arn": h.arn(), "status": status}}
}

func acceptChannelHandshake(s *Simulator, c caller, in channelHandshakeIn) (any, error) {
	h, err := s.channelHandshake(c, in, func(h *channelHandshake) bool { return h.receiver == c.Account })
	if err != nil {
		return nil, err
	}
	switch h.Type {
	case programHand:
		h.program.Status, h.program.updated = "ACTIVE", s.now()
	default: // a new period replaces the one before, a revocation ends it
		if old := s.servicePeriod(h.relation.program.Account, h.relation.Account); old != nil {
			old.over = true
		}
		if h.Type == startPeriod {
			h.Start = s.now()
		}
	}
	return h.finish(stateAccepted, s.now()), nil
}

func rejectChannelHandshake(s *Simulator, c caller, in channelHandshakeIn) (any, error) {
	h, err := s.channelHandshake(c, in, func(h *channelHandshake) bool { return h.receiver == c.Account })
	if err != nil {
		return nil, err
	}
	return h.finish(stateRejected, s.now()), nil
}

func cancelChannelHandshake(s *Simulator, c caller, in channelHandshakeIn) (any, error) {
	h, err := s.channelHandshake(c, in, func(h *channelHandshake) bool { return h.sentBy(c) })
	if err != nil {
		return nil, err
	}
	return h.finish(stateCanceled, s.now()), nil
}

type listChannelHandshakesIn struct {
	channelPaging
	HandshakeType, ParticipantType          string
	Statuses, AssociatedResourceIdentifiers []string
}

func listChannelHandshakes(s *Simulator, c caller, in listChannelHandshakesIn) (any, error) {
	if err := catalogKnown(in.Catalog); err != nil {
		return nil, err
	}
	if in.ParticipantType != "SENDER" && in.ParticipantType != "RECEIVER" {
		return nil, requestInvalid("participantType", "participantType must be SENDER or RECEIVER")
	}
	var items []any
	for _, h := range s.channel {
		mine := h.receiver == c.Account
		if in.ParticipantType == "SENDER" {
			mine = h.sentBy(c)
		}
		if mine && h.Type == in.HandshakeType && wanted(in.Statuses, h.Status) && wanted(in.AssociatedResourceIdentifiers, h.resource()) {
			items = append(items, h.wire())
		}
	}
	return channelPage(s, "channel-handshakes", items, in.channelPaging)
}
