// Package aws is the way to AWS: billing transfers, Partner Central, Billing Conductor, billing
// views, exports and roles for the lifecycle (agreement.AWS), AWS's own invoices, and deliveries
// in S3. It knows the domain's types and nothing of how they are used.
//
// Credentials come from where every AWS client takes them (environment, profile, instance role),
// stay in memory and are never logged, stored or part of an error (domain.md R47, R48). In a
// customer's account it has none but what the bootstrap role gives for a quarter of an hour.
//
// AWS_ENDPOINT_URL leads all calls elsewhere, such as to package simulator.
package aws

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/arrears-billing/arrears/agreement"
)

// region is where the billing services are, whatever the region of the customer.
const region = "us-east-1"

// sessionName names this program in AWS's logs of assumed roles.
const sessionName = "arrears"

// A Config says in which roles the program acts. The zero Config uses the credentials that are
// found as they are: then they must be those of the payer that is asked for.
type Config struct {
	PayerRole     string // name of the role to assume in each payer; empty: act with the credentials found
	PartnerRole   string // ARN of the role for Partner Central, where that is another account than the payer
	BootstrapRole string // name of the role that customers deploy (domain.md R46)
	ExternalID    string // what the bootstrap role asks for, if anything

	Timeout time.Duration // of one attempt; 0 means 30 seconds
	Backoff time.Duration // the longest wait between attempts; 0 means 10 seconds
}

// FromEnv reads a Config: ARREARS_AWS_PAYER_ROLE, ARREARS_AWS_PARTNER_ROLE,
// ARREARS_AWS_BOOTSTRAP_ROLE (default EssentialsBootstrapRole) and ARREARS_AWS_EXTERNAL_ID.
func FromEnv(getenv func(string) string) Config {
	c := Config{
		PayerRole:     getenv("ARREARS_AWS_PAYER_ROLE"),
		PartnerRole:   getenv("ARREARS_AWS_PARTNER_ROLE"),
		BootstrapRole: getenv("ARREARS_AWS_BOOTSTRAP_ROLE"),
		ExternalID:    getenv("ARREARS_AWS_EXTERNAL_ID"),
	}
	if c.BootstrapRole == "" {
		c.BootstrapRole = "EssentialsBootstrapRole"
	}
	return c
}

// A Client makes the calls. Its methods may be used from several goroutines.
type Client struct {
	config Config
	base   aws.Config // with the credentials found

	mu     sync.Mutex
	payers map[agreement.AccountID]aws.Config // those that have been asked for
}

var _ agreement.AWS = (*Client)(nil)

// attempts is how often a call that only reads is tried.
const attempts = 4

// Open finds credentials and settings as every AWS client does. It does not call AWS.
func Open(ctx context.Context, c Config) (*Client, error) {
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Backoff == 0 {
		c.Backoff = 10 * time.Second
	}
	base, err := config.LoadDefaultConfig(ctx,
		config.WithDefaultRegion(region),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(c.Timeout)),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = attempts
				o.MaxBackoff = c.Backoff
			})
		}))
	if err != nil {
		return nil, fmt.Errorf("aws: settings: %w", err)
	}
	return &Client{config: c, base: base, payers: map[agreement.AccountID]aws.Config{}}, nil
}

