package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// inspected looks at a source for a command that has no data folder.
func (a *app) inspected(cmd *cobra.Command, location string, months []string) (arrears.Inspection, error) {
	var chosen []calendar.Month
	for _, text := range months {
		m, err := calendar.ParseMonth(text)
		if err != nil {
			a.ran = false
			return arrears.Inspection{}, fmt.Errorf("--month: %w", err)
		}
		chosen = append(chosen, m)
	}
	if !strings.Contains(location, "://") {
		if info, err := os.Stat(location); err != nil || !info.IsDir() {
			return arrears.Inspection{}, &arrears.Error{Code: "unreadable_source", Text: location + " is no folder", Hint: "name the folder, or s3://bucket/prefix, that AWS's files lie in"}
		}
	}
	from := newSources(cmd.Context(), a.getenv)
	e := &arrears.Engine{AsOf: a.asOf, Open: from.open}
	var done func(string, calendar.Month)
	if isTerminal(a.terminal) && !a.json {
		done = func(where string, m calendar.Month) { fmt.Fprintf(a.stderr, "%s %s\n", where, m) }
	}
	return e.Inspect(cmd.Context(), location, chosen, done)
}

func (a *app) inspectCommand() *cobra.Command {
	var months []string
	c := &cobra.Command{
		Use: "inspect SOURCE", Short: "Show what a folder or bucket of AWS's files holds", Args: cobra.ExactArgs(1), GroupID: "month",
		Long: `Show what a folder or bucket of AWS's files holds: exports and their layouts, months, rows,
organisations, currencies, AWS's invoices, whether a month is final, and what is missing or
strange. It needs no book and no data folder. Every file is read whole.`,
		Example: `  arrears inspect ./aws
  arrears inspect s3://bucket/prefix --month 2026-03`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := a.inspected(cmd, args[0], months)
			if err != nil {
				return err
			}
			if a.json {
				return a.print(in)
			}
			return a.showInspection(in)
		},
	}
	c.Flags().StringArrayVar(&months, "month", nil, "only this `YYYY-MM`; may be given more than once")
	return c
}

func (a *app) showInspection(in arrears.Inspection) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, x := range in.Exports {
		fmt.Fprintf(w, "export %s (manifest: %s)\n", x.Location, x.Manifest)
		fmt.Fprintln(w, "  MONTH\tLAYOUT\tFILES\tROWS\tFINAL\tORGANISATION\tACCOUNTS\tCOST\tAWS INVOICES")
		for _, m := range x.Months {
			final := "no"
			if m.Final {
				final = "yes"
			}
			if m.Problem != "" {
				final = "-"
			}
			fmt.Fprintf(w, "  %s\t%s\t%d\t%d\t%s", m.Month, m.Layout, m.Files, m.Rows, final)
			for i, o := range m.Organisations {
				if i > 0 {
					fmt.Fprint(w, "\n  \t\t\t\t")
				}
				fmt.Fprintf(w, "\t%s\t%d\t%s %s\t%s", o.ManagementAccount, o.Accounts, currency.Plain(o.Unblended), o.Currency, some(o.AWSInvoices, 3))
				if !o.Open.IsZero() {
					fmt.Fprintf(w, "; %s without one", currency.Plain(o.Open))
				}
			}
			fmt.Fprintln(w)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		for _, m := range x.Months {
			if m.Problem != "" {
				fmt.Fprintf(a.stdout, "  %s cannot be billed: %s\n", m.Month, m.Problem)
			}
		}
		fmt.Fprintln(a.stdout)
	}
	for _, inv := range in.Invoices {
		var months []string
		for _, m := range inv.Months {
			months = append(months, m.String())
		}
		fmt.Fprintf(a.stdout, "AWS's invoices %s: %s\n", inv.Location, some(months, 12))
		for _, p := range inv.Payers {
			fmt.Fprintf(a.stdout, "  payer %s pays in %v, invoiced for %s\n", p.Account, p.Currencies, some(p.Organisations, 5))
		}
		if inv.Problem != "" {
			fmt.Fprintf(a.stdout, "  cannot be read: %s\n", inv.Problem)
		}
	}
	for _, text := range in.Strange {
		fmt.Fprintf(a.stdout, "note: %s\n", text)
	}
	return nil
}

// some joins the first few of a list and says how many more there are.
func some(list []string, most int) string {
	if len(list) == 0 {
		return "none"
	}
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

func (a *app) initCommand() *cobra.Command {
	var from, out string
	var months []string
	c := &cobra.Command{
		Use: "init --from SOURCE [-o BOOK.yaml]", Short: "Write a book to fill in from AWS's files", Args: cobra.NoArgs, GroupID: "month",
		Long: `Write a book to fill in from a folder or bucket of AWS's files: every value that the files tell,
and a comment that begins with FILL at each that a person must give. apply names what is still
empty, line by line. A book that is there is never written over.`,
		Example: `  arrears init --from ./aws -o book.yaml     then fill it in
  arrears apply -f book.yaml
  arrears run --month 2026-03`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from == "" {
				a.ran = false
				return errors.New("init needs a source: --from FOLDER or s3://bucket/prefix")
			}
			in, err := a.inspected(cmd, from, months)
			if err != nil {
				return err
			}
			if len(in.Exports) == 0 {
				return &arrears.Error{Code: "no_export", Text: "there is no export or report in " + from, Hint: "arrears inspect " + from}
			}
			f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return &arrears.Error{Code: "exists", Text: out + " is there already", Hint: "-o names another file"}
			}
			if err != nil {
				return err
			}
			_, err = f.WriteString(in.Sketch(filepath.Dir(out)))
			if err := errors.Join(err, f.Close()); err != nil {
				return err
			}
			if a.json {
				return a.print(map[string]any{"book": out, "inspection": in})
			}
			text, err := os.ReadFile(out)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "%s: fill in %s, then arrears apply -f %s\n", out, count(strings.Count(string(text), "# FILL"), "empty value"), out)
			return nil
		},
	}
	c.Flags().StringVar(&from, "from", "", "`SOURCE`: a folder or s3://bucket/prefix")
	c.Flags().StringVarP(&out, "output", "o", "book.yaml", "`FILE` to write")
	c.Flags().StringArrayVar(&months, "month", nil, "look at this `YYYY-MM` only; may be given more than once")
	return c
}
