package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/server/control"
)

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "access policies of your own (an extension: EKS has none)",
		Long: `Access policies of your own: an extension of Minato, which EKS does not have. Clusters without one behave as on EKS.

A policy belongs to an account and can be associated with the access entries of that account's clusters, with the AWS CLI, as
those of AWS can. Its ARN is arn:aws:eks::ACCOUNT:cluster-access-policy/NAME. Whoever may open this home may write policies,
nobody else: no API offers it. When a policy that is in use is written again, the new rules hold for the very next request.

Its file is a table of what it allows, each row as a rule of a ClusterRole:

    # debugger.txt: look at everything of a namespace but Secrets, and into its pods
    include: AmazonEKSViewPolicy

    groups | resources                   | verbs
    ""     | pods/exec, pods/portforward | get, create
    apps   | deployments/scale           | patch, update

    nonResourceURLs   | verbs
    /healthz, /logs/* | get

"" is the core group, and * alone is everything. Rows of nonResourceURLs and of resources that are in no namespace hold only where
the policy is associated for the whole cluster. A policy of AWS can be included. Nothing can be taken away: rules only allow.`,
		Example: `    minato access policy put Debugger debugger.txt
    aws eks associate-access-policy --cluster-name prod --principal-arn arn:aws:iam::111122223333:role/ops \
        --policy-arn arn:aws:eks::111122223333:cluster-access-policy/Debugger --access-scope type=namespace,namespaces=dev-*`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		policySubcommand("put NAME FILE", "make a policy, or give it other rules; - is standard input", 2, putPolicy),
		policySubcommand("get NAME", "print a policy as it was written", 1, func(cmd *cobra.Command, dir home.Dir, account string, args []string) error {
			policy, err := control.GetPolicy(cmd.Context(), dir, account, args[0])
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), policy.Rules)
			return err
		}),
		policySubcommand("list", "list the policies of an account", 0, listPolicies),
		policySubcommand("delete NAME", "remove a policy that is not associated", 1, func(cmd *cobra.Command, dir home.Dir, account string, args []string) error {
			return control.DeletePolicy(cmd.Context(), dir, account, args[0])
		}),
	)
	return cmd
}

// policySubcommand is a command that asks the running server about the policies of an account.
func policySubcommand(use, short string, args int, do func(cmd *cobra.Command, dir home.Dir, account string, args []string) error) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(args)}
	dir := homeFlag(cmd)
	account := cmd.Flags().String("account", "", "account of the policy (default the server's first)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 && args[0] == "" {
			return usageError{errors.New("the name of the policy is empty")}
		}
		d, err := dir()
		if err != nil {
			return err
		}
		return do(cmd, d, *account, args)
	}
	return cmd
}

func putPolicy(cmd *cobra.Command, dir home.Dir, account string, args []string) error {
	rules, err := readPolicy(cmd.InOrStdin(), args[1])
	if err != nil {
		return err
	}
	policy, err := control.PutPolicy(cmd.Context(), dir, account, args[0], rules)
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), policy.ARN())
	return nil
}

// readPolicy reads no more of a file than is needed to refuse it.
func readPolicy(stdin io.Reader, file string) ([]byte, error) {
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, policies.MaxCustomBytes+1))
}

func listPolicies(cmd *cobra.Command, dir home.Dir, account string, _ []string) error {
	all, err := control.ListPolicies(cmd.Context(), dir, account)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, p := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\n", p.Name, p.ModifiedAt.Format("2006-01-02T15:04:05Z"), p.ARN())
	}
	return t.Flush()
}
