package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"minato.dev/minato/cluster/node/join"
	"minato.dev/minato/server"
)

func nodeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "node", Short: "make this machine a node of a cluster elsewhere"}
	cmd.AddCommand(nodeJoinCommand(), nodeTokenCommand())
	return cmd
}

const joinLong = `Make this machine a hybrid node of a cluster, and stay as long as it is one.

The cluster must have a remote network config that this machine's address is in, and an access entry of the type HYBRID_LINUX
for the role of the activation:

    aws ssm create-activation --iam-role ROLE --registration-limit 1 --expiration-date 2026-12-01T00:00:00Z
    aws eks create-access-entry --cluster-name prod --principal-arn arn:aws:iam::111122223333:role/ROLE --type HYBRID_LINUX

The server must be reached at an address that it advertises: at its port for TLS, the port after that of the registry, and the
clusters' endpoints. The activation is used the first time only; later starts go on with what is in --dir. With --pod-cidr pods
get addresses of that network, which routers between must lead here; without it the node is Ready once a CNI is installed.`

func nodeJoinCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "join --server https://HOST:PORT --ca FILE --cluster NAME --activation-id ID --activation-code CODE",
		Short: "register this machine with an activation, and run kubelet", Long: joinLong, Args: cobra.NoArgs,
	}
	var r join.Request
	f := cmd.Flags()
	f.StringVar(&r.Dir, "dir", "/var/lib/minato/node", "folder of the node")
	f.StringVar(&r.Server, "server", "", "the server's address and its port for TLS: https://HOST:PORT")
	ca := f.String("ca", "", "file with the server's CA, pki/ca.crt of its home")
	f.StringVar(&r.Cluster, "cluster", "", "name of the cluster")
	f.StringVar(&r.ActivationID, "activation-id", "", "id of the activation")
	f.StringVar(&r.Code, "activation-code", "", "its code; $MINATO_ACTIVATION_CODE when not given")
	f.StringVar(&r.Name, "name", "", "name of the node; the managed instance's id when not given")
	address := f.String("address", "", "this machine's address; the one that leads to the server when not given")
	pods := f.String("pod-cidr", "", "network of the pods on this machine")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if *address != "" {
			if r.Address, err = netip.ParseAddr(*address); err != nil {
				return usageError{fmt.Errorf("--address: %w", err)}
			}
		}
		if *pods != "" {
			if r.PodCIDR, err = netip.ParsePrefix(*pods); err != nil {
				return usageError{fmt.Errorf("--pod-cidr: %w", err)}
			}
		}
		if r.Code == "" {
			r.Code = os.Getenv("MINATO_ACTIVATION_CODE")
		}
		if r.Dir, err = filepath.Abs(r.Dir); err != nil {
			return err
		}
		if os.Geteuid() != 0 {
			return errors.New("kubelet and containerd need root")
		}
		return runJoin(cmd, r, *ca)
	}
	return cmd
}

func runJoin(cmd *cobra.Command, r join.Request, caFile string) error {
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	s, err := join.Load(r.Dir)
	if errors.Is(err, os.ErrNotExist) {
		if r.Server == "" || caFile == "" || r.Cluster == "" || r.ActivationID == "" || r.Code == "" {
			return usageError{errors.New("the first time --server, --ca, --cluster, --activation-id and --activation-code are needed")}
		}
		if r.CA, err = os.ReadFile(caFile); err != nil {
			return err
		}
		s, err = join.Register(cmd.Context(), r)
	}
	if err != nil {
		return err
	}
	programs, err := server.JoinPrograms(executable, s.Cluster.Version)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s is node %s of cluster %s (%s)\n", s.Address, s.Name, s.Cluster.Name, s.InstanceID)
	return join.Run(cmd.Context(), r.Dir, s, programs, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
}

func nodeTokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "print a credential of a hybrid node for its cluster", Hidden: true, Args: cobra.NoArgs}
	dir := cmd.Flags().String("dir", "", "folder of the node")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		b, err := join.Token(*dir, time.Now())
		if err != nil {
			return err
		}
		_, err = cmd.OutOrStdout().Write(append(b, '\n'))
		return err
	}
	return cmd
}
