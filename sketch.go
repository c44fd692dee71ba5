package arrears

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
)

// Sketch writes a book from what files tell (docs/BOOK.md): every value that they tell, and an empty
// one with a comment at each that a person must give, which apply refuses at its line. Locations are
// written relative to folder, where the book will lie, if they are below it.
func (in Inspection) Sketch(folder string) string {
	s := &sketch{folder: folder}
	s.line("# A book to fill in, from what lies in %s.", in.Source)
	s.line("# Give what is empty, at the comments that begin with FILL; look at the others. docs/BOOK.md lists every key.")
	s.line("# Then: arrears apply -f THIS FILE, and arrears run --month %s", in.lastFinal())
	for _, text := range in.Strange {
		s.line("# Note: %s", text)
	}
	payers := in.payers()
	code := currency.Code("USD")
	if len(payers) > 0 && len(payers[0].Currencies) > 0 {
		code = payers[0].Currencies[0]
	}
	s.line("sellers:")
	s.line("  - id: SEL-1")
	s.fill("    ", "name", "the legal entity that issues the invoices")
	s.fill("    ", "country", "ISO 3166-1, two letters")
	s.fill("    ", "tax_id", "VAT id, such as DE123456789")
	s.fill("    ", "registration_id", "number in the companies' register")
	s.line("    currency: %s   # its national currency", code)
	s.line("    currencies: [%s]   # what it bills in", code)
	s.line("    series: INV   # numbers will be INV-2026-000001")
	s.address("    ")
	s.line("buyers:")
	orgs := in.organisations(payers)
	for i, o := range orgs {
		s.line("  - id: BUY-%04d   # who pays for organisation %s", i+1, o.id)
		s.fill("    ", "name", "")
		s.fill("    ", "country", "ISO 3166-1, two letters")
		s.line("    # tax_id:   # VAT id; decides reverse charge within the EU")
		s.address("    ")
	}
	s.line("payers:")
	for _, p := range payers {
		s.payer(p)
	}
	s.line("agreements:")
	for i, o := range orgs {
		s.line("  - id: AGR-%04d", i+1)
		s.line("    product: aws-essentials")
		if o.payer == "" {
			s.fill("    ", "payer", "the payer account that the organisation's bill is transferred to")
		} else {
			s.line("    payer: %q", o.payer)
		}
		s.line("    management_account: %q", o.id)
		s.line("    seller: SEL-1")
		s.line("    buyer: BUY-%04d", i+1)
		s.line("    currency: %s", code)
		s.line("    transfer:")
		s.line("      id: rt-%s   # AWS's id of the billing transfer, if there is one", o.id)
		s.line("      start: %s-01T00:00:00Z   # the first month delivered here; AWS states the true one", o.first)
		s.line("    cur:")
		s.line("      source: %s", quoted(s.relative(o.location)))
		s.line("      manifest: %s", o.manifest)
		s.line("    terms:")
		s.line("      - from: %s", o.first)
		if o.enterprise {
			s.line("        support: resold   # AWS charges Enterprise support: partner_led replaces it by your own fee")
		} else {
			s.line("        support: resold")
		}
		s.line("        # usage_discount: {percent: \"5\", of: partner_discount}   # given once service_term.accepted_at is set")
	}
	return s.text.String()
}

// lastFinal is the last month that can be billed.
func (in Inspection) lastFinal() string {
	last := calendar.Month{}
	for _, x := range in.Exports {
		for _, m := range x.Months {
			if m.Final && m.Problem == "" && m.Month.After(last) {
				last = m.Month
			}
		}
	}
	if last.IsZero() {
		return "YYYY-MM"
	}
	return last.String()
}

// A sketchedPayer is an account that AWS invoices, with where its invoices are.
type sketchedPayer struct {
	InspectedPayer
	invoices string
}

