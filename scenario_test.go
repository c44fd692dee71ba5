package arrears

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/book"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
)

var update = flag.Bool("update", false, "write what the scenarios give into their want sections")

// TestScenarios computes the months of testdata/scenarios, which people who know billing can read:
// README.md beside them says what their sections mean and where each test vector is.
func TestScenarios(t *testing.T) {
	paths, err := filepath.Glob("testdata/scenarios/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(archive.Comment) < 20 {
				t.Error("the first line must say what the scenario shows")
			}
			evidence, waived := parseScenario(t, archive)
			out := Compute(&evidence, scenarioRates{})
			for _, r := range out.Reasons {
				if waived == r.Code {
					w := Waived{Code: r.Code, Bound: evidence.Inputs.bound(r), By: "lead@seller.example"}
					evidence.Inputs.Waived = append(evidence.Inputs.Waived, w)
				}
			}
			if waived != "" {
				out = Compute(&evidence, scenarioRates{})
			}
			if charged, disposed := chargedBy(evidence, out), disposedOf(out); len(out.Rated.Priced) > 0 && !charged.Equal(disposed) {
				t.Errorf("AWS charged %s and the dispositions sum to %s", charged, disposed)
			}
			got := showOutcome(out)
			want := &archive.Files[len(archive.Files)-1]
			if want.Name != "want" {
				t.Fatal("the last section must be want")
			}
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("Compute mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// scenarioBook is the book of every scenario; its sections change keys of it.
const scenarioBook = `
sellers:
  - {id: SEL-DE, name: Seller GmbH, country: DE, tax_id: DE136695976, registration_id: HRB 1234, currency: EUR, currencies: [EUR, USD, CHF, GBP, JPY],
     series: DE, address: {street: Hauptstr. 1, city: Berlin, postal_code: "10115"}}
buyers:
  - {id: BUY-0001, name: Buyer B.V., country: NL, tax_id: NL004495445B01, address: {street: Main 1, city: Utrecht, postal_code: "3511"}}
  - {id: BUY-0002, name: Second N.V., country: BE, tax_id: BE0403053608, address: {street: Rue 2, city: Liege, postal_code: "4000"}}
payers:
  - {account: "999900001111", payment_currency: EUR}
agreements:
  - {id: AGR-0001, product: aws-essentials, payer: "999900001111", management_account: "111122223333", seller: SEL-DE, buyer: BUY-0001, currency: EUR,
     transfer: {id: rt-0001, start: 2026-01-01T00:00:00Z}, service_term: {accepted_at: 2026-01-05T09:00:00Z},
     cur: {source: aws/AGR-0001}, terms: [{from: 2026-01, support: resold}]}
`

// parseScenario reads a scenario's sections. It returns what the month is computed from, and the
// code of the block that a person lets pass.
func parseScenario(t *testing.T, a *txtar.Archive) (e Evidence, waived string) {
	t.Helper()
	var whole map[string][]map[string]any
	if err := yaml.Unmarshal([]byte(scenarioBook), &whole); err != nil {
		t.Fatal(err)
	}
	when := struct {
		Month, Waived string
		Late          bool
		Former        map[string]string
		Unplaced      map[string]string
	}{Month: "2026-03"}
	own := whole["agreements"][0]
	for _, f := range a.Files {
		keys := map[string]any{}
		switch f.Name {
		case "when", "terms", "agreement", "seller", "buyer", "payer":
			if err := yaml.Unmarshal(f.Data, &keys); err != nil {
				t.Fatalf("%s: %v", f.Name, err)
			}
		}
		switch f.Name {
		case "when":
			if err := yaml.Unmarshal(f.Data, &when); err != nil {
				t.Fatal(err)
			}
		case "terms":
			maps.Copy(own["terms"].([]any)[0].(map[string]any), keys)
		case "agreement":
			maps.Copy(own, keys)
		case "seller", "buyer", "payer":
			maps.Copy(whole[f.Name+"s"][0], keys)
		case "charges":
			e.Set = parseCharges(t, f.Data)
		case "bills", "memos", "want":
		default:
			t.Fatalf("unknown section %s", f.Name)
		}
	}
	text, err := yaml.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	b, errs := book.Parse("scenario.yaml", text)
	if errs = append(errs, book.Check(b)...); len(errs) > 0 {
		t.Fatalf("the book of the scenario: %v", errs)
	}
	m := calendar.MustMonth(when.Month)
	e.Late = when.Late
	e.Inputs = scenarioInputs(t, b, m, e.Set)
	e.Set = e.Set.ByPayer(string(e.Inputs.Organisation))
	if all := parseCharges(t, section(a, "charges")); len(e.Set.Charges) == 0 && len(all.Charges) > 0 {
		e.Others = all.Payers()
	}
	e.Inputs.Bills, _ = payerBills{month: parseBills(t, section(a, "bills"), m)}.of(string(e.Inputs.Organisation))
	e.Inputs.Former, e.Inputs.Unplaced = when.Former, when.Unplaced
	e.Inputs.Memos = parseBills(t, section(a, "memos"), m.Add(-1))
	return e, when.Waived
}

// scenarioInputs are the inputs that a book and charges give, as a run makes them from its store.
func scenarioInputs(t *testing.T, b book.Book, m calendar.Month, set ingest.ChargeSet) Inputs {
	t.Helper()
	v := &view{month: m, dir: &directory{book: b, versions: map[string]string{}}}
	a := &b.Agreements[0]
	terms, ok := a.TermsAt(m)
	if !ok {
		t.Fatalf("no terms in %s", m)
	}
	return (&Engine{}).evidence(v, a, terms, &delivery{}, set).Inputs
}

func section(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// table reads comma separated columns under a heading; spaces around cells are for the eye.
func table(t *testing.T, data []byte) []map[string]string {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(data))
	r.TrimLeadingSpace = true
	r.Comment = '#'
	all, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for i := 1; i < len(all); i++ {
		row := map[string]string{}
		for n, cell := range all[i] {
			row[strings.TrimSpace(all[0][n])] = strings.TrimSpace(cell)
		}
		rows = append(rows, row)
	}
	return rows
}

// parseCharges reads charges. Columns that a table does not have, and empty cells, mean: the
// management account, type Usage, billing entity AWS, bill type Anniversary, USD, one row.
func parseCharges(t *testing.T, data []byte) ingest.ChargeSet {
	t.Helper()
	var sets []ingest.ChargeSet
	for _, row := range table(t, data) {
		or := func(column, otherwise string) string {
			if row[column] == "" {
				return otherwise
			}
			return row[column]
		}
		c := ingest.Charge{
			Key: ingest.Key{
				Payer: or("payer", "111122223333"), Account: or("account", "111122223333"), Product: row["product"],
				Type: or("type", ingest.TypeUsage), BillingEntity: or("entity", ingest.EntityAWS), BillType: or("bill type", ingest.BillAnniversary),
				LegalEntity: row["legal entity"], Invoice: row["aws invoice"], Currency: currency.Code(or("currency", "USD")),
				Commitment: row["commitment"] == "yes", Split: row["split"] == "yes", Taxed: row["taxed"] == "yes",
			},
			Unblended: currency.MustParse(row["amount"]),
		}
		c.Class = ingest.ClassOf(c.Type, row["description"])
		c.Rows, _ = strconv.ParseInt(or("rows", "1"), 10, 64)
		if !c.Unblended.IsZero() {
			c.NonZero = c.Rows
		}
		for part := range strings.FieldsSeq(row["inside"]) { // spp_discount=-10
			key, amount, _ := strings.Cut(part, "=")
			c.Parts = append(c.Parts, ingest.Part{Key: key, Amount: currency.MustParse(amount)})
		}
		c.Rest = currency.MustParse(or("rest", "0"))
		c.Off, _ = strconv.ParseInt(or("off", "0"), 10, 64)
		set := ingest.ChargeSet{Charges: []ingest.Charge{c}, Rows: c.Rows, Names: map[string]string{}, Descriptions: map[string]string{}}
		if row["name"] != "" {
			set.Names[c.Product] = row["name"]
		}
		if row["description"] != "" {
			set.Descriptions[c.Product] = row["description"]
		}
		sets = append(sets, set)
	}
	return ingest.Merge(sets...)
}

// parseBills reads AWS's invoices: an INVOICE of type ANNIVERSARY by AWS in USD, paid in EUR,
// for the management account, unless a cell says otherwise; "partner" is the discount in its
// breakdown, and "sources" may be "absent" or "empty".
func parseBills(t *testing.T, data []byte, m calendar.Month) []ingest.Bill {
	t.Helper()
	var bills []ingest.Bill
	for _, row := range table(t, data) {
		or := func(column, otherwise string) string {
			if row[column] == "" {
				return otherwise
			}
			return row[column]
		}
		before, tax := currency.MustParse(row["before tax"]), currency.MustParse(or("tax", "0"))
		b := ingest.Bill{
			ID: row["id"], Original: row["original"], Commercial: row["commercial"], Account: "999900001111", Type: or("type", ingest.BillInvoice),
			BillType: or("bill type", ingest.BillTypeAnniversary), BillingEntity: or("entity", ingest.EntityAWS), Month: m,
			Issued: m.Add(1).Day(3), Sources: []string{"111122223333"}, HasSources: true, TaxAuthorityState: row["tax authority"],
			Base:    ingest.BillAmount{Currency: currency.Code(or("currency", "USD")), BeforeTax: before, Total: before.Add(tax)},
			Payment: ingest.BillAmount{Currency: currency.Code(or("paid in", "EUR"))},
		}
		switch row["sources"] {
		case "":
		case "absent":
			b.Sources, b.HasSources, b.Account = nil, false, or("account", b.Account)
		case "empty":
			b.Sources = nil
		default:
			b.Sources = strings.Fields(row["sources"])
		}
		for description, column := range map[string]string{"Discount (AWS SPP Discount)": "partner", "Distributor Discount": "distributor"} {
			if row[column] != "" {
				b.Base.Discounts = append(b.Base.Discounts, ingest.BillDiscount{Description: description, Amount: currency.MustParse(row[column])})
			}
		}
		if row["rate"] != "" {
			b.Payment.Exchange = &currency.Rate{
				From: b.Base.Currency, To: b.Payment.Currency, Value: currency.MustParse(row["rate"]), Source: agreement.ExchangeAWSInvoice, Date: b.Issued, AWSInvoice: b.ID,
			}
		}
		bills = append(bills, b)
	}
	return bills
}

// scenarioRates are the reference rates of every scenario: 1 EUR = 1.25 USD = 0.95 CHF.
type scenarioRates struct{}

func (scenarioRates) table() *currency.Table {
	day := calendar.MustDate("2026-03-31")
	return currency.NewTable([]currency.Rate{
		{From: "EUR", To: "USD", Value: currency.MustParse("1.25"), Source: currency.ECB, Date: day},
		{From: "EUR", To: "CHF", Value: currency.MustParse("0.95"), Source: currency.ECB, Date: day},
	})
}

func (r scenarioRates) Rate(x agreement.Exchange, from, to currency.Code, m calendar.Month) (currency.Rate, error) {
	return r.table().Month(currency.ECB, currency.DayMonthEnd, from, to, m, currency.DefaultMaxAge)
}

func (r scenarioRates) TaxRate(from, to currency.Code, day calendar.Date) (currency.Rate, error) {
	return r.table().On(currency.TaxSource(to), from, to, day, currency.DefaultMaxAge)
}

// showOutcome prints an outcome as the want section has it.
func showOutcome(out Outcome) string {
	var b bytes.Buffer
	fmt.Fprintln(&b, out.Status)
	for _, r := range out.Reasons {
		fmt.Fprintf(&b, "because %s: %s\n", r.Code, r.Text)
	}
	for _, r := range out.Warnings {
		fmt.Fprintf(&b, "warning %s: %s\n", r.Code, r.Text)
	}
	for _, d := range out.Documents {
		showDocument(&b, d)
	}
	sums := out.Rated.Sums()
	parts := []string{}
	for _, d := range rating.Dispositions {
		if !sums[d].IsZero() {
			parts = append(parts, fmt.Sprintf("%s %s", d, currency.Plain(sums[d])))
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(&b, "\nAWS charged: %s\n", strings.Join(parts, ", "))
	}
	for _, l := range out.Reconciliation {
		verdict := "differs"
		if l.OK {
			verdict = "ok"
		}
		fmt.Fprintf(&b, "%s: rows %s, invoice %s, difference %s, allowed %s: %s %s\n", l.AWSInvoice, currency.Plain(l.Rows), currency.Plain(l.Invoice),
			currency.Plain(l.Difference), currency.Plain(l.Tolerance), verdict, l.Note)
	}
	return strings.ReplaceAll(b.String(), " \n", "\n")
}

func showDocument(b *bytes.Buffer, d invoice.Document) {
	fmt.Fprintf(b, "\n%s %s to %s\n", d.Kind, d.ID, d.Buyer.ID)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, l := range d.Lines {
		text := func(s *string) string {
			if s == nil {
				return "-"
			}
			return *s
		}
		how := l.How
		if l.Source != nil {
			how = fmt.Sprintf("%s x %s", l.Source, currency.Plain(*l.Rate))
		}
		how += " = " + currency.Plain(l.Exact)
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Position, l.Section, text(l.Account), l.Label, text(l.AWSInvoice), how, l.Net)
	}
	_ = w.Flush() // of a buffer
	fmt.Fprintf(b, "net %s %s", d.Totals.Net, d.Currency)
	for _, t := range d.Tax {
		fmt.Fprintf(b, ", %s %s %% %s", t.Category, currency.Plain(t.Percent), t.Amount)
	}
	if n := d.TaxNational; n != nil {
		fmt.Fprintf(b, " (%s %s)", n.Amount, n.Currency)
	}
	fmt.Fprintf(b, ", total %s\n", d.Totals.Gross)
	for _, mark := range []struct {
		on   bool
		name string
	}{{d.First, "first month"}, {d.Final, "final month"}} {
		if mark.on {
			fmt.Fprintln(b, mark.name)
		}
	}
}

// chargedBy is what AWS charged: unblended cost and the discounts inside rows that count.
func chargedBy(e Evidence, out Outcome) currency.Decimal {
	sum := out.Rated.InRow()
	for _, c := range e.Set.Charges {
		sum = sum.Add(c.Unblended)
	}
	return sum
}

// disposedOf is the sum of all dispositions (I1: it is what AWS charged).
func disposedOf(out Outcome) currency.Decimal {
	sum := currency.Zero
	for _, d := range out.Rated.Sums() {
		sum = sum.Add(d)
	}
	return sum
}
