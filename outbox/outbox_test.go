package outbox_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/outbox"
)

func notice(t *testing.T, e agreement.Event) arrears.Notice {
	t.Helper()
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return arrears.Notice{ID: e.ID, Kind: e.Type, Body: body}
}

// A mailServer is a small SMTP server on loopback.
type mailServer struct {
	addr string
	mu   sync.Mutex
	got  []string // mails with envelope
	deny bool
}

func newMailServer(t *testing.T) *mailServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailServer{addr: l.Addr().String()}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(c) })
		}
	})
	return s
}

func (s *mailServer) serve(c net.Conn) {
	defer func() {
		if err := c.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "mail server:", err)
		}
	}()
	r := bufio.NewReader(c)
	say := func(line string) { fmt.Fprintf(c, "%s\r\n", line) }
	say("220 mail.test ESMTP")
	var envelope string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); verb {
		case "EHLO", "HELO":
			say("250 mail.test")
		case "MAIL":
			envelope = line
			say("250 ok")
		case "RCPT":
			s.mu.Lock()
			deny := s.deny
			s.mu.Unlock()
			if deny {
				say("450 try again later")
				continue
			}
			envelope += "\n" + line
			say("250 ok")
		case "DATA":
			say("354 go on")
			var body strings.Builder
			for {
				l, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				body.WriteString(strings.TrimPrefix(l, "."))
			}
			s.mu.Lock()
			s.got = append(s.got, envelope+"\n"+body.String())
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func reminder() agreement.Event {
	return agreement.Event{
		ID: "AGR-0001-000007", Type: agreement.EventMail, At: time.Date(2026, 3, 3, 9, 0, 0, 0, time.UTC), Agreement: "AGR-0001",
		To: "ann@buyer.example", Subject: "Your order waits: Grüße\r\nBcc: evil@example.com",
		Text: "Hello Ann,\n\naccept the billing transfer – please.\n.\nA line that is much longer than what a mail may hold in one line without being broken by somebody on the way.\n",
	}
}

// R21: reminders go out as mails.
func TestSMTP(t *testing.T) {
	server := newMailServer(t)
	s := outbox.SMTP{Addr: server.addr, From: "Billing <billing@reseller.example>"}
	if !s.Takes(agreement.EventMail) || s.Takes(agreement.EventOnboarding) {
		t.Error("SMTP takes mails and nothing else")
	}
	if err := s.Deliver(t.Context(), notice(t, reminder())); err != nil {
		t.Fatal(err)
	}
	if len(server.got) != 1 {
		t.Fatalf("%d mails, want 1", len(server.got))
	}
	from, rest, _ := strings.Cut(server.got[0], "\n")
	rcpt, text, _ := strings.Cut(rest, "\n")
	if !strings.Contains(from, "<billing@reseller.example>") || !strings.Contains(rcpt, "<ann@buyer.example>") {
		t.Errorf("envelope: %s, %s", from, rcpt)
	}
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Header.Get("Bcc"); got != "" {
		t.Errorf("the subject became a header: Bcc: %s", got)
	}
	if got, want := m.Header.Get("Message-ID"), "<AGR-0001-000007@reseller.example>"; got != want {
		t.Errorf("Message-ID: %s, want %s", got, want)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.ReplaceAll(string(body), "\r\n", "\n"), reminder().Text; got != want {
		t.Errorf("text: %q, want %q", got, want)
	}
}

func TestSMTPRefused(t *testing.T) {
	server := newMailServer(t)
	server.deny = true
	s := outbox.SMTP{Addr: server.addr, From: "billing@reseller.example"}
	err := s.Deliver(t.Context(), notice(t, reminder()))
	if err == nil || !strings.Contains(err.Error(), "450") {
		t.Errorf("Deliver: %v, want the server's 450", err)
	}
	bad := reminder()
	bad.To = "nobody"
	if err := s.Deliver(t.Context(), notice(t, bad)); err == nil {
		t.Error("a mail to no address was delivered")
	}
	if len(server.got) != 0 {
		t.Errorf("%d mails, want 0", len(server.got))
	}
}

func TestWebhook(t *testing.T) {
	var mu sync.Mutex
	answers := []int{http.StatusInternalServerError, http.StatusTooManyRequests, http.StatusOK}
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mac := hmac.New(sha256.New, []byte("secret"))
		mac.Write(body)
		if got, want := r.Header.Get("Arrears-Signature"), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
			t.Errorf("signature %s, want %s", got, want)
		}
		bodies = append(bodies, r.Header.Get("Arrears-Event")+" "+string(body))
		w.WriteHeader(answers[0])
		answers = answers[1:]
	}))
	defer server.Close()
	hook := outbox.Webhook{URL: server.URL, Secret: "secret", Wait: time.Millisecond}
	if hook.Takes(agreement.EventMail) || !hook.Takes(agreement.EventOnboarding) {
		t.Error("a webhook takes everything but mails")
	}
	e := agreement.Event{ID: "AGR-0001-000001", Type: agreement.EventOnboarding, Agreement: "AGR-0001"}
	if err := hook.Deliver(t.Context(), notice(t, e)); err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 3 || bodies[0] != bodies[2] {
		t.Errorf("posted %q, want the same three times", bodies)
	}

	answers = []int{http.StatusBadRequest}
	if err := hook.Deliver(t.Context(), notice(t, e)); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("Deliver: %v, want 400", err)
	}
	if len(bodies) != 4 {
		t.Errorf("a refusal was tried again: %d posts, want 4", len(bodies))
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	f := outbox.File{Path: path}
	for _, id := range []string{"AGR-0001-000001", "AGR-0001-000002"} {
		if err := f.Deliver(t.Context(), notice(t, agreement.Event{ID: id, Type: agreement.EventOnboarding})); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines, want 2: %s", len(lines), data)
	}
	var n arrears.Notice
	if err := json.Unmarshal([]byte(lines[1]), &n); err != nil || n.ID != "AGR-0001-000002" {
		t.Errorf("second line: %+v, %v", n, err)
	}
	if err := (outbox.File{Path: filepath.Join(path, "no")}).Deliver(t.Context(), n); err == nil {
		t.Error("a file that cannot be written took an event")
	}
}
