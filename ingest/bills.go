package ingest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// ErrNoBills means that there is no file of AWS's invoices for the month: waiting, invoices_missing.
var ErrNoBills = errors.New("no AWS invoices")

// A BillError says what is wrong with AWS's invoice figures, in which file, invoice and field.
type BillError struct {
	File    string // such as 2026-03.json
	Invoice string // InvoiceId, or its place in the file when it has none
	Field   string // such as BaseCurrencyAmount.TotalAmountBeforeTax
	Err     error
}

func (e *BillError) Error() string {
	s := e.File
	if e.Invoice != "" {
		s += ": invoice " + e.Invoice
	}
	if e.Field != "" {
		s += ": " + e.Field
	}
	return s + ": " + e.Err.Error()
}

func (e *BillError) Unwrap() error { return e.Err }

// ReadBills reads AWS's invoices of a month from a payer's folder: the file YYYY-MM.json, in the
// shape of invoicing:ListInvoiceSummaries. No such file is ErrNoBills.
func ReadBills(ctx context.Context, s Store, m calendar.Month) ([]Bill, error) {
	files, err := s.Files(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("AWS invoices %s: %w", m, err)
	}
	name := m.String() + ".json"
	i := slices.IndexFunc(files, func(f File) bool { return f.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("%w: %s is not in %s", ErrNoBills, name, s)
	}
	b, err := readSmall(ctx, files[i])
	if err != nil {
		return nil, fmt.Errorf("AWS invoices %s of %s: %w", m, s, err)
	}
	bills, err := ParseBills(name, b, m)
	if err != nil {
		return nil, fmt.Errorf("AWS invoices %s of %s: %w", m, s, err)
	}
	return bills, nil
}

// ParseBills reads the answer of ListInvoiceSummaries for one month: {"InvoiceSummaries": [...]},
// several such pages one after the other or in a list, or the bare list of summaries. Fields it
// does not know are ignored, amounts must be texts. A bill that stands there twice counts once.
//
// All that is wrong is reported at once, as *BillError values joined; then there are no bills.
// The result is ascending by invoice id.
func ParseBills(name string, b []byte, m calendar.Month) ([]Bill, error) {
	summaries, err := splitPages(b)
	if err != nil {
		return nil, &BillError{File: name, Err: err}
	}
	var bills []Bill
	var errs []error
	at := map[string]int{}
	for i, raw := range summaries {
		r := billReader{file: name, invoice: fmt.Sprintf("#%d", i+1)}
		bill := r.read(raw, m)
		errs = append(errs, r.errs...)
		if len(r.errs) > 0 {
			continue
		}
		j, twice := at[bill.ID]
		if !twice {
			at[bill.ID] = len(bills)
			bills = append(bills, bill)
		} else if !sameBill(bills[j], bill) {
			errs = append(errs, &BillError{name, bill.ID, "InvoiceId", errors.New("stands there twice with different contents")})
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	slices.SortFunc(bills, func(a, b Bill) int { return cmp.Compare(a.ID, b.ID) })
	return bills, nil
}

func sameBill(a, b Bill) bool {
	x, errx := json.Marshal(a)
	y, erry := json.Marshal(b)
	return errx == nil && erry == nil && bytes.Equal(x, y)
}

// splitPages returns the summaries of all pages. A last page that names a next one is an error:
// what is not there cannot be compared.
func splitPages(b []byte) ([]json.RawMessage, error) {
	type page struct {
		InvoiceSummaries *[]json.RawMessage
		NextToken        *string
	}
	var all []json.RawMessage
	var next string
	var values []json.RawMessage // of the file, lists taken apart
	d := json.NewDecoder(bytes.NewReader(b))
	for {
		var v json.RawMessage
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			at := d.InputOffset()
			if se, ok := errors.AsType[*json.SyntaxError](err); ok {
				at = max(at, se.Offset)
			}
			return nil, fmt.Errorf("line %d: not JSON: %w", 1+bytes.Count(b[:min(at, int64(len(b)))], []byte("\n")), err)
		}
		var list []json.RawMessage
		if bytes.HasPrefix(bytes.TrimSpace(v), []byte("[")) {
			if err := json.Unmarshal(v, &list); err != nil {
				return nil, err
			}
			values = append(values, list...)
			continue
		}
		values = append(values, v)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, errors.New(`empty, want {"InvoiceSummaries": [...]}`)
	}
	for _, v := range values {
		var p page
		if err := json.Unmarshal(v, &p); err != nil {
			return nil, fmt.Errorf("want an object: %w", err)
		}
		var id struct{ InvoiceId json.RawMessage }
		switch err := json.Unmarshal(v, &id); {
		case err != nil:
			return nil, fmt.Errorf("want an object: %w", err)
		case p.InvoiceSummaries != nil:
			all = append(all, *p.InvoiceSummaries...)
			next = ""
			if p.NextToken != nil {
				next = *p.NextToken
			}
		case id.InvoiceId != nil:
			all = append(all, v)
		default:
			return nil, errors.New("neither a page with InvoiceSummaries nor a summary with an InvoiceId")
		}
	}
	if next != "" {
		return nil, errors.New("the last page has a NextToken: pages are missing")
	}
	return all, nil
}

// summary is AWS's InvoiceSummary, as far as it is read.
type summary struct {
	AccountId           string
	InvoiceId           string
	OriginalInvoiceId   string
	CommercialInvoiceId string
	InvoiceType         string
	BillType            string
	TaxAuthorityStatus  string
	IssuedDate          *moment
	BillingPeriod       *struct{ Year, Month int }
	Entity              struct{ InvoicingEntity, BillingEntity string }
	BillSourceAccounts  *[]string

	BaseCurrencyAmount    *amountBlock
	PaymentCurrencyAmount *amountBlock
}

type amountBlock struct {
	CurrencyCode         string
	TotalAmount          *string
	TotalAmountBeforeTax *string
	AmountBreakdown      struct {
		Discounts *discountBlock
		Taxes     *struct{ TotalAmount *string }
	}
	CurrencyExchangeDetails *struct{ SourceCurrencyCode, TargetCurrencyCode, Rate string }
}

// A discountBlock is AWS's DiscountsBreakdown: {"Breakdown": [...]}, or the bare list.
type discountBlock []struct{ Description, Amount string }

func (d *discountBlock) UnmarshalJSON(b []byte) error {
	list := []struct{ Description, Amount string }{}
	if bytes.HasPrefix(b, []byte("[")) {
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
	} else {
		block := struct {
			Breakdown *[]struct{ Description, Amount string }
		}{&list}
		if err := json.Unmarshal(b, &block); err != nil {
			return err
		}
		if block.Breakdown == nil {
			list = nil
		}
	}
	*d = list
	return nil
}

// A moment is a timestamp as tools print it: RFC 3339 or a day as text, or seconds since 1970.
type moment time.Time

func (t *moment) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		for _, form := range []string{time.RFC3339, time.DateOnly} {
			if v, err := time.Parse(form, s); err == nil {
				*t = moment(v.UTC())
				return nil
			}
		}
		return fmt.Errorf("not a time, want RFC 3339: %q", s)
	}
	n, err := currency.Parse(string(b))
	if err != nil || n.Sign() < 0 || n.NumDigits() > 12 || n.GreaterThan(lastSecond) {
		return fmt.Errorf("not a time, want RFC 3339 or seconds since 1970: %s", b)
	}
	*t = moment(time.Unix(n.IntPart(), 0).UTC())
	return nil
}

