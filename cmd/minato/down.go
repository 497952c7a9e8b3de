package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"minato.dev/minato/server"
)

func downCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "down",
		Short: "stop the server and every process of it",
		Long: `Stop the server, control planes first, etcd last, also when only the data plane is left of it after a kill -9.
What is stored stays for the next "minato up", unless --purge is given.`,
		Args: cobra.NoArgs,
	}
	dir := homeFlag(cmd)
	purge := cmd.Flags().Bool("purge", false, "delete the home folder with everything in it: clusters, IAM, keys, logs")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		if err := server.Down(cmd.Context(), d, cmd.OutOrStdout()); err != nil {
			return err
		}
		if !*purge {
			return nil
		}
		if err := server.Purge(d); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), "purged", d)
		return nil
	}
	return cmd
}
