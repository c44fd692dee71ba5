package book

import "github.com/arrears-billing/arrears/invoice"

// Warnings returns what in a merged whole is probably a mistake but does not keep it from being
// applied, at its position and sorted: check digits that do not fit, and payers whose bills
// nobody could compare with the data.
func Warnings(all Book) []Error {
	c := newChecker(all)
	warn := func(o *origin, path, code, text, hint string) {
		if o != stored {
			c.errs = append(c.errs, o.error(path, code, text, hint))
		}
	}
	taxID := func(o *origin, id string) {
		if id == "" {
			return
		}
		if text := invoice.TaxIDWarning(id); text != "" {
			warn(o, "tax_id", codeTaxIDDigit, text, "compare it with the register, such as VIES")
		}
	}
	for i, s := range all.Sellers {
		taxID(c.from.sellers[i], s.TaxID)
		if s.Payment.IBAN != "" && !ibanHolds(s.Payment.IBAN) {
			warn(c.from.sellers[i], "payment.iban", codeIBAN, "the check digits of "+s.Payment.IBAN+" do not fit",
				"customers could not pay to it; compare it with the bank's paper")
		}
	}
	for i, b := range all.Buyers {
		taxID(c.from.buyers[i], b.TaxID)
	}
	for i, p := range all.Payers {
		if p.Reconcile == "invoices" && p.Invoices == "" {
			warn(c.from.payers[i], "reconcile", codeInvoicesNotNamed, "nothing to reconcile against: no invoices named",
				"invoices: a folder of YYYY-MM.json, or api; or reconcile: none")
		}
	}
	return Sort(c.errs)
}

// Kept returns the warning that a null at a key of an agreement does not take back what AWS has
// stated (agreement.Lifecycle.Keep).
func (b Book) Kept(agreement int, key string) Error {
	return originOf(b.from.agreements, agreement).error(key, codeKept, "AWS has stated "+key+": null does not take it back",
		"leave the key out, or write the value that holds instead")
}

// ibanHolds checks an IBAN's two digits (ISO 13616: MOD 97-10 over the account, country and digits,
// letters as 10 to 35).
func ibanHolds(s string) bool {
	if len(s) < 4 {
		return false
	}
	n := 0
	for _, c := range s[4:] + s[:4] {
		switch {
		case c >= '0' && c <= '9':
			n = (n*10 + int(c-'0')) % 97
		default:
			n = (n*100 + int(c-'A') + 10) % 97
		}
	}
	return n == 1
}

// taxID checks the form of a VAT id where its country has one that is known. A tax id of another
// country is taken as it is, if it has that country's form.
func (c *checker) taxID(o *origin, country, id string) {
	if id == "" || !invoice.HasTaxIDForm(country) {
		return
	}
	if _, err := invoice.ParseTaxID(id); err != nil {
		c.report(codeTaxID, err.Error(), "a VAT id begins with its country's letters, such as DE136695976; other numbers belong into registration_id",
			place{o, "tax_id"})
	}
}
