package agreement

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// AWS is what the lifecycle asks of AWS, in the words of the lifecycle. Package aws implements
// it over the network, a test implements it in memory.
//
// What every implementation promises:
//
//   - It acts as the payer that is named (the reseller's bill-transfer account, PMA) and holds its
//     credentials; nobody here sees them. CheckRole and Organization act in the customer's
//     organisation, through the bootstrap role and nothing else (domain.md R47).
//   - Lists are complete: all pages are followed, empty ones too. What AWS no longer lists is
//     not an error.
//   - A call that AWS refuses returns a *Fault; a cancelled context returns its own error. Calls
//     that only read are tried again a few times when AWS throttles; calls that change something
//     are made once, since the caller looks before it asks again.
//   - Statuses are passed on as AWS spells them, known or not.
//   - Times are UTC.
type AWS interface {
	// InviteTransfer invites the organisation of a management account to hand its bill to the
	// payer (Organizations, type BILLING). AWS has no client token here: a second invitation is
	// refused with RESPONSIBILITY_TRANSFER_ALREADY_EXISTS (Conflict).
	InviteTransfer(ctx context.Context, payer AccountID, in Invitation) (ResponsibilityTransfer, error)
	// DescribeTransfer returns one transfer, or a Fault of kind NotFound.
	DescribeTransfer(ctx context.Context, payer AccountID, id string) (ResponsibilityTransfer, error)
	// InboundTransfers lists every transfer to the payer, of any status, in no order.
	InboundTransfers(ctx context.Context, payer AccountID) ([]ResponsibilityTransfer, error)
	// CancelInvitation takes an open invitation back, by the transfer's ActiveHandshake.
	CancelInvitation(ctx context.Context, payer AccountID, handshake string) error
	// TerminateTransfer ends an accepted transfer at a month's last second; AWS takes the current
	// and the next month. It returns the transfer as it is afterwards: WITHDRAWN, with its end.
	TerminateTransfer(ctx context.Context, payer AccountID, id string, end time.Time) (ResponsibilityTransfer, error)

	// BillingGroups lists the Billing Conductor groups of a transfer.
	BillingGroups(ctx context.Context, payer AccountID, transferARN string) ([]BillingGroup, error)
	// CreateBillingGroup makes one; the same token gives the same group.
	CreateBillingGroup(ctx context.Context, payer AccountID, in NewBillingGroup) (BillingGroup, error)
	// DeleteBillingGroup removes one; one that is gone already is a Fault of kind NotFound.
	DeleteBillingGroup(ctx context.Context, payer AccountID, arn string) error

	// ProgramAccount returns Partner Central's record of the payer, or a Fault of kind NotFound.
	ProgramAccount(ctx context.Context, payer AccountID) (ProgramAccount, error)
	// Relationships lists the Partner Central relationships of a program account to a customer's account.
	Relationships(ctx context.Context, payer AccountID, program string, account AccountID) ([]Relationship, error)
	// CreateRelationship makes one; the same token gives the same relationship.
	CreateRelationship(ctx context.Context, payer AccountID, in NewRelationship) (Relationship, error)
	// DeleteRelationship removes one; one that is gone already is a Fault of kind NotFound.
	DeleteRelationship(ctx context.Context, payer AccountID, program, id string) error
	// ChannelHandshakes lists the START_SERVICE_PERIOD handshakes that the payer sent on a relationship.
	ChannelHandshakes(ctx context.Context, payer AccountID, relationship string) ([]ChannelHandshake, error)
	// CreateChannelHandshake asks the customer for a service term; the same token gives the same handshake.
	CreateChannelHandshake(ctx context.Context, payer AccountID, in NewChannelHandshake) (ChannelHandshake, error)
	// CancelChannelHandshake takes a pending one back.
	CancelChannelHandshake(ctx context.Context, payer AccountID, id string) error

	// BillingViews lists the payer's views of type BILLING_TRANSFER (what the payer owes AWS) of a
	// source organisation that are active in the month.
	BillingViews(ctx context.Context, payer, source AccountID, month calendar.Month) ([]BillingView, error)
	// Exports lists every cost and usage export of the payer: legacy report definitions and Data Exports.
	Exports(ctx context.Context, payer AccountID) ([]Export, error)
	// CreateExport makes one; its name is unique in the payer, a second one of that name is a
	// Fault of kind Conflict.
	CreateExport(ctx context.Context, payer AccountID, in NewExport) (Export, error)
	// DeleteExport removes one; one that is gone already is a Fault of kind NotFound.
	DeleteExport(ctx context.Context, payer AccountID, e Export) error

	// CheckRole assumes the bootstrap role in the customer's management account (STS). It returns
	// nil when that works, and a Fault of kind Denied when the role is not there or does not trust
	// the payer: AWS does not tell the two apart.
	CheckRole(ctx context.Context, payer, account AccountID) error
	// Organization describes the customer's organisation through the bootstrap role; before the
	// role is deployed it is a Fault of kind Denied.
	Organization(ctx context.Context, payer, account AccountID) (Organization, error)
}

