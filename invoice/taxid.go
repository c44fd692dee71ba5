package invoice

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

//go:embed data/tax_ids.csv
var taxIDsCSV string

type taxIDForm struct {
	prefix, country string
	pattern         *regexp.Regexp
	check           string
}

var taxIDForms = readTable(taxIDsCSV, 4, func(f []string) (taxIDForm, error) {
	pattern, err := regexp.Compile(f[2])
	if err == nil && f[3] != "" && checkDigits[f[3]] == nil {
		err = fmt.Errorf("no check %q", f[3])
	}
	return taxIDForm{f[0], f[1], pattern, f[3]}, err
})

var taxIDSeparators = strings.NewReplacer(" ", "", ".", "", "-", "")

// ParseTaxID returns the country, as ISO 3166 has it, of a VAT id such as DE136695976, and an error
// if the id has not that country's form. Greek ids begin with EL. Spaces, dots and hyphens do not
// matter.
func ParseTaxID(id string) (country string, err error) {
	form, _, err := formOf(id)
	return form.country, err
}

// HasTaxIDForm says whether the form of a country's VAT ids is known here.
func HasTaxIDForm(country string) bool {
	return slices.ContainsFunc(taxIDForms, func(f taxIDForm) bool { return f.country == country })
}

// TaxIDWarning says that the check digit of a well formed VAT id is wrong, which a person should
// look at but which some valid ids have. It is empty when there is nothing to say.
func TaxIDWarning(id string) string {
	form, digits, err := formOf(id)
	if err != nil || form.check == "" || checkDigits[form.check](digits) {
		return ""
	}
	return fmt.Sprintf("the check digit of VAT id %s is wrong", id)
}

// formOf returns the form that an id has, and the id without separators and prefix.
func formOf(id string) (taxIDForm, string, error) {
	plain := strings.ToUpper(taxIDSeparators.Replace(id))
	for _, f := range taxIDForms {
		if !strings.HasPrefix(plain, f.prefix) {
			continue
		}
		if !f.pattern.MatchString(plain) {
			return taxIDForm{}, "", fmt.Errorf("not a VAT id of %s: %q", f.country, id)
		}
		return f, strings.TrimPrefix(plain, f.prefix), nil
	}
	if strings.HasPrefix(plain, "GR") {
		return taxIDForm{}, "", fmt.Errorf("not a VAT id: %q: Greek VAT ids begin with EL", id)
	}
	return taxIDForm{}, "", fmt.Errorf("not a VAT id of a country that is known here: %q", id)
}

