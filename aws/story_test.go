package aws_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/aws/simulator"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/ingest"
)

// everyCall makes every call that the adapter has, once refused where AWS can refuse it, from the
// first invitation to the end of a transfer.
func everyCall(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	ctx := t.Context()
	w.Configure(func(s *simulator.Settings) { s.PageSize = 1 }) // every list has a second page

	tr := w.invite(t)
	_, err := w.InviteTransfer(ctx, payer, agreement.Invitation{Account: customer, Name: "x", Start: tr.Start})
	want(t, "second invitation", err, "conflict RESPONSIBILITY_TRANSFER_ALREADY_EXISTS")
	check(t, w.CancelInvitation(ctx, payer, tr.ActiveHandshake))
	tr = w.invite(t)
	w.accept(t, "transfer")
	tr, err = w.DescribeTransfer(ctx, payer, tr.ID)
	check(t, err)
	_, err = w.InboundTransfers(ctx, payer)
	check(t, err)

	program, err := w.ProgramAccount(ctx, payer)
	check(t, err)
	relation := agreement.NewRelationship{Token: "relation", Program: program.ID, Account: customer, Name: "n"}
	r, err := w.CreateRelationship(ctx, payer, relation)
	check(t, err)
	relation.Token = "again"
	_, err = w.CreateRelationship(ctx, payer, relation)
	want(t, "second relationship", err, "conflict ConflictException")
	term := agreement.NewChannelHandshake{Token: "term", Program: program.ID, Relationship: r.ID, End: instant(t, "2027-02-19T09:00:00Z"), Note: "n"}
	h, err := w.CreateChannelHandshake(ctx, payer, term)
	check(t, err)
	check(t, w.CancelChannelHandshake(ctx, payer, h.ID))
	want(t, "cancel twice", w.CancelChannelHandshake(ctx, payer, h.ID), "invalid BUSINESS_VALIDATION_FAILED")
	_, err = w.ChannelHandshakes(ctx, payer, r.ID)
	check(t, err)
	_, err = w.Relationships(ctx, payer, program.ID, customer)
	check(t, err)

	g, err := w.CreateBillingGroup(ctx, payer, agreement.NewBillingGroup{Token: "group", Name: "g", TransferARN: tr.ARN, PricingPlan: agreement.BasicPricingPlan})
	check(t, err)
	_, err = w.CreateBillingGroup(ctx, payer, agreement.NewBillingGroup{Token: "group2", Name: "g", TransferARN: tr.ARN, PricingPlan: agreement.BasicPricingPlan})
	want(t, "second group", err, "conflict RESOURCE_NAME_CONFLICT")
	_, err = w.BillingGroups(ctx, payer, tr.ARN)
	check(t, err)

	check(t, w.DeployRole(simulator.Role{Account: string(customer), Name: role, Trusts: []string{string(payer)}}))
	_, err = w.Organization(ctx, payer, customer)
	check(t, err)

	w.at(t, "2026-03-05T00:00:00Z")
	views, err := w.BillingViews(ctx, payer, customer, calendar.MustMonth("2026-03"))
	check(t, err)
	for _, kind := range []string{agreement.ExportLegacy, agreement.ExportData} {
		_, err := w.CreateExport(ctx, payer, agreement.NewExport{Kind: kind, Name: kind, View: views[0].ARN, Bucket: "b", Prefix: "p", Region: "eu-central-1", Columns: []string{"bill_invoice_id"}})
		check(t, err)
	}
	w.at(t, "2026-03-08T00:00:00Z")
	exports, err := w.Exports(ctx, payer)
	check(t, err)
	for _, e := range exports {
		check(t, w.DeleteExport(ctx, payer, e))
	}
	check(t, w.PutInvoices(string(payer), []map[string]any{invoice("INV-1", 3), invoice("INV-2", 3)}))
	_, err = w.InvoiceSummaries(ctx, payer, calendar.MustMonth("2026-03"))
	check(t, err)

	_, err = w.TerminateTransfer(ctx, payer, tr.ID, instant(t, "2026-03-30T23:59:59Z"))
	want(t, "end inside a month", err, "invalid END_DATE_NOT_END_OF_MONTH")
	_, err = w.TerminateTransfer(ctx, payer, tr.ID, instant(t, "2026-03-31T23:59:59Z"))
	check(t, err)
	check(t, w.DeleteBillingGroup(ctx, payer, g.ARN))
	want(t, "delete a group twice", w.DeleteBillingGroup(ctx, payer, g.ARN), "not_found MISSING_BILLINGGROUP")
	check(t, w.DeleteRelationship(ctx, payer, program.ID, r.ID))
	want(t, "delete a relationship twice", w.DeleteRelationship(ctx, payer, program.ID, r.ID), "not_found ResourceNotFoundException")
	return w
}

