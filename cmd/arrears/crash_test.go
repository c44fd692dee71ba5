//go:build crash

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/arrears-billing/arrears/store/storetest"
)

// The crash test (make crash) proves I12 on the real binary: ended at any instant of a month, the
// next run ends in the same state as if nothing had happened, by `verify --dump`.
//
// A binary built with the tag crash names the points that it passes in the store and its blobs
// (store/crash_on.go). The test lists those of an undisturbed `run --issue` of twelve agreements,
// ends the program at every pass of every point in turn, runs the same again, and compares.

var (
	crashPasses = flag.Int("passes", 0, "end at this many passes of each point, spread evenly; 0: at every one")
	crashKills  = flag.Int("kills", 10, "how often to kill at a random instant")
)

// A bench runs commands of one binary on stores that are alike: a book is applied, nothing is run.
type bench struct {
	binary string
	book   string
	before string              // data folder after apply, to be copied
	server *storetest.Postgres // nil: SQLite
}

// A place is one store: the flags that name it.
type place []string

func TestCrashAnywhere(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { crashAnywhere(t, newBench(t, nil), *crashPasses) })
	t.Run("postgres", func(t *testing.T) { crashAnywhere(t, newBench(t, storetest.StartPostgres(t)), 1) })
}

func crashAnywhere(t *testing.T, b *bench, atMost int) {
	undisturbed := b.copy(t, filepath.Join(t.TempDir(), "undisturbed"))
	list := filepath.Join(t.TempDir(), "points")
	b.run(t, undisturbed, 3, "ARREARS_CRASH_LIST="+list)
	want := b.dump(t, undisturbed)
	wantMonth(t, want)

	passes := b.passes(t, list)
	if len(passes) < 15 {
		t.Fatalf("only %d points were passed: is the binary built with the tag crash?\n%v", len(passes), passes)
	}

	for _, point := range slices.Sorted(maps.Keys(passes)) {
		t.Logf("%-20s %d passes", point, passes[point])
		every := 1
		if atMost > 0 {
			every = max(1, passes[point]/atMost)
		}
		for n := max(1, every/2); n <= passes[point]; n += every {
			t.Run(fmt.Sprintf("%s:%d", point, n), func(t *testing.T) {
				t.Parallel() // half of each is waiting for the disk
				b.exitAt(t, point, n, want)
			})
		}
	}
}

// exitAt ends a run at the n-th pass of a point, and wants the next one to recover.
//
// How often a run passes a point varies: parallel workers write their months in shared
// transactions, few or many as they happen to meet. A run that passed the point less than n times
// did not exit; then another is ended at the last pass that this one made.
func (b *bench) exitAt(t *testing.T, point string, n int, want string) {
	t.Helper()
	for n > 0 {
		name := fmt.Sprintf("%s:%d", point, n)
		dir := t.TempDir()
		list := filepath.Join(dir, "points")
		data := b.copy(t, filepath.Join(dir, "data"))
		code := b.exec(t, data, "ARREARS_CRASH="+name, "ARREARS_CRASH_LIST="+list)
		seen := b.passes(t, list)[point]
		if code != 137 && seen >= n {
			t.Errorf("%s: exit %d after %d passes, want 137", name, code, seen)
		}
		b.wantRecovery(t, name, data, want)
		if code == 137 {
			return
		}
		n = min(seen, n-1)
	}
	t.Errorf("%s: no run passes it any more", point)
}

// passes counts the points in a list that a run wrote.
func (b *bench) passes(t *testing.T, list string) map[string]int {
	t.Helper()
	passed, err := os.ReadFile(list)
	if err != nil {
		t.Error(err)
	}
	passes := map[string]int{}
	for point := range strings.Lines(string(passed)) {
		passes[strings.TrimSpace(point)]++
	}
	return passes
}

// TestKillAnytime kills the program at random instants, several times each before it may finish.
func TestKillAnytime(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { killAnytime(t, newBench(t, nil)) })
	t.Run("postgres", func(t *testing.T) { killAnytime(t, newBench(t, storetest.StartPostgres(t))) })
}

