package document

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
)

// XLSX returns the statement: a summary, every charge in the 22 columns that customers know
// (domain.md 5.3), tax and exchange rates. Net, tax and gross are numbers with their minor units;
// exact amounts and rates are text, since a spreadsheet keeps only 15 digits of a number.
//
// It is written here and not with a library: cells stream out in order, the digits of money never
// pass through a float, and the bytes are the same each time.
func XLSX(d invoice.Document) ([]byte, error) {
	b := workbook{places: d.Currency.MinorUnits()}
	b.sheet("Summary", []int{26, 60, 24}, func(s *sheet) { summarySheet(s, d) })
	b.sheet("Charges", chargeWidths(), func(s *sheet) { chargesSheet(s, d) })
	b.sheet("VAT", []int{12, 26, 10, 16, 16, 12, 50}, func(s *sheet) { vatSheet(s, d) })
	b.sheet("Exchange rates", []int{10, 10, 18, 20, 14, 24, 12}, func(s *sheet) { ratesSheet(s, d) })
	return b.bytes()
}

func summarySheet(s *sheet, d invoice.Document) {
	pair := func(key, value string) { s.row(cell{text: key, style: bold}, cell{text: value}) }
	s.row(cell{text: title(d) + " statement", style: bold}, cell{text: name(d)})
	pair("Document ID", d.ID)
	pair("Status", d.Status)
	s.row(cell{text: "Total", style: bold}, cell{number: d.Totals.Gross.String(), style: amount}, cell{text: string(d.Currency)})
	s.row(cell{text: "Net", style: bold}, cell{number: d.Totals.Net.String(), style: amount}, cell{text: string(d.Currency)})
	s.row(cell{text: "VAT", style: bold}, cell{number: d.Totals.Tax.String(), style: amount}, cell{text: string(d.Currency)})
	issue, due := "", ""
	if d.IssueDate != nil {
		issue = d.IssueDate.String()
	}
	if d.DueDate != nil {
		due = d.DueDate.String()
	}
	pair("Issue date", issue)
	pair("Due date", due)
	pair("Period", d.Period.Start.String()+" to "+d.Period.End.String())
	pair("PO number", d.PurchaseOrder)
	if d.Corrects != nil {
		pair("Corrects", d.Corrects.Number+" of "+d.Corrects.Date.String())
	}
	for _, n := range notes(d) {
		pair("Remark", n)
	}
	s.row()
	s.row(cell{text: "", style: head}, cell{text: "Name", style: head}, cell{text: "ID", style: head})
	party := func(role, name, id string) { s.row(cell{text: role, style: bold}, cell{text: name}, cell{text: id}) }
	party("Agreement", "", d.Agreement)
	party("Buyer", d.Buyer.Name, d.Buyer.ID)
	party("Seller", d.Seller.Name, d.Seller.ID)
	party("Vendor", "Amazon Web Services", "")
	s.row(cell{text: "Charges", style: bold}, cell{number: strconv.Itoa(len(d.Lines))})
}

type chargeColumn struct {
	title string
	width int
	value func(d invoice.Document, l invoice.Line) cell
}

func textOf(f func(d invoice.Document, l invoice.Line) string) func(invoice.Document, invoice.Line) cell {
	return func(d invoice.Document, l invoice.Line) cell { return cell{text: f(d, l)} }
}

func missing(invoice.Document, invoice.Line) cell { return cell{} }

var chargeColumns = []chargeColumn{
	{"Charge ID", 24, textOf(func(d invoice.Document, l invoice.Line) string { return fmt.Sprintf("%s-%04d", d.ID, l.Position) })},
	{"Agreement ID", 14, textOf(func(d invoice.Document, _ invoice.Line) string { return d.Agreement })},
	{"Agreement Name", 16, missing},
	{"Agreement Client ID", 18, textOf(func(d invoice.Document, _ invoice.Line) string { return d.PurchaseOrder })},
	{"Subscription ID", 16, textOf(func(_ invoice.Document, l invoice.Line) string { return deref(l.Account) })},
	{"Subscription Name", 18, missing},
	{"Subscription Client ID", 18, missing},
	{"Subscription Vendor ID", 22, textOf(func(_ invoice.Document, l invoice.Line) string { return deref(l.Account) })},
	{"Item ID", 20, textOf(func(_ invoice.Document, l invoice.Line) string { return string(l.Section) })},
	{"Item Name", 22, textOf(func(_ invoice.Document, l invoice.Line) string { return sectionTitle(l.Section) })},
	{"Invoice Item ID", 24, textOf(func(_ invoice.Document, l invoice.Line) string { return deref(l.AWSInvoice) })},
	{"Vendor Item ID", 24, textOf(func(_ invoice.Document, l invoice.Line) string { return deref(l.Product) })},
	{"Start Date", 12, textOf(func(d invoice.Document, _ invoice.Line) string { return d.Period.Start.String() })},
	{"End Date", 12, textOf(func(d invoice.Document, _ invoice.Line) string { return d.Period.End.String() })},
	{"Description", 44, textOf(func(_ invoice.Document, l invoice.Line) string { return l.Label })},
	{"Description 2", 44, textOf(func(_ invoice.Document, l invoice.Line) string { return origin(l) })},
	{"Split Billing Allocation %", 14, missing},
	{"ELC", 8, missing},
	{"Quantity", 10, func(invoice.Document, invoice.Line) cell { return cell{number: "1"} }},
	{"Sales Price", 22, func(_ invoice.Document, l invoice.Line) cell {
		return cell{text: currency.Plain(l.Exact), style: right}
	}},
	{"Currency", 10, textOf(func(d invoice.Document, _ invoice.Line) string { return string(d.Currency) })},
	{"Charge Total", 16, func(_ invoice.Document, l invoice.Line) cell { return cell{number: l.Net.String(), style: amount} }},
}

