// Package export writes one month for other systems, one kind a file: it reads issued documents
// and writes bytes in a fixed order, so that the same month gives the same files.
package export

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
)

// A File is one exported file.
type File struct {
	Name string
	Rows int              // without the header
	Sum  currency.Decimal // of its amounts, signed, over all currencies as they stand in one column: a check figure
	Data []byte
}

// Postings writes the documents as double entry, one row a posting, for a ledger to import: the
// receivable at the buyer (gross, debit), the revenue of each section (net, credit) and the tax
// (credit). A credit note is the same with the signs turned. The postings of a document sum to 0.
func Postings(documents []invoice.Document) (File, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{{
		"document", "number", "posting", "date", "due_date", "month", "agreement", "seller", "buyer", "account", "detail", "amount", "currency",
	}}
	sum := currency.Zero
	for _, d := range documents {
		if d.Number == nil || d.IssueDate == nil {
			return File{}, fmt.Errorf("postings: %s is not issued", d.ID)
		}
		n := 0
		post := func(account, detail string, amount currency.Decimal) {
			if amount.IsZero() {
				return
			}
			n++
			due := ""
			if d.DueDate != nil {
				due = d.DueDate.String()
			}
			rows = append(rows, []string{
				d.ID, *d.Number, strconv.Itoa(n), d.IssueDate.String(), due, d.Month.String(), d.Agreement, d.Seller.ID, d.Buyer.ID,
				account, detail, invoice.Money{Number: amount, Places: d.Currency.MinorUnits()}.String(), string(d.Currency),
			})
			sum = sum.Add(amount)
		}
		signed := d.Signed()
		post("receivable", d.Buyer.Name, signed.Totals.Gross.Number)
		section, net := "", currency.Zero
		for _, l := range signed.Lines {
			if string(l.Section) != section {
				post("revenue", section, net.Neg())
				section, net = string(l.Section), currency.Zero
			}
			net = net.Add(l.Net.Number)
		}
		post("revenue", section, net.Neg())
		for _, t := range signed.Tax {
			post("tax", t.Category+" "+currency.Plain(t.Percent)+" %", t.Amount.Number.Neg())
		}
	}
	if err := w.WriteAll(rows); err != nil {
		return File{}, err
	}
	return File{Name: "postings.csv", Rows: len(rows) - 1, Sum: sum, Data: b.Bytes()}, nil
}
