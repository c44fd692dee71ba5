// Command arrears is the billing engine's command line: it parses, wires, and exits.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // sellers' time zones, on machines that have no zone files

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/book"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/store"
)

// Exit codes (contract.md).
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitLook        = 3 // done, but a person must look
	exitInterrupted = 130
)

// gcPercent trades memory, of which a run needs little, for time, up to memoryLimit, from which on
// garbage is collected more often (docs/BENCHMARKS.md). GOGC and GOMEMLIMIT still decide where they
// are set.
const (
	gcPercent   = 400
	memoryLimit = 128 << 20
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// errUsage ends a command whose input is wrong; it has told why already.
var errUsage = errors.New("wrong input")

// errLook ends a command that is done and leaves something for a person.
var errLook = errors.New("a person must look")

// run runs one command and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{terminal: stderr}
	stdout, stderr = &plain{w: stdout}, &plain{w: stderr}
	a.stdout, a.stderr = stdout, stderr
	root := a.command()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	if errors.Is(err, errLook) {
		return exitLook
	}
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "arrears: interrupted; it is safe to run the same again")
		return exitInterrupted
	}
	code, shown := a.classify(err)
	a.fail(shown)
	if !a.ran && cmd != nil {
		fmt.Fprintf(stderr, "arrears: usage: %s\n", cmd.UseLine())
	}
	return code
}

