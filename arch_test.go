package arrears_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/arrears-billing/arrears"

// imports is the policy: which of our packages each package may import, and which others it may
// not do without. It is a statement of how the house is built (docs/ARCHITECTURE.md), read top to
// bottom; change it when the design changes, not to make a build pass.
//
// "" is the root package. Packages may import themselves' tests' needs freely: tests are not read.
var imports = map[string][]string{
	"calendar":  {},
	"currency":  {"calendar"},
	"agreement": {"calendar", "currency"},
	"ingest":    {"calendar", "currency", "agreement"},
	"rating":    {"calendar", "currency", "agreement", "ingest"},
	"reconcile": {"calendar", "currency", "agreement", "ingest", "rating"},
	"invoice":   {"calendar", "currency", "agreement", "rating"},

	"ingest/cur": {"calendar", "currency", "ingest"},
	"book":       {"calendar", "currency", "agreement", "invoice"}, // invoice: tax ids, countries
	"document":   {"calendar", "currency", "agreement", "rating", "invoice"},
	"export":     {"calendar", "currency", "agreement", "rating", "invoice"},

	"export/focus": {"calendar", "currency", "agreement", "ingest", "ingest/cur", "rating", "invoice"},

	"store":           {"calendar", "agreement"},
	"store/storetest": {"calendar", "agreement", "store"},
	"aws":             {"calendar", "currency", "agreement", "ingest"},
	"aws/simulator":   {"calendar"},

	"": {"calendar", "currency", "agreement", "book", "ingest", "ingest/cur", "rating", "reconcile", "invoice", "document", "export", "export/focus", "store"},

	"outbox": {"", "agreement"}, // the lifecycle's events, on their way out
	"worker": {"", "calendar"},  // the schedule
	"web":    {"", "calendar"},  // what is shown over HTTP

	"fixtures":          {"calendar", "currency", "agreement", "ingest"},
	"mutate":            {}, // changes the money rules to see whether tests notice
	"cmd/arrears":       {"*"},
	"cmd/aws-simulator": {"aws/simulator"},
}

// pure packages compute and know nobody: no file, network, database, log, random number.
var pure = []string{"calendar", "currency", "agreement", "rating", "reconcile", "invoice"}

// impure are what pure packages may not import, by prefix.
var impure = []string{"os", "net", "database/sql", "log", "math/rand", "io/ioutil", "syscall", "go.yaml.in"}

// only says where a library may be used: elsewhere it would leak through the house.
var only = map[string][]string{
	"github.com/parquet-go/parquet-go": {"ingest/cur", "fixtures"},
	"github.com/apache/arrow-go/v18":   {"export"},
	"modernc.org/sqlite":               {"store"},
	"github.com/jackc/pgx":             {"store"},
	"github.com/aws/aws-sdk-go-v2":     {"aws"},
	"github.com/spf13/cobra":           {"cmd/arrears"},
	"github.com/robfig/cron":           {"worker"},
	"github.com/prometheus":            {"web"},
	"go.yaml.in/yaml":                  {"book", "cmd/arrears"},
	"codeberg.org/go-pdf/fpdf":         {"document"},
	"github.com/xuri/excelize":         {"document"},
}

// TestImports reads the files itself: a test that asks the go command passes from the test cache
// after a violation (golang/go#30313).
func TestImports(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch base := d.Name(); {
			case base == "testdata", base == "bench", name != "." && strings.HasPrefix(base, "."):
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		if dir == "." {
			dir = ""
		}
		seen[dir] = true
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			checkImport(t, name, dir, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range imports {
		if !seen[dir] {
			t.Errorf("the policy names package %q, which does not exist", dir)
		}
	}
}

func checkImport(t *testing.T, name, dir, imported string) {
	t.Helper()
	allowed, known := imports[dir]
	if !known {
		t.Errorf("%s: package %q is not in the policy", name, dir)
		return
	}
	if own, ok := strings.CutPrefix(imported, module); ok {
		own = strings.TrimPrefix(own, "/")
		if !slices.Contains(allowed, own) && !slices.Contains(allowed, "*") {
			t.Errorf("%s: %q may not import %q", name, dir, own)
		}
		return
	}
	if slices.Contains(pure, dir) {
		for _, bad := range impure {
			if imported == bad || strings.HasPrefix(imported, bad+"/") {
				t.Errorf("%s: pure package %q may not import %q", name, dir, imported)
			}
		}
	}
	for library, where := range only {
		if (imported == library || strings.HasPrefix(imported, library+"/")) && !slices.ContainsFunc(where, func(w string) bool { return dir == w || strings.HasPrefix(dir, w+"/") || path.Dir(dir) == w }) {
			t.Errorf("%s: %q may only be imported in %v", name, imported, where)
		}
	}
}
