package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
)

// showRun prints a run: a line for each agreement, why, and what to do next.
func (a *app) showRun(r arrears.RunReport) error {
	if a.json {
		return a.print(r)
	}
	fmt.Fprintf(a.stdout, "Month %s, as of %s\n\n", r.Month, r.AsOf.Format("2006-01-02 15:04 UTC"))
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "AGREEMENT\tSTATUS\tDOCUMENT\tNET\tROWS\tAWS COST\t")
	for _, row := range r.Agreements {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row.Agreement, status(row), documentOf(row), netOf(row), rowsOf(row), costOf(row), marks(row))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	a.showReasons(r)
	for _, t := range r.Payers {
		fmt.Fprintf(a.stdout, "\nPayer %s: cost and usage %s %s = billed %s, retained %s, AWS's tax %s", t.Payer, currency.Plain(t.CUR), t.Currency,
			currency.Plain(t.Billed), currency.Plain(t.Retained), currency.Plain(t.Tax))
		for _, part := range []struct {
			name   string
			amount currency.Decimal
		}{{"offset", t.Offset}, {"replaced", t.Replaced}, {"deferred", t.Deferred}, {"quarantined", t.Quarantined}, {"waiting", t.Waiting}, {"own", t.Own}, {"unclaimed", t.Unclaimed}} {
			if !part.amount.IsZero() {
				fmt.Fprintf(a.stdout, ", %s %s", part.name, currency.Plain(part.amount))
			}
		}
		fmt.Fprintf(a.stdout, "; difference %s\n", currency.Plain(t.Difference))
		if t.AWS.IsZero() {
			continue // the payer has no invoices to compare with
		}
		fmt.Fprintf(a.stdout, "  AWS's invoices before tax %s %s, difference to the rows %s\n", currency.Plain(t.AWS), t.Currency, currency.Plain(t.AWSDifference))
	}
	for _, u := range r.Unclaimed {
		fmt.Fprintf(a.stdout, "\nunclaimed: organisation %s, %s %s", u.ManagementAccount, currency.Plain(u.Unblended), u.Currency)
		if len(u.AWSInvoices) > 0 {
			fmt.Fprintf(a.stdout, ", AWS invoices %s", strings.Join(u.AWSInvoices, ", "))
		}
		fmt.Fprintln(a.stdout, ": no agreement bills it this month")
	}
	for _, d := range r.Doubles {
		fmt.Fprintf(a.stdout, "\nOrganisation %s is in two sources: counted in %s, and %s %s of it are in %s too\n",
			d.ManagementAccount, d.Counted, currency.Plain(d.Unblended), d.Currency, d.Also)
	}
	for _, m := range r.PendingMemos {
		alarm := ""
		if m.Alarm {
			alarm = " for more than 60 days: ask AWS"
		}
		fmt.Fprintf(a.stdout, "\npending: AWS's memo %s of %s, %s %s, has no rows yet%s\n", m.AWSInvoice, m.Issued, currency.Plain(m.Amount), m.Currency, alarm)
	}
	if len(r.OpenMonths) > 0 {
		fmt.Fprintln(a.stdout, "\nEarlier months that are not settled:")
		w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
		for _, o := range r.OpenMonths {
			fmt.Fprintf(w, "  %s\t%s\t%s\tsince %s\t%s\n", o.Month, o.Agreement, o.Status, o.Since.Format("2006-01-02"), because(o.Reasons))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	a.showNext(r)
	return nil
}

func status(row arrears.AgreementRow) string {
	if row.Changed {
		return row.Status + " *"
	}
	return row.Status
}

func documentOf(row arrears.AgreementRow) string {
	if row.Invoice == nil {
		return "-"
	}
	if *row.Document == "credit_note" {
		return *row.Invoice + " (credit note)"
	}
	return *row.Invoice
}

func netOf(row arrears.AgreementRow) string {
	if row.Net == nil {
		return "-"
	}
	return *row.Net + " " + string(*row.Currency)
}

func rowsOf(row arrears.AgreementRow) string {
	if row.Source == nil {
		return "-"
	}
	return fmt.Sprint(row.Source.Rows)
}

func costOf(row arrears.AgreementRow) string {
	if row.Source == nil || row.Source.Rows == 0 || row.Source.Currency == "" {
		return "-"
	}
	return currency.Plain(row.Source.Unblended) + " " + string(row.Source.Currency)
}

func marks(row arrears.AgreementRow) string {
	var m []string
	if row.First {
		m = append(m, "first")
	}
	if row.Final {
		m = append(m, "final")
	}
	return strings.Join(m, ", ")
}

// showReasons says why agreements are not drafted, or what is questionable in their drafts.
func (a *app) showReasons(r arrears.RunReport) {
	for _, row := range r.Agreements {
		if row.Status == arrears.NotDue {
			continue
		}
		for _, x := range row.Reasons {
			fmt.Fprintf(a.stdout, "\n%s %s: %s\n  %s\n", row.Agreement, row.Status, x.Code, x.Text)
		}
		for _, x := range row.Warnings {
			fmt.Fprintf(a.stdout, "\n%s warning: %s\n  %s\n", row.Agreement, x.Code, x.Text)
		}
		if row.Source != nil && len(row.Source.UnknownServices) > 0 {
			fmt.Fprintf(a.stdout, "\n%s note: unknown_service\n  exports file these products under Other: %s\n", row.Agreement, strings.Join(row.Source.UnknownServices, ", "))
		}
	}
}

func because(reasons []agreement.Reason) string {
	if len(reasons) == 0 {
		return ""
	}
	return reasons[0].Code + ": " + reasons[0].Text
}

// showNext says what a person can do now.
func (a *app) showNext(r arrears.RunReport) {
	ready, questions, blocked, waivable := 0, 0, 0, 0
	for _, row := range r.Agreements {
		switch {
		case row.Status == arrears.Blocked || row.Unsettled:
			blocked++
			if row.Waivable() {
				waivable++
			}
		case row.Status == arrears.Drafted && len(row.Warnings) > 0:
			questions++
		case row.Status == arrears.Drafted || row.Status == arrears.Approved:
			ready++
		}
	}
	fmt.Fprintln(a.stdout)
	if ready > 0 {
		fmt.Fprintf(a.stdout, "next: %s ready: arrears invoice issue --month %s\n", count(ready, "draft"), r.Month)
	}
	if questions > 0 {
		fmt.Fprintf(a.stdout, "next: %s with a warning: look, then arrears invoice approve ID --by YOU\n", count(questions, "draft"))
	}
	if blocked > 0 {
		fmt.Fprintf(a.stdout, "next: %s blocked: repair what the reason names and run again", count(blocked, "agreement"))
		if waivable > 0 { // what nobody can compute cannot be let pass
			fmt.Fprintf(a.stdout, ", or arrears waive AGREEMENT --month %s --code CODE --by YOU --reason WHY", r.Month)
		}
		fmt.Fprintln(a.stdout)
	}
	if r.Complete {
		fmt.Fprintln(a.stdout, "complete: nothing waiting, blocked, unclaimed or open")
	} else {
		fmt.Fprintln(a.stdout, "not complete: a person must look at the above")
	}
}
