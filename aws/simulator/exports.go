package simulator

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A delivery is the regular delivery of a report or an export: one a day, from a day after it was
// made or its view began. Only its status is kept here; files are put into the buckets by whoever
// runs the simulator.
type delivery struct {
	view    view
	created time.Time
	problem string    // AWS's word for what is wrong
	stopped time.Time // no deliveries from then on; zero: they go on
}

// last returns the time of the last delivery and how many there were.
func (d *delivery) last(now time.Time) (time.Time, int) {
	from := d.created
	if from.Before(d.view.from) {
		from = d.view.from
	}
	if t := d.view.transfer; t != nil && t.Status == stateWithdrawn && now.After(t.End.AddDate(0, 2, 0)) {
		now = t.End.AddDate(0, 2, 0) // late credits and refunds of the months before
	}
	if !d.stopped.IsZero() && d.stopped.Before(now) {
		now = d.stopped
	}
	const day = 24 * time.Hour
	n := int(now.Sub(from) / day)
	if n < 1 {
		return time.Time{}, 0
	}
	return from.Add(time.Duration(n) * day), n
}

// A report is a legacy report definition.
type report struct {
	delivery
	Name       string
	owner      string
	definition map[string]any
}

// An export is a Data Export.
type export struct {
	delivery
	Arn   string
	Name  string
	owner string
	body  map[string]any
}

var curOps = map[string]operation{
	"PutReportDefinition":       op(putReport),
	"DescribeReportDefinitions": op(describeReports),
	"DeleteReportDefinition":    op(deleteReport),
}

// Limits of AWS (aws.md 3.4).
const (
	maxReports         = 10
	maxTransferReports = 1000
	maxExports         = 5
)

// viewNamed finds a view of the account by its ARN or, for legacy reports, by its name in it.
func (s *Simulator) viewNamed(account, arn string) (view, bool) {
	for _, v := range s.views(account) {
		if v.arn == arn || lastPart(v.arn) == arn {
			return v, true
		}
	}
	return view{}, false
}

type putReportIn struct{ ReportDefinition json.RawMessage }

type reportDefinition struct {
	ReportName, TimeUnit, Format, Compression, S3Bucket, S3Prefix, S3Region, BillingViewArn string
	AdditionalSchemaElements                                                                []string
}

var reportName = regexp.MustCompile(`^[0-9A-Za-z!\-_.*'()]{1,256}$`)

func putReport(s *Simulator, c caller, in putReportIn) (any, error) {
	var d reportDefinition
	r := &report{owner: c.Account}
	if json.Unmarshal(in.ReportDefinition, &d) != nil || json.Unmarshal(in.ReportDefinition, &r.definition) != nil {
		return nil, fieldInvalid("", "ReportDefinition is required")
	}
	switch {
	case !reportName.MatchString(d.ReportName):
		return nil, fieldInvalid("", "ReportName does not match the pattern")
	case d.TimeUnit == "" || d.S3Bucket == "" || d.S3Region == "" || d.AdditionalSchemaElements == nil:
		return nil, fieldInvalid("", "TimeUnit, S3Bucket, S3Region and AdditionalSchemaElements are required")
	case (d.Format == "Parquet") != (d.Compression == "Parquet"):
		return nil, fieldInvalid("", "Parquet is format and compression or neither")
	}
	arn := d.BillingViewArn
	if arn == "" {
		arn = "primary"
	}
	v, ok := s.viewNamed(c.Account, arn)
	if !ok {
		return nil, &Error{Code: "ResourceNotFoundException", Message: "no billing view " + arn}
	}
	limit, count := maxReports, 0
	if v.transfer != nil {
		limit = maxTransferReports
	}
	for _, other := range s.reports {
		if other.owner != c.Account {
			continue
		}
		if other.Name == d.ReportName {
			return nil, &Error{Code: "DuplicateReportNameException", Message: "there is a report named " + d.ReportName}
		}
		if (other.view.transfer != nil) == (v.transfer != nil) {
			count++
		}
	}
	if count >= limit {
		return nil, &Error{Code: "ReportLimitReachedException", Message: "the limit of report definitions is reached"}
	}
	r.Name, r.view, r.created = d.ReportName, v, s.now()
	s.reports = append(s.reports, r)
	return nil, nil
}

