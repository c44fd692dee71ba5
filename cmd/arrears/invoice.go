package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/document"
	"github.com/arrears-billing/arrears/invoice"
)

func (a *app) invoiceCommand() *cobra.Command {
	c := &cobra.Command{Use: "invoice", Short: "List, look at, approve, issue, credit documents", Args: cobra.NoArgs, RunE: a.needsCommand}
	c.AddCommand(a.invoiceList(), a.invoiceShow(), a.invoiceApprove(), a.invoiceIssue(), a.invoiceCredit(), a.invoiceRender())
	return c
}

// needsCommand is what a group of commands does by itself: say what it has.
func (a *app) needsCommand(cmd *cobra.Command, _ []string) error {
	a.ran = false
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return fmt.Errorf("%s needs one of: %s", cmd.CommandPath(), strings.Join(names, ", "))
}

// summary is a document without its lines.
type summary struct {
	invoice.Document
	Lines *struct{} `json:"lines,omitempty"`
}

func (a *app) invoiceList() *cobra.Command {
	var month, agr string
	c := &cobra.Command{
		Use: "list", Short: "List documents, drafted and issued", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := a.month("month", month)
			if err != nil {
				return err
			}
			return a.with(cmd, reads, func(e *arrears.Engine) error {
				all, err := e.Documents(cmd.Context(), m, agr)
				if err != nil {
					return err
				}
				if a.json {
					list := []summary{}
					for _, d := range all {
						list = append(list, summary{Document: d})
					}
					return a.print(map[string]any{"invoices": list})
				}
				return a.showList(all)
			})
		},
	}
	c.Flags().StringVar(&month, "month", "", "only this `YYYY-MM`")
	c.Flags().StringVar(&agr, "agreement", "", "only this agreement's `ID`")
	return c
}

func (a *app) showList(all []invoice.Document) error {
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNUMBER\tKIND\tSTATUS\tMONTH\tISSUED\tGROSS\tBUYER")
	for _, d := range all {
		number, date := "-", "-"
		if d.Number != nil {
			number = *d.Number
		}
		if d.IssueDate != nil {
			date = d.IssueDate.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s %s\t%s\n", d.ID, number, d.Kind, d.Status, d.Month, date, d.Totals.Gross, d.Currency, d.Buyer.Name)
	}
	return w.Flush()
}

// month parses a month flag; empty is no month.
func (a *app) month(flag, s string) (calendar.Month, error) {
	if s == "" {
		return calendar.Month{}, nil
	}
	m, err := calendar.ParseMonth(s)
	if err != nil {
		a.ran = false
		return m, fmt.Errorf("--%s: %w", flag, err)
	}
	return m, nil
}

func (a *app) invoiceShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a document by its id or number", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, reads, func(e *arrears.Engine) error {
				d, err := e.Document(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.print(d)
				}
				return document.Text(a.stdout, d)
			})
		},
	}
}

func (a *app) invoiceApprove() *cobra.Command {
	var by string
	c := &cobra.Command{
		Use: "approve ID... --by EMAIL", Short: "Agree with drafts as they stand", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, writes, func(e *arrears.Engine) error {
				done, err := e.Approve(cmd.Context(), by, args...)
				return a.showDone(done, err)
			})
		},
	}
	c.Flags().StringVar(&by, "by", os.Getenv("ARREARS_BY"), "`EMAIL` of who approves (env ARREARS_BY)")
	return c
}

