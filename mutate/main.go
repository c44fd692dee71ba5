// Command mutate changes the money rules on purpose, one small change at a time, and runs the tests
// that cover them: a change that no test notices is a rule that nothing holds (docs/TESTING.md).
//
// All mutants of all packages are compiled into one set of test binaries, each behind a switch, so
// that a mutant costs the time of its tests and not of a build. A binary tells which switches it
// passes; a mutant is tried in those that pass its own.
//
//	go run ./mutate                        all packages
//	go run ./mutate rating reconcile       some
//	go run ./mutate -since REV -budget 5m  only lines changed since REV, for as long as that
//
// It exits with 1 when a survivor is not in equivalent.txt, or a line there matches no mutant.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// mutated are the packages that decide about money and time.
var mutated = []string{"calendar", "currency", "rating", "reconcile", "invoice", "agreement"}

// tested are the test binaries, in the order in which a mutant is tried in them: its own package's
// first, then the scenarios and properties of the root package, then the others.
var tested = []string{"calendar", "currency", "rating", "reconcile", "invoice", "agreement", ".", "book", "document", "aws"}

// equivalentFile lists the mutants that change nothing that anybody could see, each with why.
const equivalentFile = "mutate/equivalent.txt"

// timeout is how long a test binary may run with a mutant that runs for d without: one that runs
// longer loops, and is caught by that.
func timeout(d time.Duration) time.Duration { return 10*time.Second + 6*d }

func main() {
	since := flag.String("since", "", "only lines changed since this git `REV`")
	budget := flag.Duration("budget", 0, "stop after this time and say what was not tried (0: no limit)")
	workers := flag.Int("workers", 2, "mutants tried side by side")
	list := flag.Bool("list", false, "list the mutants, try none")
	flag.Parse()
	if err := run(flag.Args(), *since, *budget, *workers, *list, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(packages []string, since string, budget time.Duration, workers int, list bool, out io.Writer) error {
	begin := time.Now()
	if len(packages) == 0 {
		packages = mutated
	}
	for _, p := range packages {
		if !slices.Contains(mutated, p) {
			return fmt.Errorf("%s is not one of %s", p, strings.Join(mutated, ", "))
		}
	}
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	b := &build{dir: dir, dropped: map[string]bool{}}
	if err := b.compile(mutated); err != nil {
		return err
	}
	mutants := slices.DeleteFunc(slices.Clone(b.mutants), func(m mutant) bool { return !slices.Contains(packages, m.pkg) })
	if since != "" {
		changed, err := changedLines(since)
		if err != nil {
			return err
		}
		mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !changed[m.file][m.line] })
	}
	if list {
		for _, m := range mutants {
			fmt.Fprintf(out, "%s:%d %s\n", m.file, m.line, m.key())
		}
		return nil
	}
	if len(mutants) == 0 {
		fmt.Fprintln(out, "no mutants: nothing that decides about money has changed")
		return nil
	}
	equivalent, err := readEquivalent()
	if err != nil {
		return err
	}
	if err := b.trace(); err != nil {
		return err
	}
	t := &trial{build: b, equivalent: equivalent, out: out}
	if budget > 0 {
		t.end = begin.Add(budget)
	}
	t.all(mutants, workers)
	return t.report(mutants, since == "" && len(packages) == len(mutated) && budget == 0, time.Since(begin))
}

// build is the set of test binaries that hold all mutants.
type build struct {
	dir     string
	mutants []mutant
	dropped map[string]bool   // mutants that do not compile, by place
	bins    map[string]string // of each tested package
	passes  map[string]map[int]bool
	takes   map[string]time.Duration // without a mutant
}

// compile rewrites the packages and builds the test binaries; mutants that do not compile are
// dropped, and it is done again.
func (b *build) compile(packages []string) error {
	for round := 0; ; round++ {
		if round == 20 {
			return fmt.Errorf("the mutated code does not compile")
		}
		b.mutants = nil
		overlay := map[string]string{}
		for _, p := range packages {
			if err := b.rewrite(p, overlay); err != nil {
				return err
			}
		}
		text, err := json.Marshal(map[string]any{"Replace": overlay})
		if err != nil {
			return err
		}
		overlayFile := filepath.Join(b.dir, "overlay.json")
		if err := os.WriteFile(overlayFile, text, 0o600); err != nil {
			return err
		}
		bad := 0
		for _, p := range packages { // a first look at each package alone: its errors name what to drop
			output, err := exec.Command("go", "build", "-gcflags=-e", "-overlay", overlayFile, "./"+p).CombinedOutput() //nolint:noctx // it ends
			if err != nil {
				n := b.drop(string(output))
				if n == 0 && bad == 0 {
					return fmt.Errorf("%s: %s", p, output)
				}
				bad += n
			}
		}
		if bad > 0 {
			continue
		}
		b.bins = map[string]string{}
		for _, p := range tested {
			bin := filepath.Join(b.dir, strings.NewReplacer("/", "_", ".", "root").Replace(p)+".test")
			output, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlayFile, "-o", bin, "./"+p).CombinedOutput() //nolint:noctx // it ends
			if err != nil {
				return fmt.Errorf("%s: %s", p, output)
			}
			if _, err := os.Stat(bin); err == nil { // a package without tests has none
				b.bins[p] = bin
			}
		}
		return nil
	}
}