// checkDigits are the procedures named in data/tax_ids.csv. They are given an id of the right form,
// without its prefix. What a procedure does not cover, such as ids of natural persons, passes.
var checkDigits = map[string]func(string) bool{
	"luhn":    luhn,
	"iso7064": iso7064,
	"at": func(s string) bool { // U + 8 digits
		sum := 4
		for i := 1; i < 8; i++ {
			d := digit(s, i)
			if i%2 == 0 {
				d = d*2/10 + d*2%10
			}
			sum += d
		}
		return (10-sum%10)%10 == digit(s, 8)
	},
	"be": func(s string) bool { return 97-number(s[:8])%97 == number(s[8:]) },
	"bg": func(s string) bool {
		if len(s) != 9 {
			return true
		}
		c := weigh(s, 1, 2, 3, 4, 5, 6, 7, 8) % 11
		if c == 10 {
			c = weigh(s, 3, 4, 5, 6, 7, 8, 9, 10) % 11 % 10
		}
		return c == digit(s, 8)
	},
	"cy": func(s string) bool {
		odd := [10]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21}
		sum := 0
		for i := range 8 {
			if i%2 == 0 {
				sum += odd[digit(s, i)]
			} else {
				sum += digit(s, i)
			}
		}
		return byte('A'+sum%26) == s[8]
	},
	"cz": func(s string) bool {
		return len(s) != 8 || (11-weigh(s, 8, 7, 6, 5, 4, 3, 2)%11)%10 == digit(s, 7)
	},
	"dk": func(s string) bool { return weigh(s, 2, 7, 6, 5, 4, 3, 2, 1)%11 == 0 },
	"ee": func(s string) bool { return weigh(s, 3, 7, 1, 3, 7, 1, 3, 7, 1)%10 == 0 },
	"el": func(s string) bool { return weigh(s, 256, 128, 64, 32, 16, 8, 4, 2)%11%10 == digit(s, 8) },
	"es": spanish,
	"fi": func(s string) bool { return weigh(s, 7, 9, 10, 5, 8, 4, 2, 1)%11 == 0 },
	"fr": func(s string) bool { // the key may hold letters, for which no procedure is public
		if !digits(s[:2]) {
			return true
		}
		return (12+3*(number(s[2:])%97))%97 == number(s[:2])
	},
	"hu": func(s string) bool { return (10-weigh(s, 9, 7, 3, 1, 9, 7, 3)%10)%10 == digit(s, 7) },
	"ie": func(s string) bool {
		if !digits(s[:7]) {
			return true
		}
		sum := weigh(s, 8, 7, 6, 5, 4, 3, 2)
		if len(s) == 9 && s[8] != 'W' {
			sum += 9 * int(s[8]-'A'+1)
		}
		return "WABCDEFGHIJKLMNOPQRSTUV"[sum%23] == s[7]
	},
	"lt": func(s string) bool {
		if len(s) != 9 {
			return true
		}
		c := weigh(s, 1, 2, 3, 4, 5, 6, 7, 8) % 11
		if c == 10 {
			c = weigh(s, 3, 4, 5, 6, 7, 8, 9, 1) % 11 % 10
		}
		return c == digit(s, 8)
	},
	"lu": func(s string) bool { return number(s[:6])%89 == number(s[6:]) },
	"lv": func(s string) bool {
		return s[0] <= '3' || weigh(s, 9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1)%11 == 3
	},
	"mt": func(s string) bool { return (weigh(s, 3, 4, 6, 7, 8, 9)+number(s[6:]))%37 == 0 },
	"nl": func(s string) bool {
		return weigh(s, 9, 8, 7, 6, 5, 4, 3, 2)%11 == digit(s, 8) || mod97("2321"+s[:9]+"11"+s[10:]) == 1 // N=23, L=21, B=11
	},
	"pl": func(s string) bool { return weigh(s, 6, 5, 7, 2, 3, 4, 5, 6, 7)%11 == digit(s, 9) },
	"pt": func(s string) bool {
		c := 11 - weigh(s, 9, 8, 7, 6, 5, 4, 3, 2)%11
		return c == digit(s, 8) || (c > 9 && s[8] == '0')
	},
	"ro": func(s string) bool {
		s = strings.Repeat("0", 10-len(s)) + s
		return weigh(s, 7, 5, 3, 2, 1, 7, 5, 3, 2)*10%11%10 == digit(s, 9)
	},
	"se":  func(s string) bool { return luhn(s[:10]) },
	"si":  func(s string) bool { return (11-weigh(s, 8, 7, 6, 5, 4, 3, 2)%11)%10 == digit(s, 7) },
	"sk":  func(s string) bool { return number(s)%11 == 0 },
	"che": func(s string) bool { return weigh(s, 5, 4, 3, 2, 7, 6, 5, 4, 1)%11 == 0 },
	"gb": func(s string) bool {
		if !digits(s) {
			return true
		}
		c := (weigh(s, 8, 7, 6, 5, 4, 3, 2) + number(s[7:9])) % 97
		return c == 0 || c == 97-55
	},
	"no": func(s string) bool { return weigh(s, 3, 2, 7, 6, 5, 4, 3, 2, 1)%11 == 0 },
}

func spanish(s string) bool {
	const letters = "TRWAGMYFPDXBNJZSQVHLCKE"
	switch c := s[0]; {
	case c >= '0' && c <= '9':
		return letters[number(s[:8])%23] == s[8]
	case c >= 'X' && c <= 'Z':
		return letters[(int(c-'X')*10_000_000+number(s[1:8]))%23] == s[8]
	case c >= 'K' && c <= 'M':
		return letters[number(s[1:8])%23] == s[8]
	}
	sum := 0
	for i := 1; i < 8; i++ {
		d := digit(s, i)
		if i%2 == 1 {
			d = d*2/10 + d*2%10
		}
		sum += d
	}
	c := (10 - sum%10) % 10
	return s[8] == byte('0'+c) || s[8] == "JABCDEFGHI"[c]
}

// luhn is the check of ISO/IEC 7812-1.
func luhn(s string) bool {
	sum := 0
	for i := range len(s) {
		d := digit(s, len(s)-1-i)
		if i%2 == 1 {
			d = d*2/10 + d*2%10
		}
		sum += d
	}
	return sum%10 == 0
}

// iso7064 is the check of ISO/IEC 7064, MOD 11,10.
func iso7064(s string) bool {
	p := 10
	for i := range len(s) - 1 {
		p = (p + digit(s, i)) % 10
		if p == 0 {
			p = 10
		}
		p = p * 2 % 11
	}
	return (11-p)%10 == digit(s, len(s)-1)
}

// weigh sums the digits from the first, each times its weight.
func weigh(s string, weights ...int) int {
	sum := 0
	for i, w := range weights {
		sum += digit(s, i) * w
	}
	return sum
}

func digit(s string, i int) int { return int(s[i] - '0') }

// number is the value of a few digits.
func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + digit(s, i)
	}
	return n
}

func mod97(s string) int {
	n := 0
	for i := range len(s) {
		n = (n*10 + digit(s, i)) % 97
	}
	return n
}

func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
