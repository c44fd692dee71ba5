package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/export/focus"
)

func (a *app) exportCommand() *cobra.Command {
	var month, out, version, format, identity string
	var agreements []string
	c := &cobra.Command{
		Use: "export KIND --month M -o DIR", Short: "Write a month for other systems: focus, postings", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := a.month("month", month)
			if err != nil {
				return err
			}
			if m.IsZero() || out == "" {
				a.ran = false
				return errors.New("export needs a month and a folder: --month M -o DIR")
			}
			return a.with(cmd, reads, func(e *arrears.Engine) error {
				if args[0] != "postings" {
					o, err := datasetOptions(args[0], m, agreements, version, format, identity)
					if err != nil {
						a.ran = false
						return err
					}
					return a.publish(cmd.Context(), e, out, o)
				}
				files, err := e.Export(cmd.Context(), args[0], m, agreements)
				if err != nil {
					return err
				}
				var written []arrears.ExportedFile
				for _, f := range files {
					path := filepath.Join(out, f.Name)
					if err := writeFile(path, f.Data); err != nil {
						return err
					}
					written = append(written, arrears.Describe(path, f))
				}
				if a.json {
					return a.print(map[string]any{"files": written})
				}
				for _, f := range written {
					fmt.Fprintf(a.stdout, "%s: %s\n", f.Path, count(f.Rows, "row"))
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&month, "month", "", "`YYYY-MM`")
	c.Flags().StringArrayVar(&agreements, "agreement", nil, "only this `ID`; may be given more than once")
	c.Flags().StringVarP(&out, "output", "o", "", "`DIR` to write into")
	c.Flags().StringVar(&version, "focus", "", "`1.2` or 1.4 (default both)")
	c.Flags().StringVar(&format, "format", "parquet", "parquet or csv (gzipped)")
	c.Flags().StringVar(&identity, "identity", "msp", "msp or resale: who provides what the seller invoices")
	return c
}

// datasetOptions reads the flags of an export that is a dataset.
func datasetOptions(kind string, m calendar.Month, agreements []string, version, format, identity string) (arrears.DatasetOptions, error) {
	o := arrears.DatasetOptions{
		Kind: kind, Month: m, Agreements: agreements,
		Versions: focus.Versions, Format: focus.Format(format), Identity: focus.Identity(identity),
	}
	if version != "" {
		o.Versions = []focus.Version{focus.Version(version)}
	}
	switch {
	case !slices.Contains(focus.Versions, o.Versions[0]):
		return o, fmt.Errorf("--focus is 1.2 or 1.4, not %q", version)
	case o.Format != focus.Parquet && o.Format != focus.CSV:
		return o, fmt.Errorf("--format is parquet or csv, not %q", format)
	case o.Identity != focus.MSP && o.Identity != focus.Resale:
		return o, fmt.Errorf("--identity is msp or resale, not %q", identity)
	}
	return o, nil
}

// exportMemory is the limit of memory for exports, which hold row groups by column: below the
// program's own (memoryLimit) garbage would be collected all the time.
const exportMemory = 448 << 20

// publish writes datasets into a folder and says what was written.
func (a *app) publish(ctx context.Context, e *arrears.Engine, dir string, o arrears.DatasetOptions) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(exportMemory))
	}
	p, err := e.Publish(ctx, folder(dir), o)
	if err != nil {
		return err
	}
	for i := range p.Files {
		p.Files[i].Path = filepath.Join(dir, filepath.FromSlash(p.Files[i].Path))
	}
	if a.json {
		type file struct {
			arrears.PublishedFile
			Sum string `json:"sum"`
		}
		files := make([]file, 0, len(p.Files))
		for _, f := range p.Files {
			files = append(files, file{f, f.Sums["BilledCost"]})
		}
		return a.print(map[string]any{"files": files, "warnings": p.Warnings})
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(a.stderr, "warning: %s: %s\n", w.Code, w.Text)
	}
	for _, f := range p.Files {
		fmt.Fprintf(a.stdout, "%s: %s\n", f.Path, count(int(f.Rows), "row"))
	}
	return nil
}

// A folder is a Place on the machine.
type folder string

