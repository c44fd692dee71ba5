package aws

import (
	"context"

	"github.com/arrears-billing/arrears/agreement"
)

// catalog is Partner Central's catalogue of real partners; the other one is a sandbox.
const catalog = "AWS"

// partnerCentral makes a call of Partner Central Channel as the payer's partner.
func (c *Client) partnerCentral(ctx context.Context, payer agreement.AccountID, operation string, changes bool, in map[string]any, out any) error {
	cfg, err := c.partner(ctx, payer)
	if err != nil {
		return err
	}
	in["catalog"] = catalog
	return signedCall{
		operation: operation, service: "partnercentral-channel", host: "partnercentral-channel.global.api.aws",
		path: "/", target: "PartnerCentralChannel", changes: changes,
	}.do(ctx, cfg, in, out)
}

// channelPages collects a list of Partner Central.
func channelPages[T any](ctx context.Context, c *Client, payer agreement.AccountID, operation string, in map[string]any) ([]T, error) {
	return pages(operation, func(token *string) ([]T, *string, error) {
		if token != nil {
			in["nextToken"] = *token
		}
		var out struct {
			Items     []T     `json:"items"`
			NextToken *string `json:"nextToken"`
		}
		err := c.partnerCentral(ctx, payer, operation, false, in, &out)
		return out.Items, out.NextToken, err
	})
}

// ProgramAccount implements agreement.AWS. Of several records the active one counts.
func (c *Client) ProgramAccount(ctx context.Context, payer agreement.AccountID) (agreement.ProgramAccount, error) {
	const operation = "ListProgramManagementAccounts"
	type item struct {
		ID        string `json:"id"`
		AccountID string `json:"accountId"`
		Status    string `json:"status"`
	}
	items, err := channelPages[item](ctx, c, payer, operation, map[string]any{"accountIds": []string{string(payer)}})
	if err != nil {
		return agreement.ProgramAccount{}, err
	}
	var found *item
	for i := range items {
		if items[i].AccountID == string(payer) && (found == nil || items[i].Status == "ACTIVE") {
			found = &items[i]
		}
	}
	if found == nil {
		return agreement.ProgramAccount{}, missing(operation, "account "+string(payer)+" is no program management account")
	}
	return agreement.ProgramAccount{ID: found.ID, Account: payer, Status: found.Status}, nil
}

// Relationships implements agreement.AWS.
func (c *Client) Relationships(ctx context.Context, payer agreement.AccountID, program string, account agreement.AccountID) ([]agreement.Relationship, error) {
	type item struct {
		ID      string `json:"id"`
		ARN     string `json:"arn"`
		Program string `json:"programManagementAccountId"`
		Account string `json:"associatedAccountId"`
		Name    string `json:"displayName"`
		Created stamp  `json:"createdAt"`
	}
	items, err := channelPages[item](ctx, c, payer, "ListRelationships", map[string]any{
		"programManagementAccountIdentifiers": []string{program}, "associatedAccountIds": []string{string(account)}})
	if err != nil {
		return nil, err
	}
	var rs []agreement.Relationship
	for _, i := range items {
		rs = append(rs, agreement.Relationship{ID: i.ID, ARN: i.ARN, Program: i.Program,
			Account: agreement.AccountID(i.Account), Name: i.Name, Created: i.Created.Time})
	}
	return rs, nil
}

// made is what Partner Central tells of a thing that it has made.
type made struct {
	ID  string `json:"id"`
	ARN string `json:"arn"`
}

