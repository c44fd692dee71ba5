package ingest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
)

var (
	// ErrMissing means that AWS has delivered nothing for the month: waiting, delivery_missing.
	ErrMissing = errors.New("no delivery")
	// ErrUnstable means that the delivery is being changed: read again, delivery_unstable.
	ErrUnstable = errors.New("the delivery is being changed")
	// ErrNoManifest means that there are data files, but nothing that says which of them count.
	ErrNoManifest = errors.New("no manifest")
)

// A DeliveryError says what is wrong with a delivery, in which file or folder, and what to do.
type DeliveryError struct {
	File string // path within the source
	Err  error
	Hint string // a sentence for the person who has to act; may be empty
}

func (e *DeliveryError) Error() string {
	if e.File == "" {
		return e.Err.Error()
	}
	return e.File + ": " + e.Err.Error()
}

func (e *DeliveryError) Unwrap() error { return e.Err }

// A Layout is how AWS lays out the files of an export or report (aws.md 2).
type Layout string

// Layouts, in the words that runs report.
const (
	LayoutOverwrite  Layout = "cur2 overwrite"   // data/BILLING_PERIOD=2026-03/x-00001.snappy.parquet
	LayoutCreateNew  Layout = "cur2 create_new"  // data/BILLING_PERIOD=2026-03/<execution>/x-00001...
	LayoutLegacy     Layout = "legacy overwrite" // 20260301-20260401/x-1.csv.gz
	LayoutAssemblies Layout = "legacy assembly"  // 20260301-20260401/<assembly>/x-1.csv.gz
	LayoutAthena     Layout = "legacy athena"    // x/year=2026/month=3/x-00001.snappy.parquet
)

// A Delivery is what AWS delivered for one month of one source: the files that are the month.
type Delivery struct {
	Month     calendar.Month
	Layout    Layout
	Manifest  string // its name; empty when the source is declared to have none
	Execution string // AWS's id of the execution or assembly, if the manifest has one
	Files     []File // ascending by name; empty when AWS says that the month has no file

	manifestPin string
	again       func(context.Context) (Delivery, error)
}

