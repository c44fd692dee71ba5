package currency

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// A Code is an ISO 4217 alphabetic currency code, such as EUR.
type Code string

// iso4217 lists code, minor units and name of the currencies in circulation.
//
//go:embed data/iso4217.csv
var iso4217 string

var minorUnits = func() map[Code]int32 {
	m := map[Code]int32{}
	for line := range strings.Lines(iso4217) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, ",")
		n, err := strconv.ParseInt(f[1], 10, 32)
		if err != nil {
			panic("currency: data/iso4217.csv: " + line)
		}
		m[Code(f[0])] = int32(n)
	}
	return m
}()

// ParseCode returns the currency of an ISO 4217 code in capitals, or an error.
func ParseCode(s string) (Code, error) {
	if _, ok := minorUnits[Code(s)]; !ok {
		return "", fmt.Errorf("not an ISO 4217 currency code: %q", s)
	}
	return Code(s), nil
}

// Known says whether c is an ISO 4217 currency.
func (c Code) Known() bool { _, ok := minorUnits[c]; return ok }

// MinorUnits is the number of decimal places of the currency's smallest unit: 2 for EUR, 0 for
// JPY. Unknown currencies have 2; ParseCode keeps them out.
func (c Code) MinorUnits() int32 {
	if n, ok := minorUnits[c]; ok {
		return n
	}
	return 2
}
