package simulator

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A billingGroup prices one transferred bill for its source organisation.
type billingGroup struct {
	ID       string
	Name     string
	Plan     string
	text     string
	owner    string
	transfer *transfer
	created  time.Time
}

// pricingPlans are AWS's own.
var pricingPlans = []string{"BasicPricingPlan", "Passthrough"}

var billingConductorOps = map[string]operation{
	"CreateBillingGroup": op(createBillingGroup),
	"ListBillingGroups":  op(listBillingGroups),
	"DeleteBillingGroup": op(deleteBillingGroup),
	"ListPricingPlans":   op(listPricingPlans),
}

func fieldInvalid(reason, message string) *Error {
	return &Error{Code: "ValidationException", Reason: reason, Message: message}
}

func (g *billingGroup) arn() string {
	return "arn:aws:billingconductor::" + g.owner + ":billinggroup/" + g.ID
}

type createBillingGroupIn struct {
	Name, Description string
	AccountGrouping   struct {
		LinkedAccountIds          []string
		ResponsibilityTransferArn string
	}
	ComputationPreference struct{ PricingPlanArn string }
}

var groupName = regexp.MustCompile(`^[a-zA-Z0-9_+=.\-@]{1,128}$`)

func createBillingGroup(s *Simulator, c caller, in createBillingGroupIn) (any, error) {
	plan := lastPart(in.ComputationPreference.PricingPlanArn)
	switch {
	case !groupName.MatchString(in.Name):
		return nil, fieldInvalid("FIELD_VALIDATION_FAILED", "Name does not match the pattern")
	case in.AccountGrouping.ResponsibilityTransferArn == "":
		return nil, fieldInvalid("ILLEGAL_BILLING_GROUP_TYPE", "the simulator keeps billing groups of transfers only")
	case !slices.Contains(pricingPlans, plan) || in.ComputationPreference.PricingPlanArn != planArn(plan):
		return nil, fieldInvalid("MISSING_PRICINGPLAN", "no such pricing plan")
	}
	var t *transfer
	for _, u := range s.transfers {
		if u.target.Management.ID == c.Account && u.arn(u.target) == in.AccountGrouping.ResponsibilityTransferArn {
			t = u
		}
	}
	if t == nil {
		return nil, fieldInvalid("INVALID_ARN", "no such inbound transfer")
	}
	if !t.inForce(s.now()) {
		return nil, fieldInvalid("ILLEGAL_OPERATION", "the transfer is "+t.Status)
	}
	for _, g := range s.groups {
		if g.owner == c.Account && g.Name == in.Name {
			return nil, &Error{Code: "ConflictException", Reason: "RESOURCE_NAME_CONFLICT", Message: "there is a billing group of this name",
				Status: http.StatusConflict, Fields: map[string]any{"ResourceId": g.arn(), "ResourceType": "BillingGroup"}}
		}
		if g.transfer == t {
			return nil, fieldInvalid("BILLING_GROUP_ALREADY_EXIST_IN_CURRENT_BILLING_PERIOD", "the transfer has the billing group "+g.arn())
		}
	}
	g := &billingGroup{ID: s.id("", 10), Name: in.Name, Plan: plan, text: in.Description, owner: c.Account, transfer: t, created: s.now()}
	s.groups = append(s.groups, g)
	return map[string]any{"Arn": g.arn()}, nil
}

func planArn(plan string) string { return "arn:aws:billingconductor::aws:pricingplan/" + plan }

type listBillingGroupsIn struct {
	MaxResults int
	NextToken  string
	Filters    struct {
		Arns, Statuses, BillingGroupTypes, ResponsibilityTransferArns []string
		Names                                                         []struct{ SearchOption, SearchValue string }
	}
}

func listBillingGroups(s *Simulator, c caller, in listBillingGroupsIn) (any, error) {
	var items []any
	for _, g := range s.groups {
		status := "PENDING"
		if !s.now().Before(g.transfer.Start) {
			status = "ACTIVE"
		}
		f := in.Filters
		arn := g.transfer.arn(g.transfer.target)
		if g.owner != c.Account || !wanted(f.Arns, g.ID) || !wanted(f.Statuses, status) || !wanted(f.BillingGroupTypes, "TRANSFER_BILLING") ||
			len(f.ResponsibilityTransferArns) > 0 && !slices.Contains(f.ResponsibilityTransferArns, arn) ||
			len(f.Names) > 0 && !strings.HasPrefix(g.Name, f.Names[0].SearchValue) {
			continue
		}
		items = append(items, map[string]any{
			"Arn": g.arn(), "Name": g.Name, "Description": g.text, "Size": len(g.transfer.source.members), "Status": status,
			"CreationTime": g.created.Unix(), "LastModifiedTime": g.created.Unix(), "BillingGroupType": "TRANSFER_BILLING",
			"ComputationPreference": map[string]any{"PricingPlanArn": planArn(g.Plan)},
			"AccountGrouping":       map[string]any{"ResponsibilityTransferArn": arn},
		})
	}
	return conductorPage(s, "billing-groups", "BillingGroups", items, in.NextToken, in.MaxResults)
}

func conductorPage[T any](s *Simulator, list, member string, items []T, token string, size int) (any, error) {
	got, next, ok := page(s, list, items, token, size, 100, false)
	if !ok {
		return nil, fieldInvalid("FIELD_VALIDATION_FAILED", "the token is not one of this list")
	}
	out := map[string]any{member: got}
	if next != "" {
		out["NextToken"] = next
	}
	return out, nil
}

type deleteBillingGroupIn struct{ Arn string }

func deleteBillingGroup(s *Simulator, c caller, in deleteBillingGroupIn) (any, error) {
	for i, g := range s.groups {
		if g.owner == c.Account && g.ID == lastPart(in.Arn) {
			s.groups = slices.Delete(s.groups, i, i+1)
			return map[string]any{"Arn": g.arn()}, nil
		}
	}
	return nil, fieldInvalid("MISSING_BILLINGGROUP", "no billing group "+in.Arn)
}

type listPricingPlansIn struct {
	MaxResults int
	NextToken  string
	Filters    struct{ Arns []string }
}

func listPricingPlans(s *Simulator, _ caller, in listPricingPlansIn) (any, error) {
	var items []any
	for _, p := range pricingPlans {
		if wanted(in.Filters.Arns, p) {
			items = append(items, map[string]any{"Arn": planArn(p), "Name": p, "Description": "AWS's own", "Size": 1, "CreationTime": 0, "LastModifiedTime": 0})
		}
	}
	return conductorPage(s, "pricing-plans", "PricingPlans", items, in.NextToken, in.MaxResults)
}
