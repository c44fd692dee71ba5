package simulator

import (
	"encoding/xml"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// A role can be assumed by the accounts that it trusts.
type role struct {
	Account    string
	Name       string
	Trusts     []string
	ExternalID string // what callers must state; empty: nothing
}

var stsOps = map[string]operation{
	"AssumeRole":        op(assumeRole),
	"GetCallerIdentity": op(getCallerIdentity),
}

type assumeRoleIn struct{ RoleArn, RoleSessionName, DurationSeconds, ExternalId string }

var (
	roleArn     = regexp.MustCompile(`^arn:aws:iam::(\d{12}):role/(?:[\w+=,.@/-]*/)?([\w+=,.@-]+)$`)
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
)

// assumeRole gives keys of the role's account. A role that is not there and one that does not
// trust the caller look alike, as with AWS.
func assumeRole(s *Simulator, c caller, in assumeRoleIn) (any, error) {
	m := roleArn.FindStringSubmatch(in.RoleArn)
	seconds := 3600
	if in.DurationSeconds != "" {
		seconds, _ = strconv.Atoi(in.DurationSeconds) // not a number is 0, which is refused
	}
	switch {
	case m == nil:
		return nil, &Error{Code: "ValidationError", Message: in.RoleArn + " is not the ARN of a role"}
	case !sessionName.MatchString(in.RoleSessionName):
		return nil, &Error{Code: "ValidationError", Message: "RoleSessionName does not match the pattern"}
	case seconds < 900 || seconds > 43200:
		return nil, &Error{Code: "ValidationError", Message: "DurationSeconds must be 900 to 43200"}
	}
	i := slices.IndexFunc(s.roles, func(r *role) bool {
		return r.Account == m[1] && r.Name == m[2] && slices.Contains(r.Trusts, c.Account) && (r.ExternalID == "" || r.ExternalID == in.ExternalId)
	})
	if i < 0 {
		return nil, &Error{Code: "AccessDenied", Status: http.StatusForbidden,
			Message: "User: " + c.Arn + " is not authorized to perform: sts:AssumeRole on resource: " + in.RoleArn}
	}
	arn := "arn:aws:sts::" + m[1] + ":assumed-role/" + m[2] + "/" + in.RoleSessionName
	key := s.id("ASIA"+m[1], 8)
	as := &session{caller: caller{m[1], arn}, secret: "secret-of-" + key, token: "token-of-" + key,
		expires: s.wall().Add(time.Duration(seconds) * time.Second)}
	s.sessions[key] = as
	type credentials struct {
		AccessKeyID     string `xml:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	}
	type user struct {
		ID  string `xml:"AssumedRoleId"`
		Arn string
	}
	return struct {
		XMLName         xml.Name `xml:"AssumeRoleResult"`
		Credentials     credentials
		AssumedRoleUser user
	}{
		Credentials:     credentials{key, as.secret, as.token, as.expires.UTC().Format(time.RFC3339)},
		AssumedRoleUser: user{"AROA" + m[1] + ":" + in.RoleSessionName, arn},
	}, nil
}

type getCallerIdentityIn struct{}

func getCallerIdentity(_ *Simulator, c caller, _ getCallerIdentityIn) (any, error) {
	return struct {
		XMLName xml.Name `xml:"GetCallerIdentityResult"`
		Arn     string
		UserID  string `xml:"UserId"`
		Account string
	}{Arn: c.Arn, UserID: c.Account, Account: c.Account}, nil
}
