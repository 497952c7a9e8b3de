package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"minato.dev/minato/cluster/insights/scan"
	"minato.dev/minato/kube"
	"minato.dev/minato/server/control"
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
	var live control.ScanRequest
	cmd := &cobra.Command{
		Use:   "scan [PATH…] [--cluster NAME]",
		Short: "look for APIs that end in manifests and in a cluster",
		Long: `Look for objects of APIs that a Kubernetes version does not serve, or that a later one will not, in files, in all .yaml, .yml and .json
files of folders, and in standard input, which is called "-". Helm charts, as folders or .tgz files, are rendered with their own values.

With --cluster, look also at what lives in that cluster: at its objects, by the versions that they were written in, and at the manifests
that Helm has installed.

What could not be read, or does not render, is said on standard error and is in the report, where the rest is.

Exit codes:
  0  everything was read, and nothing was found
  1  something could not be read, and nothing was found in the rest
  2  wrong usage
  3  objects of APIs that end were found`,
		Example: `  minato insights scan deploy/ --target 1.36
  kustomize build overlays/prod | minato insights scan -
  helm template -f production.yaml charts/shop | minato insights scan - -o sarif > findings.sarif
  minato insights scan --cluster prod --target 1.36`,
		Args: func(cmd *cobra.Command, paths []string) error {
			if len(paths) == 0 && live.Cluster == "" {
				return usageError{errors.New("nothing to scan: name files and folders, - for standard input, or a cluster with --cluster")}
			}
			return nil
		},
	}
	dir := homeFlag(cmd)
	cmd.Flags().StringVar(&target, "target", defaultTarget(), "Kubernetes minor that the manifests are for")
	cmd.Flags().StringVarP(&format, "output", "o", "table", "one of "+strings.Join(scan.Formats, ", "))
	cmd.Flags().StringVar(&live.Cluster, "cluster", "", "name of a cluster of the running server")
	cmd.Flags().StringVar(&live.Account, "account", "", "account of the cluster (default the server's first)")
	cmd.RunE = func(cmd *cobra.Command, paths []string) error {
		if !slices.Contains(scan.Formats, format) {
			return usageError{fmt.Errorf("unknown output %q: there are %s", format, strings.Join(scan.Formats, ", "))}
		}
		s, err := scan.New(target)
		if err != nil {
			return usageError{err}
		}
		if s.Charts, err = chartsProgram(); err != nil {
			return err
		}
		for _, path := range paths {
			s.Path(path, cmd.InOrStdin())
		}
		if live.Cluster != "" {
			d, err := dir()
			if err != nil {
				return err
			}
			live.Target = s.Report.Target
			found, err := control.ScanCluster(cmd.Context(), d, live)
			if err != nil {
				return err
			}
			s.Report.Add(found)
		}
		s.Report.Sort()
		if err := s.Report.Print(cmd.OutOrStdout(), format); err != nil {
			return err
		}
		for _, p := range s.Report.Problems {
			fmt.Fprintf(cmd.ErrOrStderr(), "minato: %s\n", p)
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

// chartsProgram is what renders Helm charts, beside this program; empty if it is not built.
func chartsProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(self), "minato-charts")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return path, nil
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
