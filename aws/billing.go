package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/billing"
	billingtypes "github.com/aws/aws-sdk-go-v2/service/billing/types"
	"github.com/aws/aws-sdk-go-v2/service/invoicing"
	invoicingtypes "github.com/aws/aws-sdk-go-v2/service/invoicing/types"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/ingest"
)

// conductor is an operation of Billing Conductor.
func conductor(operation, path string) signedCall {
	return signedCall{operation: operation, service: "billingconductor", host: "billingconductor.us-east-1.amazonaws.com", path: path}
}

// BillingGroups implements agreement.AWS.
func (c *Client) BillingGroups(ctx context.Context, payer agreement.AccountID, transferARN string) ([]agreement.BillingGroup, error) {
	const operation = "ListBillingGroups"
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return nil, err
	}
	return pages(operation, func(token *string) ([]agreement.BillingGroup, *string, error) {
		in := map[string]any{"Filters": map[string]any{"ResponsibilityTransferArns": []string{transferARN}}}
		if token != nil {
			in["NextToken"] = *token
		}
		var out struct {
			BillingGroups []struct {
				Arn, Name, Status string
				AccountGrouping   struct{ ResponsibilityTransferArn string }
			}
			NextToken *string
		}
		if err := conductor(operation, "/list-billing-groups").do(ctx, cfg, in, &out); err != nil {
			return nil, nil, err
		}
		var gs []agreement.BillingGroup
		for _, g := range out.BillingGroups {
			gs = append(gs, agreement.BillingGroup{ARN: g.Arn, Name: g.Name, TransferARN: g.AccountGrouping.ResponsibilityTransferArn, Status: g.Status})
		}
		return gs, out.NextToken, nil
	})
}

// CreateBillingGroup implements agreement.AWS. AWS answers the ARN alone; the status is known from
// the next look.
func (c *Client) CreateBillingGroup(ctx context.Context, payer agreement.AccountID, in agreement.NewBillingGroup) (agreement.BillingGroup, error) {
	const operation = "CreateBillingGroup"
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return agreement.BillingGroup{}, err
	}
	call := conductor(operation, "/create-billing-group")
	call.changes, call.token = true, clientToken(in.Token)
	var out struct{ Arn string }
	err = call.do(ctx, cfg, map[string]any{
		"Name":                  in.Name,
		"AccountGrouping":       map[string]any{"ResponsibilityTransferArn": in.TransferARN},
		"ComputationPreference": map[string]any{"PricingPlanArn": in.PricingPlan},
	}, &out)
	if err != nil {
		return agreement.BillingGroup{}, err
	}
	if out.Arn == "" {
		return agreement.BillingGroup{}, unknown(operation, "an answer without a billing group")
	}
	return agreement.BillingGroup{ARN: out.Arn, Name: in.Name, TransferARN: in.TransferARN}, nil
}

// DeleteBillingGroup implements agreement.AWS.
func (c *Client) DeleteBillingGroup(ctx context.Context, payer agreement.AccountID, arn string) error {
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return err
	}
	call := conductor("DeleteBillingGroup", "/delete-billing-group")
	call.changes = true
	return call.do(ctx, cfg, map[string]any{"Arn": arn}, nil)
}

// BillingViews implements agreement.AWS.
func (c *Client) BillingViews(ctx context.Context, payer, source agreement.AccountID, month calendar.Month) ([]agreement.BillingView, error) {
	const operation = "ListBillingViews"
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return nil, err
	}
	client := billing.NewFromConfig(cfg)
	return pages(operation, func(token *string) ([]agreement.BillingView, *string, error) {
		out, err := client.ListBillingViews(ctx, &billing.ListBillingViewsInput{
			BillingViewTypes: []billingtypes.BillingViewType{billingtypes.BillingViewTypeBillingTransfer},
			SourceAccountId:  aws.String(string(source)),
			ActiveTimeRange: &billingtypes.ActiveTimeRange{
				ActiveAfterInclusive:  aws.Time(month.Start()),
				ActiveBeforeInclusive: aws.Time(month.End().Add(-time.Second)), // the range must lie within one month
			},
			NextToken: token,
		})
		if err != nil {
			return nil, nil, fault(ctx, operation, err)
		}
		var vs []agreement.BillingView
		for _, v := range out.BillingViews {
			w := agreement.BillingView{ARN: aws.ToString(v.Arn), Name: aws.ToString(v.Name), Source: agreement.AccountID(aws.ToString(v.SourceAccountId))}
			if v.HealthStatus != nil {
				w.Health = string(v.HealthStatus.StatusCode)
			}
			vs = append(vs, w)
		}
		return vs, out.NextToken, nil
	})
}

// Invoices returns AWS's invoices to a payer for a month, for payers whose book says invoices: api.
// What is wrong with a figure is told with the invoice and the field, as for a file.
func (c *Client) Invoices(ctx context.Context, payer agreement.AccountID, month calendar.Month) ([]ingest.Bill, error) {
	text, err := c.InvoiceSummaries(ctx, payer, month)
	if err != nil {
		return nil, fmt.Errorf("AWS invoices %s of payer %s: %w", month, payer, err)
	}
	return ingest.ParseBills("ListInvoiceSummaries of payer "+string(payer), text, month)
}

// InvoiceSummaries returns AWS's invoices to a payer for a month as JSON in the shape of
// invoicing:ListInvoiceSummaries, {"InvoiceSummaries": [...]}, all pages in one: what a payer's
// folder of invoices holds as YYYY-MM.json (contract.md). Amounts stay text.
func (c *Client) InvoiceSummaries(ctx context.Context, payer agreement.AccountID, month calendar.Month) ([]byte, error) {
	const operation = "ListInvoiceSummaries"
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return nil, err
	}
	first := month.Start()
	client := invoicing.NewFromConfig(cfg)
	all, err := pages(operation, func(token *string) ([]json.RawMessage, *string, error) {
		out, err := client.ListInvoiceSummaries(ctx, &invoicing.ListInvoiceSummariesInput{
			Selector: &invoicingtypes.InvoiceSummariesSelector{ResourceType: invoicingtypes.ListInvoiceSummariesResourceTypeAccountId, Value: aws.String(string(payer))},
			Filter: &invoicingtypes.InvoiceSummariesFilter{BillingPeriod: &invoicingtypes.BillingPeriod{
				Month: aws.Int32(int32(first.Month())), Year: aws.Int32(int32(first.Year()))}},
			MaxResults: aws.Int32(100),
			NextToken:  token,
		})
		if err != nil {
			return nil, nil, fault(ctx, operation, err)
		}
		var items []json.RawMessage
		for _, s := range out.InvoiceSummaries {
			raw, err := withoutNulls(s)
			if err != nil {
				return nil, nil, err
			}
			items = append(items, raw)
		}
		return items, out.NextToken, nil
	})
	if err != nil {
		return nil, err
	}
	if all == nil {
		all = []json.RawMessage{} // no invoices: an empty list, not a missing one
	}
	return json.Marshal(map[string]any{"InvoiceSummaries": all})
}

// withoutNulls writes a value of the SDK as AWS sends it: what is missing is left out. An empty
// list stays one, since AWS means something else by it (design 6, BillSourceAccounts).
func withoutNulls(v any) (json.RawMessage, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("invoice: %w", err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("invoice: %w", err)
	}
	prune(tree)
	return json.Marshal(tree)
}

func prune(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, w := range v {
			if w == nil || w == "" {
				delete(v, k)
				continue
			}
			prune(w)
		}
	case []any:
		for _, w := range v {
			prune(w)
		}
	}
}
