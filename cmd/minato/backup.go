package main

import (
	"github.com/spf13/cobra"

	"minato.dev/minato/server/backup"
)

func backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "write everything to one file: the store, keys, settings",
		Long: `Write a consistent copy of everything to FILE (0600): the store with every cluster's objects, the key that opens its
secrets, certificates and settings. The server may run meanwhile. "minato restore FILE" makes a home of it, on any machine.

Keep the file as you would keep the keys to all your clusters: it holds them.`,
		Args: cobra.ExactArgs(1),
	}
	dir := homeFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		return backup.Write(cmd.Context(), d, args[0], cmd.OutOrStdout())
	}
	return cmd
}

func restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "make a home from a backup",
		Long:  `Make a home from what "minato backup" wrote. The home must be new or empty. Start it with "minato up" afterwards.`,
		Args:  cobra.ExactArgs(1),
	}
	dir := homeFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		return backup.Restore(cmd.Context(), d, args[0], cmd.OutOrStdout())
	}
	return cmd
}
