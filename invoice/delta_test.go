package invoice

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/rating"
)

// A rate that was wrong: the old line goes, the new one comes, and the sum is what is owed.
func TestDeltaRate(t *testing.T) {
	original := issuedC1(t)
	in := c1()
	in.Buyer = sellerAsBuyer()
	in.Priced[0].Rate.Value = dec("0.93")
	in.Priced[0].Exact.Number = dec("930")
	now, _ := Draft(in)
	d, err := Delta(original, nil, now, "AGR-0001-2026-03-c1", "Rate of INV1 corrected")
	if err != nil {
		t.Fatal(err)
	}
	if d.Kind != KindInvoice || d.Totals.Net.String() != "10.00" || len(d.Lines) != 2 || d.Corrects.Number != "DE-2026-000001" {
		t.Errorf("%s of %s with %d lines, want an invoice of 10.00 with 2", d.Kind, d.Totals.Net, len(d.Lines))
	}
	if l := d.Lines[0]; l.Source.Number.String() != "-1000" || l.Rate.String() != "0.92" || *l.CorrectsLine != 1 {
		t.Errorf("first line %s at %s, want -1000 at 0.92", l.Source, l.Rate)
	}
	if len(d.Rates) != 2 {
		t.Errorf("rates %v, want both", d.Rates)
	}
}

func TestDeltaTaxChanged(t *testing.T) {
	original := issuedC1(t)
	now, _ := Draft(c1()) // reverse charge
	if _, err := Delta(original, nil, now, "c1", "?"); !errors.Is(err, ErrTaxChanged) {
		t.Errorf("error %v, want ErrTaxChanged", err)
	}
	if d, err := Delta(original, nil, Document{Currency: "EUR"}, "c1", "?"); err != nil || d.Kind != KindCreditNote || d.Totals.Gross.String() != original.Totals.Gross.String() {
		t.Errorf("nothing owed any more: %s of %s, %v", d.Kind, d.Totals.Gross, err)
	}
}

// After credits and deltas, all documents of a month sum to what is computed now, to the cent, and
// another delta finds nothing.
func TestDeltaMeetsNow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		national := func(from, to currency.Code, day calendar.Date) (currency.Rate, error) {
			return currency.Rate{From: from, To: to, Value: dec("4.2137"), Source: "ecb", Date: day}, nil
		}
		in := anInput(t)
		in.Seller.Country, in.Buyer.Country, in.NationalRate = "PL", "PL", national
		original, _ := Draft(in)
		if original.Totals.Net.Number.IsZero() {
			return
		}
		original = original.Issue("N-1", calendar.MustDate("2026-04-08"), 30)
		documents := []Document{original}
		if part := original.Totals.Net.Number.Mul(dec("0.3")).Truncate(2); rapid.Bool().Draw(t, "credit") && part.Sign() > 0 {
			for _, l := range original.Lines {
				if l.Net.Number.Cmp(part) >= 0 {
					c, err := Credit(original, nil, []CreditLine{{l.Position, &part}}, "c", "part")
					if err != nil {
						t.Fatal(err)
					}
					documents = append(documents, c)
					break
				}
			}
		}
		for range rapid.IntRange(1, 3).Draw(t, "times") {
			change := anInput(t)
			in.Priced = append([]rating.Priced(nil), in.Priced...)
			if len(in.Priced) > 0 && rapid.Bool().Draw(t, "lose one") {
				in.Priced = in.Priced[1:]
			}
			in.Priced = append(in.Priced, change.Priced...)
			now, _ := Draft(in)
			d, err := Delta(original, documents[1:], now, "d", "restated")
			if err != nil {
				t.Fatal(err)
			}
			if d.Totals.Net.Number.Sign() < 0 {
				t.Fatalf("%s of %s", d.Kind, d.Totals.Net)
			}
			lines := currency.Zero
			for _, l := range d.Lines {
				lines = lines.Add(l.Net.Number)
				if l.Source != nil && !l.Source.Number.Mul(*l.Rate).Equal(l.Exact) {
					t.Errorf("line %d: %s at %s is not %s", l.Position, l.Source, l.Rate, l.Exact)
				}
			}
			if !lines.Equal(d.Totals.Net.Number) {
				t.Fatalf("lines sum to %s, net is %s", lines, d.Totals.Net)
			}
			documents = append(documents, d)
			var net, tax, local currency.Decimal
			for _, x := range documents {
				x = x.Signed()
				net, tax, local = net.Add(x.Totals.Net.Number), tax.Add(x.Totals.Tax.Number), local.Add(x.TaxNational.Amount.Number)
			}
			signed, want := now.Signed(), currency.Zero
			if signed.TaxNational != nil {
				want = signed.TaxNational.Amount.Number
			}
			if !net.Equal(signed.Totals.Net.Number) || !tax.Equal(signed.Totals.Tax.Number) || !local.Equal(want) {
				t.Fatalf("documents sum to %s + %s (%s), now is %s + %s (%s)", net, tax, local, signed.Totals.Net, signed.Totals.Tax, want)
			}
			again, err := Delta(original, documents[1:], now, "d", "restated")
			if err != nil || len(again.Lines) > 0 || !again.Totals.Gross.Number.IsZero() {
				t.Fatalf("another delta has %d lines of %s, %v", len(again.Lines), again.Totals.Gross, err)
			}
		}
	})
}
