package store

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDifferences(t *testing.T) {
	for _, tt := range []struct {
		name, before, after string
		paths               []string
		note                string
	}{
		{"a value", `{"cur":{"source":"/a","manifest":"required"}}`, `{"cur":{"source":"/b","manifest":"required"}}`,
			[]string{"cur.source"}, `cur.source: "/a" -> "/b"`},
		{"a key that comes and one that goes", `{"a":"1","b":"2"}`, `{"b":"2","c":null,"d":"3"}`, []string{"a", "d"}, `a: "1" -> -; d: - -> "3"`},
		{"terms are named by their month", `{"terms":[{"from":"2026-01","p":"5"},{"from":"2026-03","p":"5"}]}`,
			`{"terms":[{"from":"2026-01","p":"5"},{"from":"2026-02","p":"6"},{"from":"2026-03","p":"7"}]}`,
			[]string{"terms[2026-03].p", "terms[2026-02]"}, `terms[2026-03].p: "5" -> "7"; terms[2026-02]: - -> {"from":"2026-02","p":"6"}`},
		{"lists without names by place", `{"l":["a","b"]}`, `{"l":["a","c","d"]}`, []string{"l[2]", "l[3]"}, `l[2]: "b" -> "c"; l[3]: - -> "d"`},
		{"two of one month", `{"adjustments":[{"month":"2026-03","amount":"1"},{"month":"2026-03","amount":"2"}]}`,
			`{"adjustments":[{"month":"2026-03","amount":"1"},{"month":"2026-03","amount":"3"}]}`, []string{"adjustments[2026-03'].amount"}, `adjustments[2026-03'].amount: "2" -> "3"`},
		{"another kind of value", `{"a":{"b":"c"}}`, `{"a":["b"]}`, []string{"a"}, `a: {"b":"c"} -> ["b"]`},
		{"numbers to the last digit", `{"n":12345678901234567890}`, `{"n":12345678901234567891}`, []string{"n"}, `n: 12345678901234567890 -> 12345678901234567891`},
		{"not JSON", `{`, `{}`, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			paths, note := differences([]byte(tt.before), []byte(tt.after))
			if diff := cmp.Diff(tt.paths, paths); diff != "" || note != tt.note {
				t.Errorf("note %q, want %q; paths (-want +got):\n%s", note, tt.note, diff)
			}
		})
	}
	long := strings.Repeat("x", 100_000)
	if _, note := differences([]byte(`{}`), []byte(`{"a":"`+long+`"}`)); len(note) > noteBytes+10 {
		t.Errorf("a note of %d bytes", len(note))
	}
}