func (a *app) invoiceIssue() *cobra.Command {
	var month string
	c := &cobra.Command{
		Use: "issue ID... | --month M", Short: "Give drafts their numbers and freeze them",
		Long: `Give drafts their numbers and freeze them: those named, or all of a month that are ready.

A draft is refused when what it was made from has changed since. A draft with a warning is
left by --month unless it is approved; naming it is a decision too, where the seller asks
for no approval.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := a.month("month", month)
			if err != nil {
				return err
			}
			if m.IsZero() == (len(args) == 0) {
				a.ran = false
				return errors.New("issue needs documents or a month: ID... or --month M")
			}
			return a.with(cmd, writes, func(e *arrears.Engine) error {
				var done []invoice.Document
				err := e.IssueEach(cmd.Context(), m, func(d invoice.Document) {
					if !a.json {
						d.Lines = nil // the list has no lines, and there may be many documents
					}
					done = append(done, d)
				}, args...)
				if err = a.showDone(done, err); err == nil && !m.IsZero() {
					err = a.tellLeft(cmd.Context(), e, m)
				}
				return err
			})
		},
	}
	c.Flags().StringVar(&month, "month", "", "all drafts of `YYYY-MM` that are ready")
	return c
}

// tellLeft names the drafts of a month that issuing the month has left: nobody shall take them for
// issued.
func (a *app) tellLeft(ctx context.Context, e *arrears.Engine, m calendar.Month) error {
	ids, err := e.Left(ctx, m)
	for _, id := range ids {
		fmt.Fprintf(a.stderr, "left: %s has a warning or needs an approval: look, then arrears invoice approve %s --by YOU\n", id, id)
	}
	return err
}

// showDone prints the documents that a command changed, also when it failed half way.
func (a *app) showDone(done []invoice.Document, err error) error {
	if err != nil && len(done) > 0 { // some are issued, and a person must look at the others
		_, f := a.classify(err)
		a.tell(f)
		if a.json {
			return errors.Join(a.print(map[string]any{"documents": done, "error": f}), errLook)
		}
		err = errLook
	}
	if a.json && err == nil {
		if done == nil {
			done = []invoice.Document{}
		}
		return a.print(map[string]any{"documents": done})
	}
	if len(done) > 0 && !a.json {
		if e := a.showList(done); e != nil {
			return errors.Join(err, e)
		}
	}
	if err == nil && len(done) == 0 {
		fmt.Fprintln(a.stdout, "nothing to do")
	}
	return err
}

func (a *app) invoiceCredit() *cobra.Command {
	var reason string
	var lines []string
	c := &cobra.Command{
		Use: "credit ID --reason TEXT [--line N[=AMOUNT]]...", Short: "Issue a credit note for an invoice, in full or for chosen lines", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var chosen []invoice.CreditLine
			for _, l := range lines {
				n, amount, has := strings.Cut(l, "=")
				position, err := strconv.Atoi(n)
				if err != nil {
					a.ran = false
					return fmt.Errorf("--line: not a line's position: %q", l)
				}
				line := invoice.CreditLine{Position: position}
				if has {
					d, err := currency.Parse(amount)
					if err != nil {
						a.ran = false
						return fmt.Errorf("--line: %w", err)
					}
					line.Amount = &d
				}
				chosen = append(chosen, line)
			}
			return a.with(cmd, writes, func(e *arrears.Engine) error {
				d, err := e.Credit(cmd.Context(), args[0], chosen, reason)
				if err != nil {
					return err
				}
				return a.showDone([]invoice.Document{d}, nil)
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, as it stands on the credit note")
	c.Flags().StringArrayVar(&lines, "line", nil, "credit line `N[=AMOUNT]` only; may be given more than once")
	return c
}

func (a *app) invoiceRender() *cobra.Command {
	var format, out string
	c := &cobra.Command{
		Use: "render ID --format json|pdf|ubl|cii|xlsx -o FILE", Short: "Write an issued document in a format", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				a.ran = false
				return errors.New("render needs a file: -o FILE")
			}
			return a.with(cmd, writes, func(e *arrears.Engine) error {
				b, err := e.Render(cmd.Context(), args[0], format)
				if err != nil {
					return err
				}
				if out == "-" {
					_, err = a.stdout.Write(b)
					return err
				}
				return writeFile(out, b)
			})
		},
	}
	c.Flags().StringVar(&format, "format", "pdf", "json, pdf, ubl, cii or xlsx")
	c.Flags().StringVarP(&out, "output", "o", "", "`FILE` to write, - for the standard output")
	return c
}
