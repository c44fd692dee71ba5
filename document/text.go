// Package document writes one invoice for people and tax authorities.
package document

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
)

// Text writes a document for a terminal: parties, lines with their computation, tax, totals, rates.
func Text(out io.Writer, d invoice.Document) error {
	title, number := "Invoice", "draft, no number yet"
	if d.Kind == invoice.KindCreditNote {
		title = "Credit note"
	}
	if d.Number != nil {
		number = *d.Number
	}
	w := &printer{w: out}
	w.printf("%s %s   (%s, %s)\n", title, number, d.ID, d.Status)
	w.printf("Month %s, %s to %s%s\n", d.Month, d.Period.Start, d.Period.End, mark(d))
	if d.IssueDate != nil {
		w.printf("Issued %s, due %s\n", d.IssueDate, d.DueDate)
	}
	if d.Corrects != nil {
		w.printf("Corrects %s of %s: %s\n", d.Corrects.Number, d.Corrects.Date, d.Reason)
	}
	w.printf("\nSeller  %s\nBuyer   %s\n", partyLine(d.Seller), partyLine(d.Buyer))
	if d.PurchaseOrder != "" {
		w.printf("Order   %s\n", d.PurchaseOrder)
	}
	w.printf("\n")
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "POS\t SECTION\tACCOUNT\tLABEL\tAWS\tRATE\tNET %s\t\n", d.Currency)
	for _, l := range d.Lines {
		source, rate := "", ""
		if l.Source != nil {
			source = l.Source.String()
		}
		if l.Rate != nil {
			rate = currency.Plain(*l.Rate)
		}
		fmt.Fprintf(t, "%d\t %s\t%s\t%s\t%s\t%s\t%s\t\n", l.Position, l.Section, text(l.Account), l.Label, source, rate, l.Net)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	w.printf("\nNet    %s %s\n", d.Totals.Net, d.Currency)
	for _, x := range d.Tax {
		w.printf("Tax    %s %s   %s %s %% on %s %s\n", x.Amount, d.Currency, x.Category, currency.Plain(x.Percent), x.Base, x.Reason)
	}
	w.printf("Gross  %s %s\n", d.Totals.Gross, d.Currency)
	if n := d.TaxNational; n != nil {
		w.printf("Tax in %s: %s, at %s (%s, %s)\n", n.Currency, n.Amount, currency.Plain(n.Rate.Value), n.Rate.Source, n.Rate.Date)
	}
	for _, r := range d.Rates {
		w.printf("Rate   1 %s = %s %s, %s %s of %s\n", r.From, currency.Plain(r.Rate), r.To, r.Source, r.AWSInvoice, r.Date)
	}
	for _, n := range d.Notes {
		w.printf("Note   %s\n", n)
	}
	return w.err
}

// printer keeps the first error, so that a page can be written line by line.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.w.Write(b)
	p.err = err
	return n, err
}

func (p *printer) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

func mark(d invoice.Document) string {
	var marks []string
	if d.First {
		marks = append(marks, "first month")
	}
	if d.Final {
		marks = append(marks, "final month")
	}
	if len(marks) == 0 {
		return ""
	}
	return " (" + strings.Join(marks, ", ") + ")"
}

func partyLine(p invoice.Party) string {
	parts := []string{p.Name}
	a := p.Address
	for _, s := range []string{a.Street, strings.TrimSpace(a.PostalCode + " " + a.City), a.Country, p.TaxID} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