func (in Inspection) payers() []sketchedPayer {
	var list []sketchedPayer
	for _, inv := range in.Invoices {
		for _, p := range inv.Payers {
			if !slices.ContainsFunc(list, func(o sketchedPayer) bool { return o.Account == p.Account }) {
				list = append(list, sketchedPayer{p, inv.Location})
			}
		}
	}
	if len(list) == 0 {
		return []sketchedPayer{{}} // a person knows it
	}
	return list
}

// A sketchedOrganisation is one that an agreement is to be made for.
type sketchedOrganisation struct {
	id, payer          string
	location, manifest string
	first              calendar.Month
	enterprise         bool
}

func (in Inspection) organisations(payers []sketchedPayer) []sketchedOrganisation {
	var list []sketchedOrganisation
	for _, x := range in.Exports {
		for _, m := range x.Months {
			for _, o := range m.Organisations {
				if slices.ContainsFunc(payers, func(p sketchedPayer) bool { return p.Account == o.ManagementAccount }) {
					continue // the reseller's own usage
				}
				i := slices.IndexFunc(list, func(l sketchedOrganisation) bool { return l.id == o.ManagementAccount })
				if i < 0 {
					i = len(list)
					list = append(list, sketchedOrganisation{id: o.ManagementAccount, location: x.Location, manifest: x.Manifest, first: m.Month})
				}
				l := &list[i]
				l.enterprise = l.enterprise || o.Enterprise
				if m.Month.Before(l.first) {
					l.first = m.Month
				}
			}
		}
	}
	for i := range list {
		for _, p := range payers {
			if slices.Contains(p.Organisations, list[i].id) || len(payers) == 1 {
				list[i].payer = p.Account
				break
			}
		}
	}
	slices.SortFunc(list, func(a, b sketchedOrganisation) int { return cmp.Compare(a.id, b.id) })
	return list
}

type sketch struct {
	folder string
	text   strings.Builder
}

func (s *sketch) line(format string, args ...any) {
	fmt.Fprintf(&s.text, strings.ReplaceAll(format, "\n", " ")+"\n", args...)
}

// fill writes a key whose value a person must give.
func (s *sketch) fill(indent, key, what string) {
	s.line("%s", strings.TrimRight(fmt.Sprintf("%s%s: \"\"   # FILL %s", indent, key, what), " "))
}

func (s *sketch) address(indent string) {
	s.line("%saddress:", indent)
	for _, key := range []string{"street", "city", "postal_code"} {
		s.fill(indent+"  ", key, "")
	}
}

func (s *sketch) payer(p sketchedPayer) {
	if p.Account == "" {
		s.line("  - account: \"\"   # FILL the account that pays AWS (bill-transfer account, PMA), 12 digits")
	} else {
		s.line("  - account: %q", p.Account)
	}
	switch len(p.Currencies) {
	case 0:
		s.line("    payment_currency: USD   # what this account pays AWS in")
	default:
		s.line("    payment_currency: %s", p.Currencies[0])
	}
	if p.invoices == "" {
		s.line("    reconcile: none   # there are no invoice figures here, so that nothing is proven: better `invoices: FOLDER` or `invoices: api`")
		return
	}
	s.line("    own_accounts: [%q]   # the reseller's own usage, never unclaimed", p.Account)
	s.line("    invoices: %s", quoted(s.relative(p.invoices)))
}

// relative is a location as the book names it.
func (s *sketch) relative(location string) string {
	if strings.Contains(location, "://") {
		return location
	}
	folder, err := filepath.Abs(s.folder)
	if err != nil {
		return location
	}
	abs, err := filepath.Abs(location)
	if err != nil {
		return location
	}
	rel, err := filepath.Rel(folder, abs)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return filepath.ToSlash(abs)
	}
	return "./" + filepath.ToSlash(rel)
}

// quoted is a text as YAML takes it, quoted where it must be.
func quoted(s string) string {
	if strings.ContainsAny(s, " :#{}[]\"'\\,&*!|>%@`\t") && !strings.HasPrefix(s, "s3://") {
		return strconv.Quote(s)
	}
	return s
}
