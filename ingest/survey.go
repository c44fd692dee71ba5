package ingest

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/arrears-billing/arrears/calendar"
)

// Limits of a survey: a bucket may hold thousands of folders that are nobody's exports.
const (
	surveyDepth   = 5
	surveyFolders = 2000
)

// A Survey is what lies in a source whose layout nobody has stated.
type Survey struct {
	Exports  []string // folders that are the root of one export or report: what cur.source names; "" is the source itself
	Invoices []string // folders with files of AWS's invoices, YYYY-MM.json
	Cut      bool     // there were more folders than are looked into
}

var billsFile = regexp.MustCompile(`^(\d{4}-\d{2})\.json$`)

// Look surveys a source: it lists folders, and opens no file.
func Look(ctx context.Context, s Store) (Survey, error) {
	var v Survey
	looked := 0
	var walk func(dir string, depth int) error
	walk = func(dir string, depth int) error {
		if looked++; looked > surveyFolders || depth > surveyDepth {
			v.Cut = true
			return nil
		}
		below, err := s.Folders(ctx, dir)
		if err != nil {
			return err
		}
		months, err := monthsIn(ctx, s, dir, below)
		if err != nil {
			return err
		}
		if len(months) > 0 {
			v.Exports = append(v.Exports, dir)
			return nil
		}
		if len(below) == 0 {
			files, err := s.Files(ctx, dir)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(files, func(f File) bool {
				return path.Dir(f.Name) == path.Join(".", dir) && billsFile.MatchString(path.Base(f.Name))
			}) {
				v.Invoices = append(v.Invoices, dir)
			}
			return nil
		}
		for _, name := range below {
			if err := walk(path.Join(dir, name), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return v, walk("", 0)
}

// Months returns the months of which an export or report holds folders, ascending.
func Months(ctx context.Context, s Store) ([]calendar.Month, error) {
	below, err := s.Folders(ctx, "")
	if err != nil {
		return nil, err
	}
	return monthsIn(ctx, s, "", below)
}

// BillMonths returns the months of which a folder holds AWS's invoices, ascending.
func BillMonths(ctx context.Context, s Store) ([]calendar.Month, error) {
	files, err := s.Files(ctx, "")
	var months []calendar.Month
	for _, f := range files {
		if name := billsFile.FindStringSubmatch(f.Name); name != nil {
			if m, err := calendar.ParseMonth(name[1]); err == nil {
				months = append(months, m)
			}
		}
	}
	return ascending(months), err
}

func ascending(months []calendar.Month) []calendar.Month {
	slices.SortFunc(months, calendar.Month.Compare)
	return slices.Compact(months)
}

// monthsIn finds the months of an export whose root is dir, with the folders below it.
func monthsIn(ctx context.Context, s Store, dir string, below []string) ([]calendar.Month, error) {
	var months []calendar.Month
	for _, name := range below {
		switch {
		case name == "data" || name == "metadata":
			periods, err := s.Folders(ctx, path.Join(dir, name))
			if err != nil {
				return nil, err
			}
			for _, p := range periods {
				if text, ok := strings.CutPrefix(p, "BILLING_PERIOD="); ok {
					if m, err := calendar.ParseMonth(text); err == nil {
						months = append(months, m)
					}
				}
			}
		case isPeriod(name):
			if m, err := calendar.ParseMonth(name[:4] + "-" + name[4:6]); err == nil {
				months = append(months, m)
			}
		default: // the Athena layout: the report's name, then year=2026/month=3
			years := []string{name}
			base := dir
			if !strings.HasPrefix(name, "year=") {
				var err error
				base = path.Join(dir, name)
				if years, err = s.Folders(ctx, base); err != nil {
					return nil, err
				}
			}
			for _, y := range years {
				year, ok := strings.CutPrefix(y, "year=")
				if !ok {
					continue
				}
				inYear, err := s.Folders(ctx, path.Join(base, y))
				if err != nil {
					return nil, err
				}
				for _, mm := range inYear {
					number, err := strconv.Atoi(strings.TrimPrefix(mm, "month="))
					if err != nil || number < 1 || number > 12 {
						continue
					}
					if first, err := calendar.ParseMonth(year + "-01"); err == nil {
						months = append(months, first.Add(number-1))
					}
				}
			}
		}
	}
	return ascending(months), nil
}
