package aws_test

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/aws"
	"github.com/arrears-billing/arrears/aws/simulator"
)

const (
	payer    agreement.AccountID = "999900001111"
	customer agreement.AccountID = "111122223333"
	member   agreement.AccountID = "222233334444"
	role                         = "EssentialsBootstrapRole"
)

// A world is a simulator that listens, with a payer and a customer, and a client of it.
type world struct {
	*simulator.Simulator
	*aws.Client
	url string

	mu    sync.Mutex
	calls []*exchange
}

// An exchange is a request of a client and the answer to it.
type exchange struct {
	header        http.Header
	path          string
	input, output []byte
	status        int
	errorType     string // header X-Amzn-ErrorType of the answer
}

// operation is the exchange's operation as the client named it.
func (e exchange) operation() string {
	if t := e.header.Get("X-Amz-Target"); t != "" {
		return t
	}
	return e.path
}

// ServeHTTP keeps what passes through.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	tee := &recorder{ResponseWriter: rw, status: http.StatusOK}
	e := &exchange{header: r.Header.Clone(), path: r.URL.Path, input: body}
	w.mu.Lock()
	w.calls = append(w.calls, e)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		e.output, e.status, e.errorType = tee.body.Bytes(), tee.status, tee.Header().Get("X-Amzn-Errortype")
	}()
	w.Simulator.ServeHTTP(tee, r)
}

type recorder struct {
	http.ResponseWriter
	body   bytes.Buffer
	status int
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

// Flush sends what was written so far.
func (r *recorder) Flush() { r.ResponseWriter.(http.Flusher).Flush() }

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// count says how often an operation was called.
func (w *world) count(operation string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, c := range w.calls {
		if c.operation() == operation {
			n++
		}
	}
	return n
}

// newWorld is a world on 2026-02-19 in which the payer has a quota and a program account.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Simulator: simulator.New(time.Now)}
	w.at(t, "2026-02-19T09:00:00Z")
	check(t, w.AddOrganization(simulator.Organization{Management: string(payer), InboundQuota: 1000}))
	check(t, w.AddOrganization(simulator.Organization{Management: string(customer), Members: []string{string(member)}}))
	check(t, w.AddProgram(simulator.Program{Account: string(payer), Name: "Reseller"}))
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections) // before Close, which waits for calls that hang
	w.url = server.URL
	w.Client = w.open(t, payer, aws.Config{})
	return w
}

// open returns a client with the long-term keys of an account.
func (w *world) open(t *testing.T, account agreement.AccountID, c aws.Config) *aws.Client {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL", w.url)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIA"+string(account))
	t.Setenv("AWS_SECRET_ACCESS_KEY", simulator.Secret)
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_PROFILE", "")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	c.BootstrapRole = role
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.Backoff = time.Millisecond
	client, err := aws.Open(t.Context(), c)
	check(t, err)
	return client
}

func (w *world) at(t *testing.T, now string) {
	t.Helper()
	check(t, w.SetClock(instant(t, now)))
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, s)
	check(t, err)
	return v
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// accept answers what waits for the customer.
func (w *world) accept(t *testing.T, what string) {
	t.Helper()
	n, err := w.Answer(simulator.Answer{Account: string(customer), What: what})
	check(t, err)
	if n == 0 {
		t.Fatalf("nothing waits for the customer: %s", what)
	}
}

// invite invites the customer from 2026-03-01.
func (w *world) invite(t *testing.T) agreement.ResponsibilityTransfer {
	t.Helper()
	tr, err := w.InviteTransfer(t.Context(), payer, agreement.Invitation{Account: customer,
		Name: "Transfer Billing - Buyer B.V.", Start: instant(t, "2026-03-01T00:00:00Z"), Notes: "Please accept."})
	check(t, err)
	return tr
}

// transferred is a world in which the customer has accepted, and the transfer.
func transferred(t *testing.T) (*world, agreement.ResponsibilityTransfer) {
	t.Helper()
	w := newWorld(t)
	id := w.invite(t).ID
	w.accept(t, "transfer")
	tr, err := w.DescribeTransfer(t.Context(), payer, id)
	check(t, err)
	return w, tr
}

// kind is a fault's kind with AWS's reason or code; what is no fault is told as it is.
func kind(err error) string {
	if err == nil {
		return "ok"
	}
	var f *agreement.Fault
	if !errors.As(err, &f) {
		return err.Error()
	}
	if f.Reason != "" {
		return string(f.Kind) + " " + f.Reason
	}
	return string(f.Kind) + " " + f.Code
}

// want fails unless an error is of the kind.
func want(t *testing.T, what string, err error, kinds string) {
	t.Helper()
	if got := kind(err); got != kinds {
		t.Errorf("%s: %s, want %s (%v)", what, got, kinds, err)
	}
}
