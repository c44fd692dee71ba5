package document

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"image/png"
	"slices"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
)

// compactFrom is the number of lines from which a PDF groups them (domain.md 5.2); the XLSX
// statement and the XML list every line.
const compactFrom = 42

// Millimetres of an A4 page.
const (
	pageWidth, pageHeight = 210.0, 297.0
	margin                = 15.0
	width                 = pageWidth - 2*margin
	bottom                = 26.0 // of the footer
	lineHeight            = 4.4
)

//go:embed fonts/NotoSans-Regular.ttf
var fontRegular []byte

//go:embed fonts/NotoSans-SemiBold.ttf
var fontBold []byte

// Colours.
type rgb struct{ r, g, b int }

var (
	ink    = rgb{28, 33, 43}
	faint  = rgb{105, 112, 125}
	accent = rgb{24, 66, 112}
	rule   = rgb{205, 210, 218}
	shade  = rgb{241, 244, 248}
	alarm  = rgb{176, 32, 32}
)

// PDF returns the document for people. An issued one is a Factur-X: PDF/A-3 with its CII embedded.
func PDF(d invoice.Document) ([]byte, error) {
	p := newPDF(d)
	p.header()
	p.lines()
	p.totals()
	p.tax()
	p.payment()
	p.computed()
	p.remarks()
	if !issued(d) {
		var out bytes.Buffer
		err := p.Output(&out)
		return out.Bytes(), err
	}
	xml, err := CII(d)
	if err != nil {
		return nil, err
	}
	p.SetXmpMetadata(xmp(d, p.stamp))
	p.AddOutputIntent(fpdf.OutputIntentType{
		SubtypeIdent:              fpdf.OutputIntent_GTS_PDFA1,
		OutputConditionIdentifier: "sRGB",
		Info:                      "sRGB IEC61966-2.1",
		ICCProfile:                sRGB,
	})
	var out bytes.Buffer
	if err := p.Output(&out); err != nil {
		return nil, err
	}
	return attach(out.Bytes(), xml, p.stamp)
}

type pdf struct {
	*fpdf.Fpdf
	d     invoice.Document
	stamp time.Time // of the file: midnight of the issue date, so that bytes do not change
}

func newPDF(d invoice.Document) *pdf {
	p := &pdf{Fpdf: fpdf.New("P", "mm", "A4", ""), d: d, stamp: d.Period.End.Time()}
	if d.IssueDate != nil {
		p.stamp = d.IssueDate.Time()
	}
	p.SetCatalogSort(true)
	p.SetCreationDate(p.stamp)
	p.SetModificationDate(p.stamp)
	p.SetProducer("arrears", true)
	p.SetTitle(shown(title(d)+" "+name(d)), true)
	p.SetAuthor(shown(d.Seller.Name), true)
	p.SetLang("en")
	p.AddUTF8FontFromBytes("noto", "", fontRegular)
	p.AddUTF8FontFromBytes("noto", "B", fontBold)
	p.SetMargins(margin, margin, margin)
	p.SetAutoPageBreak(false, bottom)
	p.SetCellMargin(1)
	p.AliasNbPages("{nb}")
	p.SetFooterFunc(p.footer)
	p.AddPage()
	return p
}

// font sets weight ("" or "B"), size in points and colour.
func (p *pdf) font(weight string, size float64, c rgb) {
	p.SetFont("noto", weight, size)
	p.SetTextColor(c.r, c.g, c.b)
}

// put writes a text into a box of the given width at x, shrunk if it would not fit, and leaves y.
func (p *pdf) put(x, w float64, align, text string) {
	text = shown(text)
	size, _ := p.GetFontSize()
	small := size
	for p.GetStringWidth(text) > w-2 && small > 5 {
		small -= 0.25
		p.SetFontSize(small)
	}
	if p.GetStringWidth(text) > w-2 {
		text = p.cut(text, w-2)
	}
	y := p.GetY()
	p.SetXY(x, y)
	p.CellFormat(w, lineHeight, text, "", 0, align, false, 0, "")
	p.SetXY(x, y)
	p.SetFontSize(size)
}

// block writes a text into a box of the given width at x, on as many lines as it needs but at most
// most, shrunk if it would need more, and leaves y below them.
func (p *pdf) block(x, w, height float64, most int, text string) {
	text = shown(text)
	size, _ := p.GetFontSize()
	small := size
	lines := p.wrap(text, w-2)
	for len(lines) > most && small > 5 {
		small -= 0.25
		p.SetFontSize(small)
		lines = p.wrap(text, w-2)
	}
	if len(lines) > most {
		lines[most-1] = strings.Join(lines[most-1:], " ")
		lines = lines[:most]
	}
	for _, l := range lines {
		p.put(x, w, "L", l)
		p.SetY(p.GetY() + height*small/size)
	}
	p.SetFontSize(size)
}

