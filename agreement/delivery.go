package agreement

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

// Delivery is a concern of its own: from the transfer's start AWS must deliver cost and usage of
// the organisation's billing view, and it promises no backfill (aws.md 3.1, 34). It begins with
// the start whatever the order does, and stays a year after the end, for late corrections.
type Delivery struct {
	Kind          string         `json:"kind,omitempty"` // legacy | data_export
	Name          string         `json:"name,omitempty"`
	ARN           string         `json:"arn,omitempty"` // of a Data Export
	View          string         `json:"view,omitempty"`
	Created       time.Time      `json:"created,omitzero"`
	FirstFile     time.Time      `json:"first_file,omitzero"`
	LastFile      time.Time      `json:"last_file,omitzero"`
	Health        string         `json:"health,omitempty"`
	RefreshClosed bool           `json:"refresh_closed"`
	Reasons       []Reason       `json:"reasons,omitempty"`
	Alarmed       calendar.Date  `json:"alarmed,omitzero"` // day of the last alarm
	Ended         time.Time      `json:"ended,omitzero"`   // the export was removed
	Given         calendar.Month `json:"given,omitzero"`   // handed to the agreement that follows
}

// What is expected when, in days after the transfer's start, and how long it stays.
const (
	firstFileDays  = 3
	alarmDays      = 5
	daysEveryAlarm = 20
	keepMonths     = 12
)

//go:embed data/columns.csv
var columnsCSV string

// Columns are the columns of CUR 2.0 that the month needs, in the order in which a Data Export
// selects them.
var Columns = columnTable(columnsCSV)

func columnTable(file string) []string {
	rows, err := readTable(strings.NewReader(file), "column", "why")
	if err != nil {
		panic("data/columns.csv: " + err.Error()) // the file is part of the program; a test reads it
	}
	columns := make([]string, len(rows))
	for i, r := range rows {
		columns[i] = r[0]
	}
	return columns
}

// wantDelivery makes the export, watches it, and takes it away a year after the end.
func (c *Case) wantDelivery(now time.Time) (Request, error) {
	start, d := c.Agreement.Transfer.Start, &c.Life.Delivery
	due := !start.IsZero() && !now.Before(start)
	set := c.Settings.Export
	if !due || !d.Ended.IsZero() || !d.Given.IsZero() || c.Agreement.Transfer.ID == "" || c.adopting() {
		return nil, nil
	}
	if c.Agreement.CUR.Location != "" && d.Name == "" {
		return nil, nil // the book names where the data is: somebody else takes care of it
	}
	if set.Bucket == "" {
		return nil, c.watch(now, Export{}, "export_unset", "no bucket is set for exports, and the book names no source")
	}
	if c.removing(now) {
		return c.wantNoExport(now)
	}
	if c.over(now) && d.Created.IsZero() {
		return nil, nil // ended before it was ever made: the view is closed
	}
	switch {
	case !c.seen("exports"):
		return ListExports{}, nil
	case c.seen("export"):
		return nil, nil
	case d.View == "" || !c.seen("views"):
		return ListViews{c.Agreement.ManagementAccount, calendar.MonthOf(now)}, nil
	}
	kind := set.Kind
	if kind == "" {
		kind = ExportLegacy
	}
	return CreateExport{NewExport{
		Kind: kind, Name: c.exportName(), View: d.View, Bucket: set.Bucket, Prefix: set.Prefix,
		Region: set.Region, Columns: Columns,
	}}, nil
}

// adopting says that the agreement that is taken over still has the delivery.
func (c *Case) adopting() bool {
	return c.Order != nil && c.Order.InProcess() && c.Order.Invited.Adopted
}

// exportName is derived, so that it is found again after a crash.
func (c *Case) exportName() string {
	if n := c.Life.Delivery.Name; n != "" {
		return n
	}
	return "arrears-" + strings.ToLower(c.Life.Agreement)
}

func (c *Case) wantNoExport(_ time.Time) (Request, error) {
	// Looked for by its name even if none was noted: it may have been made just before a crash.
	v, ok := c.pass.looked["export"]
	if !c.seen("exports") {
		return ListExports{}, nil
	}
	if e, isExport := v.(Export); ok && isExport {
		return DeleteExport{e}, nil
	}
	return nil, nil
}

func (c *Case) stepDelivery(now time.Time, a Answer) error {
	d, f := &c.Life.Delivery, FaultOf(a.Err)
	switch r := a.To.(type) {
	case ListExports:
		if f != nil {
			return c.watch(now, Export{}, "export_unknown", f.Error())
		}
		c.look("exports", true)
		list, _ := a.Value.([]Export)
		if i := slices.IndexFunc(list, func(e Export) bool { return e.Name == c.exportName() }); i >= 0 {
			c.look("export", list[i])
			if c.removing(now) {
				return nil
			}
			return c.watch(now, list[i], "", "")
		}
		if c.removing(now) {
			d.Ended, c.Life.Updated = now, now
		}
		return nil
	case ListViews:
		if f != nil {
			return c.watch(now, Export{}, "view_unknown", f.Error())
		}
		views, _ := a.Value.([]BillingView)
		i := slices.IndexFunc(views, func(v BillingView) bool { return v.Source == c.Agreement.ManagementAccount || v.Source == "" })
		if i < 0 {
			return c.watch(now, Export{}, "view_missing", "AWS lists no billing view of organisation "+string(c.Agreement.ManagementAccount))
		}
		c.look("views", true)
		d.View = views[i].ARN
		return nil
	case CreateExport:
		if f != nil && f.Kind == Conflict {
			c.pass.looked = nil // made in between: look again
			return nil
		}
		if f != nil {
			return c.watch(now, Export{}, "export_refused", f.Error())
		}
		e, _ := a.Value.(Export)
		if e.Created.IsZero() {
			e.Created = now
		}
		c.look("export", e)
		return c.watch(now, e, "", "")
	case DeleteExport:
		if f != nil && f.Kind != NotFound {
			return a.Err
		}
		d.Ended, c.Life.Updated = now, now
		return nil
	default:
		return fmt.Errorf("agreement %s: no use for the answer to %T", c.Life.Agreement, r)
	}
}

