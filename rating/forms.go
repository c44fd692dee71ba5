package rating

import (
	"fmt"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// AWS states a discount as a row of its own, or inside the row it reduces, or both at once
// (design 4, "Two forms of discounts"). Kind by kind and per AWS invoice: where rows of a kind
// exist they are the discount, and the parts inside rows are only compared; where none exist the
// parts count.

// restKey names what net - unblended has beyond the parts: AWS rounds each figure by itself.
const restKey = "rest"

// mostRest bounds the rests of an organisation's month, and any difference between two forms of
// one discount that is taken for rounding.
var mostRest = currency.MustParse("0.01")

// Forms are the discounts of a month by AWS invoice, and what its rows come to with those that
// count. They are found out once, for reconciliation and rating.
type Forms struct {
	Sums     []InvoiceSum // in the order of the invoice ids
	invoices map[string]*invoiceForms
	blocks   []agreement.Reason
	warnings []agreement.Reason
}

type invoiceForms struct {
	rows     map[ingest.Class]currency.Decimal // discounts stated as rows
	parts    map[ingest.Class]currency.Decimal // discounts stated inside rows; unknown keys as ClassNone
	all      currency.Decimal                  // of parts
	rest     currency.Decimal                  // net - unblended - parts
	off      int64                             // rows whose own rest is no rounding
	billRest bool
}

// rowClass is the kind of discount that rows of a key state, or empty.
func rowClass(k ingest.Key) ingest.Class {
	switch k.Type {
	case ingest.TypeSppDiscount:
		return ingest.ClassPartner
	case ingest.TypeDistributorDiscount:
		return ingest.ClassDistributor
	case ingest.TypeEdpDiscount:
		return ingest.ClassEnterprise
	case ingest.TypePrivateRateDiscount:
		return ingest.ClassPrivateRate
	case ingest.TypeBundledDiscount:
		return ingest.ClassBundled
	case ingest.TypeRiVolumeDiscount:
		return ingest.ClassRIVolume
	case ingest.TypeDiscount:
		return k.Class
	}
	return ""
}

// partClass is the kind of a discount inside rows; ClassNone for a key that the table lacks.
func partClass(key string) ingest.Class {
	if c, ok := ingest.PartClass(key); ok {
		return c
	}
	return ingest.ClassNone
}

// partKey is the key of the discount row that a part inside a charge's rows stands for.
func partKey(k ingest.Key, part string) ingest.Key {
	k.Split, k.Taxed, k.Commitment, k.Class = false, false, false, ""
	switch partClass(part) {
	case ingest.ClassPartner:
		k.Type = ingest.TypeSppDiscount
	case ingest.ClassDistributor:
		k.Type = ingest.TypeDistributorDiscount
	case ingest.ClassEnterprise:
		k.Type = ingest.TypeEdpDiscount
	case ingest.ClassPrivateRate:
		k.Type = ingest.TypePrivateRateDiscount
	case ingest.ClassRIVolume:
		k.Type = ingest.TypeRiVolumeDiscount
	case ingest.ClassBundled:
		k.Type = ingest.TypeBundledDiscount
	default:
		k.Type, k.Class = ingest.TypeDiscount, ingest.ClassNone
	}
	if part == restKey { // a rounding rest belongs to the amount it rounds: no one's margin
		k.Type, k.Class = ingest.TypeBundledDiscount, ""
	}
	return k
}

// CompareForms finds out, per AWS invoice, which form of each discount counts. The order of the
// charges does not matter.
func CompareForms(charges []ingest.Charge) *Forms {
	f := &Forms{invoices: map[string]*invoiceForms{}}
	for _, c := range charges {
		v := f.invoices[c.Invoice]
		if v == nil {
			v = &invoiceForms{rows: map[ingest.Class]currency.Decimal{}, parts: map[ingest.Class]currency.Decimal{}}
			f.invoices[c.Invoice] = v
		}
		if class := rowClass(c.Key); class != "" && c.NonZero > 0 {
			v.rows[class] = v.rows[class].Add(c.Unblended)
		}
		for _, p := range c.Parts {
			class := partClass(p.Key)
			v.parts[class] = v.parts[class].Add(p.Amount)
			v.all = v.all.Add(p.Amount)
		}
		v.rest = v.rest.Add(c.Rest)
		v.off += c.Off
	}
	rests := currency.Zero
	for _, id := range sortedKeys(f.invoices) {
		v := f.invoices[id]
		f.compareInvoice(id, v)
		if v.billRest {
			rests = rests.Add(v.rest.Abs())
		}
	}
	if rests.GreaterThan(mostRest) {
		f.blocks = append(f.blocks, agreement.Reason{
			Code: "unknown_discount",
			Text: fmt.Sprintf("net and unblended cost differ by %s more than the discounts inside the rows say", currency.Plain(rests)),
		})
	}
	f.Sums = f.sums(charges)
	return f
}

func (f *Forms) compareInvoice(id string, v *invoiceForms) {
	counted, rows := currency.Zero, currency.Zero
	countsParts := false
	for _, class := range sortedKeys(v.parts) {
		stated, ok := v.rows[class]
		if !ok {
			counted = counted.Add(v.parts[class])
			countsParts = true
			continue
		}
		if diff := stated.Sub(v.parts[class]); diff.Abs().GreaterThan(mostRest) {
			f.warnings = append(f.warnings, agreement.Reason{
				Code: "discount_forms_differ",
				Text: fmt.Sprintf("AWS invoice %s: %s discount is %s as rows and %s inside rows; the rows count", name(id), class, currency.Plain(stated), currency.Plain(v.parts[class])),
			})
		}
	}
	for _, d := range v.rows {
		rows = rows.Add(d)
	}
	if v.off == 0 {
		// Every row agrees with its parts: what is left over is AWS's rounding, and it is billed
		// with the parts that count. Where rows state the discounts, net says nothing new.
		v.billRest = countsParts || len(v.rows) == 0
		return
	}
	// Net holds more than the parts say. The discount rows may explain it: net repeats them.
	net := v.rest.Add(v.all)
	if len(v.rows) > 0 && net.Sub(rows).Sub(counted).Abs().LessThanOrEqual(mostRest) {
		return
	}
	f.blocks = append(f.blocks, agreement.Reason{
		Code: "unknown_discount",
		Text: fmt.Sprintf("AWS invoice %s: net cost is %s below unblended cost and the discounts account for %s", name(id),
			currency.Plain(net.Neg()), currency.Plain(rows.Add(counted).Neg())),
	})
}

// counted returns the discounts inside a charge's rows that count, with the rounding rest.
func (f *Forms) counted(c ingest.Charge) []ingest.Part {
	v := f.invoices[c.Invoice]
	var out []ingest.Part
	for _, p := range c.Parts {
		if _, stated := v.rows[partClass(p.Key)]; !stated && !p.Amount.IsZero() {
			out = append(out, p)
		}
	}
	if v.billRest && !c.Rest.IsZero() {
		out = append(out, ingest.Part{Key: restKey, Amount: c.Rest})
	}
	return out
}

func name(invoice string) string {
	if invoice == "" {
		return "(none yet)"
	}
	return invoice
}
