package aws

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	smithy "github.com/aws/smithy-go"
)

// Billing Conductor and Partner Central have no Go module to be had: their calls are signed here.

// A signedCall is one operation of such a service.
type signedCall struct {
	operation string
	service   string // as signed
	host      string // unless AWS_ENDPOINT_URL says otherwise
	path      string
	target    string // X-Amz-Target of awsJson; empty for restJson
	token     string // idempotency token of restJson; awsJson has it in the body
	changes   bool   // made once
}

// maxAnswer bounds what is read of an answer; a page of 100 items is far below.
const maxAnswer = 16 << 20

// do makes the call: in becomes the JSON sent, out is filled from the JSON of the answer.
func (call signedCall) do(ctx context.Context, cfg aws.Config, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: %w", call.operation, err)
	}
	retryer := cfg.Retryer()
	for attempt := 1; ; attempt++ {
		err = call.try(ctx, cfg, body, out)
		if err == nil || call.changes || attempt >= retryer.MaxAttempts() || ctx.Err() != nil || !again(err) {
			return fault(ctx, call.operation, err)
		}
		delay, derr := retryer.RetryDelay(attempt, err)
		if derr != nil {
			return fault(ctx, call.operation, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
}

// again says whether a call that only reads may have another outcome next time.
func again(err error) bool {
	if s := status(err); s != 0 {
		return s >= http.StatusInternalServerError || s == http.StatusTooManyRequests ||
			retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary
	}
	return true // no answer
}

func (call signedCall) try(ctx context.Context, cfg aws.Config, body []byte, out any) error {
	url := "https://" + call.host
	if cfg.BaseEndpoint != nil {
		url = strings.TrimSuffix(*cfg.BaseEndpoint, "/")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+call.path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if call.target != "" {
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		r.Header.Set("X-Amz-Target", call.target+"."+call.operation)
	}
	if call.token != "" {
		r.Header.Set("X-Amzn-Client-Token", call.token)
	}
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, keys, r, hex.EncodeToString(hash[:]), call.service, region, time.Now()); err != nil {
		return err
	}
	answer, err := httpClient(cfg).Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		return readError(answer, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return &smithy.DeserializationError{Err: err}
	}
	return nil
}

// An answerError is an error of a service as it was answered.
type answerError struct {
	code, message, Reason string
	status                int
}

func (e *answerError) Error() string                 { return e.code + ": " + e.message }
func (e *answerError) ErrorCode() string             { return e.code }
func (e *answerError) ErrorMessage() string          { return e.message }
func (e *answerError) ErrorFault() smithy.ErrorFault { return smithy.FaultUnknown }

// readError reads an error in either protocol: the code is in the header or the body, with or
// without a namespace before it and a place after it.
func readError(answer *http.Response, text []byte) error {
	var body struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"` // or Message: names are compared without case
		Reason  string `json:"reason"`
	}
	_ = json.Unmarshal(text, &body) // a gateway's page is no JSON: then the status speaks
	e := &answerError{status: answer.StatusCode, message: body.Message, Reason: body.Reason}
	for _, code := range []string{answer.Header.Get("X-Amzn-Errortype"), body.Type, body.Code} {
		code, _, _ = strings.Cut(code, ":")
		if code = code[strings.LastIndexByte(code, '#')+1:]; code != "" {
			e.code = code
			return e
		}
	}
	e.code, e.message = "UnknownError", "HTTP status "+answer.Status
	return e
}

var tokenForm = regexp.MustCompile(`^[a-zA-Z0-9-]{1,64}$`)

// clientToken is the idempotency token for AWS: the caller's where it has a form that all services
// take, else its hash.
func clientToken(token string) string {
	if tokenForm.MatchString(token) {
		return token
	}
	hash := sha256.Sum256([]byte(token))
	return hex.EncodeToString(hash[:])
}

// A stamp is a timestamp in an answer: ISO 8601 text, or seconds since 1970.
type stamp struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (s *stamp) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		t, err := time.Parse(time.RFC3339, text)
		s.Time = t.UTC()
		return err
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	d, err := time.ParseDuration(n.String() + "s")
	if err != nil {
		return fmt.Errorf("not a timestamp: %s", b)
	}
	s.Time = time.Unix(0, 0).Add(d).UTC()
	return nil
}

// MarshalJSON writes ISO 8601, as Partner Central reads it.
func (s stamp) MarshalJSON() ([]byte, error) {
	return json.Marshal(s.UTC().Format("2006-01-02T15:04:05.000Z"))
}