type pageIn struct {
	NextToken  string
	MaxResults int
}

func describeReports(s *Simulator, c caller, in pageIn) (any, error) {
	var items []any
	for _, r := range s.reports {
		if r.owner != c.Account {
			continue
		}
		w := maps.Clone(r.definition)
		status := map[string]any{}
		if at, n := r.last(s.now()); n > 0 {
			status["lastDelivery"], status["lastStatus"] = formatDelivery(at), "SUCCESS"
		}
		if r.problem != "" {
			status["lastStatus"] = r.problem
		}
		if len(status) > 0 {
			w["ReportStatus"] = status
		}
		items = append(items, w)
	}
	got, next, ok := page(s, "reports", items, in.NextToken, in.MaxResults, 5, false)
	if !ok {
		return nil, fieldInvalid("", "the token is not one of this list")
	}
	out := map[string]any{"ReportDefinitions": got}
	if next != "" {
		out["NextToken"] = next
	}
	return out, nil
}

type deleteReportIn struct{ ReportName string }

func deleteReport(s *Simulator, c caller, in deleteReportIn) (any, error) {
	for i, r := range s.reports {
		if r.owner == c.Account && r.Name == in.ReportName {
			s.reports = slices.Delete(s.reports, i, i+1)
			return map[string]any{"ResponseMessage": "deleted " + in.ReportName}, nil
		}
	}
	return nil, fieldInvalid("", "no report named "+in.ReportName)
}

var dataExportsOps = map[string]operation{
	"CreateExport":   op(createExport),
	"GetExport":      op(getExport),
	"ListExports":    op(listExports),
	"DeleteExport":   op(deleteExport),
	"ListExecutions": op(listExecutions),
}

type createExportIn struct{ Export json.RawMessage }

type exportBody struct {
	Name      string
	DataQuery struct {
		QueryStatement      string
		TableConfigurations map[string]map[string]string
	}
	DestinationConfigurations struct {
		S3Destination struct{ S3Bucket, S3Region string }
	}
	RefreshCadence struct{ Frequency string }
}

var (
	exportName  = regexp.MustCompile(`^[0-9A-Za-z\-_]{1,128}$`)
	selectsFrom = regexp.MustCompile(`(?is)^\s*SELECT\s+(.+?)\s+FROM\s+(\w+)\b`)
)

func createExport(s *Simulator, c caller, in createExportIn) (any, error) {
	var b exportBody
	e := &export{owner: c.Account}
	if json.Unmarshal(in.Export, &b) != nil || json.Unmarshal(in.Export, &e.body) != nil {
		return nil, fieldInvalid("fieldValidationFailed", "Export is required")
	}
	q := selectsFrom.FindStringSubmatch(b.DataQuery.QueryStatement)
	switch {
	case !exportName.MatchString(b.Name):
		return nil, fieldInvalid("fieldValidationFailed", "Name does not match the pattern")
	case q == nil:
		return nil, fieldInvalid("fieldValidationFailed", "QueryStatement is not SELECT columns FROM table")
	case strings.TrimSpace(q[1]) == "*":
		return nil, fieldInvalid("fieldValidationFailed", "Columns are not a subset of table: name them, * is none")
	case q[2] != "COST_AND_USAGE_REPORT":
		return nil, fieldInvalid("fieldValidationFailed", "the simulator has the table COST_AND_USAGE_REPORT only")
	case b.DestinationConfigurations.S3Destination.S3Bucket == "" || b.RefreshCadence.Frequency != "SYNCHRONOUS":
		return nil, fieldInvalid("fieldValidationFailed", "an S3 destination and the cadence SYNCHRONOUS are required")
	}
	arn := b.DataQuery.TableConfigurations[q[2]]["BILLING_VIEW_ARN"]
	if arn == "" {
		arn = "primary"
	}
	v, ok := s.viewNamed(c.Account, arn)
	if !ok {
		return nil, fieldInvalid("other", "no billing view "+arn)
	}
	count := 0
	for _, other := range s.exports {
		if other.owner != c.Account {
			continue
		}
		if count++; other.Name == b.Name {
			return nil, fieldInvalid("other", "there is an export named "+b.Name)
		}
	}
	if count >= maxExports {
		return nil, &Error{Code: "ServiceQuotaExceededException", Message: "the limit of exports is reached",
			Fields: map[string]any{"QuotaCode": "exports", "ServiceCode": "bcm-data-exports", "ResourceType": "Export"}}
	}
	e.Arn = s.id("arn:aws:bcm-data-exports:us-east-1:"+c.Account+":export/"+b.Name+"-", 12)
	e.Name, e.view, e.created = b.Name, v, s.now()
	e.body["ExportArn"] = e.Arn
	s.exports = append(s.exports, e)
	return map[string]any{"ExportArn": e.Arn}, nil
}

