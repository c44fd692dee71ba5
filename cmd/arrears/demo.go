package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/export/focus"
	"github.com/arrears-billing/arrears/fixtures"
	"github.com/arrears-billing/arrears/store"
)

// demoMark is in every folder that demo made: it replaces such a folder and no other.
const demoMark = ".arrears-demo"

func (a *app) demoCommand() *cobra.Command {
	var out string
	var seed uint64
	c := &cobra.Command{
		Use: "demo [-o DIR]", Short: "The whole story on made-up data, in a folder to look at", Args: cobra.NoArgs, GroupID: "month",
		Long: `Make up a reseller with its customers, AWS's deliveries and AWS's invoices, then run and
issue every month, as cron and finance would. Nothing outside the folder is touched.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.demo(cmd.Context(), out, seed)
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "arrears-demo", "`DIR` to make; one that demo made before is made anew")
	c.Flags().Uint64Var(&seed, "seed", 1, "another `NUMBER` makes other amounts")
	return c
}

func (a *app) demo(ctx context.Context, dir string, seed uint64) (err error) {
	if err := clearDemo(dir); err != nil {
		return err
	}
	story := fixtures.Demo(seed)
	if err := story.Write(dir); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, demoMark), []byte("made by arrears demo, which replaces this folder\n"), 0o644); err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	db, err := store.Open(ctx, store.Options{Dir: data, Create: true, Command: "arrears demo"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	e := &arrears.Engine{DB: db, By: "demo", AsOf: story.AsOf(story.Months[0]).Time()}
	applied, err := e.Apply(ctx, false, filepath.Join(dir, "book.yaml"))
	if err != nil {
		return err
	}
	if len(applied.Errors) > 0 {
		return applied.Errors[0]
	}
	var reports []arrears.RunReport
	for _, m := range story.Months {
		e.AsOf = story.AsOf(m).Time()
		r, err := e.Run(ctx, arrears.RunOptions{Month: m, Issue: true})
		if err != nil {
			return err
		}
		reports = append(reports, r)
	}
	files, err := renderAll(ctx, e, filepath.Join(dir, "documents"))
	if err != nil {
		return err
	}
	exports := 0
	for _, m := range story.Months {
		p, err := e.Publish(ctx, folder(filepath.Join(dir, "exports")), arrears.DatasetOptions{
			Kind: "focus", Month: m, Versions: focus.Versions, Format: focus.Parquet, Identity: focus.MSP,
		})
		if err != nil {
			return err
		}
		exports += len(p.Files)
	}
	if a.json {
		return a.print(map[string]any{"folder": dir, "runs": reports, "documents": files, "exports": exports})
	}
	a.tour(dir, story, reports, files, exports)
	return nil
}

// clearDemo makes room for a demo: it removes one made before, and refuses anything else.
func clearDemo(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, demoMark)); err != nil {
		return &arrears.Error{Code: "not_a_demo", Text: dir + " is there and was not made by arrears demo", Hint: "name another folder: arrears demo -o DIR"}
	}
	return os.RemoveAll(dir)
}

// renderAll writes every issued document as PDF, and returns the files.
func renderAll(ctx context.Context, e *arrears.Engine, dir string) ([]string, error) {
	all, err := e.Documents(ctx, calendar.Month{}, "")
	if err != nil {
		return nil, err
	}
	var files []string
	for _, d := range all {
		if d.Number == nil {
			continue
		}
		b, err := e.Render(ctx, d.ID, "pdf")
		if err != nil {
			return nil, err
		}
		name := filepath.Join(dir, *d.Number+".pdf")
		if err := writeFile(name, b); err != nil {
			return nil, err
		}
		files = append(files, name)
	}
	return files, nil
}

// tour says what happened, customer by customer, and what to try next.
func (a *app) tour(dir string, story fixtures.Story, reports []arrears.RunReport, files []string, exports int) {
	rows := int64(0)
	fmt.Fprintf(a.stdout, "A made-up reseller: %s, months %s to %s\n", count(len(story.Customers), "customer"), story.Months[0], story.Months[len(story.Months)-1])
	for _, c := range story.Customers {
		fmt.Fprintf(a.stdout, "\n%s  %s\n", c.Agreement, c.Name)
		for _, s := range c.Special {
			fmt.Fprintf(a.stdout, "    %s\n", s)
		}
		for _, r := range reports {
			for _, row := range r.Agreements {
				if row.Agreement != c.Agreement {
					continue
				}
				if row.Source != nil {
					rows += row.Source.Rows
				}
				fmt.Fprintf(a.stdout, "    %s  %-15s %14s  %s\n", r.Month, row.Status, netOf(row), why(row))
			}
		}
	}
	last := reports[len(reports)-1]
	show := ""
	for _, r := range reports {
		for _, row := range r.Agreements {
			if row.Status == arrears.Issued && row.Invoice != nil {
				show = *row.Invoice
			}
		}
	}
	data := filepath.Join(dir, "data")
	asOf := "--as-of " + story.AsOf(last.Month).String()
	fmt.Fprintf(a.stdout, "\n%d rows of AWS's files billed; %s in %s; %s of FOCUS in %s\n", rows, count(len(files), "PDF"), filepath.Join(dir, "documents"), count(exports, "file"), filepath.Join(dir, "exports"))
	fmt.Fprintf(a.stdout, `
Try next:
  export ARREARS_DATA=%[1]s
  arrears invoice list
  arrears invoice show %[3]s
  arrears explain %[3]s --line 1        a line, back to AWS's rows
  arrears run --month %[4]s %[2]s       again: nothing changes
  arrears verify                                    numbers, hashes, recomputation
  less %[5]s                        the book

Each customer's FOCUS rows come to the invoice, to the cent. One query ties all of them out:
  duckdb -c "select InvoiceId, sum(BilledCost) - any_value(payable) as difference
    from '%[6]s/*/focus-1.4/data/*/*.parquet'
    join (select InvoiceId, sum(BilledCost) as payable from '%[6]s/*/focus-1.4-invoice-detail/data/*/*.parquet' group by all)
    using (InvoiceId) group by all order by all"
`, data, asOf, show, last.Month, filepath.Join(dir, "book.yaml"), filepath.Join(dir, "exports"))
}

// why is a row's reason or warning in a few words.
func why(row arrears.AgreementRow) string {
	var codes []string
	for _, r := range row.Reasons {
		codes = append(codes, r.Code)
	}
	for _, w := range row.Warnings {
		codes = append(codes, w.Code)
	}
	if row.Document != nil && *row.Document == "credit_note" {
		codes = append(codes, "credit note")
	}
	if m := marks(row); m != "" {
		codes = append(codes, m+" month")
	}
	return strings.Join(codes, ", ")
}