// An Invitation asks an organisation to hand over its bill.
type Invitation struct {
	Account AccountID // the customer's management account (MPA)
	Name    string    // shown to the customer: "Transfer Billing - Buyer B.V."
	Start   time.Time // first of the next month or the one after, 00:00:00
	Notes   string    // text of AWS's e-mail, may be empty
}

// A ResponsibilityTransfer is AWS Organizations' record of a billing transfer (aws.md 3.5).
type ResponsibilityTransfer struct {
	ID              string
	ARN             string
	Name            string
	Status          TransferStatus
	Source          AccountID // the customer's management account
	Target          AccountID // the payer
	Start           time.Time // StartTimestamp
	End             time.Time // EndTimestamp; zero while open
	ActiveHandshake string    // the open invitation's handshake, h-..., else empty
}

// A TransferStatus is AWS's word for where a transfer stands.
type TransferStatus string

// The statuses known. WITHDRAWN is still in force until its end.
const (
	TransferRequested TransferStatus = "REQUESTED"
	TransferAccepted  TransferStatus = "ACCEPTED"
	TransferDeclined  TransferStatus = "DECLINED"
	TransferCanceled  TransferStatus = "CANCELED"
	TransferExpired   TransferStatus = "EXPIRED"
	TransferWithdrawn TransferStatus = "WITHDRAWN"
)

// A BillingGroup is Billing Conductor's group of a transfer.
type BillingGroup struct {
	ARN         string
	Name        string
	TransferARN string
	Status      string // ACTIVE | PENDING (before the start) | PRIMARY_ACCOUNT_MISSING
}

// BasicPricingPlan is AWS's own plan: public prices, without the partner's discounts (aws.md 3.3).
const BasicPricingPlan = "arn:aws:billingconductor::aws:pricingplan/BasicPricingPlan"

// A NewBillingGroup is a billing group to make.
type NewBillingGroup struct {
	Token       string
	Name        string
	TransferARN string
	PricingPlan string // ARN
}

// A ProgramAccount is Partner Central's record of a payer.
type ProgramAccount struct {
	ID      string // pma-...
	Account AccountID
	Status  string // PENDING | ACTIVE | INACTIVE
}

// A Relationship is Partner Central's link from a program account to a customer (aws.md 3.6).
// AWS gives the partner discount only where there is one.
type Relationship struct {
	ID      string // rs-...
	ARN     string
	Program string // pma-...
	Account AccountID
	Name    string
	Created time.Time
}

// A NewRelationship is a relationship to make: association END_CUSTOMER, resale model
// END_CUSTOMER, sector COMMERCIAL.
type NewRelationship struct {
	Token   string
	Program string
	Account AccountID
	Name    string
}

// A ChannelHandshake is the request for a service term (type START_SERVICE_PERIOD).
type ChannelHandshake struct {
	ID           string
	Relationship string
	Status       HandshakeStatus
	End          time.Time // of the fixed commitment period
	Created      time.Time
	Updated      time.Time // when the status last changed; zero if AWS does not say
}

// A HandshakeStatus is AWS's word for where a channel handshake stands.
type HandshakeStatus string

