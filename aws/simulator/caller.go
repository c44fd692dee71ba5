package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Secret is the secret access key of every long-term key. The access key id says whose it is: the
// account's twelve digits, with or without "AKIA" before them. It is no secret: it opens nothing
// but the simulator.
const Secret = "simulator"

// A caller is who signed a request.
type caller struct {
	Account string
	Arn     string
}

// A session is what AssumeRole gave: keys of the role's account for a while.
type session struct {
	caller  caller
	secret  string
	token   string
	expires time.Time
}

// auth is what a request's Authorization header says.
type auth struct {
	caller  caller
	service string
}

var (
	longTerm = regexp.MustCompile(`^(?:AKIA)?(\d{12})$`)
	scope    = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$`)
)

// authenticate says who signed the request and for which service, and checks the signature. The
// signing time is not checked: the simulator's clock is not the client's.
func (s *Simulator) authenticate(r *http.Request, body []byte) (auth, *Error) {
	m := scope.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return auth{service: unsigned(r)}, &Error{Code: "MissingAuthenticationToken", Status: http.StatusForbidden,
			Message: "the request has no AWS4-HMAC-SHA256 signature"}
	}
	key, day, region, name, headers, signature := m[1], m[2], m[3], m[4], m[5], m[6]
	a := auth{service: name}
	invalid := &Error{Code: "UnrecognizedClientException", Status: http.StatusForbidden, Message: "the access key " + key + " is none of the simulator's: use the account's twelve digits, or what AssumeRole gave"}
	if name == "s3" || name == "sts" {
		invalid.Code = "InvalidClientTokenId"
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	secret := Secret
	if id := longTerm.FindStringSubmatch(key); id != nil {
		if s.accounts[id[1]] == nil {
			invalid.Message = "there is no account " + id[1] + " here: make it with POST /_admin/accounts or /_admin/organizations"
			return a, invalid
		}
		a.caller = caller{Account: id[1], Arn: "arn:aws:iam::" + id[1] + ":root"}
	} else {
		as := s.sessions[key]
		if as == nil || as.token != r.Header.Get("X-Amz-Security-Token") {
			return a, invalid
		}
		if !s.wall().Before(as.expires) {
			return a, &Error{Code: "ExpiredTokenException", Status: http.StatusForbidden, Message: "the security token included in the request is expired"}
		}
		a.caller, secret = as.caller, as.secret
	}
	if !s.settings.SkipSignatures && sign(r, body, secret, day, region, name, headers) != signature {
		code := "InvalidSignatureException"
		if name == "s3" || name == "sts" {
			code = "SignatureDoesNotMatch"
		}
		return a, &Error{Code: code, Status: http.StatusForbidden, Message: "the request signature does not match; long-term secrets are " + Secret}
	}
	return a, nil
}

// unsigned guesses the service of an unsigned request, so that the answer has its form.
func unsigned(r *http.Request) string {
	prefix, _, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	for name, svc := range services {
		if prefix != "" && svc.target == prefix {
			return name
		}
	}
	if r.Method == http.MethodPost && r.URL.Path == "/" {
		return "sts"
	}
	for op := range billingConductorOps {
		if r.URL.Path == restPath(op) {
			return "billingconductor"
		}
	}
	return "s3"
}

// sign computes the Signature Version 4 of a request as it came.
func sign(r *http.Request, body []byte, secret, day, region, name, headers string) string {
	hash := r.Header.Get("X-Amz-Content-Sha256")
	if sum := sha256.Sum256(body); hash == "" || len(hash) == 64 {
		hash = hex.EncodeToString(sum[:]) // a stated hash must be the body's
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + canonicalPath(r.URL, name) + "\n" + canonicalQuery(r.URL) + "\n")
	for h := range strings.SplitSeq(headers, ";") {
		v := strings.Join(r.Header.Values(h), ",")
		switch h {
		case "host":
			v = r.Host
		case "content-length":
			v = r.Header.Get("Content-Length")
			if v == "" {
				v = strconv.Itoa(len(body))
			}
		}
		b.WriteString(h + ":" + strings.Join(strings.Fields(v), " ") + "\n")
	}
	b.WriteString("\n" + headers + "\n" + hash)
	canonical := sha256.Sum256([]byte(b.String()))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", r.Header.Get("X-Amz-Date"),
		day + "/" + region + "/" + name + "/aws4_request", hex.EncodeToString(canonical[:])}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{day, region, name, "aws4_request"} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// canonicalPath is the path as signed: S3 signs it escaped once, the others escape it once more.
// Their paths here need no escapes.
func canonicalPath(u *url.URL, _ string) string {
	if p := u.EscapedPath(); p != "" {
		return p
	}
	return "/"
}

func canonicalQuery(u *url.URL) string {
	var pairs []string
	for k, vs := range u.Query() {
		for _, v := range vs {
			pairs = append(pairs, escape(k)+"="+escape(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
