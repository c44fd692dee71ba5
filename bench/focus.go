package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/export/focus"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/ingest/cur"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
)

// writeFocus does all that an export of an issued month does, from AWS's file on: its charges,
// rating, the document, and the rows, in euros, beside the file.
func writeFocus(f ingest.File, path, format string) (err error) {
	scan, err := cur.Scan(context.Background(), f, month)
	if err != nil {
		return err
	}
	rate := func(from currency.Code, id string) (currency.Rate, error) {
		return currency.Rate{From: from, To: "EUR", Value: currency.MustParse("0.92"), Source: "fixed", Date: month.First(), AWSInvoice: id}, nil
	}
	terms := agreement.Terms{Currency: "EUR", Support: agreement.Resold, SharedFees: "payer", PrivatePricing: agreement.PrivateBlock}
	rated := rating.Rate(rating.Input{
		Month: month, Charges: scan.Set.Charges, Names: scan.Set.Names, Payer: "111122223333", Proven: true, Terms: terms, Rate: rate,
	})
	address := agreement.Address{Street: "Hauptstr. 1", City: "Berlin", PostalCode: "10115", Country: "DE"}
	d, reasons := invoice.Draft(invoice.Input{
		ID: "AGR-0001-" + month.String(), Agreement: "AGR-0001", Month: month, Currency: "EUR", Priced: rated.Priced, SellerLines: rated.Seller,
		Seller: agreement.Seller{ID: "SEL-DE", Name: "Seller GmbH", Country: "DE", TaxID: "DE136695976", Currency: "EUR", Address: address},
		Buyer:  agreement.Buyer{ID: "BUY-0001", Name: "Kunde AG", Country: "DE", TaxID: "DE129274202", Address: address},
		NationalRate: func(from, to currency.Code, _ calendar.Date) (currency.Rate, error) {
			return currency.Rate{}, fmt.Errorf("no rate from %s to %s", from, to)
		},
	})
	if len(reasons) > 0 {
		return fmt.Errorf("no document: %v", reasons)
	}
	out, err := os.Create(path + ".arrears." + focus.Format(format).Extension())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := bufio.NewWriterSize(out, 1<<20)
	if _, err := focus.Write(context.Background(), w, focus.Month{
		Agreement: "AGR-0001", Organisation: "111122223333", Month: month, Currency: "EUR", Seller: "Seller GmbH", Buyer: "Kunde AG",
		Documents: []invoice.Document{d.Issue("DE-2026-000001", month.Add(1).Day(8), 30)}, Charges: scan.Set.Charges, Rated: rated, Names: scan.Set.Names, Rate: rate,
	}, func(ctx context.Context, each func(*cur.Batch) error) error {
		_, err := cur.Wide(ctx, f, month, each)
		return err
	}, focus.Options{Version: focus.V14, Identity: focus.MSP}, focus.Format(format)); err != nil {
		return err
	}
	return w.Flush()
}
