package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/store"
)

func (a *app) monthCommands() []*cobra.Command {
	list := []*cobra.Command{
		a.applyCommand(), a.runCommand(), a.waiveCommand(), a.invoiceCommand(), a.replayCommand(), a.explainCommand(), a.exportCommand(), a.verifyCommand(),
	}
	for _, c := range list {
		c.GroupID = "month"
	}
	return list
}

func (a *app) applyCommand() *cobra.Command {
	var files []string
	var dryRun bool
	c := &cobra.Command{
		Use:   "apply -f BOOK.yaml ...",
		Short: "Take over sellers, buyers, payers and agreements from books",
		Long: `Take over sellers, buyers, payers and agreements from YAML books (docs/BOOK.md).

Everything is checked first, and every error is reported at its position. Then all is
applied, or nothing. What a book does not name stays as it is.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(files) == 0 {
				a.ran = false
				return fmt.Errorf("apply needs a book: -f BOOK.yaml")
			}
			apply := func(e *arrears.Engine, dryRun bool) (arrears.ApplyReport, error) {
				return e.Apply(cmd.Context(), dryRun, files...)
			}
			how := creates
			if dryRun {
				how = reads
			}
			if db, err := a.engine(cmd, reads); err == nil {
				if err := db.DB.Close(); err != nil {
					return err
				}
			} else if errors.Is(err, store.ErrNone) {
				// Nothing is stored yet: a book that is wrong must not leave an empty folder behind.
				report, err := apply(&arrears.Engine{AsOf: a.asOf}, true)
				if err != nil || dryRun || len(report.Errors) > 0 {
					return errors.Join(err, a.showApply(report, dryRun))
				}
			}
			return a.with(cmd, how, func(e *arrears.Engine) error {
				report, err := apply(e, dryRun)
				if err != nil {
					return err
				}
				return a.showApply(report, dryRun)
			})
		},
	}
	c.Flags().StringArrayVarP(&files, "file", "f", nil, "`BOOK` to apply; may be given more than once")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "check and report, apply nothing")
	return c
}

func (a *app) showApply(r arrears.ApplyReport, dryRun bool) error {
	if a.json {
		if err := a.print(r); err != nil {
			return err
		}
	}
	for _, e := range r.Warnings {
		fmt.Fprintf(a.stderr, "warning: %s\n", e.Error())
		if e.Hint != "" {
			fmt.Fprintf(a.stderr, "\thint: %s\n", e.Hint)
		}
	}
	for _, e := range r.Errors {
		fmt.Fprintf(a.stderr, "%s\n", e.Error())
		if e.Hint != "" {
			fmt.Fprintf(a.stderr, "\thint: %s\n", e.Hint)
		}
	}
	if n := len(r.Errors); n > 0 {
		fmt.Fprintf(a.stderr, "arrears: %s in the book; nothing was applied\n", count(n, "error"))
		return errUsage
	}
	if a.json {
		return nil
	}
	changed := 0
	for _, c := range r.Objects {
		if c.Change == "unchanged" {
			continue
		}
		changed++
		fmt.Fprintf(a.stdout, "%-10s %-9s %s", c.Change, c.Kind, c.ID)
		if len(c.Fields) > 0 {
			fmt.Fprintf(a.stdout, ": %s", strings.Join(c.Fields, ", "))
		}
		fmt.Fprintln(a.stdout)
	}
	verb := "applied"
	if dryRun {
		verb = "would be applied (dry run)"
	}
	fmt.Fprintf(a.stdout, "%s %s, %d unchanged\n", count(changed, "change"), verb, len(r.Objects)-changed)
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (a *app) runCommand() *cobra.Command {
	var o arrears.RunOptions
	var month string
	var payers []string
	c := &cobra.Command{
		Use:   "run",
		Short: "Draft a month for every agreement that it is due for",
		Long: `Draft a month for every agreement whose transfer covers it.

Running again changes nothing unless something it depends on has changed. Every agreement
ends in a state with its reason; earlier months that are not settled are listed again.`,
		Example: `  arrears run                                   the month before --as-of
  arrears run --month 2026-03 --issue           also issue what has no warning
  arrears run --month 2026-03 --dry-run --json  the same report, nothing written`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if month != "" {
				m, err := calendar.ParseMonth(month)
				if err != nil {
					a.ran = false
					return fmt.Errorf("--month: %w", err)
				}
				o.Month = m
			}
			for _, p := range payers {
				o.Payers = append(o.Payers, agreement.AccountID(p))
			}
			how := writes
			if o.DryRun {
				how = reads
			}
			return a.with(cmd, how, func(e *arrears.Engine) error {
				end := a.progress(e)
				report, err := e.Run(cmd.Context(), o)
				end()
				if err != nil {
					return err
				}
				if err := a.showRun(report); err != nil {
					return err
				}
				if !report.Complete {
					return errLook
				}
				return nil
			})
		},
	}
	f := c.Flags()
	f.StringVar(&month, "month", "", "`YYYY-MM` to run (default: the month before --as-of)")
	f.StringArrayVar(&o.Agreements, "agreement", nil, "only this `ID`; may be given more than once")
	f.StringArrayVar(&payers, "payer", nil, "only agreements of this payer `ACCOUNT`; may be given more than once")
	f.BoolVar(&o.DryRun, "dry-run", false, "write nothing, print the same report")
	f.BoolVar(&o.Issue, "issue", false, "also issue drafts without a warning, and approved ones")
	return c
}

// progress shows on a terminal how far a run has come, and is quiet otherwise.
func (a *app) progress(e *arrears.Engine) (end func()) {
	file := a.terminal
	if a.json || !isTerminal(file) {
		return func() {}
	}
	begin, last := time.Now(), time.Time{}
	e.Progress = func(p arrears.Progress) {
		now := time.Now()
		if p.Done < p.Of && now.Sub(last) < 100*time.Millisecond {
			return
		}
		last = now
		rate := int64(float64(p.Rows) / max(now.Sub(begin).Seconds(), 0.001))
		fmt.Fprintf(file, "\r%d of %d agreements, %d rows, %d rows/s\x1b[K", p.Done, p.Of, p.Rows, rate)
	}
	return func() { fmt.Fprint(file, "\r\x1b[K") }
}

func (a *app) waiveCommand() *cobra.Command {
	var w arrears.Waiver
	var month string
	c := &cobra.Command{
		Use:   "waive AGREEMENT --month M --code CODE --by EMAIL --reason TEXT",
		Short: "Let one block of a month pass, bound to its exact difference",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := calendar.ParseMonth(month)
			if err != nil {
				a.ran = false
				return fmt.Errorf("--month: %w", err)
			}
			w.Agreement, w.Month = args[0], m
			return a.with(cmd, writes, func(e *arrears.Engine) error {
				passed, err := e.Waive(cmd.Context(), w)
				if err != nil {
					return err
				}
				if a.json {
					return a.print(map[string]any{"agreement": w.Agreement, "month": w.Month, "waived": passed})
				}
				for _, r := range passed {
					fmt.Fprintf(a.stdout, "waived %s: %s\n", r.Code, r.Text)
				}
				fmt.Fprintf(a.stdout, "next: arrears run --month %s --agreement %s\n", w.Month, w.Agreement)
				return nil
			})
		},
	}
	f := c.Flags()
	f.StringVar(&month, "month", "", "`YYYY-MM`")
	f.StringVar(&w.Code, "code", "", "`CODE` of the block, as run prints it")
	f.StringVar(&w.Invoice, "invoice", "", "only the block about this AWS invoice `ID`")
	f.StringVar(&w.By, "by", "", "`EMAIL` of who decides")
	f.StringVar(&w.Reason, "reason", "", "why, for the audit log")
	return c
}