var lastSecond = currency.MustParse("253402300799") // of the year 9999

// A billReader turns a summary into a bill and collects what is wrong with it.
type billReader struct {
	file, invoice string
	errs          []error
}

func (r *billReader) fail(field, format string, args ...any) {
	r.errs = append(r.errs, &BillError{r.file, r.invoice, field, fmt.Errorf(format, args...)})
}

func (r *billReader) read(raw json.RawMessage, m calendar.Month) Bill {
	var s summary
	if err := json.Unmarshal(raw, &s); err != nil {
		var id struct{ InvoiceId string }
		if json.Unmarshal(raw, &id) == nil && id.InvoiceId != "" {
			r.invoice = id.InvoiceId
		}
		field := ""
		if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			field, err = te.Field, fmt.Errorf("want %s, not a JSON %s", jsonKind(te.Type.Kind().String()), te.Value)
		}
		r.fail(field, "%w", err)
		return Bill{}
	}
	if s.InvoiceId == "" {
		r.fail("InvoiceId", "is missing")
	} else {
		r.invoice = s.InvoiceId
	}
	b := Bill{
		ID: s.InvoiceId, Original: s.OriginalInvoiceId, Commercial: s.CommercialInvoiceId, Account: s.AccountId,
		InvoicingEntity: s.Entity.InvoicingEntity, TaxAuthorityState: s.TaxAuthorityStatus, Month: m,
		Type: r.oneOf("InvoiceType", s.InvoiceType, BillInvoice, BillCreditMemo, BillPaymentReceipt),
	}
	errs := len(r.errs)
	b.BillType = r.oneOf("BillType", s.BillType, BillTypeAnniversary, BillTypePurchase, BillTypeRefund, "")
	b.BillingEntity = EntityAWS
	if r.oneOf("Entity.BillingEntity", s.Entity.BillingEntity, "AWS", "AWS_MARKETPLACE", "") == "AWS_MARKETPLACE" {
		b.BillingEntity = EntityMarketplace
	}
	if s.BillSourceAccounts != nil {
		b.HasSources, b.Sources = true, *s.BillSourceAccounts
	}
	if s.IssuedDate != nil {
		b.Issued = calendar.DateOf(time.Time(*s.IssuedDate))
	}
	b.Base = r.amount("BaseCurrencyAmount", s.BaseCurrencyAmount, &b)
	b.Payment = r.amount("PaymentCurrencyAmount", s.PaymentCurrencyAmount, &b)
	r.period(s, m)
	if !b.Compared() {
		r.errs = r.errs[:errs] // it is information: nothing in it can change an amount
		return b
	}
	if b.Type == BillInvoice && b.BillType == "" {
		r.fail("BillType", "is missing, want ANNIVERSARY, PURCHASE or REFUND")
	}
	if b.Issued.IsZero() {
		r.fail("IssuedDate", "is missing")
	}
	if b.Account == "" && !b.HasSources {
		r.fail("AccountId", "is missing, and there is no BillSourceAccounts: whose invoice is it?")
	}
	if s.BaseCurrencyAmount == nil || s.BaseCurrencyAmount.TotalAmountBeforeTax == nil {
		r.fail("BaseCurrencyAmount.TotalAmountBeforeTax", "is missing")
	}
	return b
}

