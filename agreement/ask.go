package agreement

import (
	"context"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// A Request is one thing that the lifecycle wants AWS to tell or to do. It is data: a case says
// what it wants, Ask performs it, and the answer goes back to the case.
type Request interface {
	ask(ctx context.Context, aws AWS, payer AccountID) (any, error)
}

// An Answer is what AWS said to a request.
type Answer struct {
	To    Request
	Value any // what the method of AWS returns; nil where it returns only an error
	Err   error
}

// Ask performs a request as a payer.
func Ask(ctx context.Context, aws AWS, payer AccountID, r Request) Answer {
	v, err := r.ask(ctx, aws, payer)
	return Answer{To: r, Value: v, Err: err}
}

// ListTransfers asks for every transfer to the payer.
type ListTransfers struct{}

// DescribeTransfer asks for one transfer.
type DescribeTransfer struct{ ID string }

// Invite sends an invitation to hand over the bill.
type Invite struct{ Invitation Invitation }

// CancelInvitation takes an open invitation back.
type CancelInvitation struct{ Handshake string }

// EndTransfer ends an accepted transfer with a month.
type EndTransfer struct {
	ID  string
	End time.Time
}

// ListBillingGroups asks for the billing groups of a transfer.
type ListBillingGroups struct{ TransferARN string }

// CreateBillingGroup makes a billing group.
type CreateBillingGroup struct{ Group NewBillingGroup }

// DeleteBillingGroup removes a billing group.
type DeleteBillingGroup struct{ ARN string }

// GetProgramAccount asks for Partner Central's record of the payer.
type GetProgramAccount struct{}

// ListRelationships asks for the relationships to a customer's account.
type ListRelationships struct {
	Program string
	Account AccountID
}

// CreateRelationship makes a relationship.
type CreateRelationship struct{ Relationship NewRelationship }

// DeleteRelationship removes a relationship.
type DeleteRelationship struct{ Program, ID string }

// ListHandshakes asks for the service terms that were offered on a relationship.
type ListHandshakes struct{ Relationship string }

// CreateHandshake offers a service term.
type CreateHandshake struct{ Handshake NewChannelHandshake }

// CancelHandshake takes an offered service term back.
type CancelHandshake struct{ ID string }

// ListViews asks for the billing views of an organisation.
type ListViews struct {
	Source AccountID
	Month  calendar.Month
}

// ListExports asks for all exports of the payer.
type ListExports struct{}

// CreateExport makes an export.
type CreateExport struct{ Export NewExport }

// DeleteExport removes an export.
type DeleteExport struct{ Export Export }

// CheckRole assumes the bootstrap role.
type CheckRole struct{ Account AccountID }

// GetOrganization describes the customer's organisation through the bootstrap role.
type GetOrganization struct{ Account AccountID }

func (ListTransfers) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.InboundTransfers(ctx, payer)
}

func (r DescribeTransfer) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.DescribeTransfer(ctx, payer, r.ID)
}

func (r Invite) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.InviteTransfer(ctx, payer, r.Invitation)
}

func (r CancelInvitation) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return nil, aws.CancelInvitation(ctx, payer, r.Handshake)
}

func (r EndTransfer) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.TerminateTransfer(ctx, payer, r.ID, r.End)
}

func (r ListBillingGroups) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.BillingGroups(ctx, payer, r.TransferARN)
}

func (r CreateBillingGroup) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.CreateBillingGroup(ctx, payer, r.Group)
}

func (r DeleteBillingGroup) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return nil, aws.DeleteBillingGroup(ctx, payer, r.ARN)
}

func (GetProgramAccount) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.ProgramAccount(ctx, payer)
}

func (r ListRelationships) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.Relationships(ctx, payer, r.Program, r.Account)
}

func (r CreateRelationship) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.CreateRelationship(ctx, payer, r.Relationship)
}

func (r DeleteRelationship) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return nil, aws.DeleteRelationship(ctx, payer, r.Program, r.ID)
}

func (r ListHandshakes) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.ChannelHandshakes(ctx, payer, r.Relationship)
}

func (r CreateHandshake) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.CreateChannelHandshake(ctx, payer, r.Handshake)
}

func (r CancelHandshake) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return nil, aws.CancelChannelHandshake(ctx, payer, r.ID)
}

func (r ListViews) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.BillingViews(ctx, payer, r.Source, r.Month)
}

func (ListExports) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.Exports(ctx, payer)
}

func (r CreateExport) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.CreateExport(ctx, payer, r.Export)
}

func (r DeleteExport) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return nil, aws.DeleteExport(ctx, payer, r.Export)
}

func (r CheckRole) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return nil, aws.CheckRole(ctx, payer, r.Account)
}

func (r GetOrganization) ask(ctx context.Context, aws AWS, payer AccountID) (any, error) {
	return aws.Organization(ctx, payer, r.Account)
}
