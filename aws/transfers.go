package aws

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/arrears-billing/arrears/agreement"
)

// InviteTransfer implements agreement.AWS. The answer is the invitation's handshake; what it does
// not tell of the transfer is known from the question.
func (c *Client) InviteTransfer(ctx context.Context, payer agreement.AccountID, in agreement.Invitation) (agreement.ResponsibilityTransfer, error) {
	const operation = "InviteOrganizationToTransferResponsibility"
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return agreement.ResponsibilityTransfer{}, err
	}
	ask := &organizations.InviteOrganizationToTransferResponsibilityInput{
		Type:           types.ResponsibilityTransferTypeBilling,
		Target:         &types.HandshakeParty{Id: aws.String(string(in.Account)), Type: types.HandshakePartyTypeAccount},
		SourceName:     aws.String(in.Name),
		StartTimestamp: aws.Time(in.Start),
	}
	if in.Notes != "" {
		ask.Notes = aws.String(in.Notes)
	}
	out, err := organizations.NewFromConfig(once(cfg)).InviteOrganizationToTransferResponsibility(ctx, ask)
	if err != nil {
		return agreement.ResponsibilityTransfer{}, fault(ctx, operation, err)
	}
	t := agreement.ResponsibilityTransfer{Name: in.Name, Status: agreement.TransferRequested,
		Source: in.Account, Target: payer, Start: in.Start.UTC()}
	if out.Handshake != nil {
		t.ActiveHandshake = aws.ToString(out.Handshake.Id)
		for _, r := range out.Handshake.Resources {
			if r.Type == types.HandshakeResourceTypeResponsibilityTransfer {
				t.ID = aws.ToString(r.Value)
			}
		}
		t.ARN = inboundARN(aws.ToString(out.Handshake.Arn), t.ID)
	}
	if t.ID == "" {
		return agreement.ResponsibilityTransfer{}, unknown(operation, "an invitation that names no transfer")
	}
	return t, nil
}

// inboundARN is the payer's name of a transfer, made of its handshake's: both begin with the
// partition, the payer and its organisation. It is empty if the handshake's is none.
func inboundARN(handshake, id string) string {
	p := strings.Split(handshake, "/") // arn:aws:organizations::PAYER:handshake, o-..., transfer_responsibility, h-...
	head, ok := strings.CutSuffix(p[0], ":handshake")
	if !ok || len(p) != 4 {
		return ""
	}
	return head + ":transfer/" + p[1] + "/billing/inbound/" + id
}

func transferOf(t types.ResponsibilityTransfer) agreement.ResponsibilityTransfer {
	r := agreement.ResponsibilityTransfer{
		ID: aws.ToString(t.Id), ARN: aws.ToString(t.Arn), Name: aws.ToString(t.Name),
		Status: agreement.TransferStatus(t.Status), Start: utc(t.StartTimestamp), End: utc(t.EndTimestamp),
		ActiveHandshake: aws.ToString(t.ActiveHandshakeId),
	}
	if t.Source != nil {
		r.Source = agreement.AccountID(aws.ToString(t.Source.ManagementAccountId))
	}
	if t.Target != nil {
		r.Target = agreement.AccountID(aws.ToString(t.Target.ManagementAccountId))
	}
	return r
}

// utc is a time that may be missing.
func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// DescribeTransfer implements agreement.AWS.
func (c *Client) DescribeTransfer(ctx context.Context, payer agreement.AccountID, id string) (agreement.ResponsibilityTransfer, error) {
	const operation = "DescribeResponsibilityTransfer"
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return agreement.ResponsibilityTransfer{}, err
	}
	out, err := organizations.NewFromConfig(cfg).DescribeResponsibilityTransfer(ctx,
		&organizations.DescribeResponsibilityTransferInput{Id: aws.String(id)})
	if err != nil {
		return agreement.ResponsibilityTransfer{}, fault(ctx, operation, err)
	}
	if out.ResponsibilityTransfer == nil {
		return agreement.ResponsibilityTransfer{}, unknown(operation, "an answer without a transfer")
	}
	return transferOf(*out.ResponsibilityTransfer), nil
}

// InboundTransfers implements agreement.AWS.
func (c *Client) InboundTransfers(ctx context.Context, payer agreement.AccountID) ([]agreement.ResponsibilityTransfer, error) {
	const operation = "ListInboundResponsibilityTransfers"
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return nil, err
	}
	client := organizations.NewFromConfig(cfg)
	return pages(operation, func(token *string) ([]agreement.ResponsibilityTransfer, *string, error) {
		out, err := client.ListInboundResponsibilityTransfers(ctx, &organizations.ListInboundResponsibilityTransfersInput{
			Type: types.ResponsibilityTransferTypeBilling, NextToken: token})
		if err != nil {
			return nil, nil, fault(ctx, operation, err)
		}
		var ts []agreement.ResponsibilityTransfer
		for _, t := range out.ResponsibilityTransfers {
			ts = append(ts, transferOf(t))
		}
		return ts, out.NextToken, nil
	})
}

// CancelInvitation implements agreement.AWS.
func (c *Client) CancelInvitation(ctx context.Context, payer agreement.AccountID, handshake string) error {
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return err
	}
	_, err = organizations.NewFromConfig(once(cfg)).CancelHandshake(ctx, &organizations.CancelHandshakeInput{HandshakeId: aws.String(handshake)})
	return fault(ctx, "CancelHandshake", err)
}

// TerminateTransfer implements agreement.AWS.
func (c *Client) TerminateTransfer(ctx context.Context, payer agreement.AccountID, id string, end time.Time) (agreement.ResponsibilityTransfer, error) {
	const operation = "TerminateResponsibilityTransfer"
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return agreement.ResponsibilityTransfer{}, err
	}
	out, err := organizations.NewFromConfig(once(cfg)).TerminateResponsibilityTransfer(ctx,
		&organizations.TerminateResponsibilityTransferInput{Id: aws.String(id), EndTimestamp: aws.Time(end)})
	if err != nil {
		return agreement.ResponsibilityTransfer{}, fault(ctx, operation, err)
	}
	if out.ResponsibilityTransfer == nil {
		return agreement.ResponsibilityTransfer{}, unknown(operation, "an answer without a transfer")
	}
	return transferOf(*out.ResponsibilityTransfer), nil
}

// CheckRole implements agreement.AWS. The session that it opens is thrown away.
func (c *Client) CheckRole(ctx context.Context, payer, account agreement.AccountID) error {
	_, err := c.bootstrap(ctx, payer, account)
	return err
}

// Organization implements agreement.AWS.
func (c *Client) Organization(ctx context.Context, payer, account agreement.AccountID) (agreement.Organization, error) {
	const operation = "DescribeOrganization"
	cfg, err := c.bootstrap(ctx, payer, account)
	if err != nil {
		return agreement.Organization{}, err
	}
	out, err := organizations.NewFromConfig(cfg).DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
	if err != nil {
		return agreement.Organization{}, fault(ctx, operation, err)
	}
	if out.Organization == nil {
		return agreement.Organization{}, unknown(operation, "an answer without an organization")
	}
	return agreement.Organization{
		ID:                aws.ToString(out.Organization.Id),
		ManagementAccount: agreement.AccountID(aws.ToString(out.Organization.MasterAccountId)),
		AllFeatures:       out.Organization.FeatureSet == types.OrganizationFeatureSetAll,
	}, nil
}
