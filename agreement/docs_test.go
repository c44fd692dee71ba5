package agreement

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLifecyclePage keeps docs/LIFECYCLE.md in step with the tables that the machines move by:
// the parts between "generated" marks are printed from them.
func TestLifecyclePage(t *testing.T) {
	path := filepath.Join("..", "docs", "LIFECYCLE.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(page)
	for _, part := range []struct{ name, text string }{
		{"orders", table(Orders)},
		{"phases", table(Phases)},
		{"agreements", table(Statuses)},
		{"waiting", waiting()},
		{"faults", faults()},
	} {
		begin, end := "<!-- generated: "+part.name+" -->\n", "<!-- end of "+part.name+" -->"
		i, j := strings.Index(want, begin), strings.Index(want, end)
		if i < 0 || j < i {
			t.Fatalf("%s: no marks for %s", path, part.name)
		}
		want = want[:i+len(begin)] + part.text + want[j:]
	}
	compare(t, path, want, string(page))
}

func compare(t *testing.T, path, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not current: go test ./agreement -run Page -update (-want +got):\n%s", path, cmp.Diff(want, got))
}

// table prints a state machine as a diagram and a table.
func table[S ~string](rows Table[S]) string {
	name := func(s S) string {
		if s == "" {
			return "start"
		}
		return string(s)
	}
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "  %s --> %s: %s\n", name(r.From), name(r.To), r.Event)
	}
	b.WriteString("```\n\n| from | event | to | what happens |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name(r.From), r.Event, name(r.To), r.Why)
	}
	return b.String()
}

func waiting() string {
	var b strings.Builder
	b.WriteString("| code | waits for | step | cause | what to do |\n|---|---|---|---|---|\n")
	for _, t := range Texts {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", t.Code, t.For, t.Step, t.Cause, t.Remedy)
	}
	return b.String()
}

func faults() string {
	var b strings.Builder
	b.WriteString("| AWS's reason | text |\n|---|---|\n")
	for _, reason := range slices.Sorted(keys(faultCodes)) {
		fmt.Fprintf(&b, "| %s | `%s` |\n", reason, faultCodes[reason])
	}
	return b.String()
}

