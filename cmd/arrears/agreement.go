package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/agreement"
	"github.com/arrears-billing/arrears/currency"
)

func (a *app) agreementCommand() *cobra.Command {
	c := &cobra.Command{Use: "agreement", Short: "Agreements: list, show, and dated changes of their terms"}
	c.AddCommand(a.agreementList(), a.agreementShow(), a.setCurrency(), a.setSupport(), a.setTerms())
	return c
}

func (a *app) agreementList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List agreements", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, reads, func(e *arrears.Engine) error {
				list, err := e.ListAgreements(cmd.Context())
				if err != nil {
					return err
				}
				if a.json {
					return a.print(map[string]any{"agreements": list})
				}
				for _, v := range list {
					fmt.Fprintf(a.stdout, "%-10s %-12s %s %s\n", v.ID, v.Status, v.ManagementAccount, months(v))
				}
				return nil
			})
		},
	}
}

// months says in words which months an agreement bills.
func months(v agreement.View) string {
	switch {
	case v.FirstMonth == nil && v.Product == agreement.ProductLegacy:
		return "elsewhere"
	case v.FirstMonth == nil:
		return "no month yet"
	case v.LastMonth == nil:
		return "from " + v.FirstMonth.String()
	}
	return "from " + v.FirstMonth.String() + " to " + v.LastMonth.String()
}

func (a *app) agreementShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show an agreement", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd, reads, func(e *arrears.Engine) error {
				v, err := e.ShowAgreement(cmd.Context(), args[0])
				return a.agreement(v, err)
			})
		},
	}
}

func (a *app) agreement(v agreement.View, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		return a.print(v)
	}
	fmt.Fprintf(a.stdout, "%s: %s, organisation %s, billed %s\n", v.ID, v.Status, v.ManagementAccount, months(v))
	if v.Transfer.ID != "" {
		fmt.Fprintf(a.stdout, "transfer %s: %s\n", v.Transfer.ID, v.Transfer.Status)
	}
	if t := v.ServiceTerm; !t.CommitmentEnd.IsZero() && !t.AWSEnd.IsZero() {
		fmt.Fprintf(a.stdout, "service term until %s (AWS enforces it until %s)\n", t.CommitmentEnd, t.AWSEnd)
	}
	for _, t := range v.Terms {
		po := ""
		if t.PurchaseOrder != "" {
			po = ", purchase order " + t.PurchaseOrder
		}
		fmt.Fprintf(a.stdout, "from %s: %s support, %s, seller %s, buyer %s%s\n", t.From, t.Support, t.Currency, t.Seller, t.Buyer, po)
	}
	for _, s := range v.Subscriptions {
		to := ""
		if !s.To.IsZero() {
			to = " to " + s.To.String()
		}
		fmt.Fprintf(a.stdout, "subscription %s from %s%s\n", s.Account, s.From, to)
	}
	if d := v.Delivery; d != nil {
		fmt.Fprintf(a.stdout, "delivery %s %s: %s\n", d.Kind, d.Name, d.Health)
	}
	for _, r := range v.Reasons {
		fmt.Fprintf(a.stdout, "%s: %s\n", r.Code, r.Text)
	}
	return nil
}

func (a *app) setCurrency() *cobra.Command {
	var from string
	c := &cobra.Command{
		Use: "set-currency ID CUR --from M", Short: "Bill an agreement in another currency, from a month to come on", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := a.month("from", from)
			if err == nil && m.IsZero() {
				a.ran, err = false, errors.New("set-currency needs a month: --from M")
			}
			if err != nil {
				return err
			}
			return a.with(cmd, writes, func(e *arrears.Engine) error {
				v, err := e.SetCurrency(cmd.Context(), args[0], currency.Code(args[1]), m)
				return a.agreement(v, err)
			})
		},
	}
	c.Flags().StringVar(&from, "from", "", "`YYYY-MM`")
	return c
}

func (a *app) setSupport() *cobra.Command {
	var from string
	c := &cobra.Command{
		Use: "set-support ID resold|partner_led --from M", Short: "Change an agreement's support option from a month on", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := a.month("from", from)
			if err == nil && m.IsZero() {
				a.ran, err = false, errors.New("set-support needs a month: --from M")
			}
			if err != nil {
				return err
			}
			return a.with(cmd, writes, func(e *arrears.Engine) error {
				v, err := e.SetSupport(cmd.Context(), args[0], args[1], m)
				return a.agreement(v, err)
			})
		},
	}
	c.Flags().StringVar(&from, "from", "", "`YYYY-MM`")
	return c
}

func (a *app) setTerms() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "set-terms ID -f TERMS.yaml", Short: "Replace or add dated terms", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				a.ran = false
				return errors.New("set-terms needs terms: -f TERMS.yaml")
			}
			return a.with(cmd, writes, func(e *arrears.Engine) error {
				v, err := e.SetTerms(cmd.Context(), args[0], file)
				return a.agreement(v, err)
			})
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "`TERMS.yaml`")
	return c
}