// payer returns the settings for calls as a payer. Acting as the wrong account would bill the
// wrong one, so credentials that are used as they are found are asked once whose they are.
func (c *Client) payer(ctx context.Context, id agreement.AccountID) (aws.Config, error) {
	if !id.Valid() {
		return aws.Config{}, &agreement.Fault{Kind: agreement.Invalid, Operation: "AssumeRole", Code: "InvalidAccount",
			Text: fmt.Sprintf("payer %q is not an account id of twelve digits", id)}
	}
	c.mu.Lock()
	cfg, ok := c.payers[id]
	c.mu.Unlock()
	if ok {
		return cfg, nil
	}
	cfg = c.base.Copy()
	cfg.Region = region
	if c.config.PayerRole != "" {
		cfg.Credentials = c.assumed(roleARN(id, c.config.PayerRole))
	} else if err := c.owned(ctx, cfg, id); err != nil {
		return aws.Config{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.payers[id] = cfg
	return cfg, nil
}

// owned checks that the credentials found are the payer's.
func (c *Client) owned(ctx context.Context, cfg aws.Config, id agreement.AccountID) error {
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return fault(ctx, "GetCallerIdentity", err)
	}
	if got := aws.ToString(who.Account); got != string(id) {
		return &agreement.Fault{Kind: agreement.Denied, Operation: "GetCallerIdentity", Code: "WrongAccount",
			Text: fmt.Sprintf("the credentials are of account %s, not of payer %s; use the payer's, or name a role to assume in it", got, id)}
	}
	return nil
}

// partner returns the settings for calls to Partner Central.
func (c *Client) partner(ctx context.Context, id agreement.AccountID) (aws.Config, error) {
	if c.config.PartnerRole == "" {
		return c.payer(ctx, id)
	}
	cfg := c.base.Copy()
	cfg.Region = region
	c.mu.Lock()
	defer c.mu.Unlock()
	const shared = "partner" // no account id: it stands for all payers
	if known, ok := c.payers[shared]; ok {
		return known, nil
	}
	cfg.Credentials = c.assumed(c.config.PartnerRole)
	c.payers[shared] = cfg
	return cfg, nil
}

// assumed gives the credentials of a role, and new ones before they expire.
func (c *Client) assumed(arn string) aws.CredentialsProvider {
	cfg := c.base.Copy()
	cfg.Region = region
	return aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), arn,
		func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = sessionName }))
}

func roleARN(account agreement.AccountID, role string) string {
	return "arn:aws:iam::" + string(account) + ":role/" + role
}

// bootstrap assumes the bootstrap role in a customer's account, as a payer.
func (c *Client) bootstrap(ctx context.Context, payer, account agreement.AccountID) (aws.Config, error) {
	const operation = "AssumeRole"
	if c.config.BootstrapRole == "" || !account.Valid() {
		return aws.Config{}, &agreement.Fault{Kind: agreement.Invalid, Operation: operation, Code: "InvalidRole",
			Text: fmt.Sprintf("no bootstrap role is named, or %q is not an account id of twelve digits", account)}
	}
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return aws.Config{}, err
	}
	const shortest = 900 // seconds; AWS gives no shorter session
	in := &sts.AssumeRoleInput{
		RoleArn: aws.String(roleARN(account, c.config.BootstrapRole)), RoleSessionName: aws.String(sessionName), DurationSeconds: aws.Int32(shortest),
	}
	if c.config.ExternalID != "" {
		in.ExternalId = &c.config.ExternalID
	}
	out, err := sts.NewFromConfig(cfg).AssumeRole(ctx, in)
	if err != nil {
		return aws.Config{}, fault(ctx, operation, err)
	}
	if out.Credentials == nil {
		return aws.Config{}, unknown(operation, "an answer without credentials")
	}
	customer := cfg.Copy()
	customer.Credentials = credentials.NewStaticCredentialsProvider(aws.ToString(out.Credentials.AccessKeyId),
		aws.ToString(out.Credentials.SecretAccessKey), aws.ToString(out.Credentials.SessionToken))
	return customer, nil
}

// once returns the settings for a call that changes something: it is made one time, since whether
// a call without an answer had its effect can only be found out by looking.
func once(cfg aws.Config) aws.Config {
	cfg = cfg.Copy()
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	return cfg
}

// pages collects a list of AWS to its end. Pages may be empty; a list that never ends is not AWS's.
func pages[T any](operation string, get func(token *string) ([]T, *string, error)) ([]T, error) {
	var all []T
	var token *string
	for seen := map[string]bool{}; ; {
		items, next, err := get(token)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if aws.ToString(next) == "" {
			return all, nil
		}
		if seen[*next] {
			return nil, unknown(operation, "a list whose pages repeat")
		}
		seen[*next] = true
		token = next
	}
}

// httpClient is what signed calls are sent with.
func httpClient(cfg aws.Config) aws.HTTPClient {
	if cfg.HTTPClient != nil {
		return cfg.HTTPClient
	}
	return http.DefaultClient
}
