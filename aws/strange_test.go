package aws_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/aws"
)

// strange is a client of a service that knows the caller and answers everything else alike.
func strange(t *testing.T, status int, contentType, body string) *aws.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(asked), "GetCallerIdentity") {
			w.Header().Set("Content-Type", "text/xml")
			fmt.Fprint(w, "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>"+string(payer)+"</Account></GetCallerIdentityResult></GetCallerIdentityResponse>")
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	w := &world{url: server.URL}
	return w.open(t, payer, aws.Config{})
}

// What AWS has never answered before ends in a fault that says so, or is passed on as it is.
func TestStrangeAnswers(t *testing.T) {
	const page = "<html><body>a gateway's page</body></html>"
	for _, tt := range []struct {
		name          string
		status        int
		content       string
		body          string
		sdk, bySigned string // the kinds of fault
	}{
		{"nothing", 200, "application/x-amz-json-1.1", `{}`, "unknown UnknownAnswer", "not_found NotListed"},
		{"another page", 200, "text/html", page, "unknown UnknownAnswer", "unknown UnknownAnswer"},
		{"half an answer", 200, "application/x-amz-json-1.1", `{"ResponsibilityTransfer": {"Id": "rt-`, "unknown UnknownAnswer", "unknown UnknownAnswer"},
		{"a gateway's error", 502, "text/html", page, "unavailable NoAnswer", "unavailable UnknownError"},
		{"a proxy's refusal", 403, "text/html", page, "unknown UnknownAnswer", "unknown UnknownError"},
		{"an error with a namespace", 400, "application/x-amz-json-1.1", `{"__type": "com.example#AccessDeniedException", "Message": "no"}`, "denied AccessDeniedException", "denied AccessDeniedException"},
		{"an error nobody knows", 418, "application/x-amz-json-1.1", `{"__type": "TeapotException", "Reason": "SHORT"}`, "unknown TeapotException", "unknown SHORT"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := strange(t, tt.status, tt.content, tt.body)
			_, err := c.DescribeTransfer(t.Context(), payer, "rt-00000001")
			want(t, "by the SDK", err, tt.sdk)
			_, err = c.ProgramAccount(t.Context(), payer)
			want(t, "by a signed call", err, tt.bySigned)
		})
	}

	c := strange(t, 200, "application/x-amz-json-1.1", `{"ResponsibilityTransfer": {"Id": "rt-00000001", "Status": "FROZEN", "New": 1}}`)
	tr, err := c.DescribeTransfer(t.Context(), payer, "rt-00000001")
	check(t, err)
	if want := agreement.TransferStatus("FROZEN"); tr.Status != want || !tr.Start.IsZero() {
		t.Errorf("a status that nobody knows: %+v, want it as AWS spells it", tr)
	}

	c = strange(t, 200, "application/x-amz-json-1.1", `{"ResponsibilityTransfers": [], "NextToken": "again", "items": [], "nextToken": "again"}`)
	_, err = c.InboundTransfers(t.Context(), payer)
	want(t, "a list without an end", err, "unknown UnknownAnswer")
	_, err = c.ChannelHandshakes(t.Context(), payer, "rs-0000000000001")
	want(t, "a signed list without an end", err, "unknown UnknownAnswer")

	c = strange(t, 200, "application/x-amz-json-1.0", `{"items": [{"id": "ch-1", "status": "FROZEN", "createdAt": 1771491600.5, "updatedAt": "2026-02-19T09:00:00.500Z"}]}`)
	hs, err := c.ChannelHandshakes(t.Context(), payer, "rs-0000000000001")
	check(t, err)
	if len(hs) != 1 || hs[0].Status != "FROZEN" || !hs[0].Created.Equal(hs[0].Updated) || hs[0].Created.IsZero() {
		t.Errorf("timestamps as numbers and as text: %+v", hs)
	}
}