// Put writes a whole file or none: a failure leaves what was there.
func (d folder) Put(_ context.Context, name string, write func(io.Writer) error) (err error) {
	path := filepath.Join(string(d), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".arrears-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// writeFile writes a whole file or none.
func writeFile(path string, data []byte) error {
	return folder(filepath.Dir(path)).Put(context.Background(), filepath.Base(path), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

func (a *app) replayCommand() *cobra.Command {
	var o arrears.ReplayOptions
	var month string
	c := &cobra.Command{
		Use: "replay --month M", Short: "Compute an issued month again and compare it with what was issued",
		Long: `Compute an issued month again from today's data, terms and rates, and compare it line by
line with what was issued, net of earlier corrections. --apply issues the correction:
delta, one document over the differences, or full, credit the whole and issue anew.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := a.month("month", month)
			if err != nil {
				return err
			}
			if m.IsZero() {
				a.ran = false
				return errors.New("replay needs a month: --month M")
			}
			o.Month = m
			return a.with(cmd, writes, func(e *arrears.Engine) error {
				r, err := e.Replay(cmd.Context(), o)
				if err != nil && len(r.Documents) == 0 {
					return err
				}
				return a.showReplay(r, o.Apply != "", err)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&month, "month", "", "`YYYY-MM`")
	f.StringArrayVar(&o.Agreements, "agreement", nil, "only this `ID`; may be given more than once")
	f.StringVar(&o.Apply, "apply", "", "issue the correction: delta or full")
	f.StringVar(&o.Reason, "reason", "", "why, as it stands on the correction")
	return c
}

// showReplay prints what a replay found and issued, also when it was refused for some: err says why.
func (a *app) showReplay(r arrears.ReplayReport, applied bool, err error) error {
	var failed *failure
	if err != nil {
		_, f := a.classify(err)
		a.tell(f)
		failed = &f
	}
	if a.json {
		err = a.print(struct {
			arrears.ReplayReport
			Error *failure `json:"error,omitempty"`
		}{r, failed})
	} else {
		a.tellReplay(r)
		err = nil
	}
	look := !r.Settled() || !applied && !r.Identical()
	if err == nil && (failed != nil || look) {
		err = errLook
	}
	return err
}

func (a *app) tellReplay(r arrears.ReplayReport) {
	if len(r.Agreements) == 0 {
		fmt.Fprintf(a.stdout, "nothing is issued for %s\n", r.Month)
	}
	for _, ag := range r.Agreements {
		switch {
		case ag.Status != "":
			fmt.Fprintf(a.stdout, "%s: cannot be compared, it would be %s now: %s\n", ag.Agreement, ag.Status, ag.Text)
		case ag.Identical:
			fmt.Fprintf(a.stdout, "%s: identical\n", ag.Agreement)
		default:
			differ := "differ"
			if len(ag.Lines) == 1 {
				differ = "differs"
			}
			fmt.Fprintf(a.stdout, "%s: %s %s\n", ag.Agreement, count(len(ag.Lines), "line"), differ)
			for _, l := range ag.Lines {
				fmt.Fprintf(a.stdout, "  %s: issued %s, now %s, difference %s (%s)\n", l.Key, currency.Plain(l.Issued), currency.Plain(l.Now), currency.Plain(l.Difference), l.Cause)
			}
			if ag.Text != "" && len(r.Documents) == 0 {
				fmt.Fprintf(a.stdout, "  %s\n", ag.Text)
			}
			if p := ag.Proposed; p != nil && len(r.Documents) == 0 {
				fmt.Fprintf(a.stdout, "  proposed: %s of %s %s: arrears replay --month %s --agreement %s --apply delta --reason TEXT\n", p.Kind, p.Totals.Gross, p.Currency, r.Month, ag.Agreement)
			}
		}
	}
	for _, n := range r.Documents {
		fmt.Fprintf(a.stdout, "issued %s\n", n)
	}
}

func (a *app) explainCommand() *cobra.Command {
	var line int
	c := &cobra.Command{
		Use: "explain ID [--line N]", Short: "Say why a document is what it is, back to AWS's rows", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, reads, func(e *arrears.Engine) error {
				x, err := e.Explain(cmd.Context(), args[0], line)
				if err != nil {
					return err
				}
				if a.json {
					return a.print(x)
				}
				showTree(a.stdout, x, 0)
				return nil
			})
		},
	}
	c.Flags().IntVar(&line, "line", 0, "only line `N`, with the rows of AWS's files")
	return c
}

func showTree(w io.Writer, x arrears.Explanation, depth int) {
	amount := ""
	if x.Amount != nil {
		amount = ": " + currency.Plain(*x.Amount) + " " + string(*x.Currency)
	}
	fmt.Fprintf(w, "%s%s%s\n", strings.Repeat("  ", depth), x.Text, amount)
	for _, c := range x.Children {
		showTree(w, c, depth+1)
	}
}

func (a *app) verifyCommand() *cobra.Command {
	var dump bool
	c := &cobra.Command{
		Use: "verify [ID]", Short: "Check numbers, hashes and audit log, and compute issued months again", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, reads, func(e *arrears.Engine) error {
				if dump {
					return e.DB.Dump(cmd.Context(), a.stdout)
				}
				id := ""
				if len(args) == 1 {
					id = args[0]
				}
				r, err := e.Verify(cmd.Context(), id)
				if err != nil {
					return err
				}
				if a.json {
					err = a.print(r)
				} else {
					a.showVerify(r)
				}
				if err == nil && !r.OK {
					err = errLook
				}
				return err
			})
		},
	}
	c.Flags().BoolVar(&dump, "dump", false, "print the canonical content as sorted JSON lines")
	return c
}

func (a *app) showVerify(r arrears.VerifyReport) {
	for _, f := range r.Findings {
		fmt.Fprintf(a.stdout, "%s: %s: %s\n", f.Code, f.Object, f.Text)
	}
	for _, s := range r.Series {
		fmt.Fprintf(a.stdout, "series %s: %s to %s, %s without a gap, head %s\n", s.Series, s.First, s.Last, count(int(s.Count), "document"), s.Head)
	}
	fmt.Fprintf(a.stdout, "%s computed again from evidence\n", count(r.Recomputed, "document"))
	if r.OK {
		fmt.Fprintln(a.stdout, "ok")
	} else {
		fmt.Fprintf(a.stdout, "%s\n", count(len(r.Findings), "finding"))
	}
}
