package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/agreement"
)

func (a *app) lifecycleCommands() []*cobra.Command {
	list := []*cobra.Command{a.orderCommand(), a.agreementCommand(), a.tickCommand()}
	for _, c := range list {
		c.GroupID = "lifecycle"
	}
	return list
}

func (a *app) orderCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "order", Short: "Orders: create, submit, process, list, show, cancel, fail, complete",
		Long: `Orders to buy, change or end an agreement (docs/LIFECYCLE.md).

Operations or the customer create a draft; only the customer submits it, since that accepts
the terms. arrears tick moves what is in process on; process does so for one order at once.`,
	}
	c.AddCommand(a.orderCreate(), a.orderSubmit(), a.orderProcess(), a.orderList(), a.orderShow(), a.orderAccount(),
		a.orderEnd("cancel", "Cancel an order: a draft is deleted, one in process fails", (*arrears.Engine).CancelOrder),
		a.orderEnd("fail", "Fail an order in process; its transfer is ended first", (*arrears.Engine).FailOrder),
		a.orderEnd("complete", "Let the step that an order waits for pass, with a reason",
			func(e *arrears.Engine, ctx context.Context, id, reason string) (agreement.OrderView, []error, error) {
				return e.CompleteOrder(ctx, id, "operations", reason)
			}))
	return c
}

func (a *app) orderCreate() *cobra.Command {
	var file string
	var byOperations, quote bool
	c := &cobra.Command{
		Use: "create -f ORDER.yaml", Short: "Take an order as a draft", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				a.ran = false
				return errors.New("order create needs an order: -f ORDER.yaml")
			}
			return a.withSettings(cmd, func(e *arrears.Engine) error {
				v, token, err := e.CreateOrder(cmd.Context(), file, byOperations, quote)
				if err != nil {
					return err
				}
				if a.json {
					return a.print(struct {
						agreement.OrderView
						Token string `json:"token,omitempty"`
					}{v, token})
				}
				a.showOrder(v)
				if token != "" {
					fmt.Fprintf(a.stdout, "link token, shown this once: %s\n", token)
				}
				return nil
			})
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "`ORDER.yaml`")
	c.Flags().BoolVar(&quote, "quote", false, "save it as it is; it is judged when it is submitted")
	c.Flags().BoolVar(&byOperations, "by-operations", false, "prepared by Operations: print a link token that the customer submits it with")
	return c
}

func (a *app) orderSubmit() *cobra.Command {
	var s arrears.Submission
	c := &cobra.Command{
		Use: "submit ID --by EMAIL --accept marketplace,services", Short: "Submit an order, as the customer", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSettings(cmd, func(e *arrears.Engine) error {
				v, err := e.SubmitOrder(cmd.Context(), args[0], s)
				return a.order(v, nil, err)
			})
		},
	}
	c.Flags().StringVar(&s.By, "by", "", "`EMAIL` of the customer's user")
	c.Flags().StringSliceVar(&s.Accept, "accept", nil, "sets of terms that are accepted: marketplace,services")
	c.Flags().StringVar(&s.Token, "token", "", "`TOKEN` of the link, for a draft that Operations prepared")
	return c
}

func (a *app) orderProcess() *cobra.Command {
	return &cobra.Command{
		Use: "process ID", Short: "Check now what an order waits for", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAWS(cmd, func(e *arrears.Engine) error {
				v, troubles, err := e.ProcessOrder(cmd.Context(), args[0])
				if err == nil && len(troubles) > 0 {
					err = errors.Join(troubles...)
				}
				return a.order(v, nil, err)
			})
		},
	}
}

func (a *app) orderEnd(name, short string, do func(*arrears.Engine, context.Context, string, string) (agreement.OrderView, []error, error)) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: name + " ID --reason TEXT", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAWS(cmd, func(e *arrears.Engine) error {
				v, troubles, err := do(e, cmd.Context(), args[0], reason)
				return a.order(v, troubles, err)
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return c
}

func (a *app) orderAccount() *cobra.Command {
	var by string
	c := &cobra.Command{
		Use: "account ID ACCOUNT --by EMAIL", Short: "Name the management account of an order, as the customer", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withAWS(cmd, func(e *arrears.Engine) error {
				v, troubles, err := e.NameAccount(cmd.Context(), args[0], agreement.AccountID(args[1]), by)
				return a.order(v, troubles, err)
			})
		},
	}
	c.Flags().StringVar(&by, "by", "", "`EMAIL` of the customer's user")
	return c
}

