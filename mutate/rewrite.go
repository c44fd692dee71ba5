package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A mutant is one small change behind a switch.
type mutant struct {
	id    int
	pkg   string
	file  string // from the root of the repository
	line  int
	where string // function
	from  string // source text
	what  string // the change
	nth   int    // of the same in one function
	typed bool   // may not compile, and is dropped then
}

// key names a mutant by what it changes, so that the list of reviewed ones survives lines that move.
func (m mutant) key() string {
	k := fmt.Sprintf("%s %s: %s | %s", m.pkg, m.where, m.from, m.what)
	if m.nth > 0 {
		k += fmt.Sprintf(" #%d", m.nth+1)
	}
	return k
}

// place names a mutant within one version of the source.
func (m mutant) place() string { return fmt.Sprintf("%s:%d %s", m.file, m.line, m.key()) }

// support is added to every mutated package.
const support = `package %s

import (
	"os"
	"strconv"
	"sync"
)

var mutantOn, mutantTraced, mutantSeen, mutantLock = mutantEnv(), os.Getenv("ARREARS_MUTANT_TRACE"), map[int]bool{}, sync.Mutex{}

func mutantEnv() int {
	n, _ := strconv.Atoi(os.Getenv("ARREARS_MUTANT"))
	return n
}

// mutant says that a mutant is switched on, and when tracing notes that it was passed.
func mutant(n int) bool {
	if mutantTraced != "" {
		mutantLock.Lock()
		defer mutantLock.Unlock()
		if !mutantSeen[n] {
			mutantSeen[n] = true
			f, err := os.OpenFile(mutantTraced, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				panic(err)
			}
			f.WriteString(strconv.Itoa(n) + "\n")
			f.Close()
		}
	}
	return n == mutantOn
}

// mutantPick is one of two values of a type.
func mutantPick[T any](on bool, from, to T) T {
	if on {
		return to
	}
	return from
}
`

// rewrite writes the package's files with all mutants into the build's folder.
func (b *build) rewrite(pkg string, overlay map[string]string) error {
	files, err := filepath.Glob(filepath.Join(pkg, "*.go"))
	if err != nil {
		return err
	}
	out := filepath.Join(b.dir, pkg)
	if err := os.MkdirAll(out, 0o700); err != nil {
		return err
	}
	name := ""
	seen := map[string]int{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		r := &rewriter{build: b, pkg: pkg, file: filepath.ToSlash(file), fset: token.NewFileSet(), seen: seen}
		if r.text, err = os.ReadFile(file); err != nil {
			return err
		}
		f, err := parser.ParseFile(r.fset, file, r.text, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			return err
		}
		name = f.Name.Name
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				r.function = functionName(fn)
				if r.function == "String" || strings.HasSuffix(r.function, ".String") || strings.HasSuffix(r.function, ".Error") {
					continue // words for people, which goldens hold where they matter
				}
				ast.Inspect(fn.Body, r.visit)
			}
		}
		path := filepath.Join(out, filepath.Base(file))
		if err := os.WriteFile(path, r.apply(), 0o600); err != nil {
			return err
		}
		if overlay[absolute(file)], err = filepath.Abs(path); err != nil {
			return err
		}
	}
	path := filepath.Join(out, "zz_mutant.go")
	if err := os.WriteFile(path, fmt.Appendf(nil, support, name), 0o600); err != nil {
		return err
	}
	overlay[absolute(filepath.Join(pkg, "zz_mutant.go"))] = path
	return nil
}

func absolute(path string) string {
	a, err := filepath.Abs(path)
	if err != nil {
		panic(err) // there is no current folder
	}
	return a
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
			continue
		case *ast.IndexExpr:
			t = x.X
			continue
		case *ast.Ident:
			return x.Name + "." + f.Name.Name
		}
		return f.Name.Name
	}
}

// An edit inserts text before and after a piece of source.
type edit struct {
	at    int
	text  string
	close bool // goes before what opens at the same place
	depth int
}

type rewriter struct {
	*build
	pkg, file, function string
	fset                *token.FileSet
	text                []byte
	edits               []edit
	seen                map[string]int
}

func (r *rewriter) offset(p token.Pos) int { return r.fset.Position(p).Offset }

func (r *rewriter) source(n ast.Node) string {
	return strings.Join(strings.Fields(string(r.text[r.offset(n.Pos()):r.offset(n.End())])), " ")
}

