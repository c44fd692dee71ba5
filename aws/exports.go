package aws

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bcmdataexports"
	bcm "github.com/aws/aws-sdk-go-v2/service/bcmdataexports/types"
	cur "github.com/aws/aws-sdk-go-v2/service/costandusagereportservice"
	curtypes "github.com/aws/aws-sdk-go-v2/service/costandusagereportservice/types"

	"github.com/arrears-billing/arrears/agreement"
)

// curTable is the table of Data Exports that has the cost and usage report.
const curTable = "COST_AND_USAGE_REPORT"

// Health of exports, in the words of Data Exports.
const (
	healthy   = "HEALTHY"
	unhealthy = "UNHEALTHY"
)

// Exports implements agreement.AWS.
func (c *Client) Exports(ctx context.Context, payer agreement.AccountID) ([]agreement.Export, error) {
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return nil, err
	}
	reports, err := c.reports(ctx, cfg)
	if err != nil {
		return nil, err
	}
	exports, err := c.dataExports(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return append(reports, exports...), nil
}

// reports lists the legacy report definitions.
func (c *Client) reports(ctx context.Context, cfg aws.Config) ([]agreement.Export, error) {
	const operation = "DescribeReportDefinitions"
	client := cur.NewFromConfig(cfg)
	return pages(operation, func(token *string) ([]agreement.Export, *string, error) {
		out, err := client.DescribeReportDefinitions(ctx, &cur.DescribeReportDefinitionsInput{NextToken: token})
		if err != nil {
			return nil, nil, fault(ctx, operation, err)
		}
		var es []agreement.Export
		for _, d := range out.ReportDefinitions {
			e := agreement.Export{
				Kind: agreement.ExportLegacy, Name: aws.ToString(d.ReportName), View: aws.ToString(d.BillingViewArn),
				Bucket: aws.ToString(d.S3Bucket), Prefix: aws.ToString(d.S3Prefix),
				RefreshClosed: aws.ToBool(d.RefreshClosedReports), Health: healthy,
			}
			if s := d.ReportStatus; s != nil {
				if s.LastStatus != "" && s.LastStatus != curtypes.LastStatusSuccess {
					e.Health, e.Problem = unhealthy, string(s.LastStatus)
				}
				if e.LastDelivery, err = lastDelivery(aws.ToString(s.LastDelivery)); err != nil {
					return nil, nil, unknown(operation, err.Error())
				}
			}
			es = append(es, e)
		}
		return es, out.NextToken, nil
	})
}

// lastDelivery reads the time of a legacy report's delivery: 20260303T000000Z, or with an offset.
func lastDelivery(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse("20060102T150405Z0700", s)
	if err != nil {
		return time.Time{}, fmt.Errorf("lastDelivery %q: not a time", s)
	}
	return t.UTC(), nil
}

// dataExports lists the Data Exports, each with its definition, which the list does not tell.
func (c *Client) dataExports(ctx context.Context, cfg aws.Config) ([]agreement.Export, error) {
	client := bcmdataexports.NewFromConfig(cfg)
	refs, err := dataExportRefs(ctx, client)
	if err != nil {
		return nil, err
	}
	var es []agreement.Export
	for _, ref := range refs {
		const operation = "GetExport"
		out, err := client.GetExport(ctx, &bcmdataexports.GetExportInput{ExportArn: ref.ExportArn})
		if err != nil {
			err = fault(ctx, operation, err)
			if f := agreement.FaultOf(err); f != nil && f.Kind == agreement.NotFound {
				continue // deleted since it was listed
			}
			return nil, err
		}
		if out.Export == nil {
			return nil, unknown(operation, "an answer without an export")
		}
		e := agreement.Export{Kind: agreement.ExportData, Name: aws.ToString(out.Export.Name), ARN: aws.ToString(ref.ExportArn), Health: healthy}
		if q := out.Export.DataQuery; q != nil {
			e.Query = aws.ToString(q.QueryStatement)
			e.Columns = selected(e.Query)
			e.View = q.TableConfigurations[curTable]["BILLING_VIEW_ARN"]
		}
		if d := out.Export.DestinationConfigurations; d != nil && d.S3Destination != nil {
			e.Bucket, e.Prefix = aws.ToString(d.S3Destination.S3Bucket), aws.ToString(d.S3Destination.S3Prefix)
		}
		if s := out.ExportStatus; s != nil {
			e.Created, e.LastDelivery = utc(s.CreatedAt), utc(s.LastRefreshedAt)
			if s.StatusCode != "" {
				e.Health = string(s.StatusCode)
			}
			e.Problem = string(s.StatusReason)
		}
		es = append(es, e)
	}
	return es, nil
}

func dataExportRefs(ctx context.Context, client *bcmdataexports.Client) ([]bcm.ExportReference, error) {
	const operation = "ListExports"
	return pages(operation, func(token *string) ([]bcm.ExportReference, *string, error) {
		out, err := client.ListExports(ctx, &bcmdataexports.ListExportsInput{NextToken: token})
		if err != nil {
			return nil, nil, fault(ctx, operation, err)
		}
		return out.Exports, out.NextToken, nil
	})
}

var selectList = regexp.MustCompile(`(?is)^\s*SELECT\s+(.+?)\s+FROM\s`)

// selected returns the entries of a statement's select list as they are written.
func selected(query string) []string {
	m := selectList.FindStringSubmatch(query)
	if m == nil {
		return nil
	}
	var columns []string
	for c := range strings.SplitSeq(m[1], ",") {
		columns = append(columns, strings.TrimSpace(c))
	}
	return columns
}

