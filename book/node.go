package book

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A reader takes a YAML document apart and collects what is wrong with it.
type reader struct {
	file   string
	folder string // that relative paths are relative to
	errs   []Error
	visits int
	limit  int // of visits
}

// An alias lets a short file mean a long one. That is what it is for, but aliases of aliases
// multiply: what is read from a file is bounded by what is written in it.
const (
	visitsPerNode = 50
	visitsAtLeast = 100_000
)

func nodes(n *yaml.Node) int {
	all := 1
	for _, c := range n.Content {
		all += nodes(c)
	}
	return all
}

// An object reads one mapping key by key. Each of its readers takes a key, notes it as known and
// leaves its target alone where the key is absent, null or wrong. done reports the other keys.
type object struct {
	r      *reader
	o      *origin
	path   string // inside o
	node   *yaml.Node
	values map[string]*yaml.Node
	known  []string
	named  keys
}

// parseYAML returns the root of the one document in data, or false when there is none.
func (r *reader) parseYAML(data []byte) (root *yaml.Node, ok bool) {
	top := &origin{file: r.file}
	// The library promises errors, not panics; a book is input, so its promise is not relied on.
	defer func() {
		if p := recover(); p != nil {
			r.errs = append(r.errs, top.error("", codeSyntax, fmt.Sprintf("not YAML: %v", p), ""))
			root, ok = nil, false
		}
	}()
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || (err == nil && isNull(doc.Content[0])) {
		r.errs = append(r.errs, top.error("", codeEmpty, "nothing is written here", ""))
		return nil, false
	}
	if err != nil {
		r.errs = append(r.errs, syntaxError(top, err))
		return nil, false
	}
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			r.errs = append(r.errs, syntaxError(top, err))
		} else {
			top.at = map[string]position{"": {second.Line, second.Column}}
			r.errs = append(r.errs, top.error("", codeSyntax, "a second YAML document begins here", "write one document a file, without ---"))
		}
		return nil, false
	}
	r.limit = visitsAtLeast + visitsPerNode*nodes(doc.Content[0])
	return doc.Content[0], true
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

// syntaxError takes the line out of the library's message, which has no column.
func syntaxError(top *origin, err error) Error {
	text := err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			top.at = map[string]position{"": {n, 1}}
		}
		text = text[len(m[0]):]
	}
	return top.error("", codeSyntax, "not YAML: "+strings.TrimPrefix(text, "yaml: "),
		"often a missing space after a colon, a tab, or an indentation that differs from the lines around it")
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// value follows an alias to what it stands for.
func (r *reader) value(n *yaml.Node) *yaml.Node {
	r.visits++
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

// fail notes an error at a path of an object and marks the path, so that Check does not report
// what follows from it.
func (r *reader) fail(o *origin, path, code, text, hint string) {
	o.bad[path] = true
	r.errs = append(r.errs, o.error(path, code, text, hint))
}

// object begins to read a mapping. It returns false when the value is none.
func (r *reader) object(o *origin, path string, n *yaml.Node) (*object, bool) {
	n = r.value(n)
	if _, ok := o.at[path]; !ok {
		o.at[path] = position{n.Line, n.Column}
	}
	if n.Kind != yaml.MappingNode {
		r.fail(o, path, codeType, "want keys and values, not "+kind(n), "")
		return nil, false
	}
	if r.visits > r.limit {
		r.fail(o, path, codeSyntax, "too many values: aliases that multiply each other", "")
		return nil, false
	}
	obj := &object{r: r, o: o, path: path, node: n, values: map[string]*yaml.Node{}, named: keys{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		at := joinPath(path, k.Value)
		switch {
		case k.Kind != yaml.ScalarNode:
			o.at[at] = position{k.Line, k.Column}
			r.fail(o, at, codeType, "a key must be a word, not "+kind(k), "")
		case k.Value == "<<" && k.ShortTag() == "!!merge":
			o.at[at] = position{k.Line, k.Column}
			r.fail(o, at, codeUnknownKey, "merge keys are not supported", "write the keys out, or use an alias for a whole value")
		case obj.values[k.Value] != nil:
			first := o.at[at]
			o.at[at] = position{k.Line, k.Column}
			r.fail(o, at, codeDuplicateKey, fmt.Sprintf("written twice, first in line %d", first.line), "keep one of them")
		default:
			obj.values[k.Value] = v
			o.at[at] = position{k.Line, k.Column}
		}
	}
	return obj, true
}

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	default:
		return fmt.Sprintf("%q", n.Value)
	}
}

// get returns the value of a key: nil when it is absent or null.
func (o *object) get(key string) (n *yaml.Node, path string) {
	if !slices.Contains(o.known, key) {
		o.known = append(o.known, key)
	}
	path = joinPath(o.path, key)
	n, ok := o.values[key]
	if !ok {
		return nil, path
	}
	o.named[key] = nil
	n = o.r.value(n)
	if isNull(n) {
		return nil, path
	}
	// From here on an error speaks of the value, not of its key.
	o.o.at[path] = position{n.Line, n.Column}
	return n, path
}

func (o *object) fail(path, code, text, hint string) { o.r.fail(o.o, path, code, text, hint) }

// done reports the keys that nothing asked for.
func (o *object) done() {
	for i := 0; i+1 < len(o.node.Content); i += 2 {
		k := o.node.Content[i]
		if k.Kind != yaml.ScalarNode || k.Value == "<<" || slices.Contains(o.known, k.Value) {
			continue
		}
		path := joinPath(o.path, k.Value)
		o.o.at[path] = position{k.Line, k.Column}
		if credentialKey.MatchString(k.Value) {
			o.fail(path, codeCredentials, "the book takes no credentials",
				"arrears uses roles; no key, secret or root password is ever stored")
			continue
		}
		hint := "known here: " + strings.Join(o.known, ", ")
		if near := nearest(k.Value, o.known); near != "" {
			hint = "did you mean " + near + "?"
			o.o.bad[joinPath(o.path, near)] = true // not missing, but misspelt
		}
		o.fail(path, codeUnknownKey, "unknown key", hint)
	}
}

// inner reads a mapping that belongs to this one, with do.
func (o *object) inner(key string, do func(*object)) {
	n, path := o.get(key)
	if n == nil {
		return
	}
	if in, ok := o.r.object(o.o, path, n); ok {
		do(in)
		in.done()
		o.named[key] = in.named
	}
}

// list reads a list with do, once for each element.
func (o *object) list(key string, do func(i int, path string, n *yaml.Node)) {
	n, path := o.get(key)
	if n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		o.fail(path, codeType, "want a list, not "+kind(n), "")
		return
	}
	for i, e := range n.Content {
		if o.r.visits > o.r.limit {
			o.fail(path, codeSyntax, "too many values: aliases that multiply each other", "")
			return
		}
		at := fmt.Sprintf("%s[%d]", path, i)
		e = o.r.value(e)
		o.o.at[at] = position{e.Line, e.Column}
		do(i, at, e)
	}
}

// each reads a list of scalars, each as an object with one key, so that the readers of an object
// can check it.
func (o *object) each(key string, do func(e *object, key string)) {
	o.list(key, func(i int, path string, n *yaml.Node) {
		index := path[strings.LastIndexByte(path, '['):]
		do(&object{
			r: o.r, o: o.o, path: strings.TrimSuffix(path, index), node: n,
			values: map[string]*yaml.Node{index: n}, named: keys{},
		}, index)
	})
}