func chargeWidths() []int {
	var w []int
	for _, c := range chargeColumns {
		w = append(w, c.width)
	}
	return w
}

// origin says where a line's amount comes from: AWS's charge and rate, or the seller's computation.
func origin(l invoice.Line) string {
	switch {
	case l.Source != nil && l.Rate != nil:
		return fmt.Sprintf("%s at %s", l.Source, currency.Plain(*l.Rate))
	case l.Source != nil:
		return l.Source.String()
	}
	return l.How
}

func chargesSheet(s *sheet, d invoice.Document) {
	cells := make([]cell, len(chargeColumns))
	for i, c := range chargeColumns {
		cells[i] = cell{text: c.title, style: head}
	}
	s.row(cells...)
	for _, l := range d.Lines {
		for i, c := range chargeColumns {
			cells[i] = c.value(d, l)
		}
		s.row(cells...)
	}
}

func vatSheet(s *sheet, d invoice.Document) {
	s.heads("Category", "Name", "Rate %", "Base", "VAT", "Currency", "Reason")
	for _, t := range d.Tax {
		_, reason := t.ReasonText()
		s.row(cell{text: t.Category}, cell{text: categoryNames[t.Category]}, cell{text: currency.Plain(t.Percent), style: right},
			cell{number: t.Base.String(), style: amount}, cell{number: t.Amount.String(), style: amount},
			cell{text: string(d.Currency)}, cell{text: reason})
	}
	if n := d.TaxNational; n != nil {
		s.row(cell{}, cell{text: "VAT in " + string(n.Currency)}, cell{}, cell{},
			cell{text: n.Amount.String(), style: right}, cell{text: string(n.Currency)},
			cell{text: fmt.Sprintf("%s, %s, %s", rateText(n.Rate.From, n.Rate.To, n.Rate.Value), sourceName(n.Rate.Source), n.Rate.Date)})
	}
}

func ratesSheet(s *sheet, d invoice.Document) {
	s.heads("From", "To", "Rate", "Source", "Date", "AWS invoice", "Markup %")
	for _, r := range d.Rates {
		s.row(cell{text: string(r.From)}, cell{text: string(r.To)}, cell{text: currency.Plain(r.Rate), style: right},
			cell{text: sourceName(r.Source)}, cell{text: r.Date.String()}, cell{text: r.AWSInvoice}, cell{text: r.Markup, style: right})
	}
}

// A cell is a text or, when number is set, a number in plain decimal notation. An empty one shows
// a dash.
type cell struct {
	text, number string
	style        int
}

// Styles, as indexes into the workbook's cellXfs.
const (
	plain = iota
	bold
	head
	amount // the document's minor units
	right
)

type sheet struct {
	buf    bytes.Buffer
	number int
}

func (s *sheet) heads(titles ...string) {
	cells := make([]cell, len(titles))
	for i, t := range titles {
		cells[i] = cell{text: t, style: head}
	}
	s.row(cells...)
}

func (s *sheet) row(cells ...cell) {
	s.number++
	fmt.Fprintf(&s.buf, `<row r="%d">`, s.number)
	for i, c := range cells {
		ref := columnName(i) + strconv.Itoa(s.number)
		if c.number != "" {
			fmt.Fprintf(&s.buf, `<c r="%s" s="%d"><v>%s</v></c>`, ref, c.style, c.number)
			continue
		}
		s.buf.WriteString(`<c r="` + ref + `" s="` + strconv.Itoa(c.style) + `" t="inlineStr"><is><t>`)
		xmlEscaper.WriteString(&s.buf, safe(c.text)) //nolint:errcheck // a bytes.Buffer does not fail
		s.buf.WriteString(`</t></is></c>`)
	}
	s.buf.WriteString("</row>\n")
}

