// Command minato starts, stops and inspects a Minato server, and is its internal processes too. Everything that AWS has an
// API for is done with aws, kubectl and terraform; `minato env` prints what they need.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"minato.dev/minato/internal/home"
)

// version is stamped by the build.
var version = "dev"

// Exit codes of every subcommand.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitFound  = 3 // a scan has findings
)

// usageError marks an error as wrong usage.
type usageError struct{ error }

// foundError marks an error as what a scan was to find.
type foundError struct{ error }

func main() {
	// Who is executed by descriptor, as our processes are, is called by its number in ps and top otherwise.
	_ = os.WriteFile("/proc/self/comm", []byte("minato"), 0)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	// Nearly all that we and our processes write holds secrets. What others may read gets its mode on purpose.
	syscall.Umask(0o077)
	cmd := root()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(os.Stderr, "minato:", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[foundError](err); ok {
		return exitFound
	}
	return exitFailed
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "minato",
		Short: "EKS-compatible managed Kubernetes on any machine",
		Long: `Minato speaks the AWS EKS API and runs real Kubernetes control planes behind it.

Start it with "minato up", then in another terminal:

    eval "$(minato env)"
    aws eks list-clusters`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q: see minato help", args[0])}
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	cmd.CompletionOptions.HiddenDefaultCmd = true
	for _, sub := range []*cobra.Command{
		upCommand(), downCommand(), statusCommand(), envCommand(), logsCommand(), doctorCommand(),
		backupCommand(), restoreCommand(), accessCommand(), identityCommand(), clockCommand(), costCommand(), insightsCommand(), versionCommand(), etcdCommand(), hookCommand(), gateCommand(), vpcCommand(),
		registryCommand(), machineCommand(), tokenCommand(), nodeCommand(), vpcCNICommand(), podAgentCommand(),
	} {
		markUsage(sub)
		cmd.AddCommand(sub)
	}
	return cmd
}

// markUsage makes errors of a command's arguments, and of its subcommands', errors of usage.
func markUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{fmt.Errorf("%w\nusage: %s", err, cmd.UseLine())}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		markUsage(sub)
	}
}

// homeFlag adds --home and returns what resolves it.
func homeFlag(cmd *cobra.Command) func() (home.Dir, error) {
	dir := cmd.Flags().String("home", "", "home folder (default $MINATO_HOME or ~/.minato)")
	return func() (home.Dir, error) {
		if *dir == "" {
			return home.Default()
		}
		return home.At(*dir)
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		Run:   func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), version) },
	}
}