// cut shortens a text to a width, with an ellipsis.
func (p *pdf) cut(text string, w float64) string {
	runes := []rune(text)
	for len(runes) > 0 && p.GetStringWidth(string(runes)+"…") > w {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// need starts a new page unless h millimetres are left, and says whether it did.
func (p *pdf) need(h float64) bool {
	if p.GetY()+h <= pageHeight-bottom {
		return false
	}
	p.AddPage()
	p.SetY(margin)
	return true
}

func (p *pdf) line(y float64, c rgb) {
	p.SetDrawColor(c.r, c.g, c.b)
	p.SetLineWidth(0.2)
	p.Line(margin, y, pageWidth-margin, y)
}

func (p *pdf) footer() {
	y := pageHeight - bottom + 5
	p.line(y, rule)
	p.SetY(y + 1.5)
	p.font("", 7, faint)
	s := p.d.Seller
	parts := []string{s.Name, addressLine(s)}
	if _, id := registration(s.RegistrationID); id != "" {
		parts = append(parts, "Registration "+id)
	}
	if s.TaxID != "" {
		parts = append(parts, "VAT ID "+s.TaxID)
	}
	if s.TaxRegistration != "" {
		parts = append(parts, s.TaxRegistration)
	}
	text, w := strings.Join(parts, " · "), width-35
	if p.GetStringWidth(shown(text)) > w-2 {
		w = width - 62 // beside the number on the second line
	}
	p.block(margin, w, 3.5, 4, text)
	below := p.GetY()
	var contact []string
	for _, c := range []string{s.Email, s.Phone} {
		if c != "" {
			contact = append(contact, c)
		}
	}
	// The number of pages is filled in at the end, so its width is not known here.
	p.SetY(y + 1.5)
	p.put(pageWidth-margin-35, 29.8, "R", fmt.Sprintf("Page %d of", p.PageNo()))
	p.SetX(pageWidth - margin - 6)
	p.CellFormat(6, lineHeight, "{nb}", "", 0, "L", false, 0, "")
	p.SetY(below)
	p.put(margin, width-60, "L", strings.Join(contact, " · "))
	p.SetY(y + 5)
	p.put(pageWidth-margin-60, 60, "R", title(p.d)+" "+name(p.d))
}

// header prints who, to whom, and the facts that an accounts department looks for.
func (p *pdf) header() {
	d := p.d
	if !p.logo() {
		p.SetXY(margin, margin)
		p.font("B", 13, accent)
		p.block(margin-1, 110, 5.6, 4, d.Seller.Name)
	}
	p.SetY(margin)
	p.font("B", 20, ink)
	p.put(pageWidth-margin-80, 80, "R", title(d))
	p.SetY(margin + 9)
	p.font("", 10, faint)
	if issued(d) {
		p.put(pageWidth-margin-80, 80, "R", name(d))
	} else {
		p.font("B", 10, alarm)
		p.put(pageWidth-margin-80, 80, "R", "DRAFT, not a document for payment")
	}

	p.SetY(44)
	p.font("", 6.5, faint)
	p.put(margin-1, 90, "L", d.Seller.Name+" · "+addressLine(d.Seller))
	p.SetY(50)
	p.font("B", 10, ink)
	p.block(margin-1, 90, lineHeight+0.2, 6, d.Buyer.Name)
	p.font("", 9.5, ink)
	for _, l := range addressLines(d.Buyer) {
		p.block(margin-1, 90, lineHeight+0.2, 3, l)
	}
	if d.Buyer.TaxID != "" {
		p.SetY(p.GetY() + 1)
		p.font("", 8.5, faint)
		p.put(margin-1, 90, "L", "VAT ID "+d.Buyer.TaxID)
		p.SetY(p.GetY() + lineHeight + 0.2)
	}
	left := p.GetY() - lineHeight - 0.2

	p.SetY(44)
	fact := func(label, value string) {
		if value = clean(value); value == "" {
			return
		}
		p.font("", 8.5, faint)
		p.put(118, 32, "L", label)
		p.font("", 8.5, ink)
		p.put(150, pageWidth-margin-150, "R", value)
		p.SetY(p.GetY() + lineHeight + 0.2)
	}
	fact("Number", deref(d.Number))
	if issued(d) {
		fact("Date", d.IssueDate.String())
		if d.Kind == invoice.KindInvoice {
			fact("Due date", d.DueDate.String())
		}
	}
	fact("Service period", d.Period.Start.String()+" to "+d.Period.End.String())
	fact("Agreement", d.Agreement)
	fact("PO number", poNumber(d.PurchaseOrder))
	fact("Your reference", d.Buyer.Reference)
	if d.Corrects != nil {
		fact("Corrects", d.Corrects.Number+" of "+d.Corrects.Date.String())
	}
	fact("Currency", string(d.Currency))
	fact("Layout", layout(d))
	p.SetY(max(left+lineHeight, p.GetY()) + 7)

	p.font("B", 11, ink)
	p.put(margin-1, width, "L", "Amazon Web Services, "+d.Month.Start().Format("January 2006"))
	p.SetY(p.GetY() + 7)
}

// poNumber is printed with at most 20 characters (domain.md 5.2); the XML keeps it whole.
func poNumber(s string) string {
	s = clean(s)
	if s == "" {
		return "-"
	}
	if r := []rune(s); len(r) > 20 {
		return string(r[:16]) + "..."
	}
	return s
}

func layout(d invoice.Document) string {
	if len(d.Lines) < compactFrom {
		return "detailed"
	}
	return fmt.Sprintf("compact, %s charges", group(fmt.Sprint(len(d.Lines))))
}

// logo draws the seller's logo, at most 60 x 18 mm, and says whether there is a usable one.
func (p *pdf) logo() bool {
	raw, err := base64.StdEncoding.DecodeString(p.d.Seller.Logo)
	if err != nil || len(raw) == 0 {
		return false
	}
	size, err := png.DecodeConfig(bytes.NewReader(raw))
	if err != nil || size.Width == 0 || size.Height == 0 {
		return false
	}
	w, h := 60.0, 60*float64(size.Height)/float64(size.Width)
	if h > 18 {
		w, h = 18*float64(size.Width)/float64(size.Height), 18
	}
	options := fpdf.ImageOptions{ImageType: "PNG"}
	p.RegisterImageOptionsReader("logo", options, bytes.NewReader(raw))
	if p.Err() {
		p.ClearError() // the name is printed in its place
		return false
	}
	p.ImageOptions("logo", margin, margin, w, h, false, options, 0, "")
	return true
}

func (p *pdf) heading(text string) {
	p.font("B", 9, accent)
	p.put(margin-1, width, "L", text)
	p.SetY(p.GetY() + 5.2)
}

// paragraph prints a text over the whole width, on as many lines as it needs.
func (p *pdf) paragraph(size float64, c rgb, text string) {
	p.font("", size, c)
	for _, l := range p.wrap(shown(text), width) {
		p.need(lineHeight)
		p.put(margin-1, width+2, "L", l)
		p.SetY(p.GetY() + lineHeight - 0.4)
	}
}

// wrap breaks a text into lines of at most w millimetres; a word that is longer stands alone and
// is shrunk by put.
func (p *pdf) wrap(text string, w float64) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		next := word
		if line != "" {
			next = line + " " + word
		}
		if line != "" && p.GetStringWidth(next) > w {
			lines = append(lines, line)
			next = word
		}
		line = next
	}
	return append(lines, line)
}

