package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/arrears-billing/arrears/fixtures"
	"github.com/arrears-billing/arrears/store/storetest"
)

// lockedBuffer is stderr of a program that runs beside its test.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}

// serving starts arrears serve and returns where it listens, and what stops it and returns its log.
func serving(t *testing.T, args ...string) (url string, stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var log lockedBuffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...), io.Discard, &log)
	}()
	listening := regexp.MustCompile(`listening on (http://\S+)`)
	url = eventually(t, "serve listens", func() (string, bool) {
		m := listening.FindStringSubmatch(log.text())
		if m == nil {
			return log.text(), false
		}
		return m[1], true
	})
	return url, func() string {
		cancel()
		select {
		case code := <-ended:
			if code != exitDone {
				t.Errorf("serve ends with %d:\n%s", code, log.text())
			}
		case <-time.After(30 * time.Second):
			t.Error("serve does not stop")
		}
		return log.text()
	}
}

func eventually(t *testing.T, what string, ask func() (string, bool)) string {
	t.Helper()
	last := ""
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var ok bool
		if last, ok = ask(); ok {
			return last
		}
	}
	t.Fatalf("%s: not within 30 seconds; last: %s", what, last)
	return ""
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // read to the end
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// lastOutcomes asks arrears schedule what came of each task.
func lastOutcomes(t *testing.T, where []string) map[string]string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), append([]string{"schedule", "--json"}, where...), &out, &errs); code != exitDone {
		t.Fatalf("schedule: exit %d: %s", code, errs.String())
	}
	var s struct {
		Tasks []struct {
			Task string
			Next []time.Time
			Last *struct{ Outcome, Text string }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	last := map[string]string{}
	for _, task := range s.Tasks {
		if len(task.Next) != 3 {
			t.Errorf("%s: next %v", task.Task, task.Next)
		}
		if task.Last != nil {
			last[task.Task] = task.Last.Outcome + " " + task.Last.Text
		}
	}
	return last
}

// TestServe: nothing ran for three months; serve starts, catches all of them up, oldest first, and
// issues what has no warning, as the runs of the command line would have. Two that share a
// PostgreSQL do no more. While serve is idle, commands write beside it.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	story := fixtures.Demo(1)
	if err := story.Write(dir); err != nil {
		t.Fatal(err)
	}
	book := filepath.Join(dir, "book.yaml")
	t.Setenv("ARREARS_ISSUE", "yes")
	t.Setenv("ARREARS_CRON_TICK", "off") // there is no AWS here
	const asOf = "2026-11-20"
	command := func(where []string, want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(t.Context(), append(append(args, where...), "--as-of", asOf), &out, &errs); code != want {
			t.Fatalf("arrears %s: exit %d, want %d\n%s%s", strings.Join(args, " "), code, want, out.String(), errs.String())
		}
		return out.String()
	}

	byHand := []string{"--data", filepath.Join(dir, "by-hand")}
	command(byHand, exitDone, "apply", "-f", book)
	for _, m := range story.Months {
		want := exitDone
		if m == story.Months[2] {
			want = exitLook // one waits, one is blocked
		}
		command(byHand, want, "run", "--month", m.String(), "--issue")
	}
	want := command(byHand, exitDone, "verify", "--dump")

	t.Run("one on SQLite", func(t *testing.T) {
		where := []string{"--data", filepath.Join(dir, "sqlite")}
		command(where, exitDone, "apply", "-f", book)
		url, stop := serving(t, append(where, "--as-of", asOf)...)
		outcome := eventually(t, "close has ended", func() (string, bool) {
			s := lastOutcomes(t, where)["close"]
			return s, strings.HasPrefix(s, "look ")
		})
		oldest := strings.Index(outcome, story.Months[0].String())
		if newest := strings.Index(outcome, story.Months[2].String()); oldest < 0 || newest < oldest {
			t.Errorf("close says %q: want every month, oldest first", outcome)
		}
		command(where, exitDone, "apply", "-f", book) // the lock is free
		for path, text := range map[string]string{
			"/healthz": "ok", "/readyz": "ready",
			"/metrics": `arrears_agreement_months{month="2026-10",status="issued"} 5`,
		} {
			if code, body := get(t, url+path); code != http.StatusOK || !strings.Contains(body, text) {
				t.Errorf("%s: %d, want %q in\n%.2000s", path, code, text, body)
			}
		}
		if code, _ := get(t, url+"/no-such-page"); code != http.StatusNotFound {
			t.Errorf("an unknown page answers %d", code)
		}
		log := stop()
		if got := command(where, exitDone, "verify", "--dump"); got != want {
			t.Errorf("the dump differs from that of runs by hand: %s\n%s", firstDifference(got, want), log)
		}
		// A second life finds nothing to do.
		_, stop = serving(t, append(where, "--as-of", asOf)...)
		stop()
		if got := command(where, exitDone, "verify", "--dump"); got != want {
			t.Errorf("started again it changed something: %s", firstDifference(got, want))
		}
	})
	t.Run("two on PostgreSQL", func(t *testing.T) {
		server := storetest.StartPostgres(t)
		where := []string{"--data", filepath.Join(dir, "postgres"), "--database", server.URL(t)}
		command(where, exitDone, "apply", "-f", book)
		_, stopOne := serving(t, append(where, "--as-of", asOf)...)
		_, stopTwo := serving(t, append(where, "--as-of", asOf)...)
		eventually(t, "close has ended", func() (string, bool) {
			s := lastOutcomes(t, where)["close"]
			return s, strings.HasPrefix(s, "look ")
		})
		log := stopOne() + stopTwo()
		if n := strings.Count(log, `"msg":"task ended","task":"close"`); n != 1 {
			t.Errorf("close has ended %d times:\n%s", n, log)
		}
		if got := command(where, exitDone, "verify", "--dump"); got != want {
			t.Errorf("the dump differs from that of runs by hand: %s\n%s", firstDifference(got, want), log)
		}
	})
}

