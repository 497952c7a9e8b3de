package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"minato.dev/minato/server/control"
	"minato.dev/minato/service/eksauth"
)

func identityCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "identity",
		Short: "AWS credentials of pods: which they have, what these may do, and for which clusters",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(explainIdentityCommand(), registerIdentityCommand(), identityManifestCommand())
	return cmd
}

func explainIdentityCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain --cluster NAME --namespace NAMESPACE --service-account NAME [--action ACTION [--resource ARN]]",
		Short: "explain which role the pods of a ServiceAccount have, and why they may do something with it, or not",
		Long: `Explain which role the pods of a ServiceAccount have, and why they may do something with it, or not: the association
or the annotation, what the trust policies say, the session tags, and the statement of a policy that decides. What a
policy on the resource itself says, such as that of a bucket, is not asked.`,
		Example: `    minato identity explain --cluster prod -n dev --service-account app --action s3:GetObject --resource arn:aws:s3:::data/report`,
		Args:    cobra.NoArgs,
	}
	dir := homeFlag(cmd)
	var q control.IdentityQuestion
	flags := cmd.Flags()
	flags.StringVar(&q.Cluster, "cluster", "", "name of the cluster")
	flags.StringVar(&q.Account, "account", "", "account of the cluster (default the server's first)")
	flags.StringVarP(&q.Namespace, "namespace", "n", "", "namespace of the ServiceAccount")
	flags.StringVar(&q.ServiceAccount, "service-account", "", "name of the ServiceAccount")
	flags.StringVar(&q.Pod, "pod", "", "name of the pod, where a policy asks for it (default any)")
	flags.StringVar(&q.Action, "action", "", "what the pod wants to do: s3:GetObject")
	flags.StringVar(&q.Resource, "resource", "", "ARN of what it wants to do it to (default *)")
	output := outputFlag(cmd, "text")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := output.check(); err != nil {
			return err
		}
		for _, name := range []string{"cluster", "namespace", "service-account"} {
			if flags.Lookup(name).Value.String() == "" {
				return usageError{fmt.Errorf("--%s is missing\nusage: minato identity %s", name, cmd.Use)}
			}
		}
		if q.Resource != "" && q.Action == "" {
			return usageError{fmt.Errorf("--action is missing: what is to be done to %s?", q.Resource)}
		}
		d, err := dir()
		if err != nil {
			return err
		}
		e, err := control.ExplainIdentity(cmd.Context(), d, q)
		if err != nil {
			return err
		}
		return write(output, cmd.OutOrStdout(), e, printIdentity)
	}
	return cmd
}

func printIdentity(w io.Writer, e eksauth.Explanation) error {
	verdict := "no"
	if e.Allowed {
		verdict = "yes"
	}
	question := "Do pods of %s/%s on cluster %s get credentials? %s.\n\n"
	args := []any{e.Namespace, e.ServiceAccount, e.Cluster, verdict}
	if e.Request != "" {
		question, args = "May pods of %s/%s on cluster %s %s? %s.\n\n", []any{e.Namespace, e.ServiceAccount, e.Cluster, e.Request, verdict}
	}
	fmt.Fprintf(w, question, args...)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, step := range e.Steps {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", step.Outcome, step.Name, step.Detail)
	}
	if e.Principal != "" {
		fmt.Fprintf(t, "  \tprincipal\t%s\n", e.Principal)
	}
	return t.Flush()
}