// mutant numbers a change of a node; 0 when it does not compile and was dropped.
func (r *rewriter) mutant(n ast.Node, what string, typed bool) int {
	m := mutant{
		id: len(r.mutants) + 1, pkg: r.pkg, file: r.file, line: r.fset.Position(n.Pos()).Line, where: r.function,
		from: r.source(n), what: what, typed: typed,
	}
	if len(m.from) > 120 {
		m.from = m.from[:120] + "..."
	}
	m.nth = r.seen[m.key()]
	r.seen[fmt.Sprintf("%s %s: %s | %s", m.pkg, m.where, m.from, m.what)]++
	r.mutants = append(r.mutants, m) // also when dropped, so that numbers and keys stay
	if r.dropped[m.place()] {
		r.mutants[m.id-1].pkg = "" // in nobody's list
		return 0
	}
	return m.id
}

// wrap puts text around a node; later wraps of the same node go inside.
func (r *rewriter) wrap(n ast.Node, before, after string) {
	depth := len(r.edits)
	r.edits = append(r.edits,
		edit{r.offset(n.Pos()), before, false, depth},
		edit{r.offset(n.End()), after, true, depth})
}

// visit makes the mutants of one node.
func (r *rewriter) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok != token.CONST // constants are computed by the compiler
	case *ast.ArrayType:
		return false
	case *ast.BinaryExpr:
		r.binary(n)
	case *ast.IfStmt:
		r.condition(n.Cond)
	case *ast.CallExpr:
		r.call(n)
	case *ast.SwitchStmt:
		if n.Tag == nil {
			for _, c := range n.Body.List {
				for _, e := range c.(*ast.CaseClause).List {
					if _, binary := e.(*ast.BinaryExpr); !binary {
						r.condition(e)
					}
					if len(c.(*ast.CaseClause).List) > 1 {
						if id := r.mutant(e, "never", false); id > 0 {
							r.wrap(e, fmt.Sprintf("((!mutant(%d)) && (", id), "))")
						}
					}
				}
			}
		}
	case *ast.IncDecStmt, *ast.ExprStmt:
		r.statement(n)
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			r.statement(n)
		}
	case *ast.ForStmt:
		// Its own statements stay: without them it would only loop.
		for _, part := range []ast.Node{n.Cond, n.Body} {
			if part != nil && !isNilExpr(part) {
				ast.Inspect(part, r.visit)
			}
		}
		return false
	}
	return true
}

func isNilExpr(n ast.Node) bool {
	e, ok := n.(ast.Expr)
	return ok && e == nil
}

// condition negates one that is no comparison: those have mutants of their own.
func (r *rewriter) condition(e ast.Expr) {
	if b, ok := e.(*ast.BinaryExpr); ok && b.Op != token.LAND && b.Op != token.LOR {
		return
	}
	if isErrCheck(e) {
		return
	}
	if id := r.mutant(e, "negated", false); id > 0 {
		r.wrap(e, fmt.Sprintf("((mutant(%d)) != bool(", id), "))")
	}
}

// isErrCheck: err != nil alone leads to code that says what went wrong.
func isErrCheck(e ast.Expr) bool {
	b, ok := e.(*ast.BinaryExpr)
	if !ok || b.Op != token.NEQ && b.Op != token.EQL {
		return false
	}
	x, isIdent := b.X.(*ast.Ident)
	y, isNil := b.Y.(*ast.Ident)
	return isIdent && isNil && x.Name == "err" && y.Name == "nil"
}

func (r *rewriter) binary(n *ast.BinaryExpr) {
	x, y := string(r.text[r.offset(n.X.Pos()):r.offset(n.X.End())]), string(r.text[r.offset(n.Y.Pos()):r.offset(n.Y.End())])
	flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	oneLine := !strings.Contains(x+y, "//")
	switch n.Op {
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
		if isErrCheck(n) {
			return
		}
		if id := r.mutant(n, "negated", false); id > 0 {
			r.wrap(n, fmt.Sprintf("((mutant(%d)) != (", id), "))")
		}
		if n.Op == token.EQL || n.Op == token.NEQ || !oneLine || !pure(n.X) || !pure(n.Y) {
			return
		}
		id := r.mutant(n, "boundary", true)
		if id == 0 {
			return
		}
		if n.Op == token.LSS || n.Op == token.GTR {
			r.wrap(n, "((", fmt.Sprintf(") || mutant(%d) && (%s) == (%s))", id, flat(x), flat(y)))
		} else {
			r.wrap(n, "((", fmt.Sprintf(") && !(mutant(%d) && (%s) == (%s)))", id, flat(x), flat(y)))
		}
	case token.LAND:
		for _, side := range []ast.Expr{n.X, n.Y} {
			if id := r.mutant(side, "true in &&", false); id > 0 {
				r.wrap(side, fmt.Sprintf("((mutant(%d)) || (", id), "))")
			}
		}
	case token.LOR:
		for _, side := range []ast.Expr{n.X, n.Y} {
			if id := r.mutant(side, "false in ||", false); id > 0 {
				r.wrap(side, fmt.Sprintf("((!mutant(%d)) && (", id), "))")
			}
		}
	case token.ADD, token.SUB:
		if !pure(n.X) || !pure(n.Y) || !oneLine {
			return
		}
		op, what := " - ", "+ to -"
		if n.Op == token.SUB {
			op, what = " + ", "- to +"
		}
		if id := r.mutant(n, what, true); id > 0 {
			r.wrap(n, fmt.Sprintf("mutantPick(mutant(%d), (", id), "), ("+flat(x)+op+"("+flat(y)+")))")
		}
	default: // nothing else is changed
	}
}

