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

// The requests, each the call of one method of AWS.
type (
	ListTransfers    struct{}
	DescribeTransfer struct{ ID string }
	Invite           struct{ Invitation Invitation }
	CancelInvitation struct{ Handshake string }
	EndTransfer      struct {
		ID  string
		End time.Time
	}

	ListBillingGroups  struct{ TransferARN string }
	CreateBillingGroup struct{ Group NewBillingGroup }
	DeleteBillingGroup struct{ ARN string }

	GetProgramAccount struct{}
	ListRelationships struct {
		Program string
		Account AccountID
	}
	CreateRelationship struct{ Relationship NewRelationship }
	DeleteRelationship struct{ Program, ID string }
	ListHandshakes     struct{ Relationship string }
	CreateHandshake    struct{ Handshake NewChannelHandshake }
	CancelHandshake    struct{ ID string }

	ListViews struct {
		Source AccountID
		Month  calendar.Month
	}
	ListExports  struct{}
	CreateExport struct{ Export NewExport }
	DeleteExport struct{ Export Export }

	CheckRole       struct{ Account AccountID }
	GetOrganization struct{ Account AccountID }
)

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
