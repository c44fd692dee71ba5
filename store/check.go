package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/arrears-billing/arrears/calendar"
)

// A Finding is something that is not as it was written.
type Finding struct {
	Code   string `json:"code"`
	Object string `json:"object"`
	Text   string `json:"text"`
}

// Codes of findings.
const (
	FindingNumbers  = "numbers"  // a gap, a number that is not its place, a date that goes back
	FindingDocument = "document" // a document's bytes or columns do not give its hash
	FindingChain    = "chain"    // a document does not name the hash before it
	FindingAudit    = "audit"    // the audit log is not whole
	FindingRow      = "row"      // a row is not as the audit log says, is gone, or was never written by this program
	FindingBlob     = "blob"     // a blob is missing or damaged
	FindingOutbox   = "outbox"   // an event is gone
)

// A Certificate says that a series has no gap: Count numbers from First to Last. Whoever keeps Head
// can later prove that none of these documents was changed.
type Certificate struct {
	Series string `json:"series"`
	Year   int    `json:"year,omitempty"`
	First  string `json:"first"`
	Last   string `json:"last"`
	Count  int64  `json:"count"`
	Head   string `json:"head"` // hash of the last document

	issued calendar.Date // the last document's issue date
}

// A checker goes through one state of the data.
type checker struct {
	db       *DB
	q        lenient
	table    string // that is being read
	findings []Finding
	newest   map[string]string // subject: digest of the newest audit entry about a row
}

