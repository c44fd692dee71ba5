package arrears

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/store"
)

// Documents lists documents, issued and drafted, by month, agreement and id. A zero month and an
// empty agreement do not limit the list.
func (e *Engine) Documents(ctx context.Context, m calendar.Month, agr string) ([]invoice.Document, error) {
	months, err := e.DB.Months(ctx, store.MonthFilter{Month: m, Agreement: agr})
	if err != nil {
		return nil, err
	}
	stored, err := e.DB.Documents(ctx, store.DocumentFilter{Month: m, Agreement: agr})
	if err != nil {
		return nil, err
	}
	var out []invoice.Document
	issued := map[string]bool{}
	for _, s := range stored {
		d, err := decodeDocument(s.Body)
		if err != nil {
			return nil, fmt.Errorf("document %s: %w", s.Number, err)
		}
		issued[d.ID] = true
		out = append(out, d)
	}
	for _, rec := range months {
		drafts, err := draftsOf(rec)
		if err != nil {
			return nil, err
		}
		for _, d := range drafts {
			if !issued[d.ID] {
				out = append(out, d)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b invoice.Document) int {
		if c := a.Month.Compare(b.Month); c != 0 {
			return c
		}
		return strings.Compare(a.Agreement+" "+a.ID, b.Agreement+" "+b.ID)
	})
	return out, nil
}

// draftsOf returns the drafts of a month that can still be issued.
func draftsOf(rec store.Month) ([]invoice.Document, error) {
	if len(rec.Draft) == 0 || rec.Status == NothingToBill || hasIssued(rec.Status) {
		return nil, nil
	}
	drafts, err := storedDrafts(rec)
	if err != nil {
		return nil, err
	}
	for i := range drafts {
		drafts[i].Status = rec.Status
	}
	return drafts, nil
}

// storedDrafts decodes the drafts that a month's record keeps; none when it has none.
func storedDrafts(rec store.Month) ([]invoice.Document, error) {
	if len(rec.Draft) == 0 {
		return nil, nil
	}
	var drafts []invoice.Document
	if err := json.Unmarshal(rec.Draft, &drafts); err != nil {
		return nil, fmt.Errorf("stored draft of %s %s: %w", rec.Agreement, rec.Month, err)
	}
	return drafts, nil
}

// Document returns a document by its id or number, issued or drafted, or the statement of a month
// that came to zero: it gets no number, but a person can look at it.
func (e *Engine) Document(ctx context.Context, id string) (invoice.Document, error) {
	s, err := e.DB.Document(ctx, id)
	if err == nil {
		return decodeDocument(s.Body)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return invoice.Document{}, err
	}
	all, err := e.Documents(ctx, calendar.Month{}, "")
	if err != nil {
		return invoice.Document{}, err
	}
	is := func(d invoice.Document) bool { return d.ID == id }
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i], nil
	}
	zero, err := e.DB.Months(ctx, store.MonthFilter{Statuses: []string{NothingToBill}})
	if err != nil {
		return invoice.Document{}, err
	}
	for _, rec := range zero {
		statements, err := storedDrafts(rec)
		if err != nil {
			return invoice.Document{}, err
		}
		if i := slices.IndexFunc(statements, is); i >= 0 {
			statements[i].Status = NothingToBill
			return statements[i], nil
		}
	}
	return invoice.Document{}, wrong("unknown_id", "arrears invoice list shows them", "no document %s", id)
}

// encode is the one way in which documents become bytes: JSON, indented, without HTML escapes.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	j := json.NewEncoder(&b)
	j.SetEscapeHTML(false)
	j.SetIndent("", " ")
	err := j.Encode(v)
	return b.Bytes(), err
}

// zones has the time zone of a seller's country, where the book names none.
//
//go:embed data/zones.csv
var zones string

// timeZone is where the seller's day begins.
func timeZone(s agreement.Seller) string {
	if s.TimeZone != "" {
		return s.TimeZone
	}
	for line := range strings.Lines(zones) {
		if country, zone, ok := strings.Cut(strings.TrimSpace(line), ","); ok && country == s.Country {
			return zone
		}
	}
	return "UTC"
}
