package simulator

import (
	"regexp"
	"time"
)

// An account is an AWS account. One in no organisation is standalone.
type account struct {
	ID     string
	Name   string
	Email  string
	Status string // ACTIVE, SUSPENDED, PENDING_CLOSURE
	Joined time.Time
	org    *organization
	// refusal is what AWS says when the account accepts a transfer, for causes that lie outside
	// the simulator (unpaid invoices, private pricing, missing rights); nil: it may.
	refusal *Error
}

// An organization is a management account and its members.
type organization struct {
	ID          string
	Management  *account
	AllFeatures bool
	Inbound     int // quota of inbound transfers; AWS gives 0 until it is asked for more
	Level       int // quota of the chain's length, 1 or 2
	members     []*account
}

func (o *organization) arn(kind string) string {
	return "arn:aws:organizations::" + o.Management.ID + ":" + kind + "/" + o.ID
}

var organizationsOps = map[string]operation{
	"DescribeOrganization": op(describeOrganization),
	"DescribeAccount":      op(describeAccount),
	"ListAccounts":         op(listAccounts),
	"InviteOrganizationToTransferResponsibility": op(inviteTransfer),
	"ListInboundResponsibilityTransfers":         op(listInbound),
	"ListOutboundResponsibilityTransfers":        op(listOutbound),
	"DescribeResponsibilityTransfer":             op(describeTransfer),
	"UpdateResponsibilityTransfer":               op(updateTransfer),
	"TerminateResponsibilityTransfer":            op(terminateTransfer),
	"AcceptHandshake":                            op(acceptHandshake),
	"DeclineHandshake":                           op(declineHandshake),
	"CancelHandshake":                            op(cancelHandshake),
	"DescribeHandshake":                          op(describeHandshake),
	"ListHandshakesForAccount":                   op(listHandshakesForAccount),
	"ListHandshakesForOrganization":              op(listHandshakesForOrganization),
}

func invalidInput(reason, message string) *Error {
	return &Error{Code: "InvalidInputException", Reason: reason, Message: message}
}

// organization returns the caller's organisation.
func (s *Simulator) organization(c caller) (*organization, error) {
	a := s.accounts[c.Account]
	if a == nil || a.org == nil {
		return nil, &Error{Code: "AWSOrganizationsNotInUseException", Message: "your account is not a member of an organization"}
	}
	return a.org, nil
}

// managed returns the organisation that the caller is the management account of.
func (s *Simulator) managed(c caller) (*organization, error) {
	o, err := s.organization(c)
	if err != nil {
		return nil, err
	}
	if o.Management.ID != c.Account {
		return nil, &Error{Code: "AccessDeniedException", Message: "you can call this operation only from the organization's management account"}
	}
	return o, nil
}

type describeOrganizationIn struct{}

func describeOrganization(s *Simulator, c caller, _ describeOrganizationIn) (any, error) {
	o, err := s.organization(c)
	if err != nil {
		return nil, err
	}
	features := "CONSOLIDATED_BILLING"
	if o.AllFeatures {
		features = "ALL"
	}
	return map[string]any{"Organization": map[string]any{
		"Id": o.ID, "Arn": o.arn("organization"), "FeatureSet": features,
		"MasterAccountId": o.Management.ID, "MasterAccountEmail": o.Management.Email,
		"MasterAccountArn":     o.arn("account") + "/" + o.Management.ID,
		"AvailablePolicyTypes": []any{},
	}}, nil
}

func (a *account) wire() map[string]any {
	method := "CREATED"
	if a != a.org.Management {
		method = "INVITED"
	}
	return map[string]any{
		"Id": a.ID, "Arn": a.org.arn("account") + "/" + a.ID, "Email": a.Email, "Name": a.Name,
		"Status": a.Status, "State": a.Status, "JoinedMethod": method, "JoinedTimestamp": epoch{a.Joined},
	}
}

var twelveDigits = regexp.MustCompile(`^\d{12}$`)

type describeAccountIn struct{ AccountId string }

func describeAccount(s *Simulator, c caller, in describeAccountIn) (any, error) {
	o, err := s.managed(c)
	if err != nil {
		return nil, err
	}
	if !twelveDigits.MatchString(in.AccountId) {
		return nil, invalidInput("INVALID_PATTERN", "AccountId is not twelve digits")
	}
	for _, a := range o.members {
		if a.ID == in.AccountId {
			return map[string]any{"Account": a.wire()}, nil
		}
	}
	return nil, &Error{Code: "AccountNotFoundException", Message: "the account is not in your organization"}
}

// paging is what the lists of Organizations take.
type paging struct {
	NextToken  string
	MaxResults int
}

// listPage answers a list of Organizations.
func listPage[T any](s *Simulator, list, member string, items []T, p paging) (any, error) {
	got, next, ok := page(s, list, items, p.NextToken, p.MaxResults, 20, true)
	if !ok {
		return nil, invalidInput("INVALID_NEXT_TOKEN", "the token is not one of this list")
	}
	out := map[string]any{member: got}
	if next != "" {
		out["NextToken"] = next
	}
	return out, nil
}

func listAccounts(s *Simulator, c caller, in paging) (any, error) {
	o, err := s.managed(c)
	if err != nil {
		return nil, err
	}
	var items []any
	for _, a := range o.members {
		items = append(items, a.wire())
	}
	return listPage(s, "accounts", "Accounts", items, in)
}