var errorLine = regexp.MustCompile(`(?m)^(\S+\.go):(\d+):(?:\d+:)? `)

// drop marks the mutants on the lines that the compiler names. The rewritten files keep their
// lines, so a line names the source's mutants.
func (b *build) drop(output string) int {
	n := 0
	for _, m := range errorLine.FindAllStringSubmatch(output, -1) {
		file := filepath.ToSlash(m[1])
		line, _ := strconv.Atoi(m[2])
		for _, x := range b.mutants {
			if strings.HasSuffix(file, x.file) && x.line == line && x.typed && !b.dropped[x.place()] {
				b.dropped[x.place()] = true
				n++
			}
		}
	}
	return n
}

// command runs a test binary with a mutant switched on; 0 is none.
func (b *build) command(ctx context.Context, pkg string, on int, env ...string) *exec.Cmd {
	args := []string{"-test.timeout", "10m", "-test.failfast", "-test.short"}
	if usesRapid(pkg) {
		args = append(args, "-rapid.shrinktime", "1ms", "-rapid.nofailfile", "-rapid.seed", "1")
	}
	c := exec.CommandContext(ctx, b.bins[pkg], args...)
	c.Dir = pkg
	c.Env = append(os.Environ(), append(env, "ARREARS_MUTANT="+strconv.Itoa(on))...)
	return c
}

// usesRapid says that a package's tests take rapid's flags.
func usesRapid(pkg string) bool {
	files, _ := filepath.Glob(filepath.Join(pkg, "*_test.go")) // the pattern is well formed
	return slices.ContainsFunc(files, func(f string) bool {
		text, err := os.ReadFile(f)
		return err == nil && bytes.Contains(text, []byte(`"pgregory.net/rapid"`))
	})
}

// trace runs every binary once without a mutant: it must pass, and it tells which switches it passes.
func (b *build) trace() error {
	b.passes, b.takes = map[string]map[int]bool{}, map[string]time.Duration{}
	for _, p := range tested {
		b.passes[p] = map[int]bool{}
		if b.bins[p] == "" {
			continue
		}
		file := filepath.Join(b.dir, "trace-"+strings.NewReplacer("/", "_", ".", "root").Replace(p))
		begin := time.Now()
		output, err := b.command(context.Background(), p, 0, "ARREARS_MUTANT_TRACE="+file).CombinedOutput()
		if err != nil {
			return fmt.Errorf("the tests of %s fail without any mutant: %s", p, output)
		}
		b.takes[p] = time.Since(begin)
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // passes none
		}
		if err != nil {
			return err
		}
		for word := range strings.FieldsSeq(string(text)) {
			n, err := strconv.Atoi(word)
			if err != nil {
				return err
			}
			b.passes[p][n] = true
		}
	}
	return nil
}

// A trial tries mutants.
type trial struct {
	*build
	equivalent map[string]string
	out        io.Writer
	end        time.Time

	mu      sync.Mutex
	verdict map[int]string // killed by PACKAGE | survived | not covered | not tried
}

func (t *trial) all(mutants []mutant, workers int) {
	t.verdict = map[int]string{}
	jobs := make(chan mutant)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for m := range jobs {
				v := t.try(m)
				t.mu.Lock()
				t.verdict[m.id] = v
				if n := len(t.verdict); n%100 == 0 {
					fmt.Fprintf(os.Stderr, "%d of %d mutants tried\n", n, len(mutants))
				}
				t.mu.Unlock()
			}
		})
	}
	for _, m := range mutants {
		jobs <- m
	}
	close(jobs)
	group.Wait()
}

