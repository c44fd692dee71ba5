package simulator

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A protocol is how a service writes requests, answers and errors.
type protocol int

const (
	awsJSON  protocol = iota // POST /, X-Amz-Target, __type in errors
	restJSON                 // paths, X-Amzn-ErrorType in errors
	query                    // forms and XML
)

// A service is one of AWS's, named as clients sign for it.
type service struct {
	name      string
	protocol  protocol
	version   string // of JSON: 1.0 or 1.1
	target    string // prefix of X-Amz-Target
	namespace string // of __type in errors; empty where the service sends the bare name
	message   string // the member that carries an error's text
	throttle  string // the error code of throttling
	internal  string // the error code of the service's own failures
	ops       map[string]operation
}

// An operation answers one call. The body is JSON (a form's values for query services).
type operation func(s *Simulator, c caller, body []byte) (any, error)

// op makes an operation of a function that takes its input decoded. Members that the input does
// not name are let pass, as AWS does.
func op[In any](f func(*Simulator, caller, In) (any, error)) operation {
	return func(s *Simulator, c caller, body []byte) (any, error) {
		var in In
		if len(bytes.TrimSpace(body)) > 0 {
			if err := json.Unmarshal(body, &in); err != nil {
				return nil, &Error{Code: "SerializationException", Message: err.Error()}
			}
		}
		return f(s, c, in)
	}
}

// An Error is what AWS answers instead of a result.
type Error struct {
	Code    string
	Message string
	Reason  string         // the member Reason (or reason), where the service has one
	Status  int            // HTTP; 400 if 0
	Fields  map[string]any // further members
}

func (e *Error) Error() string {
	if e.Reason == "" {
		return e.Code + ": " + e.Message
	}
	return e.Code + ": " + e.Reason + ": " + e.Message
}

var services = map[string]*service{
	"organizations": {name: "organizations", version: "1.1", target: "AWSOrganizationsV20161128", message: "Message",
		throttle: "TooManyRequestsException", internal: "ServiceException", ops: organizationsOps},
	"partnercentral-channel": {name: "partnercentral-channel", version: "1.0", target: "PartnerCentralChannel",
		namespace: "com.amazonaws.partnercentral.channel#", message: "message",
		throttle: "ThrottlingException", internal: "InternalServerException", ops: partnerCentralOps},
	"billingconductor": {name: "billingconductor", protocol: restJSON, message: "Message",
		throttle: "ThrottlingException", internal: "InternalServerException", ops: billingConductorOps},
	"billing": {name: "billing", version: "1.0", target: "AWSBilling", namespace: "com.amazonaws.billing#", message: "message",
		throttle: "ThrottlingException", internal: "InternalServerException", ops: billingOps},
	"invoicing": {name: "invoicing", version: "1.0", target: "Invoicing", namespace: "com.amazonaws.invoicing#", message: "message",
		throttle: "ThrottlingException", internal: "InternalServerException", ops: invoicingOps},
	"cur": {name: "cur", version: "1.1", target: "AWSOrigamiServiceGatewayService", message: "Message",
		throttle: "ThrottlingException", internal: "InternalErrorException", ops: curOps},
	"bcm-data-exports": {name: "bcm-data-exports", version: "1.1", target: "AWSBillingAndCostManagementDataExports",
		namespace: "com.amazonaws.bcmdataexports#", message: "Message",
		throttle: "ThrottlingException", internal: "InternalServerException", ops: dataExportsOps},
	"sts": {name: "sts", protocol: query, throttle: "Throttling", internal: "InternalFailure", ops: stsOps},
}

// maxBody is more than any request of these services but uploads to S3.
const maxBody = 64 << 20