func (p *pdf) tax() {
	if len(p.d.Tax) == 0 {
		return
	}
	p.need(22)
	p.heading("VAT")
	columns := []column{{"Category", "L", 66}, {"Rate", "R", 24}, {"Base", "R", 45}, {"VAT", "R", 45}}
	p.smallHead(columns)
	for _, t := range p.d.Tax {
		code, text := t.ReasonText()
		rate := currency.Plain(t.Percent) + " %"
		if t.Category == invoice.CategoryNotSubject {
			rate = "-"
		}
		p.smallRow(columns, t.Category+" "+categoryNames[t.Category], rate,
			grouped(t.Base)+" "+string(p.d.Currency), grouped(t.Amount)+" "+string(p.d.Currency))
		if text != "" {
			if code != "" {
				text += " (" + code + ")"
			}
			p.paragraph(8, ink, text+categoryHints[t.Category])
		}
	}
	if n := p.d.TaxNational; n != nil {
		p.paragraph(8, ink, fmt.Sprintf("VAT in %s: %s %s, at %s (%s, %s).", n.Currency, grouped(n.Amount), n.Currency,
			rateText(n.Rate.From, n.Rate.To, n.Rate.Value), sourceName(n.Rate.Source), n.Rate.Date))
	}
	p.SetY(p.GetY() + 4)
}

var categoryNames = map[string]string{
	invoice.CategoryStandard:   "Standard rate",
	invoice.CategoryZero:       "Zero rated",
	invoice.CategoryExempt:     "Exempt",
	invoice.CategoryReverse:    "Reverse charge",
	invoice.CategoryExport:     "Export",
	invoice.CategoryNotSubject: "Not subject to VAT",
}

var categoryHints = map[string]string{
	invoice.CategoryReverse: ": the recipient of the service owes the VAT.",
}

