package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"minato.dev/minato/cluster/access"
	"minato.dev/minato/server/control"
)

func accessCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "access",
		Short: "find out who may do what on a cluster, and write access policies",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(explainCommand(), policyCommand())
	return cmd
}

func explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain --cluster NAME --principal ARN --verb VERB --resource RESOURCE",
		Short: "explain why an IAM principal may do something on a cluster, or not",
		Long: `Explain why an IAM principal may do something on a cluster, or not: the way from the principal to its access
entry or its row in aws-auth, to access policies or RBAC, to the verdict of the cluster's own kube-apiserver.`,
		Example: `    minato access explain --cluster prod --principal arn:aws:iam::111122223333:role/ops --verb list --resource pods -n dev`,
		Args:    cobra.NoArgs,
	}
	dir := homeFlag(cmd)
	var q control.AccessQuestion
	flags := cmd.Flags()
	flags.StringVar(&q.Cluster, "cluster", "", "name of the cluster")
	flags.StringVar(&q.Account, "account", "", "account of the cluster (default the server's first)")
	flags.StringVar(&q.Principal, "principal", "", "ARN of a user, a role, a role's session or a root")
	flags.StringVar(&q.Session, "as-session", "EKSGetTokenAuth", "session name of a role; the default is that of aws eks get-token")
	flags.StringVar(&q.Verb, "verb", "", "get, list, watch, create, update, patch, delete, …")
	flags.StringVar(&q.Resource, "resource", "", "as for kubectl: pods, deploy, pods/log, deployments.apps; or a path such as /metrics")
	flags.StringVarP(&q.Namespace, "namespace", "n", "", "namespace (default the whole cluster)")
	flags.StringVar(&q.Name, "name", "", "name of the object (default any)")
	output := outputFlag(cmd, "text")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := output.check(); err != nil {
			return err
		}
		for _, name := range []string{"cluster", "principal", "verb", "resource"} {
			if flags.Lookup(name).Value.String() == "" {
				return usageError{fmt.Errorf("--%s is missing\nusage: minato access %s", name, cmd.Use)}
			}
		}
		d, err := dir()
		if err != nil {
			return err
		}
		e, err := control.ExplainAccess(cmd.Context(), d, q)
		if err != nil {
			return err
		}
		return write(output, cmd.OutOrStdout(), e, printExplanation)
	}
	return cmd
}

func printExplanation(w io.Writer, e access.Explanation) error {
	verdict := "no"
	if e.Allowed {
		verdict = "yes"
	}
	fmt.Fprintf(w, "May %s %s on cluster %s? %s.\n\n", e.Principal, e.Request, e.Cluster, verdict)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, step := range e.Steps {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", step.Outcome, step.Name, step.Detail)
	}
	return t.Flush()
}
