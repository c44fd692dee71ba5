package agreement

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// AWS takes few characters in the names that it shows to the customer, and refuses the rest: a name
// of any length and script must not keep an order from going on.

// Longest names, in characters (AWS's service models: Organizations ResponsibilityTransferName,
// Partner Central displayName).
const (
	maxTransferName     = 128
	maxRelationshipName = 30
)

// transferName is how an invitation is called: "Transfer Billing - Buyer B.V.". AWS takes printable
// ASCII; letters lose their accents, and what has no ASCII form becomes a question mark.
func transferName(buyer string) string {
	return clip("Transfer Billing - "+ascii(buyer), maxTransferName)
}

// groupName is how Billing Conductor calls a group. Its names are unique in a payer, and an
// organisation that comes again has a group of the transfer before until its last month is settled.
func groupName(a *Agreement) string {
	return "billing-group-" + string(a.ManagementAccount) + "-" + a.ID
}

// relationshipName is how Partner Central calls a customer: the buyer, cut where it is too long,
// and the account, which makes it unique.
func relationshipName(buyer string, account AccountID) string {
	end := "-" + string(account)
	buyer = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, buyer)
	return clip(buyer, maxRelationshipName-len(end)) + end
}

// clip returns the first n characters, without spaces at their end.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		s = string(r[:n])
	}
	return strings.TrimRight(s, " ")
}

// letters are those that have no decomposition.
var letters = strings.NewReplacer("ß", "ss", "ẞ", "SS", "æ", "ae", "Æ", "AE", "œ", "oe", "Œ", "OE", "ø", "o", "Ø", "O",
	"ł", "l", "Ł", "L", "đ", "d", "Đ", "D", "ð", "d", "Ð", "D", "þ", "th", "Þ", "Th", "ı", "i", "–", "-", "—", "-", "’", "'")

// ascii writes a text in printable ASCII.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Mn, r):
			return -1
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, norm.NFKD.String(letters.Replace(s)))
}
