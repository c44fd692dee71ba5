package rating

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
)

// charge reads a charge of a test: type, product, amount, AWS invoice, and what is not usual, such
// as bill=Refund entity=marketplace legal=Acme class=bundled account=... tax split commitment
// zero (no row has an amount) part.spp_discount=-1 rest=0.001 off=1.
func charge(t *testing.T, text string) ingest.Charge {
	t.Helper()
	words := strings.Fields(text)
	c := ingest.Charge{Rows: 1, NonZero: 1}
	c.Payer, c.Account, c.BillType, c.BillingEntity, c.Currency = "111122223333", "111122223333", ingest.BillAnniversary, ingest.EntityAWS, "USD"
	c.Type, c.Product, c.Unblended = words[0], words[1], currency.MustParse(words[2])
	if words[3] != "-" {
		c.Invoice = words[3]
	}
	for _, w := range words[4:] {
		key, value, _ := strings.Cut(w, "=")
		switch {
		case key == "bill":
			c.BillType = value
		case key == "entity":
			c.BillingEntity = ingest.EntityMarketplace
		case key == "legal":
			c.LegalEntity = value
		case key == "class":
			c.Class = ingest.Class(value)
		case key == "account":
			c.Account = value
		case key == "tax":
			c.Taxed = true
		case key == "split":
			c.Split = true
		case key == "commitment":
			c.Commitment = true
		case key == "zero":
			c.NonZero = 0
		case key == "rest":
			c.Rest = currency.MustParse(value)
		case key == "off":
			c.Off, _ = strconv.ParseInt(value, 10, 64)
		case strings.HasPrefix(key, "part."):
			c.Parts = append(c.Parts, ingest.Part{Key: strings.TrimPrefix(key, "part."), Amount: currency.MustParse(value)})
		default:
			t.Fatalf("unknown word %q", w)
		}
	}
	return c
}

// rated shows what becomes of charges, a line each: rule, disposition, section, amount, label.
func rated(r Result) string {
	var b strings.Builder
	for _, p := range r.Priced {
		fmt.Fprintf(&b, "%s: %s", p.Rule, p.Disposition)
		if p.Section != "" {
			fmt.Fprintf(&b, " in %s", p.Section)
		}
		fmt.Fprintf(&b, " %s %s", p.Account[len(p.Account)-4:], currency.Plain(p.Source.Number))
		if p.Part != "" {
			b.WriteString(" inside " + p.Part)
		}
		if p.Label != "" {
			fmt.Fprintf(&b, " (%s)", p.Label)
		}
		b.WriteString("\n")
	}
	for _, s := range r.Seller {
		fmt.Fprintf(&b, "seller: %s %s %s: %s\n", s.Section, s.Label, currency.Plain(s.Exact.Number), s.How)
	}
	for _, x := range r.Blocks {
		fmt.Fprintf(&b, "block %s: %s\n", x.Code, x.Text)
	}
	for _, x := range r.Warnings {
		fmt.Fprintf(&b, "warning %s: %s\n", x.Code, x.Text)
	}
	if r.SupportMissing {
		b.WriteString("support missing\n")
	}
	return b.String()
}

func percentOf(percent, of string) *agreement.PercentOf {
	return &agreement.PercentOf{Percent: currency.MustParse(percent), Of: of}
}