func (t *trial) try(m mutant) string {
	if !t.end.IsZero() && time.Now().After(t.end) {
		return "not tried"
	}
	order := slices.Clone(tested)
	slices.SortStableFunc(order, func(a, b string) int { // its own package knows it best
		switch m.pkg {
		case a:
			return -1
		case b:
			return 1
		}
		return 0
	})
	covered := false
	for _, p := range order {
		if !t.passes[p][m.id] {
			continue
		}
		covered = true
		ctx, cancel := context.WithTimeout(context.Background(), timeout(t.takes[p]))
		err := t.command(ctx, p, m.id).Run()
		cancel()
		if err != nil {
			return "killed by " + p
		}
	}
	if !covered {
		return "not covered"
	}
	return "survived"
}

// report prints the score and the survivors that nobody has reviewed. Of a whole run, lines of the
// list that match nothing are errors too.
func (t *trial) report(mutants []mutant, whole bool, took time.Duration) error {
	type score struct{ all, killed, equivalent, survived, untried int }
	scores := map[string]*score{}
	matched := map[string]bool{}
	var survivors []string
	for _, m := range mutants {
		s := scores[m.pkg]
		if s == nil {
			s = &score{}
			scores[m.pkg] = s
		}
		s.all++
		v := t.verdict[m.id]
		_, reviewed := t.equivalent[m.key()]
		matched[m.key()] = true
		switch {
		case v == "not tried":
			s.untried++
		case strings.HasPrefix(v, "killed"):
			s.killed++
			if reviewed && whole {
				survivors = append(survivors, fmt.Sprintf("%s:%d: %s is listed as equivalent, and %s", m.file, m.line, m.key(), v))
			}
		case reviewed:
			s.equivalent++
		default:
			s.survived++
			survivors = append(survivors, fmt.Sprintf("%s:%d: %s: %s", m.file, m.line, v, m.key()))
		}
	}
	fmt.Fprintf(t.out, "%-12s %8s %8s %11s %9s %8s\n", "package", "mutants", "killed", "equivalent", "survived", "score")
	for _, p := range mutated {
		if s := scores[p]; s != nil {
			score := "-"
			if counted := s.all - s.equivalent - s.untried; counted > 0 {
				score = fmt.Sprintf("%.1f %%", 100*float64(s.killed)/float64(counted))
			}
			fmt.Fprintf(t.out, "%-12s %8d %8d %11d %9d %8s\n", p, s.all, s.killed, s.equivalent, s.survived, score)
			if s.untried > 0 {
				fmt.Fprintf(t.out, "%-12s %8d not tried: the time was over\n", p, s.untried)
			}
		}
	}
	fmt.Fprintf(t.out, "%s\n", took.Round(time.Second))
	if whole {
		for key := range t.equivalent {
			if !matched[key] {
				survivors = append(survivors, equivalentFile+": no mutant is "+key)
			}
		}
	}
	if len(survivors) == 0 {
		return nil
	}
	slices.Sort(survivors)
	for _, s := range survivors {
		fmt.Fprintln(t.out, s)
	}
	return fmt.Errorf("%d to look at: a test is missing, or a line with its reason in %s", len(survivors), equivalentFile)
}

// readEquivalent reads the reviewed list: a line a mutant, its key, a tab, and why it is no fault.
func readEquivalent() (map[string]string, error) {
	f, err := os.Open(equivalentFile)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was read
	list := map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, why, ok := strings.Cut(line, "\t")
		if why = strings.TrimSpace(why); !ok || why == "" {
			return nil, fmt.Errorf("%s:%d: want a key, a tab, and the reason", equivalentFile, n)
		}
		list[strings.TrimSpace(key)] = why
	}
	return list, lines.Err()
}

var hunk = regexp.MustCompile(`^@@ -\S+ \+(\d+)(?:,(\d+))? @@`)

// changedLines returns the lines of each file that differ from a revision.
func changedLines(rev string) (map[string]map[int]bool, error) {
	output, err := exec.Command("git", "diff", "--unified=0", "--no-color", rev, "--", "*.go").Output() //nolint:noctx // it ends
	if err != nil {
		return nil, fmt.Errorf("git diff %s: %w", rev, err)
	}
	changed := map[string]map[int]bool{}
	file := ""
	for line := range strings.Lines(string(output)) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "+++ b/"); ok {
			file = name
			changed[file] = map[int]bool{}
		}
		if m := hunk.FindStringSubmatch(line); m != nil {
			from, _ := strconv.Atoi(m[1])
			count := 1
			if m[2] != "" {
				count, _ = strconv.Atoi(m[2])
			}
			for n := range count {
				changed[file][from+n] = true
			}
		}
	}
	return changed, nil
}
