// Package arrears closes a month: from what AWS delivered for every customer organisation, by the
// customer's agreement and proven against AWS's own invoices, to what the customer owes.
package arrears