// call changes the arithmetic of decimals, amounts, months and days.
func (r *rewriter) call(n *ast.CallExpr) {
	s, ok := n.Fun.(*ast.SelectorExpr)
	if !ok || !pure(s.X) {
		return
	}
	whole := string(r.text[r.offset(n.Pos()):r.offset(n.End())])
	if strings.Contains(whole, "//") {
		return
	}
	on := strings.Join(strings.Fields(string(r.text[r.offset(s.X.Pos()):r.offset(s.X.End())])), " ")
	pick := func(what, to string) {
		if id := r.mutant(n, what, true); id > 0 {
			r.wrap(n, fmt.Sprintf("mutantPick(mutant(%d), ", id), ", "+to+")")
		}
	}
	other := map[string]string{
		"Add": "Sub", "Sub": "Add", "GreaterThan": "GreaterThanOrEqual", "GreaterThanOrEqual": "GreaterThan",
		"LessThan": "LessThanOrEqual", "LessThanOrEqual": "LessThan", "Min": "Max", "Max": "Min",
	}
	switch name := s.Sel.Name; {
	case other[name] != "" && len(n.Args) > 0 && !slices.ContainsFunc(n.Args, func(e ast.Expr) bool { return !pure(e) }):
		var args []string
		for _, a := range n.Args {
			args = append(args, strings.Join(strings.Fields(string(r.text[r.offset(a.Pos()):r.offset(a.End())])), " "))
		}
		pick(name+" to "+other[name], on+"."+other[name]+"("+strings.Join(args, ", ")+")")
	case (name == "Neg" || name == "Abs") && len(n.Args) == 0:
		pick("without "+name, on)
	}
}

// statement leaves one out.
func (r *rewriter) statement(n ast.Node) {
	if e, ok := n.(*ast.ExprStmt); ok {
		c, ok := e.X.(*ast.CallExpr)
		if !ok {
			return
		}
		if id, ok := c.Fun.(*ast.Ident); ok && id.Name == "panic" {
			return
		}
	}
	if id := r.mutant(n, "left out", true); id > 0 {
		r.wrap(n, fmt.Sprintf("if !mutant(%d) { ", id), " }")
	}
}

// pure says that an expression can be computed twice.
func pure(e ast.Expr) bool {
	ok := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			switch f := n.Fun.(type) {
			case *ast.Ident:
				ok = ok && slices.Contains([]string{"len", "int", "int64", "min", "max", "string"}, f.Name)
			case *ast.SelectorExpr:
				ok = ok && slices.Contains([]string{
					"Add", "Sub", "Neg", "Abs", "Mul", "Sign", "IsZero", "Round", "Year", "Month", "Day", "Time", "Percent",
				}, f.Sel.Name)
			default:
				ok = false
			}
		case *ast.FuncLit, *ast.UnaryExpr:
			if u, is := n.(*ast.UnaryExpr); is && (u.Op == token.SUB || u.Op == token.NOT) {
				return true
			}
			ok = false
		}
		return ok
	})
	return ok
}

// apply returns the file with its edits: those that enclose others stay outside.
func (r *rewriter) apply() []byte {
	slices.SortStableFunc(r.edits, func(a, b edit) int {
		switch {
		case a.at != b.at:
			return a.at - b.at
		case a.close != b.close: // what ends here ends before the next begins
			if a.close {
				return -1
			}
			return 1
		case a.close:
			return b.depth - a.depth // the inner, made later, ends first
		}
		return a.depth - b.depth
	})
	var out []byte
	last := 0
	for _, e := range r.edits {
		out = append(out, r.text[last:e.at]...)
		out = append(out, e.text...)
		last = e.at
	}
	return append(out, r.text[last:]...)
}