// TestRate: the table of dispositions and the seller's lines, case by case, as testdata/rate.txt
// has them. UPDATE_RATE=1 writes that file anew; read the difference.
func TestRate(t *testing.T) {
	text, err := os.ReadFile("testdata/rate.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for part := range strings.SplitSeq(string(text), "\n=== ") {
		part = strings.TrimPrefix(part, "=== ")
		if !strings.Contains(part, "\n--- in\n") {
			out.WriteString(strings.TrimSpace(part) + "\n\n") // the heading of the file
			continue
		}
		head, rest, _ := strings.Cut(part, "\n--- in\n")
		in, want, _ := strings.Cut(rest, "\n--- out\n")
		name, _, _ := strings.Cut(head, "\n")
		got := rated(Rate(rateInput(t, in)))
		fmt.Fprintf(&out, "=== %s\n--- in\n%s\n--- out\n%s\n", head, in, got)
		if os.Getenv("UPDATE_RATE") != "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); diff != "" {
				t.Errorf("Rate mismatch (-want +got):\n%s", diff)
			}
		})
		// The order of charges does not matter, to the last detail.
		turned := rateInput(t, in)
		slices.Reverse(turned.Charges)
		if diff := cmp.Diff(got, rated(Rate(turned))); diff != "" {
			t.Errorf("%s: another order gives another result (-given +reversed):\n%s", name, diff)
		}
	}
	if os.Getenv("UPDATE_RATE") != "" {
		if err := os.WriteFile("testdata/rate.txt", []byte(strings.TrimRight(out.String(), "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// rateInput reads the charges and terms of a case. The terms are resold support without discounts,
// unless lines that begin with ! say otherwise.
func rateInput(t *testing.T, text string) Input {
	t.Helper()
	in := Input{
		Month: calendar.MustMonth("2026-03"), Payer: "111122223333", Proven: true, Discounts: true, Names: map[string]string{}, Descriptions: map[string]string{},
		Terms: agreement.Terms{
			Currency: "USD", Support: agreement.Resold, SharedFees: agreement.SharedPayer, PrivatePricing: agreement.PrivateBlock,
			EnterpriseSupportFee: *percentOf("5", agreement.OfUsage), Exchange: agreement.Exchange{Source: agreement.ExchangeAWSInvoice},
		},
		Rate: func(from currency.Code, invoice string) (currency.Rate, error) {
			if strings.HasPrefix(invoice, "NORATE") {
				return currency.Rate{}, fmt.Errorf("no rate for %s", invoice)
			}
			return currency.Same(from), nil
		},
	}
	for line := range strings.SplitSeq(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "!support":
			in.Terms.Support = words[1]
		case "!usage_discount":
			in.Terms.UsageDiscount = percentOf(words[1], words[2])
		case "!support_discount":
			in.Terms.SupportDiscount = percentOf(words[1], "")
		case "!partner_led_discount":
			in.Terms.PartnerLedDiscount = percentOf(words[1], words[2])
		case "!fee":
			in.Terms.EnterpriseSupportFee = *percentOf(words[1], words[2])
		case "!pass_on":
			in.Terms.PrivatePricing = agreement.PrivatePassOn
		case "!no_discounts":
			in.Discounts = false
		case "!unproven":
			in.Proven = false
		case "!linked":
			in.Terms.SharedFees = agreement.SharedLinkedAccounts
		case "!former":
			in.Former = map[string]string{words[1]: words[2]}
		case "!name":
			in.Names[words[1]] = strings.Join(words[2:], " ")
		case "!description":
			in.Descriptions[words[1]] = strings.Join(words[2:], " ")
		case "!adjustment":
			in.Adjustments = append(in.Adjustments, agreement.Adjustment{Label: words[1], Amount: currency.MustParse(words[2]), Reason: "r", By: strings.Join(words[3:], " ")})
		case "!bill": // id, type, bill type, entity, amount before tax
			b := ingest.Bill{ID: words[1], Type: words[2], BillType: words[3], BillingEntity: strings.ReplaceAll(words[4], "_", " ")}
			b.Base = ingest.BillAmount{Currency: "USD", BeforeTax: currency.MustParse(words[5])}
			in.Bills = append(in.Bills, b)
		default:
			in.Charges = append(in.Charges, charge(t, line))
		}
	}
	slices.SortStableFunc(in.Charges, func(a, b ingest.Charge) int { return ingest.CompareKeys(a.Key, b.Key) })
	return in
}
