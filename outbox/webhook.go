package outbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/agreement"
)

// A Webhook posts events as JSON. The header Arrears-Signature is "sha256=" and the hex HMAC-SHA256
// of the body under the secret; Arrears-Event is the event's id.
type Webhook struct {
	URL    string
	Secret string
	Client *http.Client
	Tries  int           // 0: 3
	Wait   time.Duration // before the second try, then twice as long each; 0: one second
}

// Takes says that a webhook takes everything but mails.
func (w Webhook) Takes(kind string) bool { return kind != agreement.EventMail }

// Deliver posts the event. A refusal that trying again does not cure (4xx but 408, 425 and 429)
// ends at once; anything else is tried again here, and by the next tick.
func (w Webhook) Deliver(ctx context.Context, n arrears.Notice) error {
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("event %s: %w", n.ID, err)
	}
	tries, wait := max(w.Tries, 1), w.Wait
	if w.Tries == 0 {
		tries = 3
	}
	if wait == 0 {
		wait = time.Second
	}
	for try := 1; ; try++ {
		again, err := w.post(ctx, n.ID, body)
		if err == nil {
			return nil
		}
		if !again || try == tries {
			return fmt.Errorf("event %s: webhook: %w", n.ID, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
			wait *= 2
		}
	}
}

func (w Webhook) post(ctx context.Context, id string, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	mac := hmac.New(sha256.New, []byte(w.Secret))
	mac.Write(body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Arrears-Event", id)
	req.Header.Set("Arrears-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	client := w.Client
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	resp, err := client.Do(req)
	if err != nil {
		return true, err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	err = errors.Join(err, resp.Body.Close())
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return false, nil // the answer's body is of no interest, nor is trouble reading it
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return true, errors.Join(fmt.Errorf("answered %s", resp.Status), err)
	}
	return false, fmt.Errorf("answered %s", resp.Status)
}
