package simulator

import (
	"slices"
	"time"
)

// A handshake is the invitation to a transfer.
type handshake struct {
	ID                           string
	State                        string
	Notes                        string
	transfer                     *transfer
	requested, expires, finished time.Time
}

// handshakeMemory is how long AWS tells of a handshake that is over.
const handshakeMemory = 30 * 24 * time.Hour

func (h *handshake) wire() map[string]any {
	t := h.transfer
	resource := func(kind, value string) map[string]any { return map[string]any{"Type": kind, "Value": value} }
	manager := resource("MANAGEMENT_ACCOUNT", t.target.Management.ID)
	manager["Resources"] = []any{
		resource("MANAGEMENT_EMAIL", t.target.Management.Email),
		resource("MANAGEMENT_NAME", t.target.Management.Name),
	}
	resources := []any{
		resource("RESPONSIBILITY_TRANSFER", t.ID), resource("TRANSFER_TYPE", "BILLING"),
		resource("TRANSFER_START_TIMESTAMP", t.Start.Format(time.RFC3339)), manager,
	}
	if h.Notes != "" {
		resources = append(resources, resource("NOTES", h.Notes))
	}
	return map[string]any{
		"Id": h.ID, "Arn": t.target.arn("handshake") + "/transfer_responsibility/" + h.ID,
		"State": h.State, "Action": "TRANSFER_RESPONSIBILITY",
		"RequestedTimestamp": epoch{h.requested}, "ExpirationTimestamp": epoch{h.expires},
		"Parties": []any{
			map[string]any{"Id": t.target.ID[len("o-"):], "Type": "ORGANIZATION"},
			map[string]any{"Id": t.source.Management.ID, "Type": "ACCOUNT"},
		},
		"Resources": resources,
	}
}

type handshakeIn struct{ HandshakeId string }

// handshakeOf returns a handshake that the caller is a party of.
func (s *Simulator) handshakeOf(c caller, id string) (*handshake, error) {
	for _, h := range s.handshakes {
		if h.ID == id && (h.transfer.target.Management.ID == c.Account || h.transfer.source.Management.ID == c.Account) && h.told(s.now()) {
			return h, nil
		}
	}
	return nil, &Error{Code: "HandshakeNotFoundException", Message: "no handshake " + id}
}

// told says whether AWS still tells of the handshake.
func (h *handshake) told(now time.Time) bool {
	return h.State == stateRequested || now.Before(h.finished.Add(handshakeMemory))
}

// answer moves a handshake that the caller may answer.
func (s *Simulator) answer(c caller, id, state string, by func(*transfer) *organization) (*handshake, error) {
	h, err := s.handshakeOf(c, id)
	switch {
	case err != nil:
		return nil, err
	case h.State == state:
		return nil, &Error{Code: "HandshakeAlreadyInStateException", Message: "the handshake is " + state}
	case h.State != stateRequested:
		return nil, &Error{Code: "InvalidHandshakeTransitionException", Message: "the handshake is " + h.State}
	case by(h.transfer).Management.ID != c.Account:
		return nil, &Error{Code: "AccessDeniedException", Message: "the other party of the handshake has to do this"}
	}
	return h, nil
}

func (h *handshake) finish(state string, now time.Time) any {
	h.State, h.finished, h.transfer.Status = state, now, state
	return map[string]any{"Handshake": h.wire()}
}

func sourceOf(t *transfer) *organization { return t.source }

func acceptHandshake(s *Simulator, c caller, in handshakeIn) (any, error) {
	if _, err := s.managed(c); err != nil {
		return nil, err
	}
	h, err := s.answer(c, in.HandshakeId, stateAccepted, sourceOf)
	if err != nil {
		return nil, err
	}
	t := h.transfer
	if refusal := t.source.Management.refusal; refusal != nil {
		return nil, refusal
	}
	for _, other := range s.transfers {
		if other.source == t.source && other != t && other.inForce(t.Start) {
			return nil, constraint("RESPONSIBILITY_TRANSFER_MAX_OUTBOUND_QUOTA_VIOLATION", "the organization's bill is transferred to another account")
		}
	}
	if err := s.mayChain(t.source, t.target); err != nil {
		return nil, err
	}
	return h.finish(stateAccepted, s.now()), nil
}

func declineHandshake(s *Simulator, c caller, in handshakeIn) (any, error) {
	h, err := s.answer(c, in.HandshakeId, stateDeclined, sourceOf)
	if err != nil {
		return nil, err
	}
	return h.finish(stateDeclined, s.now()), nil
}

func cancelHandshake(s *Simulator, c caller, in handshakeIn) (any, error) {
	h, err := s.answer(c, in.HandshakeId, stateCanceled, func(t *transfer) *organization { return t.target })
	if err != nil {
		return nil, err
	}
	return h.finish(stateCanceled, s.now()), nil
}

func describeHandshake(s *Simulator, c caller, in handshakeIn) (any, error) {
	h, err := s.handshakeOf(c, in.HandshakeId)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Handshake": h.wire()}, nil
}

type listHandshakesIn struct {
	paging
	Filter struct{ ActionType, ParentHandshakeId string }
}

// handshakeActions are the actions that the filter knows; only transfers exist here.
var handshakeActions = []string{"", "INVITE", "ENABLE_ALL_FEATURES", "APPROVE_ALL_FEATURES", "ADD_ORGANIZATIONS_SERVICE_LINKED_ROLE", "TRANSFER_RESPONSIBILITY"}

func listHandshakes(s *Simulator, in listHandshakesIn, mine func(*transfer) bool) (any, error) {
	action := in.Filter.ActionType
	if !slices.Contains(handshakeActions, action) {
		return nil, invalidInput("INVALID_ENUM", "no such ActionType: "+action)
	}
	var items []any
	for _, h := range s.handshakes {
		if mine(h.transfer) && h.told(s.now()) && (action == "" || action == "TRANSFER_RESPONSIBILITY") {
			items = append(items, h.wire())
		}
	}
	return listPage(s, "handshakes", "Handshakes", items, in.paging)
}

func listHandshakesForAccount(s *Simulator, c caller, in listHandshakesIn) (any, error) {
	return listHandshakes(s, in, func(t *transfer) bool { return t.source.Management.ID == c.Account })
}

func listHandshakesForOrganization(s *Simulator, c caller, in listHandshakesIn) (any, error) {
	o, err := s.managed(c)
	if err != nil {
		return nil, err
	}
	return listHandshakes(s, in, func(t *transfer) bool { return t.target == o })
}
