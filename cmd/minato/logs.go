package main

import (
	"strings"

	"github.com/spf13/cobra"

	"minato.dev/minato/server/clusterlogs"
)

func logsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "logs CLUSTER [COMPONENT]",
		Short: "print the logs of a cluster's control plane, or of Minato itself",
		Long: `Print the logs of a cluster's control plane, or of one component:

    ` + strings.Join(clusterlogs.Components(), "\n    ") + `

A component is printed when its log type is switched on, as on EKS:

    aws eks update-cluster-config --name prod --logging '{"clusterLogging":[{"types":["api","audit"],"enabled":true}]}'

"minato logs minato", "… etcd", "… hook" and "… gate" are Minato's own processes.`,
		Args: cobra.RangeArgs(1, 2),
	}
	dir := homeFlag(cmd)
	follow := cmd.Flags().BoolP("follow", "f", false, "go on printing what is added")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		component := ""
		if len(args) == 2 {
			component = args[1]
		}
		return clusterlogs.Print(cmd.Context(), cmd.OutOrStdout(), d, args[0], component, *follow)
	}
	return cmd
}
