package arrears

import (
	"context"
	"fmt"
	"slices"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/rating"
	"github.com/arrears-billing/arrears/store"
)

// A RatesReport says what ImportRates did.
type RatesReport struct {
	File     string        `json:"file"`
	Digest   string        `json:"digest"`
	Rates    int           `json:"rates"`    // in the file
	Imported int           `json:"imported"` // new or corrected; the others were there
	First    calendar.Date `json:"first"`    // oldest and newest date in the file
	Last     calendar.Date `json:"last"`
}

// ImportRates keeps the published rates of a file, all or none. Importing a file again changes
// nothing, and a longer one adds what is new; a rate that its publisher corrected is a new version,
// and the months that used the old one will differ in a replay. What is wrong with the file is a
// *currency.FileError.
func (e *Engine) ImportRates(ctx context.Context, name string, data []byte) (RatesReport, error) {
	rates, err := currency.ParseRates(name, data)
	if err != nil {
		return RatesReport{}, err
	}
	report := RatesReport{File: name, Digest: rates[0].Digest, Rates: len(rates), First: rates[0].Date, Last: rates[0].Date}
	list := make([]store.Rate, len(rates))
	for i, r := range rates {
		list[i] = store.Rate{
			Source: r.Source, From: string(r.From), To: string(r.To), Date: r.Date, Value: currency.Plain(r.Value), Digest: r.Digest,
		}
		if r.Date.Before(report.First) {
			report.First = r.Date
		}
		if r.Date.After(report.Last) {
			report.Last = r.Date
		}
	}
	// The order of the file is not that of the audit log.
	slices.SortStableFunc(list, func(a, b store.Rate) int { return a.Date.Compare(b.Date) })
	report.Imported, err = e.DB.PutRates(ctx, e.By, list)
	return report, err
}

// Rates lists imported rates, the newest version of each, by source, pair and date.
func (e *Engine) Rates(ctx context.Context, f store.RateFilter) ([]currency.Rate, error) {
	list, err := e.DB.Rates(ctx, f)
	if err != nil {
		return nil, err
	}
	rates := make([]currency.Rate, len(list))
	for i, r := range list {
		value, err := currency.Parse(r.Value)
		if err != nil {
			return nil, fmt.Errorf("stored rate %s/%s of %s on %s: %w", r.From, r.To, r.Source, r.Date, err)
		}
		rates[i] = currency.Rate{
			From: currency.Code(r.From), To: currency.Code(r.To), Value: value, Source: r.Source, Date: r.Date, Digest: r.Digest,
		}
	}
	return rates, nil
}

// aroundMonth is how many days before and after a month a rate can be that is used for it: the
// book allows an age of at most 31 days, and there is one month before that rates are asked of.
const aroundMonth = 40

// references are the imported reference rates that a month may use, and what identifies them.
func (e *Engine) references(ctx context.Context, m calendar.Month) (References, string, error) {
	rates, err := e.Rates(ctx, store.RateFilter{Since: m.First().AddDays(-aroundMonth), Until: m.Last().AddDays(aroundMonth)})
	if err != nil {
		return nil, "", err
	}
	return imported{currency.NewTable(rates)}, hashJSON(rates), nil
}

// imported finds reference rates among the imported ones.
type imported struct{ table *currency.Table }

func (i imported) Rate(x agreement.Exchange, from, to currency.Code, m calendar.Month) (currency.Rate, error) {
	return i.table.Month(currency.ECB, x.Day, from, to, m, x.MaxAgeDays)
}

func (i imported) TaxRate(from, to currency.Code, day calendar.Date) (currency.Rate, error) {
	return i.table.On(currency.TaxSource(to), from, to, day, 0)
}

// An ExposureRow is the exposure of one agreement to the rate of one AWS invoice.
type ExposureRow struct {
	Agreement string `json:"agreement"`
	rating.Exposure
}

// Exposure compares, for a month that was drafted or issued, the rates that customers are charged
// with AWS's own, AWS invoice by AWS invoice, from the evidence the documents were made from. No
// ids mean all agreements.
func (e *Engine) Exposure(ctx context.Context, m calendar.Month, agreements []string) ([]ExposureRow, error) {
	dir, err := e.directory(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range agreements {
		if _, err := dir.agreement(id); err != nil {
			return nil, err
		}
	}
	months, err := e.DB.Months(ctx, store.MonthFilter{Month: m})
	if err != nil {
		return nil, err
	}
	rows := []ExposureRow{}
	for _, rec := range months {
		if len(rec.Evidence) == 0 || len(agreements) > 0 && !slices.Contains(agreements, rec.Agreement) {
			continue
		}
		evidence, err := e.lastEvidence(ctx, rec)
		if err != nil {
			return nil, err
		}
		in := evidence.Inputs
		out := Compute(&evidence, recorded(in.References))
		for _, x := range rating.Exposures(out.Rated.Priced, in.Terms, slices.Concat(in.Memos, in.Bills)) {
			rows = append(rows, ExposureRow{rec.Agreement, x})
		}
	}
	return rows, nil
}
