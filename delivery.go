package arrears

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/ingest/cur"
	"github.com/arrears-billing/arrears/store"
)

// A delivery is what AWS delivered for a month in one source. Several agreements may share it; its
// files are read once, and not again while their pins are the same.
type delivery struct {
	source  agreement.Source
	month   calendar.Month
	found   ingest.Delivery
	reason  agreement.Reason // why it cannot be used; empty code: it can
	status  string           // the state that reason means: waiting or blocked
	summary summary
	loaded  bool
	set     ingest.ChargeSet
	blob    string // where set is kept, if it is that of a single file
}

// A summary is what a run needs of a delivery without its charges: it is kept by the delivery's
// pin, so that a second run reads no file.
type summary struct {
	Files         []EvidenceFile `json:"files"`
	Organisations []payerSummary `json:"organisations"`
}

// payerSummary sums the rows of one management account in one currency.
type payerSummary struct {
	ID        string           `json:"id"`
	Currency  currency.Code    `json:"currency"`
	Rows      int64            `json:"rows"`
	Unblended currency.Decimal `json:"unblended"`
	Tax       currency.Decimal `json:"tax"`  // of it, tax on AWS's invoices
	Open      currency.Decimal `json:"open"` // of it, rows without an AWS invoice
}

func (s summary) rows() int64 {
	n := int64(0)
	for _, p := range s.Organisations {
		n += p.Rows
	}
	return n
}

// sourceKey tells which agreements share a delivery.
func sourceKey(s agreement.Source) string { return s.Manifest + " " + s.Location }

func (e *Engine) openSource(location string) (ingest.Store, error) {
	if e.Open != nil {
		return e.Open(location)
	}
	if strings.Contains(location, "://") {
		return nil, fmt.Errorf("%s: only folders can be read here", location)
	}
	return ingest.Folder(location), nil
}

// find lists a month's delivery. Nothing is read but the manifest.
func (e *Engine) find(ctx context.Context, src agreement.Source, m calendar.Month) *delivery {
	d := &delivery{source: src, month: m}
	if src.Location == "" {
		d.refuse(Waiting, "delivery_missing", "the agreement names no source (cur.source)")
		return d
	}
	s, err := e.openSource(src.Location)
	if err == nil {
		d.found, err = ingest.Find(ctx, s, src, m)
	}
	d.fail(err)
	return d
}

func (d *delivery) refuse(status, code, text string) {
	d.status, d.reason = status, agreement.Reason{Code: code, Text: text}
}

// fail turns an error of a delivery into its state: a delivery that is not there or in the making
// is waited for, anything else is a broken one that a person must look at.
func (d *delivery) fail(err error) {
	switch {
	case err == nil:
	case errors.Is(err, ingest.ErrMissing):
		d.refuse(Waiting, "delivery_missing", err.Error())
	case errors.Is(err, ingest.ErrUnstable):
		d.refuse(Waiting, "delivery_unstable", err.Error())
	default:
		d.refuse(Blocked, "unreadable", err.Error())
		var de *ingest.DeliveryError
		if errors.As(err, &de) && de.Hint != "" {
			d.reason.Text += "; " + de.Hint
		}
		var fe *cur.Error
		if errors.As(err, &fe) && fe.Hint != "" {
			d.reason.Text += "; " + fe.Hint
		}
	}
}

// usable says that there is something to bill from.
func (d *delivery) usable() bool { return d.reason.Code == "" }

// pin identifies the delivery by what is known without reading.
func (d *delivery) pin() string {
	if d.found.Files == nil && d.found.Layout == "" {
		return "none"
	}
	return d.found.Pin()
}

// read fills in the summary, from the store if the pin is known, else from the files. A delivery
// that changes meanwhile is read once more, and then left for the next run.
func (e *Engine) read(ctx context.Context, d *delivery) error {
	if !d.usable() {
		return nil
	}
	known, err := e.known(ctx, d)
	if err != nil || known {
		return err
	}
	for attempt := 0; ; attempt++ {
		err := e.scan(ctx, d)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, ingest.ErrUnstable) {
			if se, ok := errors.AsType[*storeError](err); ok {
				return se.err
			}
			d.fail(err)
			return nil
		}
		changed := err != nil
		if !changed {
			if changed, err = d.found.Changed(ctx); err != nil {
				d.fail(err)
				return nil
			}
		}
		if !changed {
			return e.remember(ctx, d)
		}
		if attempt == 1 {
			d.refuse(Waiting, "delivery_unstable", fmt.Sprintf("%s: files change while they are read", d.source.Location))
			return nil
		}
		again := e.find(ctx, d.source, d.month)
		if !again.usable() {
			*d = *again
			return nil
		}
		d.found = again.found
	}
}

// storeError keeps a failure of our own store apart from one of the delivery.
type storeError struct{ err error }

func (s *storeError) Error() string { return s.err.Error() }