func (s *Simulator) export(c caller, arn string) (*export, error) {
	for _, e := range s.exports {
		if e.owner == c.Account && e.Arn == arn {
			return e, nil
		}
	}
	return nil, &Error{Code: "ResourceNotFoundException", Message: "no export " + arn,
		Fields: map[string]any{"ResourceId": arn, "ResourceType": "Export"}}
}

func (e *export) status(now time.Time) map[string]any {
	w := map[string]any{"StatusCode": "HEALTHY", "CreatedAt": iso{e.created}, "LastUpdatedAt": iso{e.created}}
	if e.problem != "" {
		w["StatusCode"], w["StatusReason"] = "UNHEALTHY", e.problem
	}
	if at, n := e.last(now); n > 0 {
		w["LastRefreshedAt"] = iso{at}
	}
	return w
}

type exportIn struct {
	pageIn
	ExportArn string
}

func getExport(s *Simulator, c caller, in exportIn) (any, error) {
	e, err := s.export(c, in.ExportArn)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Export": e.body, "ExportStatus": e.status(s.now())}, nil
}

func exportsPage(s *Simulator, list, member string, items []any, in pageIn) (any, error) {
	got, next, ok := page(s, list, items, in.NextToken, in.MaxResults, 300, false)
	if !ok {
		return nil, fieldInvalid("other", "the token is not one of this list")
	}
	out := map[string]any{member: got}
	if next != "" {
		out["NextToken"] = next
	}
	return out, nil
}

func listExports(s *Simulator, c caller, in pageIn) (any, error) {
	var items []any
	for _, e := range s.exports {
		if e.owner == c.Account {
			items = append(items, map[string]any{"ExportArn": e.Arn, "ExportName": e.Name, "ExportStatus": e.status(s.now())})
		}
	}
	return exportsPage(s, "exports", "Exports", items, in)
}

func deleteExport(s *Simulator, c caller, in exportIn) (any, error) {
	e, err := s.export(c, in.ExportArn)
	if err != nil {
		return nil, err
	}
	s.exports = slices.DeleteFunc(s.exports, func(f *export) bool { return f == e })
	return map[string]any{"ExportArn": e.Arn}, nil
}

// listExecutions tells of the last thirty deliveries, the newest first.
func listExecutions(s *Simulator, c caller, in exportIn) (any, error) {
	e, err := s.export(c, in.ExportArn)
	if err != nil {
		return nil, err
	}
	at, n := e.last(s.now())
	var items []any
	for i := range min(n, 30) {
		done := at.AddDate(0, 0, -i)
		items = append(items, map[string]any{"ExecutionId": done.Format("2006-01-02T15:04:05Z") + "-" + lastPart(e.Arn),
			"ExecutionStatus": map[string]any{"StatusCode": "DELIVERY_SUCCESS", "CreatedAt": iso{done}, "CompletedAt": iso{done}, "LastUpdatedAt": iso{done}}})
	}
	return exportsPage(s, "executions", "Executions", items, in.pageIn)
}
