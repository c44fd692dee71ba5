package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// An Account is an AWS account to make or to change. In no organisation it is standalone.
type Account struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Email  string `json:"email"`
	Status string `json:"status"` // ACTIVE (default), SUSPENDED, PENDING_CLOSURE
	// Refusal is what AWS answers when the account accepts a transfer, for causes that are not
	// simulated: {"code": "HandshakeConstraintViolationException", "reason": "UNUSED_PREPAYMENT_BALANCE"}.
	Refusal *Refusal `json:"refusal"`
}

// A Refusal is an error that AWS answers with.
type Refusal struct {
	Code    string `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// An Organization is an organisation to make or to change. Accounts that are not there are made.
type Organization struct {
	Management   string   `json:"management"`
	Members      []string `json:"members"`
	AllFeatures  *bool    `json:"all_features"`  // default true
	InboundQuota int      `json:"inbound_quota"` // of billing transfers; AWS gives 0 until asked for more
	Level        int      `json:"level"`         // longest chain of transfers, 1 (default) or 2
}

// A Program is a program management account to make, ACTIVE at once.
type Program struct {
	Partner string `json:"partner"` // the partner's own account; default: the account itself
	Account string `json:"account"`
	Name    string `json:"name"`
	Program string `json:"program"` // default SOLUTION_PROVIDER
}

// A Role is a role that the accounts in Trusts may assume.
type Role struct {
	Account    string   `json:"account"`
	Name       string   `json:"name"`
	Trusts     []string `json:"trusts"`
	ExternalID string   `json:"external_id"`
}

// A Delivery says how an export or report goes on delivering.
type Delivery struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	Stop    bool   `json:"stop"`    // no more deliveries from now on; false: they go on
	Problem string `json:"problem"` // ERROR_PERMISSIONS, ERROR_NO_BUCKET of reports; INSUFFICIENT_PERMISSION, BILL_OWNER_CHANGED, INTERNAL_FAILURE of exports
}

// An Answer is what a customer does about everything that waits for it.
type Answer struct {
	Account string `json:"account"`
	What    string `json:"what"`   // transfer, term; empty: both
	Answer  string `json:"answer"` // accept (default), decline
}

// A Call is an operation carried out for an account without a client.
type Call struct {
	Account   string          `json:"account"`
	Service   string          `json:"service"`
	Operation string          `json:"operation"`
	Input     json.RawMessage `json:"input"`
}

// AddAccount makes an account, or changes the one of that id.
func (s *Simulator) AddAccount(in Account) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.account(in.ID)
	if err != nil {
		return err
	}
	if in.Name != "" {
		a.Name = in.Name
	}
	if in.Email != "" {
		a.Email = in.Email
	}
	if in.Status != "" {
		a.Status = in.Status
	}
	a.refusal = nil
	if r := in.Refusal; r != nil {
		a.refusal = &Error{Code: r.Code, Reason: r.Reason, Message: r.Message}
	}
	return nil
}

// account returns the account of an id, making it if need be.
func (s *Simulator) account(id string) (*account, error) {
	if !twelveDigits.MatchString(id) {
		return nil, fmt.Errorf("account %q: not twelve digits", id)
	}
	a := s.accounts[id]
	if a == nil {
		a = &account{ID: id, Name: "account " + id, Email: "aws-" + id + "@example.com", Status: "ACTIVE"}
		s.accounts[id] = a
	}
	return a, nil
}

// AddOrganization makes an organisation, or changes the one of that management account.
func (s *Simulator) AddOrganization(in Organization) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var members []*account
	for _, id := range append([]string{in.Management}, in.Members...) {
		a, err := s.account(id)
		if err != nil {
			return err
		}
		if a.org != nil && a.org.Management.ID != in.Management {
			return fmt.Errorf("account %s: is in the organization of %s", id, a.org.Management.ID)
		}
		members = append(members, a)
	}
	o := members[0].org
	if o == nil {
		o = &organization{ID: s.id("o-", 10), Management: members[0]}
		s.orgs = append(s.orgs, o)
	}
	for _, a := range o.members {
		a.org = nil
	}
	for _, a := range members {
		a.org = o
		if a.Joined.IsZero() {
			a.Joined = s.now()
		}
	}
	o.members = members
	o.AllFeatures = in.AllFeatures == nil || *in.AllFeatures
	o.Inbound, o.Level = in.InboundQuota, in.Level
	return nil
}

// AddProgram makes a program management account.
func (s *Simulator) AddProgram(in Program) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts[in.Account] == nil {
		return fmt.Errorf("program: no account %s", in.Account)
	}
	partner, kind, name := in.Partner, in.Program, in.Name
	if partner == "" {
		partner = in.Account
	}
	if kind == "" {
		kind = "SOLUTION_PROVIDER"
	}
	if name == "" {
		name = "program " + in.Account
	}
	s.programs = append(s.programs, &program{ID: s.id("pma-", 13), Partner: partner, Account: in.Account, Kind: kind, Name: name,
		Status: "ACTIVE", revision: 1, created: s.now(), updated: s.now()})
	return nil
}

// DeployRole makes a role, in place of one of the same name.
func (s *Simulator) DeployRole(in Role) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts[in.Account] == nil {
		return fmt.Errorf("role: no account %s", in.Account)
	}
	s.removeRole(in)
	r := role(in)
	s.roles = append(s.roles, &r)
	return nil
}

// RemoveRole removes a role. Keys that it gave stay until they expire.
func (s *Simulator) RemoveRole(in Role) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeRole(in)
	return nil
}

func (s *Simulator) removeRole(in Role) {
	s.roles = slices.DeleteFunc(s.roles, func(r *role) bool { return r.Account == in.Account && r.Name == in.Name })
}

// PutInvoices keeps AWS's invoices to an account, replacing those of the same id. They have the
// form of ListInvoiceSummaries; dates may also be text.
func (s *Simulator) PutInvoices(account string, summaries []map[string]any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.putInvoices(account, summaries)
}

// SetDelivery stops or resumes the deliveries of a report or an export.
func (s *Simulator) SetDelivery(in Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var d *delivery
	for _, r := range s.reports {
		if r.owner == in.Account && r.Name == in.Name {
			d = &r.delivery
		}
	}
	for _, e := range s.exports {
		if e.owner == in.Account && e.Name == in.Name {
			d = &e.delivery
		}
	}
	if d == nil {
		return fmt.Errorf("delivery: account %s has no report or export named %s", in.Account, in.Name)
	}
	d.problem, d.stopped = in.Problem, time.Time{}
	if in.Stop || in.Problem != "" {
		d.stopped = s.now()
	}
	return nil
}

// Configure changes the settings.
func (s *Simulator) Configure(change func(*Settings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.settings)
}

// ClearFaults takes back all faults.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Call carries out an operation for an account, with the effect and the answer that a client of
// that account would get; faults do not strike it.
func (s *Simulator) Call(in Call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	svc := services[in.Service]
	if svc == nil || svc.ops[in.Operation] == nil {
		return nil, fmt.Errorf("no operation %s of %s", in.Operation, in.Service)
	}
	return svc.ops[in.Operation](s, caller{in.Account, "arn:aws:iam::" + in.Account + ":root"}, in.Input)
}

// Answer accepts or declines all that waits for an account, and says how much that was.
func (s *Simulator) Answer(in Answer) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	c := caller{in.Account, "arn:aws:iam::" + in.Account + ":root"}
	transfer, term := acceptHandshake, acceptChannelHandshake
	switch in.Answer {
	case "", "accept":
	case "decline":
		transfer, term = declineHandshake, rejectChannelHandshake
	default:
		return 0, fmt.Errorf("answer %q: is accept or decline", in.Answer)
	}
	n := 0
	for _, h := range s.handshakes {
		if h.State == stateRequested && h.transfer.source.Management.ID == in.Account && in.What != "term" {
			if _, err := transfer(s, c, handshakeIn{h.ID}); err != nil {
				return n, err
			}
			n++
		}
	}
	for _, h := range s.channel {
		if h.Status == statePending && h.receiver == in.Account && in.What != "transfer" {
			if _, err := term(s, c, channelHandshakeIn{"AWS", h.ID}); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// A State is everything that the simulator keeps, in the services' own forms.
type State struct {
	Now               time.Time        `json:"now"`
	Settings          Settings         `json:"settings"`
	Accounts          []string         `json:"accounts"`
	Organizations     []Organization   `json:"organizations"`
	Transfers         []map[string]any `json:"transfers"` // as the receiving side sees them
	Handshakes        []map[string]any `json:"handshakes"`
	Programs          []Program        `json:"programs"`
	Relationships     []map[string]any `json:"relationships"`
	ChannelHandshakes []map[string]any `json:"channel_handshakes"`
	BillingGroups     []map[string]any `json:"billing_groups"`
	Reports           []map[string]any `json:"reports"`
	Exports           []map[string]any `json:"exports"`
	Roles             []Role           `json:"roles"`
	Faults            []Fault          `json:"faults"`
	Objects           []string         `json:"objects"` // bucket/key
}

// State returns what the simulator keeps now.
func (s *Simulator) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	st := State{Now: s.now(), Settings: s.settings}
	for id := range s.accounts {
		st.Accounts = append(st.Accounts, id)
	}
	slices.Sort(st.Accounts)
	for _, o := range s.orgs {
		all := o.AllFeatures
		w := Organization{Management: o.Management.ID, AllFeatures: &all, InboundQuota: o.Inbound, Level: o.Level}
		for _, a := range o.members {
			if a != o.Management {
				w.Members = append(w.Members, a.ID)
			}
		}
		st.Organizations = append(st.Organizations, w)
	}
	for _, t := range s.transfers {
		st.Transfers = append(st.Transfers, t.wire(t.target))
	}
	for _, h := range s.handshakes {
		st.Handshakes = append(st.Handshakes, h.wire())
	}
	for _, p := range s.programs {
		st.Programs = append(st.Programs, Program{p.Partner, p.Account, p.Name, p.Kind})
	}
	for _, r := range s.relations {
		st.Relationships = append(st.Relationships, r.wire())
	}
	for _, h := range s.channel {
		st.ChannelHandshakes = append(st.ChannelHandshakes, h.wire())
	}
	for _, g := range s.groups {
		st.BillingGroups = append(st.BillingGroups, map[string]any{"Arn": g.arn(), "Name": g.Name, "TransferArn": g.transfer.arn(g.transfer.target)})
	}
	for _, r := range s.reports {
		st.Reports = append(st.Reports, r.definition)
	}
	for _, e := range s.exports {
		st.Exports = append(st.Exports, e.body)
	}
	for _, r := range s.roles {
		st.Roles = append(st.Roles, Role(*r))
	}
	for _, f := range s.faults {
		st.Faults = append(st.Faults, *f)
	}
	for name, b := range s.buckets {
		for _, key := range b.keys("") {
			st.Objects = append(st.Objects, name+"/"+key)
		}
	}
	slices.Sort(st.Objects)
	return st
}

func (s *Simulator) serveClock(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		var in struct {
			Now time.Time `json:"now"`
		}
		if !decode(w, r, &in) {
			return
		}
		if in.Now.IsZero() {
			http.Error(w, `clock: want {"now": "2026-03-01T00:00:00Z"}`, http.StatusBadRequest)
			return
		}
		if err := s.SetClock(in.Now); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	answer(w, map[string]any{"now": s.Now()}, nil)
}

// serveAdmin lets whoever runs the simulator change what AWS's own calls do not.
func (s *Simulator) serveAdmin(w http.ResponseWriter, r *http.Request) {
	path, object, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/_admin/"), "/")
	switch r.Method + " " + path {
	case "GET state":
		answer(w, s.State(), nil)
	case "POST reset":
		s.Reset()
		answer(w, nil, nil)
	case "POST settings":
		s.mu.Lock()
		set := s.settings
		s.mu.Unlock()
		if decode(w, r, &set) {
			s.Configure(func(now *Settings) { *now = set })
			answer(w, set, nil)
		}
	case "POST accounts":
		do(w, r, s.AddAccount)
	case "POST organizations":
		do(w, r, s.AddOrganization)
	case "POST programs":
		do(w, r, s.AddProgram)
	case "POST roles":
		do(w, r, s.DeployRole)
	case "DELETE roles":
		do(w, r, s.RemoveRole)
	case "POST invoices":
		do(w, r, func(in struct {
			Account   string           `json:"account"`
			Summaries []map[string]any `json:"summaries"`
		}) error {
			return s.PutInvoices(in.Account, in.Summaries)
		})
	case "POST deliveries":
		do(w, r, s.SetDelivery)
	case "POST faults":
		do(w, r, func(f Fault) error {
			if !slices.Contains([]string{FaultThrottle, FaultInternal, FaultError, FaultHang, FaultDrop, FaultLost, FaultLost500}, f.Kind) {
				return fmt.Errorf("fault: no such kind: %q", f.Kind)
			}
			s.AddFault(f)
			return nil
		})
	case "DELETE faults":
		s.ClearFaults()
		answer(w, nil, nil)
	case "POST answers":
		var in Answer
		if decode(w, r, &in) {
			n, err := s.Answer(in)
			answer(w, map[string]any{"answered": n}, err)
		}
	case "POST calls":
		var in Call
		if decode(w, r, &in) {
			out, err := s.Call(in)
			answer(w, out, err)
		}
	case "POST buckets":
		do(w, r, s.AddBucket)
	case "PUT objects", "DELETE objects":
		s.serveObject(w, r, object)
	default:
		http.Error(w, "no such thing: "+r.Method+" "+r.URL.Path+"\nsee docs/SIMULATOR.md", http.StatusNotFound)
	}
}

// do decodes a request, carries it out and answers.
func do[In any](w http.ResponseWriter, r *http.Request, f func(In) error) {
	var in In
	if decode(w, r, &in) {
		answer(w, nil, f(in))
	}
}

func decode(w http.ResponseWriter, r *http.Request, in any) bool {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err = d.Decode(in); errors.Is(err, io.EOF) {
			err = errors.New("the request has no body")
		}
	}
	if err != nil {
		http.Error(w, "not the JSON that this takes: "+err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, out any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	writeJSON(w, out)
}
