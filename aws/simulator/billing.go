package simulator

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/calendar"
)

var billingOps = map[string]operation{
	"ListBillingViews": op(listBillingViews),
	"GetBillingView":   op(getBillingView),
}

// A view is a scope of cost data that an account can see. Views follow from what there is:
// everyone's own, one for each transferred bill, one more when the bill has a billing group.
type view struct {
	arn, name, kind, owner, source string
	from, to                       time.Time // a zero end is open; views of ended transfers stay, for the past
	transfer                       *transfer
}

func (s *Simulator) views(account string) []view {
	prefix := "arn:aws:billing::" + account + ":billingview/"
	vs := []view{{arn: prefix + "primary", name: "Primary View", kind: "PRIMARY", owner: account, source: account}}
	for _, t := range s.transfers {
		if t.target.Management.ID != account || t.Status != stateAccepted && t.Status != stateWithdrawn || s.now().Before(t.Start) {
			continue
		}
		v := view{owner: account, source: t.source.Management.ID, from: t.Start, to: t.End, transfer: t}
		v.arn, v.name, v.kind = prefix+"transfer-"+t.ID, "My view "+t.Name, "BILLING_TRANSFER"
		vs = append(vs, v)
		if slices.ContainsFunc(s.groups, func(g *billingGroup) bool { return g.transfer == t }) {
			v.arn, v.name, v.kind = prefix+"showback-"+t.ID, "Showback "+t.Name, "BILLING_TRANSFER_SHOWBACK"
			vs = append(vs, v)
		}
	}
	return vs
}

func (v view) wire() map[string]any {
	return map[string]any{
		"arn": v.arn, "name": v.name, "billingViewType": v.kind, "ownerAccountId": v.owner, "sourceAccountId": v.source,
		"healthStatus": map[string]any{"statusCode": "HEALTHY"},
	}
}

type listBillingViewsIn struct {
	ActiveTimeRange                 *struct{ ActiveAfterInclusive, ActiveBeforeInclusive *epoch }
	Arns                            []string
	BillingViewTypes                []string
	OwnerAccountId, SourceAccountId string
	MaxResults                      int
	NextToken                       string
}

func listBillingViews(s *Simulator, c caller, in listBillingViewsIn) (any, error) {
	var from, to time.Time
	if r := in.ActiveTimeRange; r != nil {
		if r.ActiveAfterInclusive == nil || r.ActiveBeforeInclusive == nil {
			return nil, fieldInvalid("fieldValidationFailed", "activeTimeRange needs both ends")
		}
		from, to = r.ActiveAfterInclusive.Time, r.ActiveBeforeInclusive.Time
		if to.Before(from) || calendar.MonthOf(from) != calendar.MonthOf(to) {
			return nil, fieldInvalid("fieldValidationFailed", "activeTimeRange must lie within one calendar month")
		}
	}
	var items []any
	for _, v := range s.views(c.Account) {
		if len(in.Arns) > 0 && !slices.Contains(in.Arns, v.arn) || !wanted(in.BillingViewTypes, v.kind) ||
			in.OwnerAccountId != "" && in.OwnerAccountId != v.owner || in.SourceAccountId != "" && in.SourceAccountId != v.source ||
			!to.IsZero() && (v.from.After(to) || !v.to.IsZero() && v.to.Before(from)) {
			continue
		}
		items = append(items, v.wire())
	}
	got, next, ok := page(s, "views", items, in.NextToken, in.MaxResults, 100, false)
	if !ok {
		return nil, fieldInvalid("fieldValidationFailed", "the token is not one of this list")
	}
	out := map[string]any{"billingViews": got}
	if next != "" {
		out["nextToken"] = next
	}
	return out, nil
}

type getBillingViewIn struct{ Arn string }

func getBillingView(s *Simulator, c caller, in getBillingViewIn) (any, error) {
	for _, v := range s.views(c.Account) {
		if v.arn == in.Arn {
			w := v.wire()
			w["createdAt"], w["updatedAt"] = epoch{v.from}, epoch{v.from}
			return map[string]any{"billingView": w}, nil
		}
	}
	return nil, notFound("billingview", in.Arn)
}

