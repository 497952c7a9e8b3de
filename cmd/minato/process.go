package main

import (
	"context"

	"github.com/spf13/cobra"

	"minato.dev/minato/internal/home"
	"minato.dev/minato/server/process"
)

// The processes that `minato up` runs beside itself. They are hidden: nobody types them.

func etcdCommand() *cobra.Command { return processCommand("etcd", "serve the store", process.Etcd) }
func hookCommand() *cobra.Command {
	return processCommand("hook", "answer the webhooks of kube-apiservers", process.Hook)
}
func gateCommand() *cobra.Command {
	return processCommand("gate", "own the clusters' endpoint ports", process.Gate)
}
func registryCommand() *cobra.Command {
	return processCommand("registry", "serve images to nodes, and take those that users push", process.Registry)
}

func vpcCommand() *cobra.Command {
	return processCommand("vpc", "keep the VPCs", process.VPC)
}

func processCommand(name, short string, run func(context.Context, home.Dir) error) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Hidden: true, Args: cobra.NoArgs}
	dir := homeFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		return run(cmd.Context(), d)
	}
	return cmd
}