// Pin identifies the delivery by what is known without reading its files: the same pin, nothing
// to read again. It enters no result (design 4).
func (d Delivery) Pin() string {
	h := sha256.New()
	_, _ = h.Write(appendTexts(nil, string(d.Layout), d.Manifest, d.manifestPin)) // never fails
	for _, f := range d.Files {
		_, _ = h.Write(appendTexts(nil, f.Name, strconv.FormatInt(f.Size, 10), f.Pin))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Changed lists the source again and says whether anything that the delivery is made of changed
// since it was found. Ask after reading: if so, what was read may be a mix (design 4).
func (d Delivery) Changed(ctx context.Context) (bool, error) {
	now, err := d.again(ctx)
	switch {
	case errors.Is(err, ErrMissing), errors.Is(err, ErrUnstable):
		return true, nil
	case err != nil:
		return false, err
	}
	return now.Pin() != d.Pin(), nil
}

// Find says which files of a source are the month.
//
// A manifest decides; where there is none the source must say so (manifest: none), and then every
// data file of the month's folder counts. Nothing there for the month is ErrMissing; a delivery
// in the making is ErrUnstable; everything else that is wrong is a *DeliveryError that names the
// file. Files are listed, not opened, except the manifest.
func Find(ctx context.Context, s Store, src agreement.Source, m calendar.Month) (Delivery, error) {
	d, err := find(ctx, s, src.Manifest == "none", m)
	if err != nil {
		return Delivery{}, fmt.Errorf("delivery %s of %s: %w", m, s, err)
	}
	slices.SortFunc(d.Files, compareFiles)
	d.Month = m
	d.again = func(ctx context.Context) (Delivery, error) { return Find(ctx, s, src, m) }
	return d, nil
}

func find(ctx context.Context, s Store, none bool, m calendar.Month) (Delivery, error) {
	top, err := s.Folders(ctx, "")
	if err != nil {
		return Delivery{}, err
	}
	var found []folders
	for _, look := range []func(context.Context, Store, []string, calendar.Month) (folders, error){
		lookExport, lookLegacy,
	} {
		f, err := look(ctx, s, top, m)
		if err != nil {
			return Delivery{}, err
		}
		if len(f.manifests)+len(f.data) > 0 {
			found = append(found, f)
		}
	}
	switch len(found) {
	case 0:
		return Delivery{}, missing(ctx, s, top)
	case 1:
		return found[0].delivery(ctx, none, m)
	}
	return Delivery{}, &DeliveryError{
		File: found[1].dir,
		Err:  fmt.Errorf("a second delivery of the month, beside %s", found[0].dir),
		Hint: "cur.source must be the root of one export or report: give each its own folder",
	}
}

// missing tells that there is no delivery, and guesses whether the book points one level too high.
func missing(ctx context.Context, s Store, top []string) error {
	const probes = 20 // folders looked into: a bucket may hold thousands of exports
	for _, dir := range top[:min(len(top), probes)] {
		below, err := s.Folders(ctx, dir)
		if err != nil {
			return err
		}
		if slices.Contains(below, "data") || slices.ContainsFunc(below, isPeriod) {
			return &DeliveryError{Err: ErrMissing, Hint: "cur.source seems one level too high: " + dir + " looks like an export"}
		}
	}
	return ErrMissing
}

// folders are the files of a month, before it is decided which of them count.
type folders struct {
	layout    Layout // of files that lie directly in dir
	nested    Layout // of files in folders of dir, each of which is a whole delivery
	dir       string // where the month's data files lie
	data      []File // everything there but manifests and what lies aside
	manifests []File // *-Manifest.json of the month, at the top of its folder and below
	manifest  string // the folder whose own manifest is the latest one
	resolve   func(m manifest, export string) ([]string, error)
}

// lookExport finds the month of a Data Export (CUR 2.0).
func lookExport(ctx context.Context, s Store, top []string, m calendar.Month) (folders, error) {
	period := "BILLING_PERIOD=" + m.String()
	f := folders{
		layout: LayoutOverwrite, nested: LayoutCreateNew,
		dir: "data/" + period, manifest: "metadata/" + period,
		resolve: func(man manifest, export string) ([]string, error) { return man.exportFiles(export, period) },
	}
	if !slices.Contains(top, "data") && !slices.Contains(top, "metadata") {
		return f, nil
	}
	meta, err := s.Files(ctx, f.manifest)
	if err != nil {
		return f, err
	}
	f.manifests = slices.DeleteFunc(meta, func(x File) bool { return !isManifest(x.Name) })
	data, err := s.Files(ctx, f.dir)
	f.data = slices.DeleteFunc(data, func(x File) bool { return isAside(x.Name) })
	return f, err
}

// lookLegacy finds the month of a legacy cost and usage report: the folder of the period, and the
// Hive folders that the Athena option makes, whose month AWS does not pad with zeros.
func lookLegacy(ctx context.Context, s Store, top []string, m calendar.Month) (folders, error) {
	period := m.Start().Format("20060102") + "-" + m.End().Format("20060102")
	f := folders{
		layout: LayoutLegacy, nested: LayoutAssemblies,
		dir: period, manifest: period,
		resolve: func(man manifest, report string) ([]string, error) { return man.reportFiles(report, period, m) },
	}
	hive, err := hiveFolders(ctx, s, top, m)
	if err != nil {
		return f, err
	}
	if len(hive) > 1 {
		return f, &DeliveryError{
			File: hive[1], Err: fmt.Errorf("a second delivery of the month, beside %s", hive[0]),
			Hint: "cur.source must be the folder of one report: give each its own folder",
		}
	}
	var files []File
	if slices.Contains(top, period) {
		if files, err = s.Files(ctx, period); err != nil {
			return f, err
		}
	}
	if len(hive) == 1 {
		more, err := s.Files(ctx, hive[0])
		if err != nil {
			return f, err
		}
		f.layout, f.dir = LayoutAthena, hive[0]
		if !slices.ContainsFunc(files, func(x File) bool { return isManifest(x.Name) }) {
			f.manifest = hive[0] // else the period's folder holds the manifest, the Hive folder the data
		}
		if err := checkStatus(ctx, s, path.Dir(path.Dir(hive[0]))); err != nil {
			return f, err
		}
		files = append(files, more...)
	}
	for _, x := range files {
		if isManifest(x.Name) {
			f.manifests = append(f.manifests, x)
		} else if !isAside(x.Name) {
			f.data = append(f.data, x)
		}
	}
	return f, nil
}

func hiveFolders(ctx context.Context, s Store, top []string, m calendar.Month) ([]string, error) {
	year, month := m.Start().Format("year=2006"), []string{m.Start().Format("month=1"), m.Start().Format("month=01")}
	slices.Sort(month)
	bases := []string{}
	if slices.Contains(top, year) {
		bases = append(bases, "")
	}
	for _, dir := range top {
		if dir == "data" || dir == "metadata" || isPeriod(dir) || strings.Contains(dir, "=") {
			continue
		}
		below, err := s.Folders(ctx, dir)
		if err != nil {
			return nil, err
		}
		if slices.Contains(below, year) {
			bases = append(bases, dir)
		}
	}
	var found []string
	for _, base := range bases {
		below, err := s.Folders(ctx, path.Join(base, year))
		if err != nil {
			return nil, err
		}
		for _, mm := range slices.Compact(month) {
			if slices.Contains(below, mm) {
				found = append(found, path.Join(base, year, mm))
			}
		}
	}
	return found, nil
}

// checkStatus reads the table cost_and_usage_data_status beside the year folders: UPDATING means
// that the month's files are being replaced.
func checkStatus(ctx context.Context, s Store, base string) error {
	if base == "." {
		base = ""
	}
	files, err := s.Files(ctx, path.Join(base, "cost_and_usage_data_status"))
	if err != nil {
		return err
	}
	for _, f := range files {
		b, err := readSmall(ctx, f)
		if err != nil {
			return err
		}
		// The file is parquet with one text in it, too short for any packing to hide.
		if strings.Contains(string(b), "UPDATING") {
			return &DeliveryError{File: f.Name, Err: fmt.Errorf("%w: its status is UPDATING", ErrUnstable)}
		}
	}
	return nil
}

// delivery decides which files count.
func (f folders) delivery(ctx context.Context, none bool, m calendar.Month) (Delivery, error) {
	man, err := f.latest()
	if err != nil {
		return Delivery{}, err
	}
	if man == nil {
		if !none {
			return Delivery{}, &DeliveryError{
				File: f.dir, Err: fmt.Errorf("%w says which of its %d files are the month", ErrNoManifest, len(f.data)),
				Hint: "AWS writes the manifest last; wait for it, copy it along (metadata/, or beside the files), or declare `manifest: none` if every file of the folder counts",
			}
		}
		return f.all()
	}
	b, err := readSmall(ctx, *man)
	if err != nil {
		return Delivery{}, err
	}
	parsed, err := parseManifest(b)
	if err == nil {
		err = parsed.checkPeriod(m)
	}
	var names []string
	if err == nil {
		names, err = f.resolve(parsed, strings.TrimSuffix(path.Base(man.Name), manifestSuffix))
	}
	if err != nil {
		return Delivery{}, &DeliveryError{File: man.Name, Err: err}
	}
	d := Delivery{Layout: f.layout, Manifest: man.Name, manifestPin: man.Pin, Execution: cmp.Or(parsed.ExecutionID, parsed.AssemblyID)}
	if len(names) == 0 && len(f.data) > 0 {
		return d, &DeliveryError{File: man.Name, Err: fmt.Errorf("names no file, but %s holds %d", f.dir, len(f.data))}
	}
	for _, name := range names {
		i := slices.IndexFunc(f.data, func(x File) bool { return f.isFile(x.Name, name) })
		if i < 0 {
			return d, &DeliveryError{
				File: man.Name, Err: fmt.Errorf("names a file that is not there: %s", name),
				Hint: "copy every file the manifest names, in the layout AWS wrote them",
			}
		}
		x := f.data[i]
		if path.Dir(x.Name) != f.dir {
			d.Layout = f.nested
		} else if x.Written.After(man.Written) && !man.Written.IsZero() {
			// AWS replaces chunk by chunk and then the manifest; executions of their own are never replaced.
			return d, &DeliveryError{
				File: x.Name, Err: fmt.Errorf("%w: the file is newer than its manifest", ErrUnstable),
				Hint: "AWS writes the manifest last; if this is a copy, copy the manifest last",
			}
		}
		d.Files = append(d.Files, x)
	}
	return d, nil
}

// isFile compares a listed name with one from a manifest: a manifest of the Athena layout names the
// year's folder without telling how many folders are above it in this source.
func (f folders) isFile(listed, named string) bool {
	if f.layout == LayoutAthena {
		listed = strings.TrimPrefix(listed, strings.TrimSuffix(f.dir, hivePath(f.dir)))
	}
	return listed == named
}

// latest returns the manifest that says which files are the month; nil if there is none.
func (f folders) latest() (*File, error) {
	var own, older []File
	for _, x := range f.manifests {
		if path.Dir(x.Name) == f.manifest {
			own = append(own, x)
		} else {
			older = append(older, x)
		}
	}
	if len(own) > 1 {
		return nil, &DeliveryError{
			File: own[1].Name, Err: fmt.Errorf("a second manifest, beside %s", own[0].Name),
			Hint: "cur.source must be the root of one export or report: give each its own folder",
		}
	}
	switch {
	case len(own) == 1:
		return &own[0], nil
	case len(older) == 1:
		return &older[0], nil
	case len(older) > 1:
		return nil, &DeliveryError{
			File: f.manifest, Err: fmt.Errorf("%d executions, but no manifest at the top that says which is the latest", len(older)),
			Hint: "copy the manifest that lies directly in " + f.manifest,
		}
	}
	return nil, nil
}

// all returns every data file of the month's folder, for a source that is declared to have no
// manifest.
func (f folders) all() (Delivery, error) {
	d := Delivery{Layout: f.layout}
	var dir, export string // of the first file
	for _, x := range f.data {
		name := path.Base(x.Name)
		if !isData(name) {
			return d, &DeliveryError{
				File: x.Name, Err: errors.New("neither a data file (.parquet, .csv, .csv.gz, .csv.zip) nor one that AWS writes beside them"),
				Hint: "without a manifest every file of the month's folder counts: remove what is not the month",
			}
		}
		if len(d.Files) > 0 && path.Dir(x.Name) != dir {
			return d, &DeliveryError{
				File: path.Dir(x.Name), Err: fmt.Errorf("a second delivery of the month, beside %s: each is the whole month", dir),
				Hint: "only a manifest tells the latest execution: copy it along, or keep the latest only",
			}
		}
		e := exportOf(name)
		if len(d.Files) > 0 && e != export {
			return d, &DeliveryError{
				File: x.Name, Err: fmt.Errorf("a file of another export than %s", d.Files[0].Name),
				Hint: "cur.source must be the root of one export or report: give each its own folder",
			}
		}
		dir, export = path.Dir(x.Name), e
		d.Files = append(d.Files, x)
	}
	if dir != f.dir {
		d.Layout = f.nested
	}
	return d, nil
}

func compareFiles(a, b File) int { return cmp.Compare(a.Name, b.Name) }