// The statuses known.
const (
	HandshakePending  HandshakeStatus = "PENDING"
	HandshakeAccepted HandshakeStatus = "ACCEPTED"
	HandshakeRejected HandshakeStatus = "REJECTED"
	HandshakeCanceled HandshakeStatus = "CANCELED"
	HandshakeExpired  HandshakeStatus = "EXPIRED"
)

// A NewChannelHandshake asks for a fixed commitment of 60 to 365 days.
type NewChannelHandshake struct {
	Token        string
	Program      string
	Relationship string
	End          time.Time // the commitment's end
	Note         string    // text shown to the customer, may be empty
}

// A BillingView is a scope of cost data; the one of type BILLING_TRANSFER is what the payer owes
// AWS for one source organisation ("My view").
type BillingView struct {
	ARN    string
	Name   string
	Source AccountID
	Health string // HEALTHY | UNHEALTHY | CREATING | UPDATING
}

// Kinds of exports (aws.md 3.4).
const (
	ExportLegacy = "legacy"      // a report definition: up to 1,000 in a bill-transfer account
	ExportData   = "data_export" // a Data Export (CUR 2.0): 5 in an account
)

// An Export is an order to AWS to deliver cost and usage files of one billing view.
type Export struct {
	Kind          string // ExportLegacy | ExportData
	Name          string
	ARN           string // empty for legacy, where the name is the key
	View          string // billing view ARN
	Bucket        string
	Prefix        string
	RefreshClosed bool      // closed months are delivered again when they change; a Data Export does so for two weeks
	Query         string    // Data Exports: the SQL statement
	Columns       []string  // what it delivers, if AWS tells; a legacy report delivers them all
	Health        string    // HEALTHY | UNHEALTHY; from a legacy LastStatus SUCCESS | ERROR_...
	Problem       string    // AWS's word for what is wrong: ERROR_PERMISSIONS, BILL_OWNER_CHANGED, ...
	Created       time.Time // zero if AWS does not say
	LastDelivery  time.Time // zero before the first file
}

// A NewExport is an export to make: Parquet, hourly, with resource ids; a legacy report refreshes
// closed months and keeps every version.
type NewExport struct {
	Kind    string
	Name    string // unique in the payer; also the folder's name
	View    string
	Bucket  string
	Prefix  string
	Region  string   // of the bucket
	Columns []string // Data Exports: the columns to select, in this order
}

// An Organization is what AWS Organizations says about a customer's organisation.
type Organization struct {
	ID                string // o-...
	ManagementAccount AccountID
	AllFeatures       bool // false: consolidated billing only
}

// A Fault is an answer of AWS that is not what was asked for.
type Fault struct {
	Kind      FaultKind
	Operation string // AWS's name: InviteOrganizationToTransferResponsibility
	Code      string // AWS's error code: ConstraintViolationException
	Reason    string // AWS's reason in it, if any: START_DATE_TOO_EARLY
	Text      string // AWS's message
}

// A FaultKind says what can be done about a fault.
type FaultKind string

// Kinds of faults.
const (
	Throttled   FaultKind = "throttled"   // ask again later; nothing happened
	Unavailable FaultKind = "unavailable" // 5xx, timeout, broken connection: whether it happened is not known
	NotFound    FaultKind = "not_found"
	Conflict    FaultKind = "conflict" // exists already, or is in that status already
	Invalid     FaultKind = "invalid"  // refused for a reason that trying again does not cure
	Denied      FaultKind = "denied"   // no permission
	Unknown     FaultKind = "unknown"  // an answer that this program does not know
)

// Error says what was asked and what AWS answered.
func (f *Fault) Error() string {
	s := fmt.Sprintf("%s: %s", f.Operation, f.Code)
	if f.Reason != "" {
		s += " " + f.Reason
	}
	if f.Text != "" {
		s += ": " + f.Text
	}
	return s
}

// FaultOf returns the fault in an error's chain; nil if it holds none.
func FaultOf(err error) *Fault {
	f, _ := errors.AsType[*Fault](err)
	return f
}
