package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/aws"
	"github.com/arrears-billing/arrears/aws/simulator"
	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/outbox"
	"github.com/arrears-billing/arrears/store"
)

// storyCommand tells one customer's story, from the order to the final invoice, on simulated AWS.
func (a *app) storyCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "lifecycle [-o DIR]", Short: "One customer from the order to the final invoice, on simulated AWS", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if _, err := os.Stat(dir); err == nil {
				a.ran = false
				return fmt.Errorf("%s is there already: name another folder with -o", dir)
			}
			s, err := a.openStory(cmd.Context(), dir)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			return s.tell()
		},
	}
	c.Flags().StringVarP(&dir, "output", "o", "./arrears-story", "`DIR` to write into; it must not be there yet")
	return c
}

const (
	storyCustomer = "111122223333"
	storyPayer    = "999900001111"
	storyContact  = "ann@buyer.example"
)

// storyBook is what the reseller knows before the customer comes.
const storyBook = `sellers:
  - {id: SEL-DE, name: Seller GmbH, country: DE, tax_id: DE136695976, currency: EUR, currencies: [EUR, USD], series: DE,
     address: {street: Hauptstr. 1, city: Berlin, postal_code: "10115", country: DE}}
buyers:
  - {id: BUY-0001, name: Buyer B.V., country: NL, tax_id: NL004495445B01, email: ap@buyer.example,
     address: {street: Main 1, city: Utrecht, postal_code: "3511", country: NL}}
payers:
  - {account: "999900001111", payment_currency: USD, reconcile: none}
`

const storyOrder = `type: purchase
product: aws-essentials
client: CLI-0001
seller: SEL-DE
buyer: BUY-0001
account: {option: existing, management_account: "111122223333", regions: [eu-central-1]}
contact: {name: Ann, email: ann@buyer.example}
support: resold
currency: USD
`

// A story is an engine and an AWS with one clock.
type story struct {
	*arrears.Engine
	ctx    context.Context //nolint:containedctx // of the one command that tells it
	out    *app
	dir    string
	sim    *simulator.Simulator
	server *http.Server
	served chan error
}

func (a *app) openStory(ctx context.Context, dir string) (*story, error) {
	s := &story{ctx: ctx, out: a, dir: dir, sim: simulator.New(time.Now), served: make(chan error, 1)}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.server = &http.Server{Handler: s.sim, ReadHeaderTimeout: time.Minute}
	go func() { s.served <- s.server.Serve(l) }()
	for name, v := range map[string]string{
		"AWS_ENDPOINT_URL": "http://" + l.Addr().String(), "AWS_ACCESS_KEY_ID": "AKIA" + storyPayer, "AWS_SECRET_ACCESS_KEY": simulator.Secret,
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED": "true",
	} {
		if err := os.Setenv(name, v); err != nil { // how an AWS client is led elsewhere; this process only
			return nil, errors.Join(err, s.stop())
		}
	}
	client, err := aws.Open(ctx, aws.FromEnv(func(string) string { return "" }))
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	db, err := store.Open(ctx, store.Options{Dir: filepath.Join(dir, "data"), Create: true, Command: "arrears demo lifecycle"})
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	settings := agreement.DefaultSettings()
	settings.Export = agreement.ExportSettings{Kind: agreement.ExportLegacy, Bucket: "deliveries", Prefix: "cur", Region: "eu-central-1"}
	s.Engine = &arrears.Engine{
		DB: db, By: "demo", AWS: client, Lifecycle: settings,
		Sinks: []arrears.Sink{outbox.File{Path: filepath.Join(dir, "events.jsonl")}},
	}
	return s, nil
}

