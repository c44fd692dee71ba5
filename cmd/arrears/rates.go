package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/store"
)

func (a *app) ratesCommand() *cobra.Command {
	c := &cobra.Command{Use: "rates", GroupID: "keep", Short: "Reference exchange rates: import, list, exposure"}
	c.AddCommand(a.ratesImportCommand(), a.ratesListCommand(), a.ratesExposureCommand())
	return c
}

func (a *app) ratesImportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import [FILE|URL]",
		Short: "Keep the published rates of a file",
		Long: `Keep the published rates of a file (docs/RATES.md): the ECB's eurofxref files, as CSV or
XML or in a zip, the CSV of the ECB's data portal, or a CSV with the columns
source,from,to,date,rate, for rates of other authorities.

Without an argument the file is fetched from the URL in ARREARS_RATES_URL. Importing a
file again changes nothing.`,
		Example: `  arrears rates import eurofxref-hist.zip
  arrears rates import eurofxref-daily.xml
  arrears rates import bazg-2026-03.csv`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := a.getenv("ARREARS_RATES_URL")
			if len(args) > 0 {
				name = args[0]
			}
			if name == "" {
				a.ran = false
				return errors.New("rates import needs a file, or a URL in ARREARS_RATES_URL")
			}
			data, err := fetch(cmd.Context(), name)
			if err != nil {
				return err
			}
			return a.with(cmd, writes, func(e *arrears.Engine) error {
				report, err := e.ImportRates(cmd.Context(), name, data)
				if err != nil {
					return err
				}
				if a.json {
					return a.print(report)
				}
				fmt.Fprintf(a.stdout, "%s: %s from %s to %s, %d of them new\n", name, count(report.Rates, "rate"), report.First, report.Last, report.Imported)
				return nil
			})
		},
	}
}

const (
	fetchTimeout = time.Minute
	maxFetch     = 64 << 20
)

// fetch reads a file, or what a URL serves.
func fetch(ctx context.Context, name string) ([]byte, error) {
	if !strings.HasPrefix(name, "https://") && !strings.HasPrefix(name, "http://") {
		data, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			return nil, &currency.FileError{File: name, Text: "no such file"}
		}
		return data, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, &currency.FileError{File: name, Text: err.Error()}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch rates: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch rates: %s: %s", name, resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxFetch+1))
	if err != nil {
		return nil, fmt.Errorf("fetch rates: %s: %w", name, err)
	}
	if len(data) > maxFetch {
		return nil, fmt.Errorf("fetch rates: %s: more than %d bytes", name, maxFetch)
	}
	return data, nil
}

func (a *app) ratesListCommand() *cobra.Command {
	var f store.RateFilter
	var since, until string
	c := &cobra.Command{
		Use:   "list",
		Short: "List imported rates",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, d := range []struct {
				flag, text string
				to         *calendar.Date
			}{{"--since", since, &f.Since}, {"--until", until, &f.Until}} {
				if d.text == "" {
					continue
				}
				var err error
				if *d.to, err = calendar.ParseDate(d.text); err != nil {
					a.ran = false
					return fmt.Errorf("%s: %w", d.flag, err)
				}
			}
			return a.with(cmd, reads, func(e *arrears.Engine) error {
				rates, err := e.Rates(cmd.Context(), f)
				if err != nil {
					return err
				}
				if a.json {
					return a.print(map[string][]currency.Rate{"rates": rates})
				}
				for _, r := range rates {
					fmt.Fprintf(a.stdout, "%-12s %s  1 %s = %s %s\n", r.Source, r.Date, r.From, currency.Plain(r.Value), r.To)
				}
				if len(rates) == 0 {
					fmt.Fprintln(a.stderr, "arrears: no rates; arrears rates import FILE takes them in")
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&f.Source, "source", "", "only of `SOURCE`, such as ecb")
	c.Flags().StringVar(&f.From, "from", "", "only from `CURRENCY`")
	c.Flags().StringVar(&f.To, "to", "", "only to `CURRENCY`")
	c.Flags().StringVar(&since, "since", "", "only from `DATE` on")
	c.Flags().StringVar(&until, "until", "", "only up to `DATE`")
	return c
}

func (a *app) ratesExposureCommand() *cobra.Command {
	var month string
	var agreements []string
	c := &cobra.Command{
		Use:   "exposure --month M [--agreement ID]...",
		Short: "Compare the rates charged with AWS's own",
		Long: `Compare, for a month that was drafted or issued, the rate that each customer is charged
with the rate on AWS's own invoice, at which the reseller pays. A positive difference is
a gain. The seller's own fees and discounts are left out.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := a.month("month", month)
			if err != nil {
				return err
			}
			if m.IsZero() {
				a.ran = false
				return errors.New("rates exposure needs a month: --month M")
			}
			return a.with(cmd, reads, func(e *arrears.Engine) error {
				rows, err := e.Exposure(cmd.Context(), m, agreements)
				if err != nil {
					return err
				}
				if a.json {
					return a.print(map[string]any{"month": m, "exposure": rows})
				}
				return a.showExposure(rows)
			})
		},
	}
	c.Flags().StringVar(&month, "month", "", "`MONTH` as YYYY-MM")
	c.Flags().StringArrayVar(&agreements, "agreement", nil, "only agreement `ID`; may be given more than once")
	return c
}

func (a *app) showExposure(rows []arrears.ExposureRow) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "agreement\tAWS invoice\tAWS charges\trate\tcharged\tAWS's rate\tat AWS's rate\tdifference")
	for _, x := range rows {
		aws := "-\t-\t-"
		if x.AWSRate != nil {
			aws = strings.Join([]string{currency.Plain(x.AWSRate.Value), x.AtAWSRate.String(), currency.Plain(*x.Difference)}, "\t")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", x.Agreement, x.Invoice, x.Source, currency.Plain(x.Rate.Value), x.Charged, aws)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, x := range rows {
		if x.Unknown != "" {
			fmt.Fprintf(a.stderr, "arrears: %s, AWS invoice %s: %s\n", x.Agreement, x.Invoice, x.Unknown)
		}
	}
	return nil
}
