package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
)

// migrateCommand brings the data to this program's schema, as every writing command does; alone it
// serves deployments that want it done before anything else starts.
func (a *app) migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Start a data folder or database, or bring it to this program's schema", Args: cobra.NoArgs, GroupID: "keep",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, creates, func(e *arrears.Engine) error {
				version, err := e.DB.Schema(cmd.Context())
				if err != nil {
					return err
				}
				if a.json {
					return a.print(map[string]int{"schema": version})
				}
				fmt.Fprintf(a.stdout, "the data has schema %d\n", version)
				return nil
			})
		},
	}
}