// Check reads everything and says what is not as it was written: numbers, hash chains, the audit
// log, every row that it covers, every blob that is named. It returns a certificate for each
// series. Findings are data; the error is for what could not be read at all.
func (db *DB) Check(ctx context.Context) ([]Finding, []Certificate, error) {
	c := &checker{db: db, newest: map[string]string{}}
	var certificates []Certificate
	err := db.snapshot(ctx, func(q *sql.Tx) (err error) {
		c.q = lenient{q, c.damaged}
		if err := c.audit(ctx); err != nil {
			return err
		}
		if certificates, err = c.documents(ctx); err != nil {
			return err
		}
		if err := c.rows(ctx); err != nil {
			return err
		}
		if err := c.outbox(ctx); err != nil {
			return err
		}
		return c.blobs(ctx)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("check: %w", err)
	}
	return c.findings, certificates, nil
}

func (c *checker) find(code, object, format string, args ...any) {
	c.findings = append(c.findings, Finding{code, object, fmt.Sprintf(format, args...)})
}

// damaged names a row that cannot be read, by its first columns.
func (c *checker) damaged(rows *sql.Rows, err error) {
	object := []string{c.table}
	if columns, e := rows.Columns(); e == nil {
		cells := make([]any, len(columns))
		to := make([]any, len(columns))
		for i := range cells {
			to[i] = &cells[i]
		}
		if rows.Scan(to...) == nil {
			for _, cell := range cells[:min(keyColumns[c.table], len(cells))] {
				if b, ok := cell.([]byte); ok {
					cell = string(b)
				}
				object = append(object, fmt.Sprint(cell))
			}
		}
	}
	code := FindingRow
	switch c.table {
	case "audit":
		code = FindingAudit
	case "document":
		code = FindingDocument
	}
	c.find(code, strings.Join(object, "/"), "cannot be read: %v", err)
}

// keyColumns is how many of the first columns of what is read name a row.
var keyColumns = map[string]int{
	"audit": 1, "document": 1, "object": 3, "month": 2, "approval": 4, "waiver": 4, "rendering": 3, "record": 2, "rates": 5, "series": 3,
}

// audit walks the audit log and remembers the newest digest of every row.
func (c *checker) audit(ctx context.Context) error {
	c.table = "audit"
	var seq int64
	var head string
	err := each(ctx, c.q, func(r *sql.Rows) error {
		e, err := scanEntry(r)
		if err != nil {
			return err
		}
		sum, err := e.sum()
		if err != nil {
			return err
		}
		object := fmt.Sprintf("audit/%d", e.Seq)
		if e.Seq != seq+1 {
			c.find(FindingAudit, object, "entries %d to %d are missing", seq+1, e.Seq-1)
		}
		if e.Previous != head {
			c.find(FindingAudit, object, "does not follow the entry before it")
		}
		if sum != e.Hash {
			c.find(FindingAudit, object, "was changed: %s of %s", e.Action, e.Subject)
		}
		seq, head = e.Seq, e.Hash
		if e.Digest != "" {
			c.newest[e.Subject] = e.Digest
		}
		return nil
	}, selectAudit+` order by seq`)
	if err != nil {
		return err
	}
	return c.head(ctx, "audit", seq, head)
}

// head compares the end of a chain with what was written down of it.
func (c *checker) head(ctx context.Context, name string, seq int64, hash string) error {
	var n int64
	var h string
	err := one(ctx, c.q, []any{&n, &h}, `select seq, hash from heads where name = $1`, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if n != seq || h != hash {
		c.find(FindingAudit, name, "ends at %d (%s), should end at %d (%s)", seq, hash, n, h)
	}
	return nil
}

// row compares a row with the audit log's newest entry about it.
func (c *checker) row(subject string, row any) error {
	digest, err := rowDigest(row)
	if err != nil {
		return err
	}
	want, ok := c.newest[subject]
	switch {
	case !ok:
		c.find(FindingRow, subject, "is not in the audit log")
	case digest != want:
		c.find(FindingRow, subject, "was changed: the audit log has %s, the row gives %s", want, digest)
	}
	delete(c.newest, subject)
	return nil
}

// documents goes through every series in the order of its numbers.
func (c *checker) documents(ctx context.Context) ([]Certificate, error) {
	c.table = "document"
	var certificates []Certificate
	var last Document
	end := func() {
		if last.ID != "" {
			c := &certificates[len(certificates)-1]
			c.Last, c.Head, c.issued = last.Number, last.Hash, last.IssueDate
		}
	}
	err := eachDocument(ctx, c.q, func(d Document) error {
		if len(certificates) == 0 || d.Series != last.Series || d.Year != last.Year {
			end()
			certificates = append(certificates, Certificate{Series: d.Series, Year: d.Year, First: d.Number})
			last = Document{}
		}
		certificates[len(certificates)-1].Count++
		if d.Seq != last.Seq+1 {
			c.find(FindingNumbers, d.subject(), "%s follows %s: a number is missing", d.Number, Number(d.Series, d.Year, last.Seq))
		}
		if want := Number(d.Series, d.Year, d.Seq); d.Number != want {
			c.find(FindingNumbers, d.subject(), "has number %s, its place in the series is %s", d.Number, want)
		}
		if d.IssueDate.Before(last.IssueDate) {
			c.find(FindingNumbers, d.subject(), "%s is dated %s, before the one before it, %s", d.Number, d.IssueDate, last.IssueDate)
		}
		if d.Previous != last.Hash {
			c.find(FindingChain, d.subject(), "%s does not name the hash of the document before it", d.Number)
		}
		sum, err := d.sum()
		if err != nil {
			return err
		}
		if sum != d.Hash {
			c.find(FindingDocument, d.subject(), "%s was changed after it was issued", d.Number)
		}
		last = d
		return c.row(d.subject(), d.row())
	}, selectDocuments+` order by series, year, seq`)
	if err != nil {
		return nil, err
	}
	end()
	return certificates, c.series(ctx, certificates)
}

// series compares what is written down of each series with its documents, and the claims on
// organisations' months with the documents that bill them.
func (c *checker) series(ctx context.Context, certificates []Certificate) error {
	c.table = "series"
	type end struct{ last, date, head string }
	ends := map[string]end{} // by the last number's stem
	err := each(ctx, c.q, func(r *sql.Rows) error {
		var e end
		var prefix string
		var year int
		var seq int64
		err := r.Scan(&prefix, &year, &seq, &e.date, &e.head)
		e.last = Number(prefix, year, seq)
		ends[stem(prefix, year)] = e
		return err
	}, `select prefix, year, seq, issue_date, head from series`)
	if err != nil {
		return err
	}
	for _, x := range certificates {
		name := stem(x.Series, x.Year)
		have, want := end{x.Last, x.issued.String(), x.Head}, ends[name]
		if have != want {
			c.find(FindingNumbers, name, "ends with %v, should end with %v", have, want)
		}
		delete(ends, name)
	}
	for _, name := range slices.Sorted(maps.Keys(ends)) {
		c.find(FindingNumbers, name, "has no document, should end with %v", ends[name])
	}
	return each(ctx, c.q, func(r *sql.Rows) error {
		var id string
		err := r.Scan(&id)
		c.find(FindingNumbers, "document/"+id, "is billed, but the organisation's month does not say so")
		return err
	}, `select d.id from documents d left join billed b on b.organisation = d.organisation and b.month = d.month
		and b.agreement = d.agreement and b.split = d.split where d.corrects is null and b.month is null order by d.id`)
}

// stem names a series: the number without its last part.
func stem(series string, year int) string {
	return strings.TrimSuffix(Number(series, year, 0), "-000000")
}

// rows compares every other row that the audit log covers.
func (c *checker) rows(ctx context.Context) error {
	c.table = "object"
	list, err := objects(ctx, c.q, selectObjects)
	if err != nil {
		return err
	}
	for _, o := range list {
		if err := c.row(o.subject(), o.row()); err != nil {
			return err
		}
	}
	c.table = "month"
	err = each(ctx, c.q, func(r *sql.Rows) error {
		m, err := scanMonth(r)
		if err != nil {
			return err
		}
		return c.row(m.subject(), m.row())
	}, selectMonths)
	if err != nil {
		return err
	}
	c.table = "approval"
	as, err := approvals(ctx, c.q, "")
	if err != nil {
		return err
	}
	for _, a := range as {
		if err := c.row(a.subject(), a.row()); err != nil {
			return err
		}
	}
	c.table = "waiver"
	ws, err := waivers(ctx, c.q, "")
	if err != nil {
		return err
	}
	for _, w := range ws {
		if err := c.row(w.subject(), w.row()); err != nil {
			return err
		}
	}
	c.table = "rendering"
	rs, err := renderings(ctx, c.q, "")
	if err != nil {
		return err
	}
	for _, r := range rs {
		if err := c.row(r.subject(), r); err != nil {
			return err
		}
	}
	c.table = "record"
	recs, err := records(ctx, c.q, "")
	if err != nil {
		return err
	}
	for _, r := range recs {
		if err := c.row(r.subject(), r.row()); err != nil {
			return err
		}
	}
	c.table = "rates"
	rates, err := rateRows(ctx, c.q, rateOrder)
	if err != nil {
		return err
	}
	files := map[string][]Rate{}
	for _, r := range rates {
		files[r.Digest] = append(files[r.Digest], r)
	}
	for _, digest := range slices.Sorted(maps.Keys(files)) {
		if err := c.row("rates/"+digest, files[digest]); err != nil {
			return err
		}
	}
	for _, subject := range slices.Sorted(maps.Keys(c.newest)) {
		c.find(FindingRow, subject, "is in the audit log, but gone, or not to be read")
	}
	return nil
}

// outbox counts the events: their ids have no gaps.
func (c *checker) outbox(ctx context.Context) error {
	var have, want int64
	if err := one(ctx, c.q, []any{&have}, `select count(*) from events`); err != nil {
		return err
	}
	if err := one(ctx, c.q, []any{&want}, `select coalesce(max(seq), 0) from heads where name = 'outbox'`); err != nil {
		return err
	}
	if have != want {
		c.find(FindingOutbox, "events", "%d events, should be %d", have, want)
	}
	return nil
}

// blobs reads every blob that is named anywhere.
func (c *checker) blobs(ctx context.Context) error {
	names, err := blobNames(ctx, c.q)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := c.db.Blob(ctx, name); err != nil {
			c.find(FindingBlob, name, "%v", err)
		}
	}
	return nil
}

// blobNames returns all blobs that a row names, sorted.
func blobNames(ctx context.Context, q queryer) ([]string, error) {
	names := map[string]bool{}
	err := each(ctx, q, func(r *sql.Rows) error {
		var list string
		err := r.Scan(&list)
		for name := range strings.FieldsSeq(list) {
			names[name] = true
		}
		return err
	}, `select evidence from months union select evidence from documents union select blob from scans union select blob from renderings`)
	return slices.Sorted(maps.Keys(names)), err
}