// safe is a text for a cell. One that a spreadsheet could take for a formula, here or after an
// export to CSV, gets an apostrophe in front; plain numbers need none. What is missing is a dash.
func safe(text string) string {
	text = clean(text)
	if text == "" || text == "-" {
		return "-"
	}
	if strings.ContainsRune("=+-@", rune(text[0])) {
		if _, err := currency.Parse(text); err != nil {
			return "'" + text
		}
	}
	return text
}

// columnName is A to Z; no sheet here is wider.
func columnName(i int) string { return string(rune('A' + i)) }

type workbook struct {
	sheets []struct {
		name   string
		widths []int
		data   sheet
	}
	places int32
}

func (b *workbook) sheet(name string, widths []int, fill func(*sheet)) {
	b.sheets = append(b.sheets, struct {
		name   string
		widths []int
		data   sheet
	}{name: name, widths: widths})
	fill(&b.sheets[len(b.sheets)-1].data)
}

const xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"

const (
	nsMain          = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	nsRelationships = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	nsPackage       = "http://schemas.openxmlformats.org/package/2006/"
	typeSheet       = "application/vnd.openxmlformats-officedocument.spreadsheetml."
)

// bytes packs the workbook. The files have no times of their own, so the bytes do not change.
func (b *workbook) bytes() ([]byte, error) {
	var types, sheets, links strings.Builder
	for i, s := range b.sheets {
		n := i + 1
		fmt.Fprintf(&types, `<Override PartName="/xl/worksheets/sheet%d.xml" ContentType="%sworksheet+xml"/>`, n, typeSheet)
		fmt.Fprintf(&sheets, `<sheet name="%s" sheetId="%d" r:id="rId%d"/>`, s.name, n, n)
		fmt.Fprintf(&links, `<Relationship Id="rId%d" Type="%s/worksheet" Target="worksheets/sheet%d.xml"/>`, n, nsRelationships, n)
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	add := func(name string, parts ...[]byte) error {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Time{}})
		for _, p := range parts {
			if err == nil {
				_, err = w.Write(p)
			}
		}
		return err
	}
	files := []struct{ name, text string }{
		{"[Content_Types].xml", `<Types xmlns="` + nsPackage + `content-types">` +
			`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Default Extension="xml" ContentType="application/xml"/>` +
			`<Override PartName="/xl/workbook.xml" ContentType="` + typeSheet + `sheet.main+xml"/>` +
			`<Override PartName="/xl/styles.xml" ContentType="` + typeSheet + `styles+xml"/>` + types.String() + `</Types>`},
		{"_rels/.rels", `<Relationships xmlns="` + nsPackage + `relationships">` +
			`<Relationship Id="rId1" Type="` + nsRelationships + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", `<workbook xmlns="` + nsMain + `" xmlns:r="` + nsRelationships + `"><sheets>` + sheets.String() + `</sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="` + nsPackage + `relationships">` + links.String() +
			fmt.Sprintf(`<Relationship Id="rId%d" Type="%s/styles" Target="styles.xml"/>`, len(b.sheets)+1, nsRelationships) + `</Relationships>`},
		{"xl/styles.xml", b.styles()},
	}
	for _, f := range files {
		if err := add(f.name, []byte(xmlHead+f.text)); err != nil {
			return nil, err
		}
	}
	for i := range b.sheets {
		s := &b.sheets[i]
		var top strings.Builder
		top.WriteString(xmlHead + `<worksheet xmlns="` + nsMain + `">`)
		if s.name != "Summary" { // the heading stays in sight
			top.WriteString(`<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>`)
		}
		top.WriteString("<cols>")
		for c, w := range s.widths {
			fmt.Fprintf(&top, `<col min="%d" max="%d" width="%d" customWidth="1"/>`, c+1, c+1, w)
		}
		top.WriteString("</cols><sheetData>\n")
		if err := add(fmt.Sprintf("xl/worksheets/sheet%d.xml", i+1), []byte(top.String()), s.data.buf.Bytes(), []byte("</sheetData></worksheet>")); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (b *workbook) styles() string {
	format := "#,##0"
	if b.places > 0 {
		format += "." + strings.Repeat("0", int(b.places))
	}
	return `<styleSheet xmlns="` + nsMain + `"><numFmts count="1"><numFmt numFmtId="164" formatCode="` + format + `"/></numFmts>` +
		`<fonts count="2"><font><sz val="10"/><name val="Calibri"/></font><font><b/><sz val="10"/><name val="Calibri"/></font></fonts>` +
		`<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>` +
		`<fill><patternFill patternType="solid"><fgColor rgb="FFF1F4F8"/></patternFill></fill></fills>` +
		`<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="5">` +
		`<xf fontId="0"/>` +
		`<xf fontId="1" applyFont="1"/>` +
		`<xf fontId="1" fillId="2" applyFont="1" applyFill="1"/>` +
		`<xf fontId="0" numFmtId="164" applyNumberFormat="1"/>` +
		`<xf fontId="0" applyAlignment="1"><alignment horizontal="right"/></xf>` +
		`</cellXfs></styleSheet>`
}
