package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/arrears-billing/arrears/worker"
)

// A setting is one choice of whoever runs the program. It is named twice, for the file and for the
// environment, and lives in one place: this table is what `arrears config` prints, what the file
// is checked against, and what docs/SETTINGS.md lists (a test compares them).
type setting struct {
	key       string // in the file: sections joined by dots
	env       string
	otherwise string // the default
	secret    bool
	check     func(string) error
	help      string
}

// settings in the order of the file. A new one is read by its environment name (app.getenv).
var settings = slices.Concat([]setting{
	{key: "data", env: "ARREARS_DATA", otherwise: "./arrears-data", help: "folder of the embedded database and blobs"},
	{key: "database", env: "ARREARS_DATABASE", secret: true, check: isPostgres, help: "PostgreSQL URL instead of the embedded database"},
	{key: "listen", env: "ARREARS_LISTEN", otherwise: "127.0.0.1:8080", check: isAddress, help: "where serve listens"},
	{key: "log.format", env: "ARREARS_LOG_FORMAT", check: oneOf("", "text", "json"), help: "text | json; default: text on a terminal, else json"},
	{key: "log.level", env: "ARREARS_LOG_LEVEL", otherwise: "info", check: oneOf("debug", "info", "warn", "error"), help: "debug | info | warn | error"},
	{key: "schedule.time_zone", env: "ARREARS_TIME_ZONE", otherwise: "UTC", check: isZone, help: "IANA zone of the cron expressions"},
}, taskSettings(), []setting{
	{key: "issue", env: "ARREARS_ISSUE", otherwise: "no", check: oneOf("yes", "no"), help: "the close task also issues drafts without a warning"},
	{key: "events.smtp", env: "ARREARS_SMTP", secret: true, help: "smtp://user:password@host:port?from=ADDRESS"},
	{key: "events.webhook", env: "ARREARS_WEBHOOK", check: isURL, help: "URL that events are sent to"},
	{key: "events.webhook_secret", env: "ARREARS_WEBHOOK_SECRET", secret: true, help: "key of their signatures"},
	{key: "events.file", env: "ARREARS_EVENTS", help: "file that events are appended to"},
	{key: "aws.payer_role", env: "ARREARS_AWS_PAYER_ROLE", help: "role to assume in payer accounts"},
	{key: "aws.partner_role", env: "ARREARS_AWS_PARTNER_ROLE", help: "role to assume for Partner Central"},
	{key: "aws.bootstrap_role", env: "ARREARS_AWS_BOOTSTRAP_ROLE", otherwise: "EssentialsBootstrapRole", help: "role that customers deploy"},
	{key: "aws.external_id", env: "ARREARS_AWS_EXTERNAL_ID", help: "external id of assumed roles"},
	{key: "lifecycle.support", env: "ARREARS_SUPPORT", help: "whom customers write to"},
	{key: "lifecycle.roles_page", env: "ARREARS_ROLES_PAGE", check: isURL, help: "page that tells how to deploy the roles"},
	{key: "lifecycle.terms.marketplace", env: "ARREARS_TERMS_MARKETPLACE", help: "terms that customers accept: marketplace"},
	{key: "lifecycle.terms.services", env: "ARREARS_TERMS_SERVICES", help: "terms that customers accept: services"},
	{key: "lifecycle.reminder_days", env: "ARREARS_REMINDER_DAYS", help: "days after which a waiting order is reminded of, such as 2,5,10"},
	{key: "lifecycle.deadline_days", env: "ARREARS_DEADLINE_DAYS", help: "days after which it fails"},
	{key: "lifecycle.export.kind", env: "ARREARS_EXPORT_KIND", help: "export made at AWS: legacy | data"},
	{key: "lifecycle.export.bucket", env: "ARREARS_EXPORT_BUCKET", help: "its bucket"},
	{key: "lifecycle.export.prefix", env: "ARREARS_EXPORT_PREFIX", help: "its prefix"},
	{key: "lifecycle.export.region", env: "ARREARS_EXPORT_REGION", help: "its region"},
	{key: "rates_url", env: "ARREARS_RATES_URL", help: "file or URL that rates import reads"},
})