// period checks that the bill is of the month whose file it stands in.
func (r *billReader) period(s summary, m calendar.Month) {
	p := s.BillingPeriod
	switch {
	case p == nil:
		r.fail("BillingPeriod", "is missing")
	case p.Month < 1 || p.Month > 12 || p.Year < 2006 || p.Year > 9999:
		r.fail("BillingPeriod", "not a month: Year %d, Month %d", p.Year, p.Month)
	case calendar.NewMonth(p.Year, time.Month(p.Month)) != m:
		r.fail("BillingPeriod", "is %s, but the file is of %s", calendar.NewMonth(p.Year, time.Month(p.Month)), m)
	}
}

// amount reads a money block; one that is missing is the zero value.
func (r *billReader) amount(field string, a *amountBlock, b *Bill) BillAmount {
	if a == nil {
		return BillAmount{}
	}
	v := BillAmount{
		Currency:  r.code(field+".CurrencyCode", a.CurrencyCode),
		BeforeTax: r.number(field+".TotalAmountBeforeTax", a.TotalAmountBeforeTax),
		Total:     r.number(field+".TotalAmount", a.TotalAmount),
	}
	if a.TotalAmount == nil {
		v.Total = v.BeforeTax
		if t := a.AmountBreakdown.Taxes; t != nil {
			v.Total = v.Total.Add(r.number(field+".AmountBreakdown.Taxes.TotalAmount", t.TotalAmount))
		}
	}
	if d := a.AmountBreakdown.Discounts; d != nil {
		for i, x := range *d {
			f := fmt.Sprintf("%s.AmountBreakdown.Discounts[%d].Amount", field, i)
			v.Discounts = append(v.Discounts, BillDiscount{x.Description, r.number(f, &x.Amount)})
		}
	}
	x := a.CurrencyExchangeDetails
	if x == nil || x.Rate == "" || x.SourceCurrencyCode == x.TargetCurrencyCode {
		return v // AWS states no rate; one from a currency to itself says nothing
	}
	field += ".CurrencyExchangeDetails"
	errs := len(r.errs)
	rate := currency.Rate{
		From: r.code(field+".SourceCurrencyCode", x.SourceCurrencyCode), To: r.code(field+".TargetCurrencyCode", x.TargetCurrencyCode),
		Value: r.number(field+".Rate", &x.Rate), Source: "aws_invoice", Date: b.Issued, AWSInvoice: b.ID,
	}
	switch {
	case len(r.errs) > errs:
		return v
	case rate.Value.Sign() <= 0:
		r.fail(field+".Rate", "not a positive rate: %q", x.Rate)
		return v
	case !rate.Value.Equal(rate.Value.Truncate(currency.RatePlaces)):
		r.fail(field+".Rate", "more than %d decimal places: %q", currency.RatePlaces, x.Rate)
		return v
	}
	v.Exchange = &rate
	return v
}

func (r *billReader) number(field string, s *string) currency.Decimal {
	if s == nil {
		return currency.Zero
	}
	d, err := currency.Parse(*s)
	if err != nil {
		r.fail(field, "%w", err)
	}
	return d
}

func (r *billReader) code(field, s string) currency.Code {
	c, err := currency.ParseCode(s)
	if err != nil {
		r.fail(field, "%w", err)
	}
	return c
}

func (r *billReader) oneOf(field, s string, known ...string) string {
	if !slices.Contains(known, s) {
		if s == "" {
			r.fail(field, "is missing")
		} else {
			r.fail(field, "is %q, want %s", s, strings.Join(slices.DeleteFunc(known, func(k string) bool { return k == "" }), ", "))
		}
	}
	return s
}

func jsonKind(goKind string) string {
	switch goKind {
	case "string":
		return "text"
	case "int":
		return "a whole number"
	case "slice":
		return "a list"
	}
	return "an object"
}