func (a *app) orderList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List orders", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, reads, func(e *arrears.Engine) error {
				list, err := e.ListOrders(cmd.Context())
				if err != nil {
					return err
				}
				if a.json {
					return a.print(map[string]any{"orders": list})
				}
				for _, v := range list {
					waits := ""
					if v.WaitingFor != nil {
						waits = "waits for " + *v.WaitingFor
					}
					if v.Deadline != nil {
						waits += " until " + v.Deadline.Format(time.DateOnly)
					}
					fmt.Fprintf(a.stdout, "%-10s %-12s %-11s %-10s %s\n", v.ID, v.Type, v.Status, value(v.Agreement), waits)
				}
				return nil
			})
		},
	}
}

func (a *app) orderShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show an order", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, reads, func(e *arrears.Engine) error {
				v, err := e.ShowOrder(cmd.Context(), args[0])
				return a.order(v, nil, err)
			})
		},
	}
}

// order shows an order after something was done to it. Troubles are what AWS did not answer: the
// next tick goes on with them.
func (a *app) order(v agreement.OrderView, troubles []error, err error) error {
	if err != nil {
		return err
	}
	for _, t := range troubles {
		fmt.Fprintf(a.stderr, "arrears: %v\narrears: hint: arrears tick goes on from here\n", t)
	}
	if a.json {
		return a.print(v)
	}
	a.showOrder(v)
	return nil
}

func (a *app) showOrder(v agreement.OrderView) {
	fmt.Fprintf(a.stdout, "%s: %s of %s, %s", v.ID, v.Type, v.Client, v.Status)
	if v.Phase != "" {
		fmt.Fprintf(a.stdout, " (%s)", v.Phase)
	}
	if v.Agreement != nil {
		fmt.Fprintf(a.stdout, ", agreement %s", *v.Agreement)
	}
	fmt.Fprintln(a.stdout)
	if v.WaitingFor != nil {
		fmt.Fprintf(a.stdout, "waits for %s: %s\n", *v.WaitingFor, *v.Message)
	}
	if v.Deadline != nil {
		fmt.Fprintf(a.stdout, "deadline: %s\n", v.Deadline.Format(time.RFC3339))
	}
	for _, c := range v.Checklist {
		done := "open"
		if c.Done != nil {
			done = c.Done.Format(time.RFC3339)
		}
		fmt.Fprintf(a.stdout, "  %-12s %s\n", c.Step, done)
	}
	for _, r := range v.Reasons {
		fmt.Fprintf(a.stdout, "%s: %s\n", r.Code, r.Text)
	}
}

func value(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func (a *app) tickCommand() *cobra.Command {
	return &cobra.Command{
		Use: "tick", Short: "Do everything that is due: orders, reminders, deadlines, deliveries, ends",
		Long: `Do everything that is due now: ask AWS, move orders on, send reminders, enforce deadlines,
make and watch deliveries, compare agreements with AWS, deliver events. It is safe at any
time and as often as wanted; cron runs it every few minutes.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withAWS(cmd, func(e *arrears.Engine) error {
				r, err := e.Tick(cmd.Context())
				if err != nil {
					return err
				}
				if a.json {
					err = a.print(r)
				} else {
					a.showTick(r)
				}
				if err == nil && len(r.Troubles) > 0 {
					for _, t := range r.Troubles {
						fmt.Fprintf(a.stderr, "arrears: %s%s: %s\n", t.Agreement, t.Event, t.Text)
					}
					fmt.Fprintln(a.stderr, "arrears: hint: the next tick tries again")
					err = errLook
				}
				return err
			})
		},
	}
}

func (a *app) showTick(r arrears.TickReport) {
	for _, v := range r.Orders {
		waits := ""
		if v.WaitingFor != nil {
			waits = ", waits for " + *v.WaitingFor
		}
		fmt.Fprintf(a.stdout, "%s: %s (%s)%s\n", v.ID, v.Status, v.Phase, waits)
	}
	for _, g := range r.Agreements {
		fmt.Fprintf(a.stdout, "%s: %s\n", g.Agreement, g.Status)
	}
	s := fmt.Sprintf("%s delivered", count(r.Delivered, "event"))
	if r.Pending > 0 {
		s += fmt.Sprintf(", %d pending", r.Pending)
	}
	fmt.Fprintln(a.stdout, strings.TrimSpace(s))
}
