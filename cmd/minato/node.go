package main

import (
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"minato.dev/minato/cluster/node/cni"
	"minato.dev/minato/cluster/node/imds"
	"minato.dev/minato/cluster/node/machine"
	"minato.dev/minato/cluster/node/token"
	"minato.dev/minato/server/process"
)

// What runs for nodes and in them. Hidden: nobody types them.

func machineCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "machine", Short: "be one node", Hidden: true, Args: cobra.NoArgs}
	dir := homeFlag(cmd)
	instance := cmd.Flags().String("instance", "", "id of the instance")
	guest := cmd.Flags().Bool("guest", false, "be its pid 1, in namespaces that the other half has made")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *guest {
			return machine.Guest()
		}
		if *instance == "" {
			return usageError{errors.New("--instance is missing")}
		}
		d, err := dir()
		if err != nil {
			return err
		}
		return process.Machine(cmd.Context(), d, *instance)
	}
	return cmd
}

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "print a credential of a node's role for its cluster", Hidden: true, Args: cobra.NoArgs}
	cluster := cmd.Flags().String("cluster-name", "", "name of the cluster")
	region := cmd.Flags().String("region", "", "region of the cluster")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *cluster == "" || *region == "" {
			return usageError{errors.New("--cluster-name and --region are needed")}
		}
		now := time.Now()
		t, err := token.Get(cmd.Context(), imds.NewClient(), *cluster, *region, now)
		if err != nil {
			return err
		}
		b, err := token.ExecCredential(t, now)
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(append(b, '\n'))
		return err
	}
	return cmd
}

func vpcCNICommand() *cobra.Command {
	cmd := &cobra.Command{Use: "vpc-cni", Short: "give a node's pods their addresses", Hidden: true, Args: cobra.NoArgs}
	f := cmd.Flags()
	programs := f.String("programs", "/opt/cni/bin", "folder with the plugins to install")
	plugins := f.String("plugin-folder", "/host/opt/cni/bin", "where the node looks for plugins")
	networks := f.String("network-folder", "/host/etc/cni/net.d", "where the node looks for configurations")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return cni.Run(cmd.Context(), cni.Config{
			Metadata: imds.NewClient(), Programs: *programs, PluginFolder: *plugins, NetworkFolder: *networks,
			Log: slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil)),
		})
	}
	return cmd
}