// removing says that the export has outlived its year.
func (c *Case) removing(now time.Time) bool {
	end := c.Agreement.Transfer.End
	return !end.IsZero() && !now.Before(calendar.MonthOf(end).Add(keepMonths).End())
}

// watch compares the export with what the month needs and raises alarms: when nothing is
// delivered by day 5 once, by day 20 every day; for any other fault once, and again when it
// changes.
func (c *Case) watch(now time.Time, e Export, code, text string) error {
	d, l := &c.Life.Delivery, c.Life
	before := d.Reasons
	d.Reasons = nil
	if code != "" {
		d.Reasons = append(d.Reasons, Reason{Code: code, Text: text})
	}
	if e.Name != "" {
		c.take(now, e)
		d.Reasons = append(d.Reasons, faultsOf(e)...)
	}
	day := int(now.Sub(c.Agreement.Transfer.Start)/(24*time.Hour)) + 1
	late := d.FirstFile.IsZero()
	if late && day > firstFileDays {
		d.Reasons = append(d.Reasons, Reason{Code: "delivery_late", Text: fmt.Sprintf("nothing was delivered by day %d after the transfer's start", day)})
	}
	today := calendar.DateOf(now.UTC())
	alarm := false
	switch {
	case c.over(now) && c.Facts.Settled: // nothing hangs on it any more
	case late && day >= daysEveryAlarm:
		alarm = d.Alarmed != today
	case late && day >= alarmDays:
		alarm = d.Alarmed.IsZero()
	case len(d.Reasons) > 0:
		alarm = codes(before) != codes(d.Reasons) && day > firstFileDays
	}
	if alarm {
		d.Alarmed = today
		texts := make([]string, len(d.Reasons))
		for i, r := range d.Reasons {
			texts[i] = r.Text
		}
		c.emit(now, EventDeliveryAlarm, strings.Join(texts, "; "), "day", fmt.Sprint(day), "codes", codes(d.Reasons))
	}
	if alarm || codes(before) != codes(d.Reasons) {
		l.Updated = now
	}
	return errWait
}

// take writes what AWS says about the export into the delivery and where it delivers to into the
// agreement, unless the book says otherwise.
func (c *Case) take(now time.Time, e Export) {
	d := &c.Life.Delivery
	was := *d
	d.Kind, d.Name, d.ARN, d.Health, d.RefreshClosed = e.Kind, e.Name, e.ARN, e.Health, e.RefreshClosed
	if e.View != "" {
		d.View = e.View
	}
	if d.Created.IsZero() {
		d.Created = e.Created
		if d.Created.IsZero() {
			d.Created = now
		}
	}
	if d.FirstFile.IsZero() {
		d.FirstFile = e.LastDelivery
	}
	d.LastFile = e.LastDelivery
	if c.Agreement.CUR.Location == "" {
		c.Agreement.CUR.Location = "s3://" + strings.Trim(e.Bucket+"/"+strings.Trim(e.Prefix, "/"), "/") + "/" + e.Name
		c.Life.Updated = now
	}
	if was.Name != d.Name || was.Health != d.Health || !was.FirstFile.Equal(d.FirstFile) {
		c.Life.Updated = now
	}
}

// narrowing finds what makes an export deliver less, or other names, than the month needs.
var narrowing = regexp.MustCompile(`(?i)\b(where|limit|having|group\s+by|distinct|as)\b`)

// faultsOf says what is wrong with an export.
func faultsOf(e Export) []Reason {
	var reasons []Reason
	if e.Health != "" && e.Health != "HEALTHY" {
		reasons = append(reasons, Reason{Code: "export_unhealthy", Text: fmt.Sprintf("export %s is %s: %s", e.Name, e.Health, e.Problem)})
	}
	if e.Kind == ExportLegacy && !e.RefreshClosed {
		reasons = append(reasons, Reason{Code: "refresh_closed_off", Text: fmt.Sprintf("report %s does not refresh closed months: late credits and support fees would be lost", e.Name)})
	}
	if word := narrowing.FindString(e.Query); word != "" {
		reasons = append(reasons, Reason{Code: "query_narrowed", Text: fmt.Sprintf("the query of export %s contains %s: it may deliver less than the month needs", e.Name, strings.ToUpper(word))})
	}
	if len(e.Columns) > 0 {
		var missing []string
		for _, column := range Columns {
			if !slices.Contains(e.Columns, column) {
				missing = append(missing, column)
			}
		}
		if len(missing) > 0 && e.Kind == ExportData {
			reasons = append(reasons, Reason{Code: "columns_missing", Text: fmt.Sprintf("export %s lacks %s", e.Name, strings.Join(missing, ", "))})
		}
	}
	return reasons
}

// codes joins the codes of reasons, for comparing.
func codes(reasons []Reason) string {
	s := make([]string, len(reasons))
	for i, r := range reasons {
		s[i] = r.Code
	}
	return strings.Join(s, ",")
}
