package main

import (
	"context"
	"strings"
	"sync"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/aws"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/ingest"
)

// sources are the ways to what AWS delivers and invoices: folders, and S3 and AWS's API once a
// book names them. Only then are AWS's settings and credentials looked for.
type sources struct {
	client func() (*aws.Client, error)
}

func newSources(ctx context.Context, getenv func(string) string) sources {
	return sources{sync.OnceValues(func() (*aws.Client, error) { return aws.Open(ctx, aws.FromEnv(getenv)) })}
}

// open opens the source of a delivery: s3://bucket/prefix, or a folder.
func (s sources) open(location string) (ingest.Store, error) {
	if !strings.HasPrefix(location, "s3://") {
		return ingest.Folder(location), nil
	}
	c, err := s.client()
	if err != nil {
		return nil, err
	}
	return c.Bucket(location)
}

// invoices lists AWS's bills of a payer whose book says invoices: api.
func (s sources) invoices(ctx context.Context, payer agreement.AccountID, m calendar.Month) ([]ingest.Bill, error) {
	c, err := s.client()
	if err != nil {
		return nil, err
	}
	return c.Invoices(ctx, payer, m)
}
