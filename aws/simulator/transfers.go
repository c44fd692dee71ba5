package simulator

import (
	"regexp"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// A transfer is a billing transfer: source is the organisation whose bill it is, target the one
// that receives and pays it.
type transfer struct {
	ID             string
	Name           string
	Status         string
	Start, End     time.Time // End is zero while the transfer is open
	source, target *organization
	handshake      *handshake
}

// States of transfers and handshakes.
const (
	stateRequested = "REQUESTED"
	stateAccepted  = "ACCEPTED"
	stateDeclined  = "DECLINED"
	stateCanceled  = "CANCELED"
	stateExpired   = "EXPIRED"
	stateWithdrawn = "WITHDRAWN"
)

// inForce says whether the transfer covers instant t, or will: accepted or withdrawn with an end
// after t.
func (t *transfer) inForce(at time.Time) bool {
	return t.Status == stateAccepted || t.Status == stateWithdrawn && t.End.After(at)
}

// arn is the transfer's name as seen from one of its sides.
func (t *transfer) arn(side *organization) string {
	direction := "inbound"
	if side == t.source {
		direction = "outbound"
	}
	return side.arn("transfer") + "/billing/" + direction + "/" + t.ID
}

func (t *transfer) wire(side *organization) map[string]any {
	w := map[string]any{
		"Id": t.ID, "Arn": t.arn(side), "Name": t.Name, "Type": "BILLING", "Status": t.Status,
		"Source":         map[string]any{"ManagementAccountId": t.source.Management.ID, "ManagementAccountEmail": t.source.Management.Email},
		"Target":         map[string]any{"ManagementAccountId": t.target.Management.ID, "ManagementAccountEmail": t.target.Management.Email},
		"StartTimestamp": epoch{t.Start},
	}
	if !t.End.IsZero() {
		w["EndTimestamp"] = epoch{t.End}
	}
	if t.Status == stateRequested {
		w["ActiveHandshakeId"] = t.handshake.ID
	}
	return w
}

type party struct{ Id, Type string }

type inviteIn struct {
	Type           string
	Target         *party
	Notes          string
	StartTimestamp *epoch
	SourceName     string
}

var printable = regexp.MustCompile(`^[ -~]{1,128}$`)

func inviteTransfer(s *Simulator, c caller, in inviteIn) (any, error) {
	target, err := s.managed(c)
	if err != nil {
		return nil, err
	}
	switch {
	case in.Type != "BILLING":
		return nil, invalidInput("INVALID_ENUM", "Type must be BILLING")
	case in.Target == nil || in.StartTimestamp == nil || in.SourceName == "":
		return nil, invalidInput("INPUT_REQUIRED", "Target, StartTimestamp and SourceName are required")
	case !printable.MatchString(in.SourceName):
		return nil, invalidInput("INVALID_PATTERN", "SourceName must be 1 to 128 printable ASCII characters")
	case len(in.Notes) > 1024:
		return nil, invalidInput("MAX_LENGTH_EXCEEDED", "Notes is longer than 1024 characters")
	}
	source, err := s.invited(*in.Target)
	if err != nil {
		return nil, err
	}
	start := in.StartTimestamp.Time
	if err := startAllowed(start, s.now()); err != nil {
		return nil, err
	}
	if err := s.mayTransfer(source, target, start); err != nil {
		return nil, err
	}
	t := &transfer{ID: s.id("rt-", 10), Name: in.SourceName, Status: stateRequested, Start: start, source: source, target: target}
	t.handshake = &handshake{
		ID: s.id("h-", 10), State: stateRequested, Notes: in.Notes, transfer: t,
		requested: s.now(), expires: acceptBy(start),
	}
	s.transfers = append(s.transfers, t)
	s.handshakes = append(s.handshakes, t.handshake)
	return map[string]any{"Handshake": t.handshake.wire()}, nil
}

// invited finds the organisation that an invitation is for: only a management account can hand
// over its bill (domain.md R9).
func (s *Simulator) invited(p party) (*organization, error) {
	var a *account
	switch p.Type {
	case "ACCOUNT":
		if !twelveDigits.MatchString(p.Id) {
			return nil, invalidInput("INVALID_PATTERN_TARGET_ID", "the account id is not twelve digits")
		}
		a = s.accounts[p.Id]
	case "EMAIL":
		for _, b := range s.accounts {
			if b.Email == p.Id {
				a = b
			}
		}
	default:
		return nil, invalidInput("INVALID_PARTY_TYPE_TARGET", "the target must be an ACCOUNT or an EMAIL")
	}
	if a == nil || a.org == nil || a.org.Management != a {
		return nil, handshakeConstraint("TARGET_ACCOUNT_VALIDATION_FAILURE", "the target is not the management account of an organization")
	}
	if a.Status != "ACTIVE" {
		return nil, constraint("ACCOUNT_NOT_ACTIVE_FOR_TRANSFER_RESPONSIBILITY", "the target is "+a.Status)
	}
	return a.org, nil
}

// startAllowed checks the start of a transfer: the first of the next month or of the month after,
// and not so near that nobody could accept any more.
func startAllowed(start, now time.Time) error {
	next := calendar.MonthOf(now).Add(1)
	switch {
	case start.Day() != 1:
		return invalidInput("START_DATE_NOT_BEGINNING_OF_MONTH", "StartTimestamp must be the first day of a month")
	case !start.Equal(calendar.MonthOf(start).Start()):
		return invalidInput("START_DATE_NOT_BEGINNING_OF_DAY", "StartTimestamp must be 00:00:00 UTC")
	case start.Before(next.Start()) || !now.Before(acceptBy(start)):
		return invalidInput("START_DATE_TOO_EARLY", "StartTimestamp must be the first of a month that begins in more than 24 hours")
	case start.After(next.Add(1).Start()):
		return invalidInput("START_DATE_TOO_LATE", "StartTimestamp must be the first of the next month or of the month after")
	}
	return nil
}

// acceptBy is the instant from which a transfer cannot be accepted any more: for 1 May it is
// 30 April 00:00:00, so that 29 April 23:59:59 is the last second (domain.md A-2).
func acceptBy(start time.Time) time.Time { return start.Add(-24 * time.Hour) }

func constraint(reason, message string) *Error {
	return &Error{Code: "ConstraintViolationException", Reason: reason, Message: message}
}

func handshakeConstraint(reason, message string) *Error {
	return &Error{Code: "HandshakeConstraintViolationException", Reason: reason, Message: message}
}

// mayTransfer checks what two organisations already have between them, and the quotas.
func (s *Simulator) mayTransfer(source, target *organization, start time.Time) error {
	if source == target {
		return handshakeConstraint("SOURCE_AND_TARGET_CANNOT_MATCH", "an organization cannot transfer to itself")
	}
	if !source.AllFeatures || !target.AllFeatures {
		return constraint("ORGANIZATION_NOT_IN_ALL_FEATURES_MODE", "both organizations need all features")
	}
	inbound := 0
	for _, t := range s.transfers {
		open := t.Status == stateRequested || t.inForce(s.now())
		if t.target == target && open {
			inbound++
		}
		if t.source == source && t.target == target {
			stale := s.settings.StaleInvitations && t.Status != stateWithdrawn
			if stale || t.Status == stateRequested || t.inForce(start) {
				return handshakeConstraint("RESPONSIBILITY_TRANSFER_ALREADY_EXISTS", "there is a transfer "+t.ID+" between these organizations")
			}
		}
	}
	if inbound >= target.Inbound {
		return constraint("RESPONSIBILITY_TRANSFER_MAX_INBOUND_QUOTA_VIOLATION", "the quota of inbound transfers is used up; pending invitations count")
	}
	return s.mayChain(source, target)
}

// mayChain checks how many organisations a bill would pass through.
func (s *Simulator) mayChain(source, target *organization) error {
	length := 1
	for _, t := range s.transfers {
		if t.inForce(s.now()) && (t.source == target || t.target == source) {
			length++
		}
	}
	if length > max(1, target.Level) {
		return constraint("RESPONSIBILITY_TRANSFER_MAX_LEVEL_VIOLATION", "the chain of transfers would be too long")
	}
	return nil
}

type listTransfersIn struct {
	paging
	Type string
	Id   string
}

func listTransfers(s *Simulator, c caller, in listTransfersIn, side func(*transfer) *organization) (any, error) {
	o, err := s.managed(c)
	if err != nil {
		return nil, err
	}
	if in.Type != "BILLING" {
		return nil, invalidInput("INVALID_ENUM", "Type must be BILLING")
	}
	var items []any
	for _, t := range s.transfers {
		if side(t) == o && (in.Id == "" || in.Id == t.ID) {
			items = append(items, t.wire(o))
		}
	}
	if in.Id != "" && len(items) == 0 {
		return nil, noTransfer(in.Id)
	}
	return listPage(s, "transfers", "ResponsibilityTransfers", items, in.paging)
}

func listInbound(s *Simulator, c caller, in listTransfersIn) (any, error) {
	return listTransfers(s, c, in, func(t *transfer) *organization { return t.target })
}

func listOutbound(s *Simulator, c caller, in listTransfersIn) (any, error) {
	in.Id = "" // only the inbound list has a filter
	return listTransfers(s, c, in, func(t *transfer) *organization { return t.source })
}

func noTransfer(id string) *Error {
	return &Error{Code: "ResponsibilityTransferNotFoundException", Message: "no transfer " + id}
}

// transfer returns a transfer of the caller's organisation, and that organisation.
func (s *Simulator) transfer(c caller, id string) (*transfer, *organization, error) {
	o, err := s.managed(c)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range s.transfers {
		if t.ID == id && (t.source == o || t.target == o) {
			return t, o, nil
		}
	}
	return nil, nil, noTransfer(id)
}

type transferIn struct {
	Id           string
	Name         string
	EndTimestamp *epoch
}

func describeTransfer(s *Simulator, c caller, in transferIn) (any, error) {
	t, o, err := s.transfer(c, in.Id)
	if err != nil {
		return nil, err
	}
	return map[string]any{"ResponsibilityTransfer": t.wire(o)}, nil
}

func updateTransfer(s *Simulator, c caller, in transferIn) (any, error) {
	t, o, err := s.transfer(c, in.Id)
	switch {
	case err != nil:
		return nil, err
	case !printable.MatchString(in.Name):
		return nil, invalidInput("INVALID_PATTERN", "Name must be 1 to 128 printable ASCII characters")
	case t.Status != stateRequested && t.Status != stateAccepted:
		return nil, constraint("TRANSFER_RESPONSIBILITY_UPDATE_NOT_ALLOWED", "the transfer is "+t.Status)
	}
	t.Name = in.Name
	return map[string]any{"ResponsibilityTransfer": t.wire(o)}, nil
}

// terminateTransfer withdraws a transfer at a month's end. Its status changes at once, while the
// target goes on paying until the end (domain.md A-3).
func terminateTransfer(s *Simulator, c caller, in transferIn) (any, error) {
	t, o, err := s.transfer(c, in.Id)
	if err != nil {
		return nil, err
	}
	switch t.Status {
	case stateAccepted:
	case stateWithdrawn:
		return nil, &Error{Code: "ResponsibilityTransferAlreadyInStatusException", Message: "the transfer is WITHDRAWN"}
	default:
		return nil, &Error{Code: "InvalidResponsibilityTransferTransitionException", Message: "the transfer is " + t.Status + ", not ACCEPTED"}
	}
	// A transfer that has not begun lasts its first month: an end before the start is none.
	earliest := calendar.MonthOf(s.now())
	if first := calendar.MonthOf(t.Start); earliest.Before(first) {
		earliest = first
	}
	latest := calendar.MonthOf(s.now()).Add(1)
	if latest.Before(earliest) {
		latest = earliest
	}
	end := earliest.End().Add(-time.Second)
	if in.EndTimestamp != nil {
		end = in.EndTimestamp.Time
	}
	month := calendar.MonthOf(end)
	switch {
	case !end.Truncate(time.Second).Equal(month.End().Add(-time.Second)):
		return nil, invalidInput("END_DATE_NOT_END_OF_MONTH", "EndTimestamp must be 23:59:59 UTC of a month's last day")
	case month.Before(earliest):
		return nil, invalidInput("END_DATE_TOO_EARLY", "the earliest end is that of "+earliest.String())
	case month.After(latest):
		return nil, invalidInput("END_DATE_TOO_LATE", "the latest end is that of "+latest.String())
	}
	if err := s.mayEnd(t, end); err != nil {
		return nil, err
	}
	t.Status, t.End = stateWithdrawn, end
	return map[string]any{"ResponsibilityTransfer": t.wire(o)}, nil
}

// mayEnd checks the service period that the two sides agreed on in Partner Central: it binds
// either of them (domain.md A-5).
func (s *Simulator) mayEnd(t *transfer, end time.Time) error {
	p := s.servicePeriod(t.target.Management.ID, t.source.Management.ID)
	switch {
	case p == nil:
	case p.PeriodType == fixedCommitment && s.now().Before(p.End):
		return invalidInput("INVALID_END_DATE", "a fixed commitment runs until "+p.End.Format(time.RFC3339))
	case p.PeriodType == minimumNotice && end.Before(s.now().AddDate(0, 0, p.NoticeDays)):
		return invalidInput("END_DATE_TOO_EARLY", "the notice period has not passed by then")
	}
	return nil
}
