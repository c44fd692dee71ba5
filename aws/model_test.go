package aws_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
)

// The models that AWS publishes of its services, as botocore (PyPI) carries them: what is sent and
// what is answered is checked against them.

// A model is a service's.
type model struct {
	Metadata struct {
		TargetPrefix string
		Protocol     string
	}
	Operations map[string]struct {
		HTTP struct {
			RequestURI string `json:"requestUri"`
		}
		Input, Output struct{ Shape string }
		Errors        []struct{ Shape string }
	}
	Shapes map[string]shape
}

type shape struct {
	Type            string
	Members         map[string]field
	Required        []string
	Member, Key     field
	Value           field
	Enum            []string
	Pattern         string
	Min, Max        *float64
	TimestampFormat string
	Union           bool
}

type field struct {
	Shape        string
	Location     string
	LocationName string
}

// services are those whose models are needed, by their folder in botocore.
var services = []string{"organizations", "partnercentral-channel", "billingconductor", "billing", "invoicing", "cur", "bcm-data-exports"}

// need skips a test whose tool is missing, but not in CI: there it fails.
func need(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s: %v", what, err)
	}
	t.Skipf("%s: %v", what, err)
}

// python finds a Python that has boto3, and where botocore keeps its models.
func python(t *testing.T) (program, models string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "python3", "-c", "import boto3, botocore; print(botocore.__path__[0])").Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	need(t, "python3 with boto3 (pip install boto3)", err)
	return "python3", filepath.Join(strings.TrimSpace(string(out)), "data")
}

func loadModels(t *testing.T, folder string) []model {
	t.Helper()
	var ms []model
	for _, s := range services {
		var m model
		check(t, json.Unmarshal(readModel(t, filepath.Join(folder, s)), &m))
		ms = append(ms, m)
	}
	return ms
}

// readModel reads the newest version of a service's model.
func readModel(t *testing.T, folder string) []byte {
	t.Helper()
	versions, err := os.ReadDir(folder)
	need(t, "the model of "+filepath.Base(folder), err)
	base := filepath.Join(folder, versions[len(versions)-1].Name(), "service-2.json")
	text, err := os.ReadFile(base)
	if !errors.Is(err, fs.ErrNotExist) {
		check(t, err)
		return text
	}
	f, err := os.Open(base + ".gz")
	check(t, err)
	defer func() { _ = f.Close() }() // it was only read
	z, err := gzip.NewReader(f)
	check(t, err)
	text, err = io.ReadAll(z)
	check(t, err)
	return text
}

// find returns the model and the operation of an exchange; false for services without JSON.
func find(ms []model, e *exchange) (model, string, bool) {
	prefix, name, awsJSON := strings.Cut(e.header.Get("X-Amz-Target"), ".")
	for _, m := range ms {
		if awsJSON && m.Metadata.TargetPrefix == prefix {
			return m, name, true
		}
		for name, op := range m.Operations {
			if !awsJSON && m.Metadata.Protocol == "rest-json" && op.HTTP.RequestURI == e.path {
				return m, name, true
			}
		}
	}
	return model{}, "", false
}