func killAnytime(t *testing.T, b *bench) {
	undisturbed := b.copy(t, filepath.Join(t.TempDir(), "undisturbed"))
	start := time.Now()
	b.run(t, undisturbed, 3)
	takes := time.Since(start)
	want := b.dump(t, undisturbed)
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range *crashKills {
		name := fmt.Sprintf("kill %d (seed %d)", i, seed)
		data := b.copy(t, filepath.Join(t.TempDir(), "killed"))
		for range 3 {
			cmd := b.command(data, b.args()...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(r.Int64N(int64(takes))))
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			_ = cmd.Wait() // killed, or done before
		}
		b.wantRecovery(t, name, data, want)
	}
}

// wantRecovery runs the month again after a crash, and wants the state of the undisturbed run and
// no finding; then once more, which must change nothing.
func (b *bench) wantRecovery(t *testing.T, name string, data place, want string) {
	t.Helper()
	for _, again := range []string{"again", "and again"} {
		if code := b.exec(t, data); code != 3 {
			t.Errorf("%s: %s: run exits with %d, want 3", name, again, code)
			return
		}
		if got := b.dump(t, data); got != want {
			t.Errorf("%s: %s: another state than without the crash:\n%s", name, again, firstDifference(want, got))
			return
		}
	}
	if out, err := b.command(data, "verify").CombinedOutput(); err != nil {
		t.Errorf("%s: verify: %v\n%s", name, err, out)
	}
}

// wantMonth checks that the month is worth crashing: documents of both series, a split, a month
// that waits.
func wantMonth(t *testing.T, dump string) {
	t.Helper()
	for _, part := range []string{
		`"number":"DE-2026-000001"`, `"number":"CH-2026-000001"`, `"number":"DE-CN-2026-000001"`,
		`"part":"BUY-2"`, `"status":"waiting"`, `"status":"issued"`, `{"kind":"blob"`, `{"kind":"event"`,
	} {
		if !strings.Contains(dump, part) {
			t.Fatalf("the undisturbed month has no %s:\n%s", part, dump)
		}
	}
}

func newBench(t *testing.T, server *storetest.Postgres) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{
		binary: filepath.Join(dir, "arrears"), book: filepath.Join(dir, "book.yaml"), before: filepath.Join(dir, "before"), server: server,
	}
	build := exec.Command("go", "build", "-tags", "crash", "-o", b.binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	writeBook(t, dir, b.book)
	b.apply(t, place{"--data", b.before})
	return b
}

func (b *bench) apply(t *testing.T, data place) {
	t.Helper()
	if out, err := b.command(data, "apply", "-f", b.book).CombinedOutput(); err != nil {
		t.Fatalf("apply: %v\n%s", err, out)
	}
}

func (b *bench) args() []string { return []string{"run", "--month", "2026-03", "--issue"} }

func (b *bench) command(data place, args ...string) *exec.Cmd {
	cmd := exec.Command(b.binary, slices.Concat(args, data, []string{"--as-of", "2026-04-09"})...)
	cmd.Env = append(os.Environ(), "ARREARS_DATABASE=")
	return cmd
}

// exec runs the month and returns its exit code.
func (b *bench) exec(t *testing.T, data place, env ...string) int {
	t.Helper()
	cmd := b.command(data, b.args()...)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Error(err)
		return -1
	}
	if code := cmd.ProcessState.ExitCode(); code != 137 && code != 3 {
		t.Logf("exit %d:\n%s", code, out)
	}
	return cmd.ProcessState.ExitCode()
}

// run is exec that must end with a code.
func (b *bench) run(t *testing.T, data place, want int, env ...string) {
	t.Helper()
	if code := b.exec(t, data, env...); code != want {
		t.Fatalf("run exits with %d, want %d", code, want)
	}
}

func (b *bench) dump(t *testing.T, data place) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := b.command(data, "verify", "--dump")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("verify --dump: %v\n%s", err, stderr.String())
	}
	return string(out)
}

// copy makes a store in a new folder, in the state before the run.
func (b *bench) copy(t *testing.T, dir string) place {
	t.Helper()
	if b.server != nil {
		data := place{"--data", dir, "--database", b.server.URL(t)}
		b.apply(t, data)
		return data
	}
	if err := os.CopyFS(dir, os.DirFS(b.before)); err != nil {
		t.Fatal(err)
	}
	return place{"--data", dir}
}