// tasks of the schedule with their default times: the name, the expression, what it does.
var tasks = []struct{ name, cron, help string }{
	{"watch", "*/15 * * * *", "ask again for deliveries that are waited for, with growing pauses"},
	{"close", "0 6 * * *", "draft every month that is due and not settled, oldest first"},
	{"tick", "*/10 * * * *", "move orders and agreements on, deliver events"},
	{"verify", "0 3 1 * *", "prove numbers, hashes, audit log and documents"},
}

func taskSettings() []setting {
	var list []setting
	for _, t := range tasks {
		list = append(list, setting{
			key: "schedule." + t.name, env: cronSetting(t.name), otherwise: t.cron,
			check: isCron, help: "when to " + t.help + "; off: never",
		})
	}
	return list
}

func cronSetting(task string) string { return "ARREARS_CRON_" + strings.ToUpper(task) }

func isCron(s string) error {
	if s == "off" {
		return nil
	}
	_, err := worker.ParseCron(s, "")
	return err
}

func isZone(s string) error {
	_, err := worker.ParseCron("@daily", s)
	return err
}

func isPostgres(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" {
		return errors.New("want postgres://user@host/database") // it is not repeated: it may hold a password
	}
	return nil
}

func isAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%q: want host:port", s)
	}
	return nil
}

func isURL(s string) error {
	if u, err := url.Parse(s); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("want a URL with http or https")
	}
	return nil
}

func oneOf(words ...string) func(string) error {
	return func(s string) error {
		if slices.Contains(words, s) {
			return nil
		}
		return fmt.Errorf("%q: want %s", s, strings.Trim(strings.Join(words, " | "), " |"))
	}
}

// A chosen is what a setting is set to, and where.
type chosen struct {
	text string
	from string // default | environment NAME | FILE:LINE
}

// A config holds all settings that are in force.
type config struct {
	file   string
	getenv func(string) string
	values map[string]chosen // by environment name
	errs   []configError
}

// A configError is what is wrong with one setting.
type configError struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Key    string `json:"key"`
	Text   string `json:"text"`
}

func (e configError) Error() string {
	if e.File == "" {
		return e.Key + ": " + e.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.File, e.Line, e.Column, e.Key, e.Text)
}

// loadConfig reads the file, if one is named, and the environment, which is stronger. All errors
// are found, each at its place.
func loadConfig(file string, getenv func(string) string) *config {
	c := &config{file: file, getenv: getenv, values: map[string]chosen{}}
	for _, s := range settings {
		c.values[s.env] = chosen{s.otherwise, "default"}
	}
	if file != "" {
		c.readFile(file)
	}
	for _, s := range settings {
		if v := getenv(s.env); v != "" {
			c.set(s, v, chosen{v, "environment " + s.env}, configError{Key: s.env})
		}
	}
	return c
}

func (c *config) set(s setting, text string, v chosen, at configError) {
	if s.check != nil && text != "" {
		if err := s.check(text); err != nil {
			at.Text = err.Error()
			c.errs = append(c.errs, at)
			return
		}
	}
	c.values[s.env] = v
}

// configBytes is how large a file may be.
const configBytes = 1 << 20

func (c *config) readFile(file string) {
	fail := func(text string) {
		c.errs = append(c.errs, configError{File: file, Line: 1, Column: 1, Key: "file", Text: text})
	}
	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fail("is not there")
		return
	case err != nil:
		fail(err.Error())
		return
	case len(b) > configBytes:
		fail("is too large to be a configuration")
		return
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		e := configError{File: file, Line: 1, Column: 1, Key: "file", Text: strings.TrimPrefix(err.Error(), "yaml: ")}
		if m := regexp.MustCompile(`line (\d+)`).FindStringSubmatch(err.Error()); m != nil {
			e.Line, _ = strconv.Atoi(m[1]) // digits
		}
		c.errs = append(c.errs, e)
		return
	}
	if len(doc.Content) == 1 {
		c.walk(doc.Content[0], "")
	}
}

