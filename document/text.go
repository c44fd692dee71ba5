package document

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
)

// Text writes the document for the terminal: facts, lines by section, tax, totals and rates.
// Columns are aligned with spaces; the exact amounts stand beside the rounded ones.
func Text(w io.Writer, d invoice.Document) error {
	var b strings.Builder
	facts(&b, d)
	lines(&b, d)
	sums(&b, d)
	_, err := io.WriteString(w, b.String())
	return err
}

func facts(b *strings.Builder, d invoice.Document) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fact := func(key, value string) {
		if value = clean(value); value != "" {
			fmt.Fprintf(t, "%s\t%s\n", key, value)
		}
	}
	number := deref(d.Number)
	if number == "" {
		number = "(" + d.Status + ")"
	}
	fact(title(d), number)
	fact("id", d.ID)
	fact("status", d.Status)
	fact("agreement", d.Agreement)
	fact("month", d.Month.String())
	if d.IssueDate != nil && d.DueDate != nil {
		fact("issued", d.IssueDate.String()+", due "+d.DueDate.String())
	}
	fact("seller", partyText(d.Seller))
	fact("buyer", partyText(d.Buyer))
	fact("purchase order", d.PurchaseOrder)
	for _, n := range notes(d) {
		fact("note", n)
	}
	t.Flush() //nolint:errcheck // a strings.Builder does not fail
	b.WriteByte('\n')
}

func partyText(p invoice.Party) string {
	s := p.Name + ", " + addressLine(p)
	if p.TaxID != "" {
		s += ", VAT ID " + p.TaxID
	}
	return s
}

func lines(b *strings.Builder, d invoice.Document) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "pos\t net %s\t exact\t source\t rate\t    line\n", d.Currency)
	for _, s := range sections(d) {
		fmt.Fprintf(t, "\t \t \t \t \t  %s, %s\n", s.title, s.net)
		for _, l := range s.lines {
			source, rate := "", ""
			if l.Source != nil {
				source = l.Source.String()
			}
			if l.Rate != nil {
				rate = currency.Plain(*l.Rate)
			}
			about := []string{clean(l.Label)}
			for _, p := range []*string{l.Account, l.Product, l.AWSInvoice} {
				if p != nil {
					about = append(about, clean(*p))
				}
			}
			if l.How != "" {
				about = append(about, clean(l.How))
			}
			fmt.Fprintf(t, "%d\t %s\t %s\t %s\t %s\t    %s\n", l.Position, l.Net, currency.Plain(l.Exact), source, rate, strings.Join(about, " · "))
		}
	}
	t.Flush() //nolint:errcheck // a strings.Builder does not fail
	b.WriteByte('\n')
}

func sums(b *strings.Builder, d invoice.Document) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	entry := func(label, amount, about string) {
		fmt.Fprintf(t, "%s\t %s\t  %s\n", label, amount, about)
	}
	entry("net", d.Totals.Net.String(), string(d.Currency))
	for _, x := range d.Tax {
		_, reason := x.ReasonText()
		about := fmt.Sprintf("%s  category %s, %s %% of %s", d.Currency, x.Category, currency.Plain(x.Percent), x.Base)
		if reason != "" {
			about += ", " + reason
		}
		entry("tax", x.Amount.String(), about)
	}
	if n := d.TaxNational; n != nil {
		entry("tax", n.Amount.String(), fmt.Sprintf("%s  at %s, %s of %s", n.Currency, rateText(n.Rate.From, n.Rate.To, n.Rate.Value), sourceName(n.Rate.Source), n.Rate.Date))
	}
	entry("gross", d.Totals.Gross.String(), string(d.Currency))
	t.Flush() //nolint:errcheck // a strings.Builder does not fail
	if len(d.Rates) == 0 {
		return
	}
	b.WriteString("\nrates\n")
	for _, r := range d.Rates {
		about := []string{rateText(r.From, r.To, r.Rate), sourceName(r.Source)}
		if r.AWSInvoice != "" {
			about = append(about, r.AWSInvoice)
		}
		about = append(about, r.Date.String())
		if r.Markup != "" {
			about = append(about, "markup "+r.Markup+" %")
		}
		fmt.Fprintf(b, "  %s\n", strings.Join(about, ", "))
	}
}
