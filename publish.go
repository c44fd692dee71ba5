package arrears

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/export/focus"
	"github.com/arrears-billing/arrears/invoice"
)

// A Place is where exports go: a folder, or the prefix of a bucket. Put writes a whole file or none.
type Place interface {
	Put(ctx context.Context, name string, write func(io.Writer) error) error
}

// DatasetOptions say what of a month is published and how.
type DatasetOptions struct {
	Kind       string // focus
	Month      calendar.Month
	Agreements []string // none: all of them
	Versions   []focus.Version
	Format     focus.Format
	Identity   focus.Identity
}

// A Manifest lists the files of a dataset's month. It is written last: who follows manifests never
// sees half a month (contract.md, "Exports").
type Manifest struct {
	Dataset   string             `json:"dataset"`
	Version   string             `json:"version"`
	Month     calendar.Month     `json:"month"`
	Agreement string             `json:"agreement"`
	Files     []PublishedFile    `json:"files"`
	Documents []ManifestDocument `json:"documents"`
}

// A PublishedFile is a file of a dataset; its path is that within the place.
type PublishedFile struct {
	Path   string            `json:"path"`
	Rows   int64             `json:"rows"`
	SHA256 string            `json:"sha256"`
	Sums   map[string]string `json:"sums"` // of the columns that are costs
}

// A ManifestDocument is a document that rows of the dataset come to.
type ManifestDocument struct {
	ID      string  `json:"id"`
	Number  *string `json:"number"`
	Payable string  `json:"payable"`
}

// Published is what an export wrote, and what a person should know of it.
type Published struct {
	Files    []PublishedFile    `json:"files"`
	Warnings []agreement.Reason `json:"warnings,omitempty"`
}

// A dataset is one file to be written, with what its manifest says beside.
type dataset struct {
	name, version, extension string
	agreement                string
	documents                []invoice.Document
	beside                   map[string][]byte // more files of its metadata
	write                    func(io.Writer) (focus.Summary, error)
}

// Publish writes a month's datasets, customer by customer.
func (e *Engine) Publish(ctx context.Context, to Place, o DatasetOptions) (Published, error) {
	p := Published{Files: []PublishedFile{}}
	if o.Kind != "focus" {
		return p, wrong("unknown_export", "there are: focus, postings", "no export %q", o.Kind)
	}
	dir, err := e.directory(ctx)
	if err != nil {
		return p, err
	}
	ids := o.Agreements
	for _, id := range ids {
		if _, err := dir.agreement(id); err != nil {
			return p, err
		}
	}
	if len(ids) == 0 {
		for _, a := range dir.book.Agreements {
			ids = append(ids, a.ID)
		}
		slices.Sort(ids)
	}
	for _, id := range ids {
		f, ok, err := e.FocusMonth(ctx, id, o.Month)
		if err != nil {
			return p, err
		}
		if !ok {
			continue
		}
		for _, w := range f.Warnings {
			w.Text = id + ": " + w.Text
			p.Warnings = append(p.Warnings, w)
		}
		for _, d := range f.datasets(ctx, o) {
			file, summary, err := publish(ctx, to, o.Month, d)
			if err != nil {
				return p, err
			}
			p.Files = append(p.Files, file)
			for _, code := range summary.Unknown {
				w := agreement.Reason{Code: "unknown_service", Text: fmt.Sprintf("%s: product %q is in no service category: it is filed under Other", id, code)}
				if !slices.Contains(p.Warnings, w) {
					p.Warnings = append(p.Warnings, w)
				}
			}
		}
	}
	return p, nil
}

// datasets lists what is written of a month as FOCUS.
func (f FocusMonth) datasets(ctx context.Context, o DatasetOptions) []dataset {
	var out []dataset
	for _, v := range o.Versions {
		base := dataset{version: string(v), extension: o.Format.Extension(), agreement: f.Agreement, documents: slices.Concat(f.Documents, f.Corrections)}
		d := base
		d.name = "focus-" + string(v)
		d.write = func(w io.Writer) (focus.Summary, error) {
			return focus.Write(ctx, w, f.Month, f.rows, focus.Options{Version: v, Identity: o.Identity}, o.Format)
		}
		if schema, err := focus.Metadata(f.Month, v); err == nil {
			d.beside = map[string][]byte{"focus-metadata.json": schema}
		}
		out = append(out, d)
		if v == focus.V12 {
			continue
		}
		for name, write := range map[string]func(io.Writer, focus.Month, focus.Format) (focus.Summary, error){
			"-invoice-detail": focus.InvoiceDetail, "-billing-period": focus.BillingPeriod,
		} {
			d := base
			d.name = "focus-" + string(v) + name
			d.write = func(w io.Writer) (focus.Summary, error) { return write(w, f.Month, o.Format) }
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b dataset) int { return slices.Compare([]string{a.name}, []string{b.name}) })
	return out
}

// publish writes a dataset: its data, what stands beside, and its manifest last.
func publish(ctx context.Context, to Place, m calendar.Month, d dataset) (PublishedFile, focus.Summary, error) {
	period := "billing_period=" + m.String()
	file := PublishedFile{Path: path.Join(d.agreement, d.name, "data", period, d.name+"-00001."+d.extension), Sums: map[string]string{}}
	var summary focus.Summary
	sum := sha256.New()
	if err := to.Put(ctx, file.Path, func(w io.Writer) (err error) {
		summary, err = d.write(io.MultiWriter(w, sum))
		return err
	}); err != nil {
		return file, summary, err
	}
	file.Rows, file.SHA256 = summary.Rows, hex.EncodeToString(sum.Sum(nil))
	for name, total := range summary.Sums {
		file.Sums[name] = currency.Plain(total)
	}
	manifest := Manifest{
		Dataset: d.name, Version: d.version, Month: m, Agreement: d.agreement,
		Files: []PublishedFile{file}, Documents: []ManifestDocument{},
	}
	for _, x := range d.documents {
		manifest.Documents = append(manifest.Documents, ManifestDocument{x.ID, x.Number, x.Signed().Totals.Gross.String()})
	}
	b, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return file, summary, err
	}
	metadata := path.Join(d.agreement, d.name, "metadata", period)
	put := func(name string, data []byte) error {
		return to.Put(ctx, path.Join(metadata, name), func(w io.Writer) error {
			_, err := w.Write(append(data, '\n'))
			return err
		})
	}
	for _, name := range slices.Sorted(maps.Keys(d.beside)) {
		if err := put(name, d.beside[name]); err != nil {
			return file, summary, err
		}
	}
	return file, summary, put("manifest.json", b)
}