var invoicingOps = map[string]operation{
	"ListInvoiceSummaries": op(listInvoiceSummaries),
}

// An invoiceFilter is what the list looks at in an invoice summary.
type invoiceFilter struct {
	InvoiceId     string
	IssuedDate    epoch
	BillingPeriod struct{ Month, Year int }
	Entity        struct{ InvoicingEntity string }
}

type listInvoiceSummariesIn struct {
	Selector struct{ ResourceType, Value string }
	Filter   struct {
		BillingPeriod   *struct{ Month, Year int }
		InvoicingEntity string
		TimeInterval    *struct{ StartDate, EndDate epoch }
	}
	MaxResults int
	NextToken  string
}

func listInvoiceSummaries(s *Simulator, c caller, in listInvoiceSummariesIn) (any, error) {
	sel, f := in.Selector, in.Filter
	switch {
	case sel.ResourceType != "ACCOUNT_ID" && sel.ResourceType != "INVOICE_ID" || sel.Value == "":
		return nil, fieldInvalid("invalidInput", "the selector names an account or an invoice")
	case sel.ResourceType == "ACCOUNT_ID" && sel.Value != c.Account:
		return nil, denied("the invoices are another account's")
	case f.TimeInterval != nil && f.TimeInterval.EndDate.After(f.TimeInterval.StartDate.AddDate(0, 1, 0)):
		return nil, fieldInvalid("invalidInput", "the time interval is longer than a month")
	}
	var items []json.RawMessage
	for _, raw := range s.invoices[c.Account] {
		var v invoiceFilter
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, err // was checked when it was put
		}
		if sel.ResourceType == "INVOICE_ID" && v.InvoiceId != sel.Value || f.BillingPeriod != nil && *f.BillingPeriod != v.BillingPeriod ||
			f.InvoicingEntity != "" && f.InvoicingEntity != v.Entity.InvoicingEntity ||
			f.TimeInterval != nil && (v.IssuedDate.Before(f.TimeInterval.StartDate.Time) || v.IssuedDate.After(f.TimeInterval.EndDate.Time)) {
			continue
		}
		items = append(items, raw)
	}
	got, next, ok := page(s, "invoices", items, in.NextToken, in.MaxResults, 100, true)
	if !ok {
		return nil, fieldInvalid("invalidNextToken", "the token is not one of this list")
	}
	out := map[string]any{"InvoiceSummaries": got}
	if next != "" {
		out["NextToken"] = next
	}
	return out, nil
}

// putInvoices keeps invoices for an account, replacing those of the same id. Dates may be epoch
// seconds, as AWS sends them, or text, as AWS's command line prints them.
func (s *Simulator) putInvoices(account string, summaries []map[string]any) error {
	for _, m := range summaries {
		for _, k := range []string{"IssuedDate", "DueDate"} {
			text, ok := m[k].(string)
			if !ok {
				continue
			}
			if !strings.Contains(text, "T") {
				text += "T00:00:00Z"
			}
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return err
			}
			m[k] = epoch{at}
		}
		raw, err := json.Marshal(m)
		if err != nil {
			return err
		}
		var v, w invoiceFilter
		if err := json.Unmarshal(raw, &v); err != nil {
			return err
		}
		if v.InvoiceId == "" {
			return errors.New("an invoice without InvoiceId")
		}
		s.invoices[account] = slices.DeleteFunc(s.invoices[account], func(old json.RawMessage) bool {
			return json.Unmarshal(old, &w) == nil && w.InvoiceId == v.InvoiceId
		})
		s.invoices[account] = append(s.invoices[account], raw)
	}
	return nil
}

// formatDelivery is how legacy reports tell the time of their last delivery: 20260303T000000Z.
func formatDelivery(t time.Time) string { return t.UTC().Format("20060102T150405Z") }
