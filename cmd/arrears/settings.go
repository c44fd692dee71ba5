package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/aws"
	"github.com/arrears-billing/arrears/outbox"
)

// withAWS opens the store for writing, and the ways to AWS and out of the house, for the time of
// do. Nothing is called before do calls it.
func (a *app) withAWS(cmd *cobra.Command, do func(*arrears.Engine) error) error {
	settings, err := lifecycleSettings(a.getenv)
	if err != nil {
		a.ran = false
		return err
	}
	sinks, err := sinksFrom(a.getenv)
	if err != nil {
		a.ran = false
		return err
	}
	client, err := aws.Open(cmd.Context(), aws.FromEnv(a.getenv))
	if err != nil {
		return err
	}
	return a.with(cmd, writes, func(e *arrears.Engine) error {
		e.AWS, e.Lifecycle, e.Sinks = client, settings, sinks
		return do(e)
	})
}

// withSettings opens the store for writing with the lifecycle's settings.
func (a *app) withSettings(cmd *cobra.Command, do func(*arrears.Engine) error) error {
	settings, err := lifecycleSettings(a.getenv)
	if err != nil {
		a.ran = false
		return err
	}
	return a.with(cmd, writes, func(e *arrears.Engine) error {
		e.Lifecycle = settings
		return do(e)
	})
}

// lifecycleSettings reads the reseller's choices from the environment (docs/LIFECYCLE.md,
// Settings); what is not set has its default.
func lifecycleSettings(getenv func(string) string) (*agreement.Settings, error) {
	s := agreement.DefaultSettings()
	for name, to := range map[string]*string{
		"ARREARS_SUPPORT":       &s.Support,
		"ARREARS_ROLES_PAGE":    &s.RolesPage,
		"ARREARS_EXPORT_KIND":   &s.Export.Kind,
		"ARREARS_EXPORT_BUCKET": &s.Export.Bucket,
		"ARREARS_EXPORT_PREFIX": &s.Export.Prefix,
		"ARREARS_EXPORT_REGION": &s.Export.Region,
	} {
		if v := getenv(name); v != "" {
			*to = v
		}
	}
	for _, terms := range []string{agreement.TermsMarketplace, agreement.TermsServices} {
		if v := getenv("ARREARS_TERMS_" + strings.ToUpper(terms)); v != "" {
			s.Terms[terms] = v
		}
	}
	if k := s.Export.Kind; k != agreement.ExportLegacy && k != agreement.ExportData {
		return nil, fmt.Errorf("ARREARS_EXPORT_KIND: %q is neither %s nor %s", k, agreement.ExportLegacy, agreement.ExportData)
	}
	if v := getenv("ARREARS_REMINDER_DAYS"); v != "" {
		s.ReminderDays = nil
		for word := range strings.SplitSeq(v, ",") {
			n, err := days(word)
			if err != nil {
				return nil, fmt.Errorf("ARREARS_REMINDER_DAYS: %w", err)
			}
			s.ReminderDays = append(s.ReminderDays, n)
		}
	}
	if v := getenv("ARREARS_DEADLINE_DAYS"); v != "" {
		n, err := days(v)
		if err != nil {
			return nil, fmt.Errorf("ARREARS_DEADLINE_DAYS: %w", err)
		}
		s.DeadlineDays = n
	}
	return s, nil
}

func days(word string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(word))
	if err != nil || n < 1 || n > 365 {
		return 0, fmt.Errorf("%q is not a number of days from 1 to 365", word)
	}
	return n, nil
}

// sinksFrom opens the ways out that the environment names: ARREARS_SMTP
// (smtp://user:password@host:port?from=ADDRESS), ARREARS_WEBHOOK with ARREARS_WEBHOOK_SECRET, and
// ARREARS_EVENTS, a file.
func sinksFrom(getenv func(string) string) ([]arrears.Sink, error) {
	var sinks []arrears.Sink
	if v := getenv("ARREARS_SMTP"); v != "" {
		u, err := url.Parse(v)
		if err != nil || u.Scheme != "smtp" || u.Host == "" || u.Query().Get("from") == "" {
			// The URL is not repeated: it may hold a password.
			return nil, fmt.Errorf("ARREARS_SMTP: want smtp://host:port?from=ADDRESS")
		}
		s := outbox.SMTP{Addr: u.Host, From: u.Query().Get("from"), User: u.User.Username()}
		s.Password, _ = u.User.Password()
		if u.Port() == "" {
			s.Addr += ":25"
		}
		sinks = append(sinks, s)
	}
	if v := getenv("ARREARS_WEBHOOK"); v != "" {
		secret := getenv("ARREARS_WEBHOOK_SECRET")
		if u, err := url.Parse(v); err != nil || u.Host == "" {
			return nil, fmt.Errorf("ARREARS_WEBHOOK: not a URL")
		}
		if secret == "" {
			return nil, fmt.Errorf("ARREARS_WEBHOOK needs ARREARS_WEBHOOK_SECRET: events are signed")
		}
		sinks = append(sinks, outbox.Webhook{URL: v, Secret: secret})
	}
	if v := getenv("ARREARS_EVENTS"); v != "" {
		sinks = append(sinks, outbox.File{Path: v})
	}
	return sinks, nil
}
