//go:build crash

package store

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// A binary built with the tag crash can be ended at a named point, to test that the next run goes
// on as if nothing had happened (I12):
//
//	ARREARS_CRASH=documents.commit:3   exit with 137 when that point is passed the third time
//	ARREARS_CRASH_LIST=FILE            append the name of every point passed to FILE
//
// Nothing is flushed, closed or rolled back, as after kill -9.
var crashes = struct {
	sync.Mutex
	point  string
	n      int
	list   *os.File
	passed map[string]int
}{passed: map[string]int{}}

func init() { //nolint:gochecknoinits // reads the environment of a test binary
	if s := os.Getenv("ARREARS_CRASH"); s != "" {
		point, n, ok := strings.Cut(s, ":")
		at, err := strconv.Atoi(n)
		if !ok || err != nil || at < 1 {
			fmt.Fprintf(os.Stderr, "ARREARS_CRASH: want point:n, have %q\n", s)
			os.Exit(2) //nolint:forbidigo // see above
		}
		crashes.point, crashes.n = point, at
	}
	if name := os.Getenv("ARREARS_CRASH_LIST"); name != "" {
		f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			fmt.Fprintln(os.Stderr, "ARREARS_CRASH_LIST:", err)
			os.Exit(2) //nolint:forbidigo // see above
		}
		crashes.list = f
	}
}

func crash(point string) {
	crashes.Lock()
	defer crashes.Unlock()
	if crashes.list != nil {
		fmt.Fprintln(crashes.list, point)
	}
	crashes.passed[point]++
	if point == crashes.point && crashes.passed[point] == crashes.n {
		os.Exit(137) //nolint:forbidigo // as kill -9 would
	}
}
