package book

import "strings"

func knownCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

func countryHint(s string) string {
	if u := strings.ToUpper(s); u != s && knownCountry(u) {
		return "write it in capitals: " + u
	}
	return "two capital letters of ISO 3166-1, such as DE"
}

func (c *checker) taxID(o *origin, country, id string) {}