// sourceName says where a rate comes from.
func sourceName(s string) string {
	switch s {
	case "aws_invoice":
		return "AWS invoice"
	case "ecb":
		return "ECB"
	case "bazg":
		return "BAZG"
	case "hmrc":
		return "HMRC"
	case "norges_bank":
		return "Norges Bank"
	case "fixed":
		return "agreed"
	}
	return s
}

func (p *pdf) smallHead(columns []column) {
	p.font("B", 7.5, faint)
	x := margin - 1
	for _, c := range columns {
		p.put(x, c.width, c.align, c.title)
		x += c.width
	}
	p.SetY(p.GetY() + 4.4)
	p.line(p.GetY(), rule)
	p.SetY(p.GetY() + 0.6)
}

func (p *pdf) smallRow(columns []column, cells ...string) {
	p.font("", 8, ink)
	x := margin - 1
	for i, c := range columns {
		p.put(x, c.width, c.align, cells[i])
		x += c.width
	}
	p.SetY(p.GetY() + 4.6)
}

func (p *pdf) payment() {
	p.need(16)
	p.heading("Payment")
	terms := paymentTerms(p.d)
	if issued(p.d) && p.d.Kind == invoice.KindInvoice {
		terms = strings.TrimSuffix(terms, ".") + fmt.Sprintf(": please pay %s %s by %s.", grouped(p.d.Totals.Gross), p.d.Currency, p.d.DueDate)
	}
	p.paragraph(8.5, ink, terms)
	pay := p.d.Payment
	if pay.IBAN != "" && p.d.Kind == invoice.KindInvoice {
		account := []string{"IBAN " + fours(pay.IBAN)}
		if pay.BIC != "" {
			account = append(account, "BIC "+pay.BIC)
		}
		if pay.Bank != "" {
			account = append(account, pay.Bank)
		}
		if issued(p.d) {
			account = append(account, "Reference "+name(p.d))
		}
		p.paragraph(8.5, ink, strings.Join(account, " · "))
	}
	p.SetY(p.GetY() + 4)
}

// fours prints an IBAN in groups of four.
func fours(iban string) string {
	var b strings.Builder
	for i, r := range taxIDPlain(iban) {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// computed says how the amounts came about: rates, AWS invoices, roundings.
func (p *pdf) computed() {
	p.need(24)
	p.heading("How this was computed")
	text := "Each line is what AWS charged, exactly, at the exchange rate of its AWS invoice or as agreed. The net total is the exact total rounded once; " +
		"the cents of the lines are allotted so that they add up to it."
	if len(p.d.Rates) == 0 {
		text = "Each line is what AWS charged, exactly. The net total is the exact total rounded once; the cents of the lines are allotted so that they add up to it."
	}
	if slices.ContainsFunc(p.d.Lines, func(l invoice.Line) bool { return l.CorrectsLine != nil }) { // else the month stands here anew
		text = "The lines are those of the corrected document, given back whole or in part, or the differences to it as computed anew, at the same VAT category and rate."
	}
	if len(p.d.Lines) >= compactFrom {
		text += " This document groups the charges; the statement (XLSX) and the e-invoice list each of them."
	}
	p.paragraph(8, ink, text)
	if ids := awsInvoices(p.d); len(ids) > 0 {
		p.paragraph(8, ink, "AWS invoices: "+strings.Join(ids, ", ")+".")
	}
	p.SetY(p.GetY() + 2)
	if len(p.d.Rates) == 0 {
		return
	}
	columns := []column{{"Exchange rate", "L", 60}, {"Source", "L", 34}, {"Date", "L", 26}, {"AWS invoice", "L", 42}, {"Markup", "R", 18}}
	p.smallHead(columns)
	for _, r := range p.d.Rates {
		if p.need(5) {
			p.smallHead(columns)
		}
		markup := ""
		if r.Markup != "" {
			markup = r.Markup + " %"
		}
		p.smallRow(columns, rateText(r.From, r.To, r.Rate), sourceName(r.Source), r.Date.String(), r.AWSInvoice, markup)
	}
	p.SetY(p.GetY() + 3)
}

func (p *pdf) remarks() {
	n := notes(p.d)
	if len(n) == 0 {
		return
	}
	p.need(14)
	p.SetY(p.GetY() + 1)
	p.heading("Remarks")
	for _, note := range n {
		p.paragraph(8, ink, note)
	}
}

func addressLines(party invoice.Party) []string {
	a := party.Address
	var lines []string
	for _, l := range []string{a.Street, a.Street2, strings.TrimSpace(a.PostalCode + " " + a.City), a.Region, party.CountryCode()} {
		if l = clean(l); l != "" {
			lines = append(lines, l)
		}
	}
	return lines
}

func addressLine(party invoice.Party) string { return strings.Join(addressLines(party), ", ") }
