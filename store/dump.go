package store

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"io"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
)

// Dump writes the canonical content: one JSON line for each approval, blob name, document, event,
// month, object version, rate, record and waiver, in that order, each kind by its key, bytewise.
// Real times, versions of compare-and-swap and the audit log are left out, and so are a month's
// report and the scan cache, which say what was done and not what is. Two stores are equal when
// their dumps are, whatever engine they are on and however often they were interrupted.
func (db *DB) Dump(ctx context.Context, w io.Writer) error {
	buf := bufio.NewWriter(w)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	err := db.snapshot(ctx, func(q *sql.Tx) error {
		for _, dump := range []func(context.Context, queryer, *json.Encoder) error{
			dumpApprovals, dumpBlobs, dumpDocuments, dumpEvents, dumpMonths, dumpObjects, dumpRates, dumpRecords, dumpWaivers,
		} {
			if err := dump(ctx, q, enc); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return buf.Flush()
}

// raw returns JSON as it is, and the hash of anything else, so that every line is JSON.
func raw(b []byte) any {
	if json.Valid(b) {
		return json.RawMessage(b)
	}
	if len(b) == 0 {
		return nil
	}
	return hash(b)
}

func dumpApprovals(ctx context.Context, q queryer, enc *json.Encoder) error {
	list, err := approvals(ctx, q, ` order by agreement, month, draft_hash, by_whom`)
	for _, a := range list {
		err = encode(enc, err, struct {
			Kind      string         `json:"kind"`
			Agreement string         `json:"agreement"`
			Month     calendar.Month `json:"month"`
			Draft     string         `json:"draft_hash"`
			By        string         `json:"by"`
		}{"approval", a.Agreement, a.Month, a.DraftHash, a.By})
	}
	return err
}

func dumpBlobs(ctx context.Context, q queryer, enc *json.Encoder) error {
	names, err := blobNames(ctx, q)
	for _, name := range names {
		err = encode(enc, err, struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		}{"blob", name})
	}
	return err
}

func dumpDocuments(ctx context.Context, q queryer, enc *json.Encoder) error {
	return eachDocument(ctx, q, func(d Document) error {
		return enc.Encode(struct {
			Kind         string         `json:"kind"`
			ID           string         `json:"id"`
			Number       string         `json:"number"`
			Document     string         `json:"document"`
			Agreement    string         `json:"agreement"`
			Month        calendar.Month `json:"month"`
			Organisation string         `json:"organisation"`
			Part         string         `json:"part,omitempty"`
			Corrects     string         `json:"corrects,omitempty"`
			IssueDate    calendar.Date  `json:"issue_date"`
			Evidence     []string       `json:"evidence,omitempty"`
			Body         any            `json:"body"`
			Previous     string         `json:"previous,omitempty"`
			Hash         string         `json:"hash"`
		}{
			"document", d.ID, d.Number, d.Kind, d.Agreement, d.Month, d.Organisation, d.Part, d.Corrects, d.IssueDate,
			d.Evidence, raw(d.Body), d.Previous, d.Hash,
		})
	}, selectDocuments+` order by id`)
}

func dumpEvents(ctx context.Context, q queryer, enc *json.Encoder) error {
	return each(ctx, q, func(r *sql.Rows) error {
		var e Event
		if err := r.Scan(&e.Kind, &e.Subject, &e.Body); err != nil {
			return err
		}
		return enc.Encode(struct {
			Kind    string `json:"kind"`
			Event   string `json:"event"`
			Subject string `json:"subject"`
			Body    any    `json:"body"`
		}{"event", e.Kind, e.Subject, raw(e.Body)})
	}, `select kind, subject, body from events order by kind, subject, body`)
}

func dumpMonths(ctx context.Context, q queryer, enc *json.Encoder) error {
	return each(ctx, q, func(r *sql.Rows) error {
		m, err := scanMonth(r)
		if err != nil {
			return err
		}
		return enc.Encode(struct {
			Kind      string             `json:"kind"`
			Agreement string             `json:"agreement"`
			Month     calendar.Month     `json:"month"`
			Status    string             `json:"status"`
			Reasons   []agreement.Reason `json:"reasons,omitempty"`
			Warnings  []agreement.Reason `json:"warnings,omitempty"`
			Inputs    string             `json:"inputs"`
			Document  string             `json:"document,omitempty"`
			Draft     any                `json:"draft"`
			DraftHash string             `json:"draft_hash,omitempty"`
			Evidence  []string           `json:"evidence,omitempty"`
		}{"month", m.Agreement, m.Month, m.Status, m.Reasons, m.Warnings, m.Inputs, m.Document, raw(m.Draft), m.DraftHash, m.Evidence})
	}, selectMonths+` order by agreement, month`)
}

func dumpObjects(ctx context.Context, q queryer, enc *json.Encoder) error {
	list, err := objects(ctx, q, selectObjects+` order by kind, id, version`)
	for _, o := range list {
		err = encode(enc, err, struct {
			Kind    string `json:"kind"`
			Object  string `json:"object"`
			ID      string `json:"id"`
			Version int    `json:"version"`
			Body    any    `json:"body"`
		}{"object", o.Kind, o.ID, o.Version, raw(o.Body)})
	}
	return err
}

func dumpRates(ctx context.Context, q queryer, enc *json.Encoder) error {
	list, err := rateRows(ctx, q, rateOrder)
	for _, r := range list {
		err = encode(enc, err, struct {
			Kind    string        `json:"kind"`
			Source  string        `json:"source"`
			From    string        `json:"from"`
			To      string        `json:"to"`
			Date    calendar.Date `json:"date"`
			Version int           `json:"version"`
			Value   string        `json:"rate"`
		}{"rate", r.Source, r.From, r.To, r.Date, r.Version, r.Value})
	}
	return err
}

func dumpRecords(ctx context.Context, q queryer, enc *json.Encoder) error {
	list, err := records(ctx, q, ` order by kind, id`)
	for _, r := range list {
		err = encode(enc, err, struct {
			Kind   string `json:"kind"`
			Record string `json:"record"`
			ID     string `json:"id"`
			Body   any    `json:"body"`
		}{"record", r.Kind, r.ID, raw(r.Body)})
	}
	return err
}

func dumpWaivers(ctx context.Context, q queryer, enc *json.Encoder) error {
	list, err := waivers(ctx, q, ` order by agreement, month, code, invoice, bound`)
	for _, w := range list {
		err = encode(enc, err, struct {
			Kind      string         `json:"kind"`
			Agreement string         `json:"agreement"`
			Month     calendar.Month `json:"month"`
			Code      string         `json:"code"`
			Invoice   string         `json:"invoice,omitempty"`
			Bound     string         `json:"bound"`
			By        string         `json:"by"`
			Reason    string         `json:"reason"`
		}{"waiver", w.Agreement, w.Month, w.Code, w.Invoice, w.Bound, w.By, w.Reason})
	}
	return err
}

// encode writes a line unless there was an error before it.
func encode(enc *json.Encoder, err error, line any) error {
	if err != nil {
		return err
	}
	return enc.Encode(line)
}
