package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// hostile moves the cursor, sets the title and a colour, turns letters round, hides itself, and
// more; what is left of it can be read.
const hostile = "Evil\x1b[31m\x1b]0;t\x07\u202eretsulC\u2066\u200b\u009b2J\u0085\u2028\ufeff\U000e0041 & Söhne"

// safeText fails when a terminal would act on a text.
func safeText(t *testing.T, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s: not UTF-8", what)
	}
	for _, r := range text {
		if acts(r) {
			t.Errorf("%s: %U reaches the terminal in %.200q", what, r, text)
			return
		}
	}
}

func TestPlain(t *testing.T) {
	var b bytes.Buffer
	p := &plain{w: &b}
	text := hostile + "\n\tnext\xff"
	for _, piece := range []byte(text) { // byte by byte: runes are taken apart and put together
		if n, err := p.Write([]byte{piece}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	safeText(t, "plain", b.String())
	if !strings.Contains(b.String(), `Evil\u001b[31m`) || !strings.HasSuffix(b.String(), "& Söhne\n\tnext\ufffd") {
		t.Errorf("got %q", b.String())
	}
	// In JSON the same text comes back.
	b.Reset()
	if err := json.NewEncoder(&plain{w: &b}).Encode(hostile); err != nil {
		t.Fatal(err)
	}
	safeText(t, "JSON", b.String())
	var back string
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back != hostile {
		t.Errorf("JSON gives back %q, %v", back, err)
	}
}

// TestHostileNames plants names that a terminal would act on wherever text comes from outside, and
// runs every command: none of it reaches the terminal, in tables, JSON or errors.
func TestHostileNames(t *testing.T) {
	dir := t.TempDir()
	if err := copyStory(dir); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	files, err := filepath.Glob(filepath.Join(dir, "aws", "*", "data", "*", "*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	planted := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.NewReplacer("AmazonEC2", "Evil"+hostile, "Amazon Elastic Compute Cloud", hostile).Replace(string(text))
		if changed != string(text) {
			planted++
		}
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if planted == 0 {
		t.Fatalf("nothing is planted in %v", files)
	}
	var tried []string
	try := func(args ...string) {
		t.Helper()
		for _, more := range [][]string{nil, {"--json"}} {
			var stdout, stderr bytes.Buffer
			run(t.Context(), append(append([]string{"--as-of", "2026-04-09", "--data", filepath.Join(dir, "data")}, args...), more...), &stdout, &stderr)
			safeText(t, strings.Join(args, " "), stdout.String()+stderr.String())
			if strings.Contains(stdout.String(), `Evil\u001b`) {
				tried = append(tried, args[0])
			}
		}
	}
	try("apply", "-f", "book.yaml")
	try("run", "--month", "2026-03")
	for _, args := range [][]string{
		{"invoice", "list"}, {"invoice", "show", "AGR-0001-2026-03"}, {"explain", "AGR-0001-2026-03"}, {"explain", "AGR-0001-2026-03", "--line", "1"},
		{"waive", "AGR-0001", "--month", "2026-03", "--code", hostile, "--by", hostile, "--reason", hostile},
		{"invoice", "approve", "AGR-0001-2026-03", "--by", hostile}, {"invoice", "issue", "--month", "2026-03"}, {"replay", "--month", "2026-03"},
		{"verify"}, {"verify", "--dump"}, {"agreement", "list"}, {"order", "list"}, {"schedule"}, {"config"},
		{"invoice", "credit", "AGR-0001-2026-03", "--reason", hostile},
	} {
		try(args...)
	}
	if len(tried) < 3 {
		t.Errorf("the planted name was shown by %v only: the test tests little", tried)
	}
	// Every command there is, with a hostile argument, flag and file: most refuse it, and say so.
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte(hostile+": "+hostile+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		for _, sub := range c.Commands() {
			p := append(append([]string{}, path...), sub.Name())
			walk(sub, p)
			switch p[0] {
			case "serve", "demo", "completion", "worker":
				continue // these stay, or write where they are told to
			}
			try(append(p, hostile)...)
			try(append(p, hostile, "--month", hostile)...)
			try(append(p, "-f", bad)...)
			try(append(p, "--"+hostile)...)
		}
	}
	a := &app{}
	walk(a.command(), nil)
}