func (s *Simulator) serveAWS(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	auth, authErr := s.authenticate(r, body)
	if auth.service == "s3" {
		s.serveS3(w, r, body, auth, authErr)
		return
	}
	svc := services[auth.service]
	if svc == nil {
		http.Error(w, fmt.Sprintf("no such service here: %q", auth.service), http.StatusNotFound)
		return
	}
	w.Header().Set("X-Amzn-Requestid", "00000000-0000-0000-0000-000000000000")
	if authErr != nil {
		svc.writeError(w, authErr)
		return
	}
	name, input, err := svc.operation(r, body)
	if err != nil {
		svc.writeError(w, asError(err))
		return
	}
	f := s.fault(svc.name, name, auth.caller.Account)
	if f != nil && f.before(s, w, r, svc) {
		return
	}
	out, err := s.once(svc, name, auth.caller, r, input)
	if f != nil && f.after(w, svc) {
		return
	}
	if err != nil {
		svc.writeError(w, asError(err))
		return
	}
	svc.write(w, name, out)
}

// operation finds the name of the operation and its input as JSON.
func (svc *service) operation(r *http.Request, body []byte) (string, []byte, error) {
	unknown := &Error{Code: "UnknownOperationException", Message: "no such operation here", Status: http.StatusNotFound}
	var name string
	switch svc.protocol {
	case restJSON:
		for n := range svc.ops {
			if r.Method == http.MethodPost && r.URL.Path == restPath(n) {
				name = n
			}
		}
	case query:
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return "", nil, &Error{Code: "MalformedQueryString", Message: err.Error()}
		}
		name = form.Get("Action")
		flat := map[string]string{}
		for k := range form {
			flat[k] = form.Get(k)
		}
		if body, err = json.Marshal(flat); err != nil {
			return "", nil, err
		}
		unknown.Code = "InvalidAction"
	default:
		prefix, n, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		want := "application/x-amz-json-" + svc.version
		if got := r.Header.Get("Content-Type"); got != want {
			return "", nil, &Error{Code: "SerializationException", Message: fmt.Sprintf("Content-Type is %q, not %q", got, want)}
		}
		if prefix == svc.target {
			name = n
		}
	}
	if svc.ops[name] == nil {
		return "", nil, unknown
	}
	return name, body, nil
}

// restPath is the path of a Billing Conductor operation: /create-billing-group.
func restPath(op string) string {
	var b strings.Builder
	for i, c := range op {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte("/-"[min(i, 1)])
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// answered is the answer that was given to an idempotency token.
type answered struct {
	input [sha256.Size]byte
	out   any
	at    time.Time
}

// tokenMemory is how long a token is remembered.
const tokenMemory = 24 * time.Hour

// once carries the operation out, or repeats its earlier answer when the request has the same
// idempotency token and the same input.
func (s *Simulator) once(svc *service, name string, c caller, r *http.Request, input []byte) (any, error) {
	var in struct {
		Lower string `json:"clientToken"`
		Upper string `json:"ClientToken"`
	}
	_ = json.Unmarshal(input, &in) // what is not JSON is refused by the operation itself
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	token := r.Header.Get("X-Amzn-Client-Token") + in.Lower + in.Upper
	key := strings.Join([]string{svc.name, name, c.Account, token}, " ")
	hash := sha256.Sum256(input)
	if a, ok := s.tokens[key]; ok && token != "" && s.now().Before(a.at.Add(tokenMemory)) {
		if a.input == hash {
			return a.out, nil
		}
		e := conflict("ClientToken", token, "the client token was used for another request")
		if svc.protocol == restJSON {
			e.Status, e.Fields = http.StatusConflict, map[string]any{"ResourceId": token, "ResourceType": "ClientToken"}
		}
		return nil, e
	}
	out, err := svc.ops[name](s, c, input)
	if err == nil && token != "" {
		s.tokens[key] = answered{hash, out, s.now()}
	}
	return out, err
}

func (svc *service) write(w http.ResponseWriter, name string, out any) {
	if svc.protocol == query {
		w.Header().Set("Content-Type", "text/xml")
		writeXML(w, out, name)
		return
	}
	if svc.protocol == restJSON {
		w.Header().Set("Content-Type", "application/json")
	} else {
		w.Header().Set("Content-Type", "application/x-amz-json-"+svc.version)
	}
	writeJSON(w, out)
}

func writeJSON(w io.Writer, v any) {
	if v == nil {
		v = struct{}{}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("simulator: an answer that is not JSON: %v", err)) // all answers are the simulator's own types
	}
	_, _ = w.Write(b) // a client that went away hears nothing
}

func (svc *service) writeError(w http.ResponseWriter, e *Error) {
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if svc.protocol == query {
		sender := "Sender"
		if status >= 500 {
			sender = "Receiver"
		}
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		type body struct {
			Type    string
			Code    string
			Message string
		}
		writeXML(w, struct {
			XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
			Error     body
			RequestID string `xml:"RequestId"`
		}{Error: body{sender, e.Code, e.Message}, RequestID: w.Header().Get("X-Amzn-Requestid")}, "")
		return
	}
	body := map[string]any{svc.message: e.Message}
	maps.Copy(body, e.Fields)
	if e.Reason != "" {
		key := "reason"
		if svc.message == "Message" {
			key = "Reason"
		}
		body[key] = e.Reason
	}
	if svc.protocol == restJSON {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-Errortype", e.Code+":http://internal.amazon.com/coral/com.amazonaws.billingconductor/")
	} else {
		w.Header().Set("Content-Type", "application/x-amz-json-"+svc.version)
		body["__type"] = svc.namespace + e.Code
	}
	w.WriteHeader(status)
	writeJSON(w, body)
}

// writeXML writes an answer of the query protocol: NameResponse, NameResult, metadata; or, with no
// name, the value alone.
func writeXML(w io.Writer, v any, name string) {
	b, err := xml.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("simulator: an answer that is not XML: %v", err)) // all answers are the simulator's own types
	}
	if name != "" {
		b = fmt.Appendf(nil, `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">%[2]s<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></%[1]sResponse>`, name, b)
	}
	_, _ = w.Write(b) // a client that went away hears nothing
}