// CreateRelationship implements agreement.AWS.
func (c *Client) CreateRelationship(ctx context.Context, payer agreement.AccountID, in agreement.NewRelationship) (agreement.Relationship, error) {
	const operation = "CreateRelationship"
	var out struct {
		Detail made `json:"relationshipDetail"`
	}
	err := c.partnerCentral(ctx, payer, operation, true, map[string]any{
		"associationType": "END_CUSTOMER", "resaleAccountModel": "END_CUSTOMER", "sector": "COMMERCIAL",
		"programManagementAccountIdentifier": in.Program, "associatedAccountId": string(in.Account),
		"displayName": in.Name, "clientToken": clientToken(in.Token),
	}, &out)
	if err != nil {
		return agreement.Relationship{}, err
	}
	if out.Detail.ID == "" {
		return agreement.Relationship{}, unknown(operation, "an answer without a relationship")
	}
	return agreement.Relationship{ID: out.Detail.ID, ARN: out.Detail.ARN, Program: in.Program, Account: in.Account, Name: in.Name}, nil
}

// DeleteRelationship implements agreement.AWS.
func (c *Client) DeleteRelationship(ctx context.Context, payer agreement.AccountID, program, id string) error {
	return c.partnerCentral(ctx, payer, "DeleteRelationship", true, map[string]any{
		"identifier": id, "programManagementAccountIdentifier": program}, nil)
}

// ChannelHandshakes implements agreement.AWS.
func (c *Client) ChannelHandshakes(ctx context.Context, payer agreement.AccountID, relationship string) ([]agreement.ChannelHandshake, error) {
	type item struct {
		ID       string `json:"id"`
		Resource string `json:"associatedResourceId"`
		Status   string `json:"status"`
		Created  stamp  `json:"createdAt"`
		Updated  stamp  `json:"updatedAt"`
		Detail   struct {
			Start struct {
				EndDate stamp `json:"endDate"`
			} `json:"startServicePeriodHandshakeDetail"`
		} `json:"detail"`
	}
	items, err := channelPages[item](ctx, c, payer, "ListChannelHandshakes", map[string]any{
		"handshakeType": "START_SERVICE_PERIOD", "participantType": "SENDER",
		"associatedResourceIdentifiers": []string{relationship}})
	if err != nil {
		return nil, err
	}
	var hs []agreement.ChannelHandshake
	for _, i := range items {
		hs = append(hs, agreement.ChannelHandshake{ID: i.ID, Relationship: i.Resource, Status: agreement.HandshakeStatus(i.Status),
			End: i.Detail.Start.EndDate.Time, Created: i.Created.Time, Updated: i.Updated.Time})
	}
	return hs, nil
}

// CreateChannelHandshake implements agreement.AWS.
func (c *Client) CreateChannelHandshake(ctx context.Context, payer agreement.AccountID, in agreement.NewChannelHandshake) (agreement.ChannelHandshake, error) {
	const operation = "CreateChannelHandshake"
	period := map[string]any{
		"programManagementAccountIdentifier": in.Program, "servicePeriodType": "FIXED_COMMITMENT_PERIOD", "endDate": stamp{in.End},
	}
	if in.Note != "" {
		period["note"] = in.Note
	}
	var out struct {
		Detail made `json:"channelHandshakeDetail"`
	}
	err := c.partnerCentral(ctx, payer, operation, true, map[string]any{
		"handshakeType": "START_SERVICE_PERIOD", "associatedResourceIdentifier": in.Relationship,
		"payload": map[string]any{"startServicePeriodPayload": period}, "clientToken": clientToken(in.Token),
	}, &out)
	if err != nil {
		return agreement.ChannelHandshake{}, err
	}
	if out.Detail.ID == "" {
		return agreement.ChannelHandshake{}, unknown(operation, "an answer without a handshake")
	}
	return agreement.ChannelHandshake{ID: out.Detail.ID, Relationship: in.Relationship, Status: agreement.HandshakePending, End: in.End.UTC()}, nil
}

// CancelChannelHandshake implements agreement.AWS.
func (c *Client) CancelChannelHandshake(ctx context.Context, payer agreement.AccountID, id string) error {
	return c.partnerCentral(ctx, payer, "CancelChannelHandshake", true, map[string]any{"identifier": id}, nil)
}