// TestConfig: every mistake of the file is found at its place; the environment is stronger than
// the file, a flag stronger than both; secrets are hidden, in every spelling of output.
func TestConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "arrears.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	call := func(want int, args ...string) (string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != want {
			t.Fatalf("arrears %v: exit %d, want %d\n%s%s", args, code, want, out.String(), errs.String())
		}
		return out.String(), errs.String()
	}
	write("data: /srv/arrears\nschedule:\n  close: 61 * * * *\n  time_zone: Europe/Atlantis\nlisten: [1]\nissue: maybe\nlog:\n  volume: info\ndata: x\n")
	_, errs := call(exitUsage, "config", "--check", "--config", file)
	for _, want := range []string{
		":3:10: schedule.close:", ":4:14: schedule.time_zone:", ":5:9: listen: want one value", ":6:8: issue:", ":8:3: log.volume: is unknown", ":9:1: data: is there twice",
	} {
		if !strings.Contains(errs, file+want) {
			t.Errorf("no %q in\n%s", want, errs)
		}
	}
	for _, broken := range []string{"a: b: c\n", "- 1\n", "data: \x00\n"} {
		write(broken)
		call(exitUsage, "config", "--check", "--config", file)
	}
	call(exitUsage, "config", "--config", file+".not-there")

	const secret = "hunter2-planted"
	write("database: postgres://arrears:" + secret + "@127.0.0.1:5432/arrears\nevents:\n  webhook: https://hooks.example.com/x\n  webhook_secret: " + secret +
		"\n  smtp: smtp://mailer:" + secret + "@mail.example.com:25?from=a@example.com\nlisten: 127.0.0.1:1\nlog: {level: debug}\n")
	t.Setenv("ARREARS_LOG_LEVEL", "warn")
	for _, args := range [][]string{{"config"}, {"config", "--json"}} {
		out, errs := call(exitDone, append(args, "--config", file)...)
		if strings.Contains(out+errs, secret) {
			t.Errorf("%v shows a secret:\n%s", args, out)
		}
		if !strings.Contains(out, "environment ARREARS_LOG_LEVEL") || !strings.Contains(out, file+":6") {
			t.Errorf("%v does not say where values come from:\n%s", args, out)
		}
	}
	_, errs = call(exitFailed, "run", "--month", "2026-03", "--config", file, "--data", t.TempDir())
	if strings.Contains(errs, secret) {
		t.Errorf("an error shows a secret: %s", errs)
	}
}

// row is the setting's row of the table in the documentation.
func (s setting) row() string {
	otherwise := "-"
	if s.otherwise != "" {
		otherwise = "`" + s.otherwise + "`"
	}
	return fmt.Sprintf("| `%s` | `%s` | %s | %s |", s.key, s.env, otherwise, strings.ReplaceAll(s.help, "|", `\|`))
}

// TestEverySettingIsDocumented: docs/SETTINGS.md lists each setting with its names and default.
func TestEverySettingIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/SETTINGS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if want := s.row(); !strings.Contains(string(doc), want) {
			t.Errorf("no row\n%s", want)
		}
	}
}
