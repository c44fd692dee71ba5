package document

import (
	"fmt"
	"strings"

	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/invoice"
)

// A column of the table of lines.
type column struct {
	title, align string
	width        float64
}

var (
	detailed = []column{{"Pos", "L", 10}, {"Description", "L", 63}, {"AWS account", "L", 26}, {"Charged by AWS", "R", 30}, {"Rate", "R", 17}, {"VAT", "R", 10}, {"Net", "R", 24}}
	compact  = []column{{"Pos", "L", 10}, {"Description", "L", 98}, {"Accounts", "R", 19}, {"Charges", "R", 19}, {"VAT", "R", 10}, {"Net", "R", 24}}
)

// A row is a line of the table: cells by column, and a second line under the description.
type row struct {
	cells []string
	under string
}

func (p *pdf) lines() {
	columns := detailed
	rows := p.detailedRows
	if len(p.d.Lines) >= compactFrom {
		columns, rows = compact, p.compactRows
	}
	p.tableHead(columns)
	for _, s := range sections(p.d) {
		p.section(columns, s, rows(s))
	}
}

// sectionLines are the lines of one section, with their sum.
type sectionLines struct {
	title string
	lines []invoice.Line
	net   invoice.Money
}

func sections(d invoice.Document) []sectionLines {
	var list []sectionLines
	for _, l := range d.Lines {
		t := sectionTitle(l.Section)
		if len(list) == 0 || list[len(list)-1].title != t {
			list = append(list, sectionLines{title: t, net: invoice.Money{Places: l.Net.Places}})
		}
		s := &list[len(list)-1]
		s.lines = append(s.lines, l)
		s.net.Number = s.net.Number.Add(l.Net.Number)
	}
	return list
}

func (p *pdf) detailedRows(s sectionLines) []row {
	var rows []row
	for _, l := range s.lines {
		r := row{cells: []string{fmt.Sprint(l.Position), l.Label, deref(l.Account), "", "", p.vat(), grouped(l.Net)}}
		if l.Source != nil {
			r.cells[3] = group(currency.Plain(l.Source.Number)) + " " + string(l.Source.Currency)
		}
		if l.Rate != nil {
			r.cells[4] = currency.Plain(*l.Rate)
		}
		var under []string
		if l.Product != nil && *l.Product != l.Label {
			under = append(under, *l.Product)
		}
		if l.AWSInvoice != nil {
			under = append(under, "AWS invoice "+*l.AWSInvoice)
		}
		if l.How != "" {
			under = append(under, l.How)
		}
		r.under = strings.Join(under, " · ")
		rows = append(rows, r)
	}
	return rows
}

// compactRows sums the lines of a section by label, in the order of their first line.
func (p *pdf) compactRows(s sectionLines) []row {
	type sum struct {
		first    invoice.Line
		accounts map[string]bool
		lines    int
		net      invoice.Money
	}
	var order []*sum
	by := map[string]*sum{}
	for _, l := range s.lines {
		g, ok := by[l.Label]
		if !ok {
			g = &sum{first: l, accounts: map[string]bool{}, net: invoice.Money{Places: l.Net.Places}}
			by[l.Label] = g
			order = append(order, g)
		}
		g.lines++
		g.net.Number = g.net.Number.Add(l.Net.Number)
		if l.Account != nil {
			g.accounts[*l.Account] = true
		}
	}
	var rows []row
	for _, g := range order {
		accounts := ""
		if len(g.accounts) > 0 {
			accounts = group(fmt.Sprint(len(g.accounts)))
		}
		rows = append(rows, row{
			cells: []string{fmt.Sprint(g.first.Position), g.first.Label, accounts, group(fmt.Sprint(g.lines)), p.vat(), grouped(g.net)},
			under: g.first.How,
		})
	}
	return rows
}

// vat is the tax of a line as printed: the percentage of S, else the category.
func (p *pdf) vat() string {
	if len(p.d.Tax) == 0 {
		return ""
	}
	t := p.d.Tax[0]
	if t.Category == invoice.CategoryStandard {
		return currency.Plain(t.Percent) + "%"
	}
	return t.Category
}

func (p *pdf) tableHead(columns []column) {
	y := p.GetY()
	p.SetFillColor(accent.r, accent.g, accent.b)
	p.Rect(margin, y, width, 6, "F")
	p.SetY(y + 0.8)
	p.font("B", 7.5, rgb{255, 255, 255})
	x := margin
	for _, c := range columns {
		p.put(x, c.width, c.align, c.title)
		x += c.width
	}
	p.SetY(y + 6)
}

func (p *pdf) section(columns []column, s sectionLines, rows []row) {
	heading := func(continued string) {
		y := p.GetY()
		p.SetFillColor(shade.r, shade.g, shade.b)
		p.Rect(margin, y, width, 5.6, "F")
		p.SetY(y + 0.6)
		p.font("B", 8, ink)
		p.put(margin, width-30, "L", s.title+continued)
		if continued == "" {
			p.put(pageWidth-margin-30, 30, "R", grouped(s.net))
		}
		p.SetY(y + 5.6)
	}
	if p.need(18) {
		p.tableHead(columns)
	}
	heading("")
	for _, r := range rows {
		h := 5.4
		if r.under != "" {
			h = 8.6
		}
		if p.need(h) {
			p.tableHead(columns)
			heading(", continued")
		}
		y := p.GetY()
		p.SetY(y + 0.5)
		p.font("", 8, ink)
		x := margin
		for i, c := range columns {
			p.put(x, c.width, c.align, r.cells[i])
			x += c.width
		}
		if r.under != "" {
			p.SetY(y + 4.1)
			p.font("", 6.5, faint)
			p.put(margin+columns[0].width, width-columns[0].width-26, "L", r.under)
		}
		p.SetY(y + h)
		p.line(y+h, rule)
	}
	p.SetY(p.GetY() + 1)
}

func (p *pdf) totals() {
	t := p.d.Totals
	p.need(28)
	p.SetY(p.GetY() + 3)
	x, w := pageWidth-margin-85, 85.0
	entry := func(label, amount string) {
		p.font("", 9, ink)
		p.put(x, w-35, "L", label)
		p.put(x+w-35, 35, "R", amount)
		p.SetY(p.GetY() + 5.2)
	}
	entry("Net total", grouped(t.Net)+" "+string(p.d.Currency))
	label := "VAT"
	if v := p.vat(); v != "" {
		label += " " + v
	}
	entry(label, grouped(t.Tax)+" "+string(p.d.Currency))
	y := p.GetY() + 0.6
	p.SetFillColor(accent.r, accent.g, accent.b)
	p.Rect(x, y, w, 8, "F")
	p.SetY(y + 1.8)
	p.font("B", 10.5, rgb{255, 255, 255})
	label = "Total to pay"
	if p.d.Kind == invoice.KindCreditNote {
		label = "Total credited"
	}
	p.put(x, w-45, "L", label)
	p.put(x+w-45, 45, "R", grouped(t.Gross)+" "+string(p.d.Currency))
	p.SetY(y + 12)
}
