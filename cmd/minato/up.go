package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"minato.dev/minato"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/kube"
	"minato.dev/minato/server"
)

func upCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "start the server",
		Long: `Start the server: etcd, the webhooks, the endpoint gate, the AWS APIs, and every control plane that was up.

It stays in the foreground. Ctrl-C stops everything in order, like "minato down"; what is stored stays. Should this process
be killed, clusters go on serving, and the next "minato up" takes them over without a restart.`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	dir := homeFlag(cmd)
	var (
		o         server.Options
		testClock string
		detach    bool
	)
	f.StringVar(&o.Listen, "listen", "", "address of the AWS APIs (default 127.0.0.1:4566); other than loopback is served over TLS")
	f.StringSliceVar(&o.Advertise, "advertise-address", nil, "names and addresses that clients may use for clusters and issuers; the first is put into them")
	f.StringSliceVar(&o.Accounts, "account", nil, "account ids, 12 digits each; new ones are added (default one with random digits)")
	f.StringVar((*string)(&o.Region), "region", "", "region, fixed at the first start (default us-east-1)")
	f.StringVar(&o.Cluster, "cluster", "", "create this cluster if it does not exist, and wait until it is ACTIVE")
	f.StringVar(&o.Version, "version", "", "Kubernetes minor of --cluster, such as 1.35")
	f.StringVar(&testClock, "test-clock", "", "set Minato's own clock (support dates, expiry) to a date such as 2026-11-01; minato clock advance moves it on")
	f.BoolVar(&o.AllowUnsupported, "allow-unsupported", false, "let clusters be created with a minor that is past its EKS support")
	f.BoolVar(&detach, "detach", false, "run in the background once everything is up")
	f.BoolVar(&o.Detached, detachedFlag, false, "this is what --detach runs")
	_ = f.MarkHidden(detachedFlag)
	f.StringSliceVar(&o.EtcdEndpoints, "etcd-endpoints", nil, "use this external etcd (https URLs) instead of our own")
	f.StringVar(&o.Etcd.CAFile, "etcd-cafile", "", "external etcd: the CA of its server certificates")
	f.StringVar(&o.Etcd.CertFile, "etcd-certfile", "", "external etcd: client certificate of its root user")
	f.StringVar(&o.Etcd.KeyFile, "etcd-keyfile", "", "external etcd: key of that certificate")
	f.StringVar(&o.Etcd.ClientCAFile, "etcd-client-cafile", "", "external etcd: a CA that it trusts for clients, to sign one certificate per cluster")
	f.StringVar(&o.Etcd.ClientCAKeyFile, "etcd-client-ca-keyfile", "", "external etcd: key of that CA")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		if detach {
			return upDetached(cmd.Context(), cmd.OutOrStdout(), d)
		}
		if o.TestClock, err = parseTestClock(testClock); err != nil {
			return usageError{err}
		}
		if err := checkOptions(o); err != nil {
			return usageError{err}
		}
		o.Home, o.MinatoVersion, o.Out = d, version, cmd.OutOrStdout()
		if o.Executable, err = os.Executable(); err != nil {
			return err
		}
		o.Kube, o.Upstream = server.Kube(o.Executable), server.Upstream(o.Executable)
		return server.Run(cmd.Context(), o)
	}
	return cmd
}

// detachedFlag tells the process in the background what it is.
const detachedFlag = "detached"

// parseTestClock reads a day or a moment; empty is no test clock.
func parseTestClock(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--test-clock %q is neither a day such as 2026-11-01 nor a moment such as 2026-11-01T12:00:00Z", s)
}

func checkOptions(o server.Options) error {
	for _, a := range o.Accounts {
		if !minato.ValidAccountID(a) {
			return fmt.Errorf("--account %q is not an account id: want 12 digits", a)
		}
	}
	if o.Listen != "" {
		if _, _, err := net.SplitHostPort(o.Listen); err != nil {
			return fmt.Errorf("--listen %q: want host:port, such as 127.0.0.1:4566", o.Listen)
		}
	}
	if o.Version != "" {
		if _, ok := kube.Lookup(o.Version); !ok {
			return fmt.Errorf("--version %q is not a Kubernetes minor that Minato knows", o.Version)
		}
		if o.Cluster == "" {
			return fmt.Errorf("--version goes with --cluster: name the cluster to create")
		}
	}
	return nil
}

// upDetached runs `minato up` with the same arguments in a session of its own, shows what it prints, and returns when it is
// ready or has failed.
func upDetached(ctx context.Context, out interface{ Write([]byte) (int, error) }, d home.Dir) error {
	args := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(a string) bool { return a == "--detach" || a == "--detach=true" })
	return server.Detach(ctx, out, d, append(args, "--"+detachedFlag))
}
