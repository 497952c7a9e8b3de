package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"minato.dev/minato/cluster/insights/scan"
	"minato.dev/minato/kube"
)

func insightsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "insights",
		Short: "find what would break on another Kubernetes version",
		Long: `Find what would break on another Kubernetes version, before it reaches a cluster.

For what runs in a cluster, and who calls which deprecated API there:
    aws eks list-insights --cluster-name NAME`,
	}
	cmd.AddCommand(insightsScanCommand())
	return cmd
}

func insightsScanCommand() *cobra.Command {
	var target, format string
	cmd := &cobra.Command{
		Use:   "scan PATH…",
		Short: "look for APIs that end in manifests",
		Long: `Look for objects of APIs that a Kubernetes version does not serve, or that a later one will not, in files, in all .yaml, .yml and .json
files of folders, and in standard input, which is called "-".

It exits with 3 if there are any, with 1 if something could not be read, else with 0.`,
		Example: `  minato insights scan deploy/ --target 1.36
  kustomize build overlays/prod | minato insights scan -
  helm template charts/shop | minato insights scan - -o sarif > findings.sarif`,
		Args: cobra.MinimumNArgs(1),
	}
	cmd.Flags().StringVar(&target, "target", defaultTarget(), "Kubernetes minor that the manifests are for")
	cmd.Flags().StringVarP(&format, "output", "o", "table", "one of "+strings.Join(scan.Formats, ", "))
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		if !slices.Contains(scan.Formats, format) {
			return usageError{fmt.Errorf("unknown output %q: there are %s", format, strings.Join(scan.Formats, ", "))}
		}
		s, err := scan.New(target)
		if err != nil {
			return usageError{err}
		}
		for _, path := range paths {
			if err := s.Path(path, cmd.InOrStdin()); err != nil {
				return err
			}
		}
		s.Report.Sort()
		if err := s.Report.Print(cmd.OutOrStdout(), format); err != nil {
			return err
		}
		for _, p := range s.Report.Problems {
			fmt.Fprintf(cmd.ErrOrStderr(), "minato: %s:%d: %s\n", p.Source, p.Line, p.Text)
		}
		switch {
		case len(s.Report.Findings) > 0:
			return foundError{fmt.Errorf("%d objects are of APIs that end", len(s.Report.Findings))}
		case len(s.Report.Problems) > 0:
			return fmt.Errorf("%d documents or folders could not be scanned", len(s.Report.Problems))
		}
		return nil
	}
	return cmd
}

// defaultTarget is the newest minor that EKS has.
func defaultTarget() (newest string) {
	for _, v := range kube.Versions() {
		if v.HasCalendar() {
			newest = v.Minor
		}
	}
	return newest
}
