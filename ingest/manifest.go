package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/calendar"
)

const manifestSuffix = "-Manifest.json"

// maxManifest bounds a manifest: AWS's names a few hundred columns and at most some thousand
// files, well below 2 MB.
const maxManifest = 16 << 20

// A manifest is what AWS writes last, to say which files are the month: of a Data Export (CUR 2.0)
// or of a legacy report. Unknown fields are ignored; AWS adds some.
type manifest struct {
	// Data Exports
	ExecutionID string   `json:"executionId"`
	DataFiles   []string `json:"dataFiles"` // s3://bucket/prefix/export/data/BILLING_PERIOD=2026-03/...
	// legacy
	AssemblyID    string   `json:"assemblyId"`
	ReportName    string   `json:"reportName"`
	ReportKeys    []string `json:"reportKeys"` // prefix/report/20260301-20260401/...
	BillingPeriod *struct {
		Start string `json:"start"` // 20260301T000000.000Z
		End   string `json:"end"`
	} `json:"billingPeriod"`
}

// parseManifest reads a manifest of either kind.
func parseManifest(b []byte) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("not a manifest: %w", err)
	}
	if (m.DataFiles == nil) == (m.ReportKeys == nil) {
		return m, errors.New("not a manifest: want a list dataFiles (Data Exports) or reportKeys (legacy)")
	}
	return m, nil
}

// checkPeriod says whether the manifest is of the month. One of Data Exports does not tell; its
// files do.
func (m manifest) checkPeriod(month calendar.Month) error {
	if m.BillingPeriod == nil {
		return nil
	}
	start, end := month.Start().Format("20060102"), month.End().Format("20060102")
	p := *m.BillingPeriod
	if !strings.HasPrefix(p.Start, start) || !strings.HasPrefix(p.End, end) {
		return fmt.Errorf("wrong billing period: %s to %s, want %s to %s", p.Start, p.End, start, end)
	}
	return nil
}

// exportFiles returns the names, in an export's own folder, of the files that the manifest names.
func (m manifest) exportFiles(export, period string) ([]string, error) {
	if m.DataFiles == nil {
		return nil, errors.New("a manifest of a legacy report in the folder of a Data Export")
	}
	return resolve(m.DataFiles, func(dirs []string) (int, error) {
		for i := len(dirs) - 2; i >= 0; i-- {
			if dirs[i] != "data" || !strings.HasPrefix(dirs[i+1], "BILLING_PERIOD=") {
				continue
			}
			if i > 0 && dirs[i-1] != export {
				return 0, fmt.Errorf("a file of another export than %s", export)
			}
			if dirs[i+1] != period {
				return 0, fmt.Errorf("a file of another billing period than %s", period)
			}
			return i, nil
		}
		return 0, fmt.Errorf("a path outside the export: want it in .../%s/data/%s", export, period)
	})
}

// reportFiles returns the names, in a report's own folder, of the files that a legacy manifest
// names: from the period's folder on, or from the year's folder on in the Athena layout.
func (m manifest) reportFiles(report, period string, month calendar.Month) ([]string, error) {
	if m.ReportKeys == nil {
		return nil, errors.New("a manifest of a Data Export in the folder of a legacy report")
	}
	if m.ReportName != "" {
		report = m.ReportName
	}
	year := month.Start().Format("year=2006")
	months := []string{month.Start().Format("month=1"), month.Start().Format("month=01")}
	return resolve(m.ReportKeys, func(dirs []string) (int, error) {
		i := slices.IndexFunc(dirs, func(d string) bool { return isPeriod(d) || strings.HasPrefix(d, "year=") })
		if i < 0 {
			return 0, fmt.Errorf("a path outside the report: want it in .../%s/%s", report, period)
		}
		if i > 0 && dirs[i-1] != report {
			return 0, fmt.Errorf("a file of another report than %s", report)
		}
		hive := dirs[i] == year && i+1 < len(dirs) && slices.Contains(months, dirs[i+1])
		if dirs[i] != period && !hive {
			return 0, fmt.Errorf("a file of another billing period than %s", period)
		}
		return i, nil
	})
}

// resolve turns S3 keys into names within the source: from finds at which of a key's folders the
// source begins. A file named twice would be counted twice, so it is refused.
func resolve(keys []string, from func(dirs []string) (int, error)) ([]string, error) {
	seen := map[string]bool{}
	names := make([]string, 0, len(keys))
	for _, key := range keys {
		p := strings.TrimLeft(key, "/")
		if rest, ok := strings.CutPrefix(key, "s3://"); ok {
			_, p, _ = strings.Cut(rest, "/")
		}
		parts := strings.Split(p, "/")
		for _, part := range parts {
			if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "\\\x00") {
				return nil, fmt.Errorf("a path outside the export: %q", key)
			}
		}
		i, err := from(parts[:len(parts)-1])
		if err != nil {
			return nil, fmt.Errorf("%w: %q", err, key)
		}
		if name := parts[len(parts)-1]; !isData(name) {
			return nil, fmt.Errorf("not a data file (.parquet, .csv, .csv.gz, .csv.zip): %q", key)
		}
		name := strings.Join(parts[i:], "/")
		if seen[name] {
			return nil, fmt.Errorf("named twice: %q", key)
		}
		seen[name] = true
		names = append(names, name)
	}
	return names, nil
}

var (
	periodDir = regexp.MustCompile(`^[0-9]{8}-[0-9]{8}$`)
	hiveDir   = regexp.MustCompile(`year=[0-9]{4}/month=[0-9]{1,2}$`)
	dataFile  = regexp.MustCompile(`\.(parquet|csv|csv\.gz|csv\.zip)$`)
	chunkFile = regexp.MustCompile(`^(.+)-[0-9]+\.(snappy\.)?(parquet|csv|csv\.gz|csv\.zip)$`)
	// asideFile are files that AWS, S3 tools and systems leave in a delivery's folder.
	asideFile = regexp.MustCompile(`^[._]|\.(json|sql|yml|yaml|md|txt)$`)
)

func isPeriod(dir string) bool    { return periodDir.MatchString(dir) }
func isManifest(name string) bool { return strings.HasSuffix(name, manifestSuffix) }
func isData(name string) bool     { return dataFile.MatchString(name) }
func isAside(name string) bool    { return asideFile.MatchString(path.Base(name)) }

// hivePath cuts what is above the year's folder.
func hivePath(dir string) string { return hiveDir.FindString(dir) }

// exportOf returns the export or report that a chunk's name begins with, and the empty text when
// the file is not named as AWS names chunks.
func exportOf(name string) string {
	if m := chunkFile.FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return ""
}

// readSmall reads a file of at most maxManifest bytes.
func readSmall(ctx context.Context, f File) (b []byte, err error) {
	if f.Size > maxManifest {
		return nil, &DeliveryError{File: f.Name, Err: fmt.Errorf("%d bytes, more than the %d that such a file can have", f.Size, maxManifest)}
	}
	c, err := f.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	r, err := c.Range(0, f.Size)
	if err != nil {
		return nil, &DeliveryError{File: f.Name, Err: err}
	}
	b, err = io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, &DeliveryError{File: f.Name, Err: err}
	}
	return b, nil
}
