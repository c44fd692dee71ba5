package document

import (
	_ "embed"
	"encoding/csv"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

//go:embed fonts/coverage.csv
var coverageCSV string

// covered are the ranges of characters that the fonts have, ascending.
var covered = func() [][2]rune {
	r := csv.NewReader(strings.NewReader(coverageCSV))
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		panic("document: fonts/coverage.csv: " + err.Error())
	}
	var ranges [][2]rune
	for _, f := range rows[1:] {
		first, err1 := strconv.ParseInt(f[0], 16, 32)
		last, err2 := strconv.ParseInt(f[1], 16, 32)
		if err1 != nil || err2 != nil {
			panic("document: fonts/coverage.csv: " + f[0])
		}
		ranges = append(ranges, [2]rune{rune(first), rune(last)})
	}
	return ranges
}()

// shown is a text as the fonts can show it: characters without a glyph become U+FFFD, since PDF/A
// forbids undefined ones.
func shown(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= ' ' && r < 0x7f || hasGlyph(r) {
			return r
		}
		return utf8.RuneError
	}, clean(s))
}

func hasGlyph(r rune) bool {
	_, ok := slices.BinarySearchFunc(covered, r, func(c [2]rune, r rune) int {
		switch {
		case c[1] < r:
			return -1
		case c[0] > r:
			return 1
		}
		return 0
	})
	return ok
}
