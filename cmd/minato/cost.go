package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"minato.dev/minato/server/control"
	"minato.dev/minato/service/cost"
)

func costCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cost",
		Short: "show what the clusters would cost on EKS and on ROSA",
		Long: `Show what each cluster would have cost as a managed one since it was created, and what it would cost in the month ahead.

On EKS that is a fee an hour, which rises when the cluster's Kubernetes version leaves standard support; upgrades that the support
calendar will make are taken into account. On ROSA it is a fee for a cluster with hosted control plane and one for the vCPUs of its
workers. The machines themselves are left out, and so are workers and clusters that have gone. -o json has the prices and their sources.`,
		Args: cobra.NoArgs,
	}
	dir := homeFlag(cmd)
	output := outputFlag(cmd, "table")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := output.check(); err != nil {
			return err
		}
		d, err := dir()
		if err != nil {
			return err
		}
		costs, err := control.GetCosts(cmd.Context(), d)
		if err != nil {
			return err
		}
		return write(output, cmd.OutOrStdout(), costs, printCosts)
	}
	return cmd
}

func printCosts(w io.Writer, costs control.Costs) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "%s\t\t\tEKS\t\tROSA HCP\t\tROSA classic\t\t\n", costs.Prices.Currency)
	fmt.Fprintln(t, "CLUSTER\tVERSION\tVCPUS\tSO FAR\tMONTH\tSO FAR\tMONTH\tSO FAR\tMONTH\t")
	row := func(name, version, vcpus string, c cost.Cost) {
		fmt.Fprintf(t, "%s\t%s\t%s", name, version, vcpus)
		for _, a := range []cost.Amount{c.EKS, c.ROSAHCP, c.ROSAClassic} {
			fmt.Fprintf(t, "\t%.2f\t%.2f", a.SinceCreation, a.MonthAhead)
		}
		fmt.Fprintln(t, "\t")
	}
	for _, c := range costs.Clusters {
		row(c.Name, c.Version, fmt.Sprint(c.WorkerVCPUs), c.Cost)
	}
	row("total", "", "", costs.Total)
	return t.Flush()
}
