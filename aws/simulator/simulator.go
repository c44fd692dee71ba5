// Package simulator is the part of AWS that billing transfers need, on loopback: Organizations,
// Partner Central Channel, Billing Conductor, Billing, Invoicing, STS, legacy cost and usage
// reports, Data Exports, and a small S3. It speaks the services' wire protocols, keeps state,
// holds AWS's rules (aws.md 3, domain.md 1.3), injects faults and has a clock. Any AWS client
// reaches it by AWS_ENDPOINT_URL.
//
// It is for tests and demos. What AWS does not document it decides in the stricter way; those
// decisions are listed in docs/SIMULATOR.md.
package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A Simulator is an http.Handler. All its methods may be called from several goroutines.
type Simulator struct {
	wall func() time.Time // keys of AssumeRole last by it, since clients watch their own clock
	mu   sync.Mutex       // guards state
	state
}

// state is what the simulator keeps.
type state struct {
	clock    func() time.Time
	seq      int // ids are numbers in order of creation: the same calls give the same ids
	settings Settings

	accounts   map[string]*account
	orgs       []*organization
	transfers  []*transfer
	handshakes []*handshake
	programs   []*program
	relations  []*relationship
	channel    []*channelHandshake
	groups     []*billingGroup
	reports    []*report
	exports    []*export
	invoices   map[string][]json.RawMessage // by receiving account, as ListInvoiceSummaries tells them
	roles      []*role
	sessions   map[string]*session // by access key id
	buckets    map[string]*bucket
	tokens     map[string]answered // idempotency tokens
	faults     []*Fault
}

// Settings are the limits of AWS that differ between accounts, or that AWS does not document.
type Settings struct {
	// EmptyPages makes every list of Organizations and Partner Central begin with an empty page
	// that carries a NextToken, as AWS may do at any time.
	EmptyPages bool `json:"empty_pages"`
	// PageSize caps the pages of all lists; 0 leaves the services' own maxima.
	PageSize int `json:"page_size"`
	// ChannelHandshakeDays is how long a channel handshake can be accepted.
	ChannelHandshakeDays int `json:"channel_handshake_days"`
	// StaleInvitations makes a new invitation fail while an expired, declined or canceled one
	// from the same account exists (domain.md R28).
	StaleInvitations bool `json:"stale_invitations"`
	// SkewSeconds is how far AWS's clock is ahead of the one that SetClock sets: AWS checks days and
	// months by its own.
	SkewSeconds int `json:"skew_seconds"`
	// SkipSignatures accepts any secret.
	SkipSignatures bool `json:"skip_signatures"`
}

// New returns a simulator without accounts. Its time is the clock's until SetClock stops it; keys
// that AssumeRole gives last by the clock, whatever SetClock says.
func New(clock func() time.Time) *Simulator {
	return &Simulator{wall: clock, state: emptyState(clock)}
}

func emptyState(clock func() time.Time) state {
	return state{
		clock:    clock,
		settings: Settings{EmptyPages: true, ChannelHandshakeDays: 14},
		accounts: map[string]*account{},
		invoices: map[string][]json.RawMessage{},
		sessions: map[string]*session{},
		buckets:  map[string]*bucket{},
		tokens:   map[string]answered{},
	}
}

// Reset forgets everything, and lets the clock run again.
func (s *Simulator) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = emptyState(s.wall)
}

// SetClock stops the simulator's clock at an instant. Invitations that are over by then expire.
// Going back is refused: what has happened would not have happened yet.
func (s *Simulator) SetClock(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.clock()) && len(s.accounts) > 0 {
		return fmt.Errorf("clock: %s is before the simulator's %s", now.Format(time.RFC3339), s.clock().Format(time.RFC3339))
	}
	now = now.UTC()
	s.clock = func() time.Time { return now }
	s.expire()
	return nil
}

// Now is the simulator's time.
func (s *Simulator) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

func (s *Simulator) now() time.Time {
	return s.clock().UTC().Add(time.Duration(s.settings.SkewSeconds) * time.Second)
}

// id returns a new id: the prefix and n characters.
func (s *Simulator) id(prefix string, n int) string {
	s.seq++
	return fmt.Sprintf("%s%0*d", prefix, n, s.seq)
}

// ServeHTTP answers an AWS client by the service that it signed for, and /_clock and /_admin/ to
// whoever runs the simulator.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/_clock" && r.Header.Get("Authorization") == "":
		s.serveClock(w, r)
	case strings.HasPrefix(r.URL.Path, "/_admin/") && r.Header.Get("Authorization") == "":
		s.serveAdmin(w, r)
	default:
		s.serveAWS(w, r)
	}
}

// expire ends what is over by now: it runs before every request.
func (s *Simulator) expire() {
	now := s.now()
	for _, h := range s.handshakes {
		if h.State == stateRequested && !now.Before(h.expires) {
			h.State, h.finished = stateExpired, h.expires
			h.transfer.Status = stateExpired
		}
	}
	for _, h := range s.channel {
		if h.Status == statePending && !now.Before(h.expires) {
			h.Status, h.updated = stateExpired, h.expires
		}
	}
}
