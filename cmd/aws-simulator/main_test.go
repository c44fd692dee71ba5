package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// start runs the program until the test ends, and returns where it listens, how to stop it, and
// what it returns in the end.
func start(t *testing.T, args ...string) (url string, stop func(), ended <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, append(args, "--listen", "127.0.0.1:0"), in, io.Discard) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), cancel, done
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestServesAndStops(t *testing.T) {
	url, stop, ended := start(t, "--now", "2026-02-19T09:00:00Z")
	if status, text := post(t, url+"/_clock", `{"now": "2026-03-01T00:00:00Z"}`); status != 200 || text != `{"now":"2026-03-01T00:00:00Z"}` {
		t.Errorf("POST /_clock: %d %s", status, text)
	}
	if status, text := post(t, url+"/_admin/nothing", ``); status != 404 || !strings.Contains(text, "docs/SIMULATOR.md") {
		t.Errorf("POST of something unknown: %d %s, want 404 and where to read", status, text)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("stopped: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it did not stop")
	}
}

// A call that hangs does not keep the program from stopping.
func TestStopsWhileACallHangs(t *testing.T) {
	url, stop, ended := start(t)
	for _, step := range [][2]string{
		{"/_admin/organizations", `{"management": "111122223333"}`},
		{"/_admin/settings", `{"skip_signatures": true}`},
		{"/_admin/faults", `{"kind": "hang"}`},
	} {
		if status, text := post(t, url+step[0], step[1]); status != 200 {
			t.Fatalf("POST %s: %d %s", step[0], status, text)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AWSOrganizationsV20161128.DescribeOrganization")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIA111122223333/20260219/us-east-1/organizations/aws4_request, SignedHeaders=host, Signature="+strings.Repeat("0", 64))
	broken := make(chan error, 1)
	go func() {
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			err = answer.Body.Close()
		}
		broken <- err
	}()
	time.Sleep(50 * time.Millisecond) // let the call arrive; if it comes later the test still passes
	stop()
	for range 2 {
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("stopped: %v", err)
			}
		case err := <-broken:
			if err == nil {
				t.Error("the call that hung was answered")
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it did not stop")
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"--now", "yesterday"}, {"extra"}, {"--listen", "nowhere:http:1"}, {"--unknown"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("run %v: no error", args)
		}
	}
}