// invoice is an invoice of AWS for the customer's organisation in a month of 2026.
func invoice(id string, month int) map[string]any {
	amount := func(currency, rate string) map[string]any {
		a := map[string]any{"CurrencyCode": currency, "TotalAmount": "107.10", "TotalAmountBeforeTax": "90.00",
			"AmountBreakdown": map[string]any{"SubTotalAmount": "100.00", "Discounts": map[string]any{"TotalAmount": "-10.00",
				"Breakdown": []any{map[string]any{"Description": "Discount (AWS SPP Discount)", "Amount": "-10.00"}}}}}
		if rate != "" {
			a["CurrencyExchangeDetails"] = map[string]any{"SourceCurrencyCode": "USD", "TargetCurrencyCode": currency, "Rate": rate}
		}
		return a
	}
	return map[string]any{
		"AccountId": string(payer), "InvoiceId": id, "InvoiceType": "INVOICE", "BillType": "ANNIVERSARY", "InvoiceFrequency": "RECURRING",
		"BillingPeriod": map[string]any{"Month": month, "Year": 2026}, "IssuedDate": "2026-04-03T00:00:00Z", "DueDate": "2026-05-03",
		"Entity":             map[string]any{"InvoicingEntity": "Amazon Web Services EMEA SARL", "BillingEntity": "AWS"},
		"BillSourceAccounts": []string{string(customer)}, "BillSourceAccountsTotalCount": 1,
		"BaseCurrencyAmount": amount("USD", ""), "PaymentCurrencyAmount": amount("EUR", "0.9200000000"),
	}
}

func TestInvoices(t *testing.T) {
	w := newWorld(t)
	w.Configure(func(s *simulator.Settings) { s.PageSize = 2 })
	none := invoice("INV-2", 3)
	delete(none, "BillSourceAccounts")
	empty := invoice("INV-3", 3)
	empty["BillSourceAccounts"] = []string{}
	check(t, w.PutInvoices(string(payer), []map[string]any{invoice("INV-0", 2), invoice("INV-1", 3), none, empty}))
	text, err := w.InvoiceSummaries(t.Context(), payer, calendar.MustMonth("2026-03"))
	check(t, err)
	var got struct{ InvoiceSummaries []map[string]any }
	check(t, json.Unmarshal(text, &got))
	if len(got.InvoiceSummaries) != 3 {
		t.Fatalf("invoices of March: %d, want 3 of the 4:\n%s", len(got.InvoiceSummaries), text)
	}
	var wantFirst map[string]any
	raw, err := json.Marshal(invoice("INV-1", 3))
	check(t, err)
	check(t, json.Unmarshal(raw, &wantFirst))
	wantFirst["DueDate"] = "2026-05-03T00:00:00Z"
	if diff := cmp.Diff(wantFirst, got.InvoiceSummaries[0]); diff != "" {
		t.Errorf("the invoice is not the one that AWS has (-want +got):\n%s", diff)
	}
	if _, ok := got.InvoiceSummaries[1]["BillSourceAccounts"]; ok {
		t.Errorf("an invoice without source accounts got some: %v", got.InvoiceSummaries[1]["BillSourceAccounts"])
	}
	if l, ok := got.InvoiceSummaries[2]["BillSourceAccounts"].([]any); !ok || len(l) != 0 {
		t.Errorf("an invoice with an empty list of source accounts lost it: %v", got.InvoiceSummaries[2]["BillSourceAccounts"])
	}
	text, err = w.InvoiceSummaries(t.Context(), payer, calendar.MustMonth("2026-01"))
	check(t, err)
	if string(text) != `{"InvoiceSummaries":[]}` {
		t.Errorf("invoices of a month without: %s", text)
	}
}

func TestBills(t *testing.T) {
	w := newWorld(t)
	refund := invoice("INV-2", 3)
	refund["InvoiceType"], refund["BillType"], refund["OriginalInvoiceId"] = "CREDIT_MEMO", "REFUND", "INV-1"
	check(t, w.PutInvoices(string(payer), []map[string]any{invoice("INV-1", 3), refund}))
	bills, err := w.Invoices(t.Context(), payer, calendar.MustMonth("2026-03"))
	check(t, err)
	if len(bills) != 2 {
		t.Fatalf("bills: %d, want 2", len(bills))
	}
	b := bills[0]
	if b.ID != "INV-1" || !b.For(string(customer)) || b.Base.BeforeTax.String() != "90" || b.Issued != calendar.MustDate("2026-04-03") ||
		b.Payment.Exchange == nil || b.Payment.Exchange.Value.String() != "0.92" || len(b.Base.Discounts) != 1 {
		t.Errorf("the invoice: %+v", b)
	}
	if got := bills[1].Signed().String(); got != "-90" {
		t.Errorf("the refund counts as %s, want -90", got)
	}
	wrong := invoice("INV-3", 3)
	wrong["BaseCurrencyAmount"].(map[string]any)["TotalAmountBeforeTax"] = "ninety"
	check(t, w.PutInvoices(string(payer), []map[string]any{wrong}))
	_, err = w.Invoices(t.Context(), payer, calendar.MustMonth("2026-03"))
	var where *ingest.BillError
	if !errors.As(err, &where) || where.Invoice != "INV-3" || where.Field != "BaseCurrencyAmount.TotalAmountBeforeTax" {
		t.Errorf("an amount that is none: %v, want the invoice and the field", err)
	}
}