func (s *story) stop() error {
	err := s.server.Close()
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func (s *story) close() error { return errors.Join(s.DB.Close(), s.stop()) }

// tell is the story. Each line does one thing at one time; what fails ends it.
func (s *story) tell() error {
	for _, step := range []func() error{
		func() error { return s.begin() },
		func() error {
			return s.at("2026-02-16T09:00:00Z", "Operations prepares an order; Ann submits it by its link", s.order)
		},
		func() error {
			return s.at("2026-02-16T09:05:00Z", "AWS is asked to send the billing transfer request", s.tick)
		},
		func() error { return s.at("2026-02-17T09:10:00Z", "Ann has not answered: a reminder", s.tick) },
		func() error {
			return s.at("2026-02-19T10:00:00Z", "Ann accepts the billing transfer", s.answer("transfer"))
		},
		func() error { return s.at("2026-02-20T09:00:00Z", "Ann accepts the service term", s.answer("term")) },
		func() error { return s.at("2026-02-20T11:00:00Z", "Ann deploys the bootstrap role", s.role) },
		func() error { return s.at("2026-03-01T06:00:00Z", "The transfer starts: an export is made", s.tick) },
		func() error { return s.months("2026-03", "2027-04") },
		func() error { return s.at("2027-05-10T09:00:00Z", "Ann ends the agreement, after its term", s.end) },
		func() error { return s.months("2027-05", "2027-05") },
		func() error { return s.at("2027-06-09T09:00:00Z", "The final month is settled", s.tick) },
		func() error {
			return s.at("2027-07-08T06:00:00Z", "June is not billed", s.month(calendar.MustMonth("2027-06")))
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.out.stdout, "\nTry next:\n  export ARREARS_DATA=%s\n  arrears order list\n  arrears agreement show AGR-0001\n  arrears invoice list\n  less %s\n",
		filepath.Join(s.dir, "data"), filepath.Join(s.dir, "events.jsonl"))
	return nil
}

func (s *story) begin() error {
	if err := s.clock("2026-02-16T08:00:00Z"); err != nil {
		return err
	}
	path := filepath.Join(s.dir, "book.yaml")
	if err := writeFile(path, []byte(storyBook)); err != nil {
		return err
	}
	if _, err := s.Apply(s.ctx, false, path); err != nil {
		return err
	}
	return errors.Join(
		s.sim.AddOrganization(simulator.Organization{Management: storyPayer, InboundQuota: 10}),
		s.sim.AddOrganization(simulator.Organization{Management: storyCustomer, Members: []string{"222233334444"}}),
		s.sim.AddProgram(simulator.Program{Account: storyPayer, Name: "Reseller"}))
}

func (s *story) clock(now string) error {
	at, err := time.Parse(time.RFC3339, now)
	if err != nil {
		return err
	}
	s.AsOf = at
	return s.sim.SetClock(at)
}

// at does something at a time and says where order and agreement stand then.
func (s *story) at(now, what string, do func() error) error {
	if err := s.clock(now); err != nil {
		return err
	}
	fmt.Fprintf(s.out.stdout, "%s  %s\n", s.AsOf.Format("2006-01-02"), what)
	if err := do(); err != nil {
		return err
	}
	orders, err := s.ListOrders(s.ctx)
	if err != nil {
		return err
	}
	for _, v := range orders {
		if v.WaitingFor != nil {
			fmt.Fprintf(s.out.stdout, "            %s %s, waits for %s\n", v.ID, v.Status, *v.WaitingFor)
		} else {
			fmt.Fprintf(s.out.stdout, "            %s %s\n", v.ID, v.Status)
		}
	}
	agreements, err := s.ListAgreements(s.ctx)
	for _, v := range agreements {
		fmt.Fprintf(s.out.stdout, "            %s %s, billed %s\n", v.ID, v.Status, months(v))
	}
	return err
}

func (s *story) order() error {
	path := filepath.Join(s.dir, "order.yaml")
	if err := writeFile(path, []byte(storyOrder)); err != nil {
		return err
	}
	v, token, err := s.CreateOrder(s.ctx, path, true, false)
	if err != nil {
		return err
	}
	_, err = s.SubmitOrder(s.ctx, v.ID, arrears.Submission{
		By: storyContact, Accept: []string{agreement.TermsMarketplace, agreement.TermsServices}, Token: token,
	})
	return err
}

func (s *story) tick() error {
	r, err := s.Tick(s.ctx)
	if err == nil && len(r.Troubles) > 0 {
		err = errors.New(r.Troubles[0].Text)
	}
	return err
}

func (s *story) answer(what string) func() error {
	return func() error {
		if _, err := s.sim.Answer(simulator.Answer{Account: storyCustomer, What: what}); err != nil {
			return err
		}
		return s.tick()
	}
}

// role deploys the bootstrap role, and the book names where the customer's data is.
func (s *story) role() error {
	err := s.sim.DeployRole(simulator.Role{Account: storyCustomer, Name: "EssentialsBootstrapRole", Trusts: []string{storyPayer}})
	if err != nil {
		return err
	}
	return s.tick()
}

func (s *story) end() error {
	path := filepath.Join(s.dir, "end.yaml")
	text := "type: termination\nagreement: AGR-0001\ncontact: {name: Ann, email: " + storyContact + "}\n"
	if err := writeFile(path, []byte(text)); err != nil {
		return err
	}
	v, _, err := s.CreateOrder(s.ctx, path, false, false)
	if err != nil {
		return err
	}
	if _, err := s.SubmitOrder(s.ctx, v.ID, arrears.Submission{By: storyContact}); err != nil {
		return err
	}
	return s.tick()
}

// months lets AWS deliver each month, and issues its invoice on day 8 of the next.
func (s *story) months(from, to string) error {
	for m := calendar.MustMonth(from); !m.After(calendar.MustMonth(to)); m = m.Add(1) {
		if err := s.deliver(m); err != nil {
			return err
		}
		if err := s.clock(m.Add(1).Day(8).Time().Add(6 * time.Hour).Format(time.RFC3339)); err != nil {
			return err
		}
		if err := s.month(m)(); err != nil {
			return err
		}
	}
	return nil
}

// month runs a month and says what became of it.
func (s *story) month(m calendar.Month) func() error {
	return func() error {
		r, err := s.Run(s.ctx, arrears.RunOptions{Month: m, Issue: true})
		if err != nil {
			return err
		}
		for _, row := range r.Agreements {
			words := []string{row.Status}
			if row.Net != nil {
				words = append(words, *row.Net, "USD")
			}
			if mark := marks(row); mark != "" {
				words = append(words, "("+mark+" month)")
			}
			fmt.Fprintf(s.out.stdout, "%s  %s %s\n", s.AsOf.Format("2006-01-02"), m, strings.Join(words, " "))
		}
		return nil
	}
}

// deliver writes what AWS delivers for a month.
func (s *story) deliver(m calendar.Month) error {
	source := filepath.Join(s.dir, "cur")
	if m == calendar.MustMonth("2026-03") {
		path := filepath.Join(s.dir, "cur.yaml")
		if err := writeFile(path, []byte("agreements:\n  - id: AGR-0001\n    cur: {source: ./cur, manifest: none}\n")); err != nil {
			return err
		}
		if _, err := s.Apply(s.ctx, false, path); err != nil {
			return err
		}
	}
	var b strings.Builder
	z := gzip.NewWriter(&b)
	_, err := fmt.Fprintf(z, "bill_payer_account_id,line_item_usage_account_id,bill_bill_type,bill_billing_entity,bill_invoice_id,line_item_product_code,"+
		"line_item_line_item_type,line_item_currency_code,line_item_unblended_cost\n%s,222233334444,Anniversary,AWS,INV-%s,AmazonEC2,Usage,USD,%d.50\n",
		storyCustomer, m, 900+m.Sub(calendar.MustMonth("2026-03"))*7)
	if err := errors.Join(err, z.Close()); err != nil {
		return err
	}
	return writeFile(filepath.Join(source, "data", "BILLING_PERIOD="+m.String(), "cur-00001.csv.gz"), []byte(b.String()))
}
