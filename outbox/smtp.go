package outbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"strings"
	"time"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/agreement"
)

// SMTP sends mails through a mail server. It uses STARTTLS where the server offers it, and logs in
// only over TLS (or to localhost).
type SMTP struct {
	Addr     string // host:port
	From     string // address
	User     string // empty: no login
	Password string
}

// Takes says that SMTP takes mails only.
func (SMTP) Takes(kind string) bool { return kind == agreement.EventMail }

// Deliver sends one mail. The Message-ID is made of the event's id, so that a mail that is sent
// again is known as the same.
func (s SMTP) Deliver(ctx context.Context, n arrears.Notice) error {
	var e agreement.Event
	if err := json.Unmarshal(n.Body, &e); err != nil {
		return fmt.Errorf("mail %s: %w", n.ID, err)
	}
	to, err := mail.ParseAddress(e.To)
	if err != nil {
		return fmt.Errorf("mail %s: to %q: %w", n.ID, e.To, err)
	}
	from, err := mail.ParseAddress(s.From)
	if err != nil {
		return fmt.Errorf("mail %s: from %q: %w", n.ID, s.From, err)
	}
	body, err := message(e, from, to)
	if err != nil {
		return fmt.Errorf("mail %s: %w", n.ID, err)
	}
	if err := s.send(ctx, from.Address, to.Address, body); err != nil {
		return fmt.Errorf("mail %s to %s: %w", n.ID, to.Address, err)
	}
	return nil
}

func (s SMTP) send(ctx context.Context, from, to string, body []byte) (err error) {
	host, _, err := net.SplitHostPort(s.Addr)
	if err != nil {
		return err
	}
	// A server that stops talking must not hold up the tick for ever.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() {
		conn.Close() //nolint:errcheck,gosec // it ends the conversation, which tells what is wrong
	})()
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := s.hello(c, host); err != nil {
		return err
	}
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	// The server has the mail: trouble with saying goodbye must not send it again.
	if c.Quit() != nil {
		conn.Close() //nolint:errcheck,gosec // nothing is left to lose
	}
	return nil
}

// message is the mail as RFC 5322 wants it, quoted-printable, so that no line is too long and
// nothing in the text can become a header.
func message(e agreement.Event, from, to *mail.Address) ([]byte, error) {
	var b bytes.Buffer
	headers := [][2]string{
		{"From", from.String()},
		{"To", to.String()},
		{"Subject", mime.QEncoding.Encode("utf-8", strings.Join(strings.Fields(e.Subject), " "))},
		{"Date", e.At.UTC().Format(time.RFC1123Z)},
		{"Message-ID", fmt.Sprintf("<%s@%s>", e.ID, from.Address[strings.LastIndexByte(from.Address, '@')+1:])},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
		{"Auto-Submitted", "auto-generated"},
	}
	for _, h := range headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	if _, err := q.Write([]byte(strings.ReplaceAll(e.Text, "\n", "\r\n"))); err != nil {
		return nil, err
	}
	return b.Bytes(), q.Close()
}

// hello begins the conversation: TLS where the server has it, then the login.
func (s SMTP) hello(c *smtp.Client, host string) error {
	if ok, _ := c.Extension("STARTTLS"); ok {
		if err := c.StartTLS(&tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}); err != nil {
			return err
		}
	}
	if s.User == "" {
		return nil
	}
	return c.Auth(smtp.PlainAuth("", s.User, s.Password, host)) // refuses without TLS, but for localhost
}