// TestTexts: every text has all that its reader needs, and every code of a fault has a text.
func TestTexts(t *testing.T) {
	known := map[string]bool{}
	for _, x := range Texts {
		if known[x.Code] {
			t.Errorf("%s is there twice", x.Code)
		}
		known[x.Code] = true
		if x.Cause == "" || x.Remedy == "" {
			t.Errorf("%s: cause %q, remedy %q: both are needed", x.Code, x.Cause, x.Remedy)
		}
		if !slices.Contains([]string{ForAccount, ForTransfer, ForHandshake, ForRole, ForOperations}, x.For) {
			t.Errorf("%s waits for %q, which the contract does not have", x.Code, x.For)
		}
		if x.For != ForOperations && !slices.Contains(Steps, x.Step) {
			t.Errorf("%s: %q is no step of the checklist, so it has no clock", x.Code, x.Step)
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(data)
	}
	for code := range known {
		used := strings.Contains(source.String(), `"`+code+`"`)
		for _, c := range faultCodes {
			used = used || c == code
		}
		if !used {
			t.Errorf("nothing ever says %s", code)
		}
	}
	for reason, code := range faultCodes {
		if !known[code] {
			t.Errorf("%s leads to %s, which has no text", reason, code)
		}
	}
}

// TestTables: every state can be reached, and every phase that waits can fail.
func TestTables(t *testing.T) {
	checkTable(t, Orders, OrderNew)
	checkTable(t, Statuses, New)
	checkTable(t, Phases, PhaseNone)
	for _, row := range Phases {
		final := row.From == PhaseNone || row.From == PhaseChange || row.From == PhaseFinal || row.From == PhaseUndo
		if _, err := Phases.Next(row.From, "failing"); err != nil && !final {
			t.Errorf("phase %q cannot fail", row.From)
		}
	}
	if _, err := Orders.Next(OrderCompleted, "fail"); err == nil {
		t.Error("a completed order can fail")
	}
}

func checkTable[S ~string](t *testing.T, rows Table[S], start S) {
	t.Helper()
	reached := map[S]bool{start: true}
	for range rows {
		for _, r := range rows {
			if reached[r.From] {
				reached[r.To] = true
			}
		}
	}
	seen := map[string]bool{}
	for _, r := range rows {
		if !reached[r.From] {
			t.Errorf("state %q is never reached", r.From)
		}
		if key := string(r.From) + " " + r.Event; seen[key] {
			t.Errorf("%s is there twice", key)
		} else {
			seen[key] = true
		}
	}
}

var requirement = regexp.MustCompile(`\b(R[1-9][0-9]?|D[1-9][0-9]?|A-[1-9])\b`)

// TestRequirementsPage keeps docs/REQUIREMENTS.md: every requirement with the tests and scenarios
// that name it. What has none is listed as open. With -update the page is written again; without,
// it must name every requirement, and every test that it names must be there.
func TestRequirementsPage(t *testing.T) {
	data, err := os.ReadFile("testdata/requirements.csv")
	if err != nil {
		t.Fatal(err)
	}
	in := csv.NewReader(bytes.NewReader(data))
	in.Comment = '#'
	rows, err := in.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	found, all := provers(t)
	var b strings.Builder
	b.WriteString("# Requirements and their tests\n\nWritten by `go test ./agreement -run Page -update` from the tests and scenarios that name a requirement.\n" +
		"R: the product's FAQ. D: the platform's documentation. A: facts of AWS.\n\n| | requirement | proved by | note |\n|---|---|---|---|\n")
	open := 0
	for _, row := range rows[1:] {
		proof := strings.Join(found[row[0]], ", ")
		if proof == "" {
			open++
			proof = "**open**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row[0], row[1], proof, row[2])
	}
	fmt.Fprintf(&b, "\n%d of %d have a test of their own; those that say **open** have none yet that names them.\n", len(rows)-1-open, len(rows)-1)

	path := filepath.Join("..", "docs", "REQUIREMENTS.md")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) > 4 {
			lines[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[3])
		}
	}
	for _, row := range rows[1:] {
		proof, ok := lines[row[0]]
		if !ok {
			t.Errorf("%s does not name %s", path, row[0])
			continue
		}
		for name := range strings.SplitSeq(proof, ", ") {
			if name != "**open**" && !slices.Contains(all, name) {
				t.Errorf("%s: %s is said to be proved by %s, which is not there: go test ./agreement -run Page -update", path, row[0], name)
			}
		}
		if proof == "**open**" && len(found[row[0]]) > 0 {
			t.Errorf("%s: %s is said to be open, and %v prove it: go test ./agreement -run Page -update", path, row[0], found[row[0]])
		}
	}
}

// provers finds the tests and scenarios that name requirements, by requirement, and all of them.
func provers(t *testing.T) (by map[string][]string, all []string) {
	t.Helper()
	by = map[string][]string{}
	add := func(name, text string) {
		all = append(all, name)
		for _, id := range requirement.FindAllString(text, -1) {
			if !slices.Contains(by[id], name) {
				by[id] = append(by[id], name)
			}
		}
	}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))
		switch {
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "..":
			return fs.SkipDir
		case strings.HasSuffix(path, ".txtar"):
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			head, _, _ := strings.Cut(string(data), "\n-- ")
			add(name, head)
		case strings.HasSuffix(path, "_test.go"):
			return goTests(path, filepath.ToSlash(filepath.Dir(name)), add)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return by, all
}

// goTests adds the tests of a file, by what their comments and case names say.
func goTests(path, folder string, add func(name, text string)) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, path, src, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, decl := range f.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(fn.Name.Name, "Test") || fn.Recv != nil {
			continue
		}
		from := fn.Pos()
		if fn.Doc != nil {
			from = fn.Doc.Pos()
		}
		name := fn.Name.Name
		if folder != "." {
			name = folder + "." + name
		}
		text := string(src[files.Position(from).Offset:files.Position(fn.End()).Offset])
		if strings.HasSuffix(path, "docs_test.go") {
			text = ""
		}
		add(name, text)
	}
	return nil
}