// walk takes the sections of the file apart.
func (c *config) walk(n *yaml.Node, path string) {
	if n.Kind != yaml.MappingNode {
		c.errs = append(c.errs, configError{c.file, n.Line, n.Column, cmp.Or(path, "file"), "want keys and values"})
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := strings.TrimPrefix(path+"."+k.Value, ".")
		at := configError{c.file, v.Line, v.Column, key, ""}
		known := slices.IndexFunc(settings, func(s setting) bool { return s.key == key })
		section := slices.ContainsFunc(settings, func(s setting) bool { return strings.HasPrefix(s.key, key+".") })
		switch {
		case seen[k.Value]:
			at.Line, at.Column, at.Text = k.Line, k.Column, "is there twice"
			c.errs = append(c.errs, at)
		case known >= 0 && v.Kind == yaml.ScalarNode:
			if v.Tag != "!!null" {
				c.set(settings[known], v.Value, chosen{v.Value, fmt.Sprintf("%s:%d", c.file, v.Line)}, at)
			}
		case known >= 0:
			at.Text = "want one value"
			c.errs = append(c.errs, at)
		case section:
			c.walk(v, key)
		default:
			at.Line, at.Column, at.Text = k.Line, k.Column, "is unknown: arrears config lists the keys"
			c.errs = append(c.errs, at)
		}
		seen[k.Value] = true
	}
}

// get is what a setting is set to, by its environment name, or its default. Names that are no
// setting come from the environment.
func (c *config) get(env string) string {
	if v, ok := c.values[env]; ok {
		return v.text
	}
	return c.getenv(env)
}

// hidden shows that a secret is set, and of a URL all but its password.
func hidden(text string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		if _, has := u.User.Password(); has {
			u.User = url.UserPassword(u.User.Username(), "xxxxx")
		}
		q := u.Query()
		for k := range q {
			if strings.Contains(strings.ToLower(k), "pass") || strings.Contains(strings.ToLower(k), "secret") {
				q.Set(k, "xxxxx")
			}
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	return "xxxxx"
}

func (a *app) configCommand() *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use: "config [--check]", Short: "Show every setting that is in force and where it comes from", Args: cobra.NoArgs, GroupID: "service",
		Long: `Show every setting that is in force and where it comes from: the default, the file (--config, or
ARREARS_CONFIG), or the environment, which is stronger. Flags of a command are stronger still.
Secrets are hidden.`,
		Example: `  arrears config --config /etc/arrears/arrears.yaml
  arrears config --check            exit code 2 and every mistake at its place`,
		RunE: func(*cobra.Command, []string) error {
			if !check {
				return a.showConfig()
			}
			if a.json {
				if err := a.print(map[string]any{"ok": true, "file": a.config.file}); err != nil {
					return err
				}
				return nil
			}
			fmt.Fprintln(a.stdout, "no mistakes found")
			return nil
		},
	}
	c.Flags().BoolVar(&check, "check", false, "look for mistakes only")
	return c
}

func (a *app) showConfig() error {
	type row struct {
		Key         string `json:"key"`
		Environment string `json:"environment"`
		Value       string `json:"value"`
		From        string `json:"from"`
		Help        string `json:"help"`
	}
	var rows []row
	for _, s := range settings {
		v := a.config.values[s.env]
		if s.secret && v.text != "" {
			v.text = hidden(v.text)
		}
		rows = append(rows, row{s.key, s.env, v.text, v.from, s.help})
	}
	if a.json {
		return a.print(map[string]any{"file": a.config.file, "settings": rows})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tVALUE\tFROM")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Key, cmp.Or(r.Value, "-"), r.From)
	}
	return w.Flush()
}

// wrongConfig reports every mistake and ends the command.
func (a *app) wrongConfig() error {
	if len(a.config.errs) == 0 {
		return nil
	}
	for _, e := range a.config.errs {
		fmt.Fprintf(a.stderr, "arrears: %s\n", e.Error())
	}
	if a.json {
		if err := a.print(map[string]any{"error": failure{Code: "invalid_config", Text: a.config.errs[0].Error(), File: a.config.errs[0].File, Line: a.config.errs[0].Line, Column: a.config.errs[0].Column}, "errors": a.config.errs}); err != nil {
			return err
		}
	}
	return errUsage
}
