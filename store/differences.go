package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// noteBytes is how long a note of differences may get: the versions themselves are kept whole.
const noteBytes = 4000

// differences compares two versions of a JSON object: the paths of what differs, in order, and a
// note that says what was and what is. Of a body that is not JSON nothing is said.
func differences(before, after []byte) (paths []string, note string) {
	var was, is any
	if decodeJSON(before, &was) != nil || decodeJSON(after, &is) != nil {
		return nil, ""
	}
	var lines []string
	differ("", was, is, func(path string, was, is any) {
		paths = append(paths, path)
		lines = append(lines, fmt.Sprintf("%s: %s -> %s", path, shortJSON(was), shortJSON(is)))
	})
	note = strings.Join(lines, "; ")
	if len(note) > noteBytes {
		note = strings.ToValidUTF8(note[:noteBytes], "") + " ..."
	}
	return paths, note
}

func decodeJSON(b []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return d.Decode(to)
}

// shortJSON is a value as a note shows it; what is not there is "-".
func shortJSON(v any) string {
	if v == nil {
		return "-"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	if len(b) > 200 {
		return strings.ToValidUTF8(string(b[:200]), "") + "..."
	}
	return string(b)
}

// differ calls found for every value that differs, at its deepest path.
func differ(path string, was, is any, found func(path string, was, is any)) {
	switch w := was.(type) {
	case map[string]any:
		if i, ok := is.(map[string]any); ok {
			keys := maps.Clone(w)
			maps.Copy(keys, i)
			for _, k := range slices.Sorted(maps.Keys(keys)) {
				differ(strings.TrimPrefix(path+"."+k, "."), w[k], i[k], found)
			}
			return
		}
	case []any:
		if i, ok := is.([]any); ok {
			differLists(path, w, i, found)
			return
		}
	}
	if shortOf(was) != shortOf(is) {
		found(cmp.Or(path, "all"), was, is)
	}
}

func shortOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// differLists compares lists entry by entry: by what names an entry (its month, day or id) where
// all entries have one, else by place.
func differLists(path string, was, is []any, found func(path string, was, is any)) {
	named := func(list []any) (names []string, by map[string]any) {
		by = map[string]any{}
		for n, v := range list {
			name := fmt.Sprint(n + 1)
			if o, ok := v.(map[string]any); ok {
				for _, key := range []string{"from", "month", "id"} {
					if s, ok := o[key].(string); ok && s != "" {
						name = s
						break
					}
				}
			}
			for by[name] != nil { // two of one month
				name += "'"
			}
			names = append(names, name)
			by[name] = v
		}
		return names, by
	}
	before, w := named(was)
	after, i := named(is)
	for _, name := range after {
		if !slices.Contains(before, name) {
			before = append(before, name)
		}
	}
	for _, name := range before {
		differ(fmt.Sprintf("%s[%s]", path, name), w[name], i[name], found)
	}
}