// failure is an error as scripts see it.
type failure struct {
	Code   string `json:"code"`
	Text   string `json:"text"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

// classify is the one table from errors to exit codes.
func (a *app) classify(err error) (int, failure) {
	var known *arrears.Error
	var position book.Error
	var rates *currency.FileError
	switch {
	case errors.As(err, &known):
		return exitUsage, failure{Code: known.Code, Text: known.Text, Hint: known.Hint}
	case errors.As(err, &position):
		return exitUsage, failure{
			Code: position.Code, Text: position.Text, File: position.File, Line: position.Line, Column: position.Column, Hint: position.Hint,
		}
	case errors.As(err, &rates):
		return exitUsage, failure{
			Code: "invalid_rates", Text: rates.Text, File: rates.File, Line: rates.Line, Column: rates.Column, Hint: rates.Hint,
		}
	case errors.Is(err, store.ErrNone):
		return exitUsage, failure{Code: "no_data", Text: err.Error(), Hint: "arrears apply -f BOOK.yaml starts one; --data names another folder"}
	case errors.Is(err, store.ErrBusy):
		return exitFailed, failure{Code: "busy", Text: err.Error(), Hint: "run again when the other command is done"}
	case a.database != "" && store.Gone(err):
		return exitFailed, failure{
			Code: "database_gone",
			Text: "the database went away or cannot be reached; nothing is lost: what was done before is kept, the rest has not begun (" + firstLine(err.Error()) + ")",
			Hint: "run the same command again when the database is back",
		}
	case errors.Is(err, store.ErrDamaged):
		return exitFailed, failure{Code: "damaged", Text: err.Error(), Hint: "arrears verify names every damaged row; nothing was changed"}
	case errors.Is(err, store.ErrConflict):
		return exitFailed, failure{Code: "conflict", Text: err.Error(), Hint: "run the command again"}
	case !a.ran:
		return exitUsage, failure{Code: "usage", Text: err.Error(), Hint: "arrears help shows the commands"}
	}
	return exitFailed, failure{Code: "failed", Text: err.Error()}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// fail tells a person on stderr and, with --json, a script on stdout.
func (a *app) fail(f failure) {
	a.tell(f)
	if a.json {
		if err := a.print(map[string]failure{"error": f}); err != nil {
			fmt.Fprintln(a.stderr, "arrears:", err)
		}
	}
}

// tell tells a person on stderr.
func (a *app) tell(f failure) {
	where := ""
	switch {
	case f.File != "" && f.Line > 0:
		where = fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
	case f.File != "":
		where = f.File + ": "
	}
	fmt.Fprintf(a.stderr, "arrears: %s%s\n", where, f.Text)
	if f.Hint != "" {
		fmt.Fprintf(a.stderr, "arrears: hint: %s\n", f.Hint)
	}
}

// app is what the commands share: global flags and where to write.
type app struct {
	stdout, stderr io.Writer // both *plain
	terminal       io.Writer // stderr as it is, for progress
	data, database string
	asOfText       string
	asOf           time.Time
	json           bool
	configFile     string
	config         *config
	ran            bool // a command's own work has begun: what goes wrong now is no wrong usage
}

// getenv reads a setting: of the environment, of the configuration file, or its default.
func (a *app) getenv(name string) string { return a.config.get(name) }

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "arrears",
		Short: "Billing for resellers of AWS: every cent proven against AWS's invoice",
		Long: `arrears bills customer organisations for AWS on Billing Transfer, in arrears, by calendar month.

It reads AWS's cost and usage reports and AWS's own invoices, prices them by each
customer's agreement, proves the one against the other, and issues documents.`,
		Example: `  arrears demo                                  a whole month on made-up data
  arrears apply -f book.yaml                    take a book of sellers, buyers and agreements
  arrears run --month 2026-03                   draft a month
  arrears invoice show AGR-0001-2026-03         look at a draft
  arrears invoice issue --month 2026-03         give numbers to what is ready`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			a.config = loadConfig(a.configFile, os.Getenv)
			if err := a.wrongConfig(); err != nil {
				return err
			}
			for name, to := range map[string]*string{"ARREARS_DATA": &a.data, "ARREARS_DATABASE": &a.database} {
				if flag := strings.ToLower(strings.TrimPrefix(name, "ARREARS_")); !cmd.Flags().Changed(flag) {
					*to = a.getenv(name)
				}
			}
			a.asOf, err = parseAsOf(a.asOfText)
			a.ran = err == nil
			return err
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.data, "data", "./arrears-data", "`DIR` of the embedded database and blobs (ARREARS_DATA)")
	flags.StringVar(&a.database, "database", "", "PostgreSQL `URL` instead of the embedded database (ARREARS_DATABASE)")
	flags.StringVar(&a.configFile, "config", os.Getenv("ARREARS_CONFIG"), "`FILE` of settings; arrears config shows them")
	flags.StringVar(&a.asOfText, "as-of", "", "what \"now\" is: a date or RFC 3339 `TIME` (default: the clock)")
	flags.BoolVar(&a.json, "json", false, "print JSON instead of tables")
	root.AddGroup(&cobra.Group{ID: "month", Title: "The month:"}, &cobra.Group{ID: "lifecycle", Title: "The lifecycle:"}, &cobra.Group{ID: "service", Title: "The service:"}, &cobra.Group{ID: "keep", Title: "Keeping house:"})
	root.AddCommand(a.inspectCommand(), a.initCommand())
	root.AddCommand(a.monthCommands()...)
	demo := a.demoCommand()
	demo.AddCommand(a.storyCommand())
	root.AddCommand(demo)
	root.AddCommand(a.ratesCommand(), a.migrateCommand())
	root.AddCommand(a.lifecycleCommands()...)
	root.AddCommand(a.serveCommand(), a.scheduleCommand(), a.configCommand(), a.versionCommand())
	return root
}

func parseAsOf(s string) (time.Time, error) {
	if s == "" {
		return time.Now().UTC(), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("--as-of: not a date or RFC 3339 time: %q", s)
}

// access says what a command does with the store.
type access int

const (
	reads access = iota
	writes
	creates
)

// engine opens the store and returns an engine on it; close it.
func (a *app) engine(cmd *cobra.Command, how access) (*arrears.Engine, error) {
	db, err := store.Open(cmd.Context(), store.Options{
		Dir: a.data, URL: a.database, Create: how == creates, Write: how != reads, Command: cmd.CommandPath(),
	})
	if err != nil {
		return nil, err
	}
	from := newSources(cmd.Context(), a.getenv)
	return &arrears.Engine{DB: db, AsOf: a.asOf, By: "arrears", Open: from.open, Invoices: from.invoices}, nil
}

// with opens the store for the time of do.
func (a *app) with(cmd *cobra.Command, how access, do func(*arrears.Engine) error) (err error) {
	e, err := a.engine(cmd, how)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.DB.Close()) }()
	return do(e)
}

// print writes JSON for scripts.
func (a *app) print(v any) error {
	j := json.NewEncoder(a.stdout)
	j.SetEscapeHTML(false)
	j.SetIndent("", "  ")
	return j.Encode(v)
}
