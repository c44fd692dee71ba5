package book

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/arrears-billing/arrears/agreement"
)

// TestDocs reads the examples of docs/BOOK.md as the program would, one after the other.
func TestDocs(t *testing.T) {
	doc := string(read(t, "../docs/BOOK.md"))
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(doc, -1)
	if len(blocks) != 3 {
		t.Fatalf("%d examples, want the book, the split and the terms", len(blocks))
	}
	whole := parse(t, blocks[0][1])
	if errs := append(Check(whole), Warnings(whole)...); len(errs) > 0 {
		t.Errorf("the example: %v", errs)
	}
	split := parse(t, "buyers: [{id: BUY-0002, name: Two, country: DE}]\n"+blocks[1][1]).Merge(whole)
	if errs := Check(split); len(errs) > 0 {
		t.Errorf("the split: %v", errs)
	}
	terms, errs := ParseTerms("TERMS.yaml", []byte(blocks[2][1]), whole.Agreements[0].Terms[1])
	if len(errs) > 0 {
		t.Errorf("the terms: %v", errs)
	}
	if len(terms) != 1 || terms[0].Seller != "SEL-DE" || terms[0].Support != agreement.Resold {
		t.Errorf("the terms: %+v", terms)
	}
}

// TestDocsNameEverything: each key of full.yaml, which has all of them, and each code of the golden
// errors stands in docs/BOOK.md.
func TestDocsNameEverything(t *testing.T) {
	doc := string(read(t, "../docs/BOOK.md"))
	var root yaml.Node
	if err := yaml.Unmarshal(read(t, "testdata/full.yaml"), &root); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, c := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 {
				keys[c.Value] = true
			}
			walk(c)
		}
	}
	walk(&root)
	delete(keys, "444455556666")
	for key := range keys {
		if !regexp.MustCompile(`\b` + key + `\b`).MatchString(doc) {
			t.Errorf("docs/BOOK.md does not name the key %s", key)
		}
	}
	for _, code := range codes(t) {
		if !strings.Contains(doc, "`"+code+"`") {
			t.Errorf("docs/BOOK.md does not name the code %s", code)
		}
	}
}

func codes(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^\tcode\w+\s+= "(\w+)"`).FindAllStringSubmatch(string(read(t, "error.go")), -1) {
		all = append(all, m[1])
	}
	if len(all) < 30 {
		t.Fatalf("found %d codes in error.go", len(all))
	}
	return all
}

// TestFullHasEveryKey: full.yaml names each key that an object has in JSON, so that the tests over
// it leave none out.
func TestFullHasEveryKey(t *testing.T) {
	full := string(read(t, "testdata/full.yaml"))
	seen := map[reflect.Type]bool{}
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(typ.Elem())
			return
		case reflect.Struct:
		default:
			return
		}
		if seen[typ] || !strings.HasSuffix(typ.PkgPath(), "/agreement") && typ != reflect.TypeFor[agreement.Billed]() {
			return
		}
		seen[typ] = true
		for field := range typ.Fields() {
			key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !regexp.MustCompile(`[{ ]`+key+`: `).MatchString(full) && !strings.Contains(full, key+":\n") {
				t.Errorf("testdata/full.yaml has no %s of %s", key, typ.Name())
			}
			walk(field.Type)
		}
	}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[agreement.Seller](), reflect.TypeFor[agreement.Buyer](), reflect.TypeFor[agreement.Payer](), reflect.TypeFor[agreement.Agreement](),
	} {
		walk(typ)
	}
}