// CreateExport implements agreement.AWS.
func (c *Client) CreateExport(ctx context.Context, payer agreement.AccountID, in agreement.NewExport) (agreement.Export, error) {
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return agreement.Export{}, err
	}
	e := agreement.Export{Kind: in.Kind, Name: in.Name, View: in.View, Bucket: in.Bucket, Prefix: in.Prefix, Health: healthy}
	switch in.Kind {
	case agreement.ExportLegacy:
		if err := c.putReport(ctx, cfg, in); err != nil {
			return agreement.Export{}, err
		}
		e.RefreshClosed = true
		return e, nil
	case agreement.ExportData:
		return c.createDataExport(ctx, cfg, in, e)
	}
	return agreement.Export{}, &agreement.Fault{Kind: agreement.Invalid, Operation: "CreateExport", Code: "InvalidKind", Text: "no such kind of export: " + in.Kind}
}

func (c *Client) putReport(ctx context.Context, cfg aws.Config, in agreement.NewExport) error {
	_, err := cur.NewFromConfig(once(cfg)).PutReportDefinition(ctx, &cur.PutReportDefinitionInput{ReportDefinition: &curtypes.ReportDefinition{
		ReportName: aws.String(in.Name), TimeUnit: curtypes.TimeUnitHourly,
		Format: curtypes.ReportFormatParquet, Compression: curtypes.CompressionFormatParquet,
		AdditionalSchemaElements: []curtypes.SchemaElement{curtypes.SchemaElementResources},
		S3Bucket:                 aws.String(in.Bucket), S3Prefix: aws.String(in.Prefix), S3Region: curtypes.AWSRegion(in.Region),
		RefreshClosedReports: aws.Bool(true), ReportVersioning: curtypes.ReportVersioningCreateNewReport,
		BillingViewArn: aws.String(in.View),
	}})
	return fault(ctx, "PutReportDefinition", err)
}

var columnName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// createDataExport makes a Data Export. AWS has no code of its own for a name that is taken, so
// the names are looked at before.
func (c *Client) createDataExport(ctx context.Context, cfg aws.Config, in agreement.NewExport, e agreement.Export) (agreement.Export, error) {
	const operation = "CreateExport"
	for _, column := range in.Columns {
		if !columnName.MatchString(column) {
			return agreement.Export{}, &agreement.Fault{Kind: agreement.Invalid, Operation: operation, Code: "InvalidColumn", Text: fmt.Sprintf("%q is not a column's name", column)}
		}
	}
	refs, err := dataExportRefs(ctx, bcmdataexports.NewFromConfig(cfg))
	if err != nil {
		return agreement.Export{}, err
	}
	for _, ref := range refs {
		if aws.ToString(ref.ExportName) == in.Name {
			return agreement.Export{}, &agreement.Fault{Kind: agreement.Conflict, Operation: operation, Code: "DuplicateName", Text: "there is an export named " + in.Name}
		}
	}
	e.Query = "SELECT " + strings.Join(in.Columns, ", ") + " FROM " + curTable
	e.Columns = in.Columns
	out, err := bcmdataexports.NewFromConfig(once(cfg)).CreateExport(ctx, &bcmdataexports.CreateExportInput{Export: &bcm.Export{
		Name: aws.String(in.Name),
		DataQuery: &bcm.DataQuery{QueryStatement: aws.String(e.Query), TableConfigurations: map[string]map[string]string{curTable: {
			"TIME_GRANULARITY": "HOURLY", "INCLUDE_RESOURCES": "TRUE", "INCLUDE_SPLIT_COST_ALLOCATION_DATA": "FALSE",
			"BILLING_VIEW_ARN": in.View,
		}}},
		DestinationConfigurations: &bcm.DestinationConfigurations{S3Destination: &bcm.S3Destination{
			S3Bucket: aws.String(in.Bucket), S3Prefix: aws.String(in.Prefix), S3Region: aws.String(in.Region),
			S3OutputConfigurations: &bcm.S3OutputConfigurations{
				OutputType: bcm.S3OutputTypeCustom, Format: bcm.FormatOptionParquet, Compression: bcm.CompressionOptionParquet,
				Overwrite: bcm.OverwriteOptionCreateNewReport,
			},
		}},
		RefreshCadence: &bcm.RefreshCadence{Frequency: bcm.FrequencyOptionSynchronous},
	}})
	if err != nil {
		return agreement.Export{}, fault(ctx, operation, err)
	}
	e.ARN = aws.ToString(out.ExportArn)
	return e, nil
}

// DeleteExport implements agreement.AWS. Whether AWS refuses to delete a legacy report that is not
// there is not documented, so the reports are looked at before.
func (c *Client) DeleteExport(ctx context.Context, payer agreement.AccountID, e agreement.Export) error {
	cfg, err := c.payer(ctx, payer)
	if err != nil {
		return err
	}
	if e.Kind == agreement.ExportData {
		_, err := bcmdataexports.NewFromConfig(once(cfg)).DeleteExport(ctx, &bcmdataexports.DeleteExportInput{ExportArn: aws.String(e.ARN)})
		return fault(ctx, "DeleteExport", err)
	}
	const operation = "DeleteReportDefinition"
	reports, err := c.reports(ctx, cfg)
	if err != nil {
		return err
	}
	for _, r := range reports {
		if r.Name == e.Name {
			_, err := cur.NewFromConfig(once(cfg)).DeleteReportDefinition(ctx, &cur.DeleteReportDefinitionInput{ReportName: aws.String(e.Name)})
			return fault(ctx, operation, err)
		}
	}
	return missing(operation, "no report named "+e.Name)
}
