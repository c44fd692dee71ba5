package book

import "strings"

// nearest returns the word that s is most likely a misspelling of, or "".
func nearest(s string, words []string) string {
	best, found := 1+max(1, len(s)/3), ""
	for _, w := range words {
		d := distance(strings.ToLower(s), strings.ToLower(w))
		if d < best && d < len(s) {
			best, found = d, w
		}
	}
	return found
}

// distance counts the letters to insert, delete, replace or swap with their neighbour to make b
// of a.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	var before, last []int // rows i-2 and i-1
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