// checkModels checks all that passed between clients and simulator, and returns the operations seen.
func (w *world) checkModels(t *testing.T, ms []model) []string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]bool{}
	for _, e := range w.calls {
		m, name, ok := find(ms, e)
		if !ok || e.status == 0 {
			continue
		}
		op, ok := m.Operations[name]
		if !ok {
			t.Errorf("%s: no such operation in the model", name)
			continue
		}
		seen[name] = true
		if e.status < 400 {
			for _, problem := range m.check(op.Input.Shape, e.input) {
				t.Errorf("%s: the request does not fit the model: %s\n%s", name, problem, e.input)
			}
			for _, problem := range m.check(op.Output.Shape, e.output) {
				t.Errorf("%s: the answer does not fit the model: %s\n%s", name, problem, e.output)
			}
			continue
		}
		code := errorCode(e)
		if slices.Contains(commonErrors, code) {
			continue
		}
		if !slices.ContainsFunc(op.Errors, func(s struct{ Shape string }) bool { return s.Shape == code }) {
			t.Errorf("%s: answers %s, which the model does not list", name, code)
			continue
		}
		var body map[string]any
		check(t, json.Unmarshal(e.output, &body))
		delete(body, "__type")
		text, err := json.Marshal(body)
		check(t, err)
		for _, problem := range m.check(code, text) {
			t.Errorf("%s: the error does not fit the model: %s\n%s", name, problem, e.output)
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// newReasons are those that the SDK's newer model has and an older botocore lacks.
var newReasons = []string{
	string(types.HandshakeConstraintViolationExceptionReasonTargetAccountValidationFailure),
	string(types.ConstraintViolationExceptionReasonAccountNotActiveForTransferResponsibility),
	string(types.ConstraintViolationExceptionReasonTransferResponsibilityUpdateNotAllowed),
	string(types.InvalidInputExceptionReasonEndDateTooLate),
}

// commonErrors are those that every service may answer; they are in no model.
var commonErrors = []string{"InvalidSignatureException", "UnrecognizedClientException", "ExpiredTokenException", "MissingAuthenticationToken"}

func errorCode(e *exchange) string {
	var body struct {
		Type string `json:"__type"`
	}
	_ = json.Unmarshal(e.output, &body) // no JSON has no code
	code, _, _ := strings.Cut(e.errorType+body.Type, ":")
	return code[strings.LastIndexByte(code, '#')+1:]
}

// check returns what is wrong with a JSON text of a shape.
func (m model) check(name string, text []byte) []string {
	if name == "" {
		return nil
	}
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("{}")
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return []string{err.Error()}
	}
	return m.value(name, name, v)
}

func (m model) value(at, name string, v any) []string {
	s := m.Shapes[name]
	wrong := func(format string, args ...any) []string { return []string{at + ": " + fmt.Sprintf(format, args...)} }
	var problems []string
	switch s.Type {
	case "structure":
		o, ok := v.(map[string]any)
		if !ok {
			return wrong("%v is no structure", v)
		}
		if s.Union && len(o) != 1 {
			return wrong("a union of %d members", len(o))
		}
		for _, r := range s.Required {
			if _, ok := o[r]; !ok && s.Members[r].Location == "" {
				problems = append(problems, at+": misses "+r)
			}
		}
		for k, w := range o {
			mem, ok := s.Members[k]
			if !ok || mem.Location != "" {
				problems = append(problems, at+": has no member "+k)
				continue
			}
			problems = append(problems, m.value(at+"."+k, mem.Shape, w)...)
		}
	case "list":
		l, ok := v.([]any)
		if !ok {
			return wrong("%v is no list", v)
		}
		problems = s.within(at, float64(len(l)))
		for _, w := range l {
			problems = append(problems, m.value(at+"[]", s.Member.Shape, w)...)
		}
	case "map":
		o, ok := v.(map[string]any)
		if !ok {
			return wrong("%v is no map", v)
		}
		for k, w := range o {
			problems = append(problems, m.value(at+" key", s.Key.Shape, k)...)
			problems = append(problems, m.value(at+"."+k, s.Value.Shape, w)...)
		}
	case "string":
		text, ok := v.(string)
		if !ok {
			return wrong("%v is no text", v)
		}
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, text) && !slices.Contains(newReasons, text) {
			return wrong("%q is none of %v", text, s.Enum)
		}
		if re, err := regexp.Compile("^(?:" + s.Pattern + ")"); s.Pattern != "" && err == nil && re.FindString(text) != text { // some patterns are not Go's
			problems = wrong("%q does not match %s", text, s.Pattern)
		}
		problems = append(problems, s.within(at, float64(utf8.RuneCountInString(text)))...)
	case "integer", "long":
		n, ok := v.(float64)
		if !ok || n != float64(int64(n)) {
			return wrong("%v is no whole number", v)
		}
		return s.within(at, n)
	case "boolean":
		if _, ok := v.(bool); !ok {
			return wrong("%v is neither true nor false", v)
		}
	case "timestamp":
		_, number := v.(float64)
		if number == (s.TimestampFormat == "iso8601") {
			return wrong("%v is no timestamp in the format %s", v, s.TimestampFormat)
		}
	default:
		return wrong("shape %s of type %q", name, s.Type)
	}
	return problems
}

func (s shape) within(at string, n float64) []string {
	if s.Min != nil && n < *s.Min || s.Max != nil && n > *s.Max {
		return []string{fmt.Sprintf("%s: %v is out of bounds", at, n)}
	}
	return nil
}

// Every request of the adapter fits the service's model, and so does every answer of the simulator.
func TestRequestsFitTheModels(t *testing.T) {
	_, folder := python(t)
	ms := loadModels(t, folder)
	story := everyCall(t)
	got := story.checkModels(t, ms)
	want := []string{"CancelChannelHandshake", "CancelHandshake", "CreateBillingGroup", "CreateChannelHandshake", "CreateExport",
		"CreateRelationship", "DeleteBillingGroup", "DeleteExport", "DeleteRelationship", "DeleteReportDefinition",
		"DescribeOrganization", "DescribeReportDefinitions", "DescribeResponsibilityTransfer", "GetExport",
		"InviteOrganizationToTransferResponsibility", "ListBillingGroups", "ListBillingViews", "ListChannelHandshakes", "ListExports",
		"ListInboundResponsibilityTransfers", "ListInvoiceSummaries", "ListProgramManagementAccounts", "ListRelationships",
		"PutReportDefinition", "TerminateResponsibilityTransfer"}
	if !slices.Equal(got, want) {
		t.Errorf("operations checked:\n%v\nwant\n%v", got, want)
	}
}