// cacheVersion is in the key of everything that is kept of files: raise it when
// ingest.ChargeSet or summary change their form, and files are read again.
const cacheVersion = "2 "

// deliveryKey is where the store keeps what is known of a delivery.
func (d *delivery) deliveryKey() string {
	return cacheVersion + ingest.Tables + " delivery " + d.month.String() + " " + sourceKey(d.source)
}

// known loads the summary of a delivery that was read before.
func (e *Engine) known(ctx context.Context, d *delivery) (bool, error) {
	_, known, err := e.cached(ctx, d.deliveryKey(), d.pin(), &d.summary)
	return known, err
}

// cached decodes what reading gave before, and says whether it was to be had. A cache that is lost
// or damaged costs time only: it is not there.
func (e *Engine) cached(ctx context.Context, location, pin string, to any) (scan store.Scan, known bool, err error) {
	scan, err = e.DB.Scan(ctx, location, pin)
	if errors.Is(err, store.ErrNotFound) {
		return scan, false, nil
	}
	if err != nil {
		return scan, false, err
	}
	b, err := e.DB.Blob(ctx, scan.Blob)
	if err != nil {
		return scan, false, ctx.Err()
	}
	return scan, json.Unmarshal(b, to) == nil, nil
}

func (e *Engine) remember(ctx context.Context, d *delivery) error {
	if !e.writes() {
		return nil
	}
	name, err := e.putJSON(ctx, d.summary)
	if err != nil {
		return err
	}
	return e.DB.PutScan(ctx, store.Scan{Location: d.deliveryKey(), Pin: d.pin(), Digest: hashJSON(d.summary.Files), Blob: name})
}

// charges returns the delivery's charges, from the store's charge sets of its files where they are
// known.
func (e *Engine) charges(ctx context.Context, d *delivery) (ingest.ChargeSet, error) {
	if !d.loaded {
		if err := e.scan(ctx, d); err != nil {
			return ingest.ChargeSet{}, err
		}
	}
	return d.set, nil
}

// scan reads the delivery's files, or their cached charge sets, and sums them up.
func (e *Engine) scan(ctx context.Context, d *delivery) error {
	sets := make([]ingest.ChargeSet, 0, len(d.found.Files))
	d.summary, d.blob = summary{}, ""
	for _, f := range d.found.Files {
		s, blob, err := e.scanFile(ctx, d, f)
		if err != nil {
			return err
		}
		d.blob = blob
		sets = append(sets, s.Set)
		d.summary.Files = append(d.summary.Files, EvidenceFile{f.Name, s.Digest})
	}
	if len(sets) == 1 {
		d.set = sets[0]
	} else {
		d.set, d.blob = ingest.Merge(sets...), ""
	}
	d.loaded = true
	d.summary.Organisations = summarise(d.set)
	return nil
}

// scanFile returns what a file holds, from the store if its pin is known, and the blob of its
// charge set, if it is kept.
func (e *Engine) scanFile(ctx context.Context, d *delivery, f ingest.File) (s ingest.Scan, blob string, err error) {
	location := cacheVersion + ingest.Tables + " " + d.source.Location + " " + d.month.String() + " " + f.Name
	kept, known, err := e.cached(ctx, location, f.Pin, &s.Set)
	if err != nil {
		return s, "", &storeError{err}
	}
	if known {
		s.Digest = kept.Digest
		return s, kept.Blob, nil
	}
	if s, err = cur.Scan(ctx, f, d.month); err != nil || !e.writes() {
		return s, "", err
	}
	if blob, err = e.putJSON(ctx, s.Set); err == nil {
		err = e.DB.PutScan(ctx, store.Scan{Location: location, Pin: f.Pin, Digest: s.Digest, Blob: blob})
	}
	if err != nil {
		return s, "", &storeError{err}
	}
	return s, blob, nil
}

func summarise(set ingest.ChargeSet) []payerSummary {
	var out []payerSummary
	for _, c := range set.Charges {
		i := slices.IndexFunc(out, func(p payerSummary) bool { return p.ID == c.Payer && p.Currency == c.Currency })
		if i < 0 {
			i = len(out)
			out = append(out, payerSummary{ID: c.Payer, Currency: c.Currency})
		}
		out[i].Rows += c.Rows
		out[i].Unblended = out[i].Unblended.Add(c.Unblended)
		switch {
		case c.Invoice == "":
			out[i].Open = out[i].Open.Add(c.Unblended)
		case c.Type == ingest.TypeTax || c.Taxed:
			out[i].Tax = out[i].Tax.Add(c.Unblended)
		}
	}
	slices.SortFunc(out, func(a, b payerSummary) int {
		return cmp.Or(strings.Compare(a.ID, b.ID), strings.Compare(string(a.Currency), string(b.Currency)))
	})
	return out
}

// putJSON keeps a value as a blob and returns its name.
func (e *Engine) putJSON(ctx context.Context, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return e.DB.PutBlob(ctx, b)
}