func asError(err error) *Error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // operations return it bare
		return e
	}
	return &Error{Code: "InternalFailure", Message: err.Error(), Status: http.StatusInternalServerError}
}

// epoch is a time as seconds since 1970 with milliseconds: the timestamps of Organizations,
// Billing and Invoicing. The zero time is left out with omitzero.
type epoch struct{ time.Time }

func (t epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', -1, 64), nil
}

func (t *epoch) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || f < 0 || f > 1e11 {
		return fmt.Errorf("not a timestamp: %s", b)
	}
	t.Time = time.UnixMilli(int64(f*1000 + 0.5)).UTC()
	return nil
}

// iso is a time as ISO 8601 text: Partner Central, Data Exports and STS.
type iso struct{ time.Time }

func (t iso) MarshalText() ([]byte, error) {
	return []byte(t.UTC().Format("2006-01-02T15:04:05.000Z")), nil
}

func (t *iso) UnmarshalText(b []byte) error {
	v, err := time.Parse(time.RFC3339, string(b))
	t.Time = v.UTC()
	return err
}

// page cuts a page out of a list. Its token names the list and the position. With empty, the first
// page of a list that is not empty holds nothing but a token. It returns false for a token that is
// not one of this list.
func page[T any](s *Simulator, list string, items []T, token string, size, most int, empty bool) ([]T, string, bool) {
	if size <= 0 || size > most {
		size = most
	}
	if s.settings.PageSize > 0 {
		size = min(size, s.settings.PageSize)
	}
	from := 0
	if token != "" {
		name, n, _ := strings.Cut(token, ".")
		i, err := strconv.Atoi(n)
		if err != nil || name != list || i < 0 || i > len(items) {
			return nil, "", false
		}
		from = i
	} else if empty && s.settings.EmptyPages && len(items) > 0 {
		return []T{}, list + ".0", true
	}
	to := min(from+size, len(items))
	next := ""
	if to < len(items) {
		next = list + "." + strconv.Itoa(to)
	}
	return append([]T{}, items[from:to]...), next, true
}
