// Package document renders one document for people and tax authorities: UBL and CII for
// machines, PDF (Factur-X) and XLSX for people, and text for the terminal.
//
// Every rendering is a pure function of the stored JSON of a document: it computes no amount and
// asks no clock, so the same document gives the same bytes on any machine, and all renderings say
// the same cents (I10).
package document

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
	"github.com/arrears-billing/arrears/rating"
)

// TemplateVersion names the layout and the content of the renderings. Renderings are kept with it
// and never replaced; raise it with any change of what they say or look like.
const TemplateVersion = "2026-11-2"

// Formats lists what Render makes.
var Formats = []string{"json", "pdf", "ubl", "cii", "xlsx"}

// ErrNotIssued means that an e-invoice was asked of a document that has no number yet.
var ErrNotIssued = errors.New("not issued: an e-invoice needs a number and dates")

// Render returns the document in one of Formats. A draft has no e-invoice: ubl and cii return
// ErrNotIssued, and its pdf is marked as a draft.
func Render(d invoice.Document, format string) ([]byte, error) {
	var b []byte
	var err error
	switch format {
	case "json":
		b, err = JSON(d)
	case "pdf":
		b, err = PDF(d)
	case "ubl":
		b, err = UBL(d)
	case "cii":
		b, err = CII(d)
	case "xlsx":
		b, err = XLSX(d)
	default:
		return nil, fmt.Errorf("not a format: %q, want one of %s", format, strings.Join(Formats, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("render %s as %s: %w", name(d), format, err)
	}
	return b, nil
}

// JSON returns the document as contract.md has it, indented.
func JSON(d invoice.Document) ([]byte, error) {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// name is the document's number, or its id while it has none.
func name(d invoice.Document) string {
	if d.Number != nil {
		return *d.Number
	}
	return d.ID
}

func issued(d invoice.Document) bool {
	return d.Number != nil && d.IssueDate != nil && d.DueDate != nil
}

// sectionTitles are the headings of the sections on documents for people.
var sectionTitles = map[rating.Section]string{
	rating.SectionUsage:        "Usage",
	rating.SectionReserved:     "Reserved instances",
	rating.SectionSavingsPlans: "Savings Plans",
	rating.SectionSupport:      "Support",
	rating.SectionMarketplace:  "AWS Marketplace",
	rating.SectionOther:        "Other charges",
	rating.SectionAWSDiscounts: "AWS discounts",
	rating.SectionCredits:      "Credits",
	rating.SectionRefunds:      "Refunds",
	rating.SectionFees:         "Fees",
	rating.SectionDiscounts:    "Discounts",
}

func sectionTitle(s rating.Section) string {
	if t, ok := sectionTitles[s]; ok {
		return t
	}
	return string(s)
}

func title(d invoice.Document) string {
	if d.Kind == invoice.KindCreditNote {
		return "Credit note"
	}
	return "Invoice"
}

// clean makes a text fit for one line of any rendering: characters that XML 1.0 forbids, line
// breaks and other controls become spaces, which are then collapsed; what is no UTF-8 becomes the
// replacement character.
func clean(s string) string {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' ') {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || r == 0xfffe || r == 0xffff || r == '\u2028' || r == '\u2029':
			return ' '
		case unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d':
			return -1 // marks of direction and the like, which can make a text read as another
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
	return strings.Join(strings.Fields(s), " ")
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// grouped prints an amount for people: a comma before every third digit, a point before decimals,
// as in 1,234,567.89. Renderings for machines never group.
func grouped(m invoice.Money) string { return group(m.String()) }

func group(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	var b strings.Builder
	b.WriteString(sign)
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	if fraction != "" {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// paymentTerms says when to pay, or what becomes of a credit note.
func paymentTerms(d invoice.Document) string {
	if d.Kind == invoice.KindCreditNote {
		return "This amount is credited to you and set off against open or future invoices."
	}
	if d.Payment.Days == 0 {
		return "Payable immediately."
	}
	return fmt.Sprintf("%d days net", d.Payment.Days)
}

// notes are the remarks of the document, as sentences.
func notes(d invoice.Document) []string {
	var n []string
	if c := d.Corrects; c != nil {
		n = append(n, fmt.Sprintf("Corrects %s of %s.", c.Number, c.Date))
	}
	if r := clean(d.Reason); r != "" {
		n = append(n, sentence("Reason: "+r))
	}
	if d.First && d.Corrects == nil {
		n = append(n, "First month of the agreement.")
	}
	if d.Final && d.Corrects == nil {
		n = append(n, "Final month of the agreement.")
	}
	for _, note := range d.Notes {
		if note = clean(note); note != "" {
			n = append(n, sentence(note))
		}
	}
	return n
}

// sentence ends a text with a full stop, unless it has its own mark.
func sentence(s string) string {
	if strings.HasSuffix(s, ".") || strings.HasSuffix(s, "!") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

// rateText prints a rate with all that is known of it.
func rateText(from, to currency.Code, rate currency.Decimal) string {
	return fmt.Sprintf("1 %s = %s %s", from, currency.Plain(rate), to)
}

// awsInvoices lists the AWS invoices of the lines, each once, ascending.
func awsInvoices(d invoice.Document) []string {
	var ids []string
	for _, l := range d.Lines {
		if l.AWSInvoice != nil {
			ids = append(ids, *l.AWSInvoice)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
