package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"minato.dev/minato/engine/supervisor"
	"minato.dev/minato/server/control"
)

func statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "show clusters, processes, memory and ports",
		Args:  cobra.NoArgs,
	}
	dir := homeFlag(cmd)
	output := cmd.Flags().StringP("output", "o", "table", "table or json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *output != "table" && *output != "json" {
			return usageError{fmt.Errorf("unknown output %q: want table or json", *output)}
		}
		d, err := dir()
		if err != nil {
			return err
		}
		st, err := control.GetStatus(cmd.Context(), d)
		if err != nil {
			return err
		}
		if *output == "json" {
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(st)
		}
		return printStatus(cmd.OutOrStdout(), st)
	}
	return cmd
}

func printStatus(w io.Writer, st control.Status) error {
	state := "ready"
	if !st.Ready {
		state = "starting"
	}
	fmt.Fprintf(w, "Minato %s at %s is %s (pid %d, up %s, %s)\n", st.Version, st.Endpoint, state, st.PID, age(st.Started), size(st.RSSBytes))
	fmt.Fprintf(w, "home %s, region %s, accounts %s, Kubernetes %s\n", st.Home, st.Region, strings.Join(st.Accounts, " "), orNone(st.Minors))
	if st.TestClock {
		fmt.Fprintf(w, "test clock: %s\n", st.Clock.UTC().Format(time.RFC3339))
	}
	etcd := size(st.Etcd.DBBytes)
	if st.Etcd.Quota > 0 {
		etcd += " of " + size(st.Etcd.Quota)
	}
	if len(st.Etcd.Alarms) > 0 {
		etcd += ", ALARM " + strings.Join(st.Etcd.Alarms, " ")
	}
	if st.Etcd.Error != "" {
		etcd = "unreachable: " + st.Etcd.Error
	}
	fmt.Fprintf(w, "etcd %s: %s\n\n", strings.Join(st.Etcd.Endpoints, " "), etcd)

	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLUSTER\tVERSION\tSTATUS\tENDPOINT\tMEMORY\tKEYS\tACCOUNT")
	for _, c := range st.Clusters {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d (%s)\t%s\n", c.Name, c.Version, c.Status, orDash(c.Endpoint), size(c.PrivateBytes), c.Keys, size(c.KeyBytes), c.Account)
		for _, issue := range c.Issues {
			fmt.Fprintf(t, "  ! %s\n", issue)
		}
	}
	if len(st.Clusters) == 0 {
		fmt.Fprintln(t, "none: aws eks create-cluster makes one")
	}
	fmt.Fprintln(t, "\nPROCESS\tSTATE\tPID\tUP\tRESTARTS\tMEMORY\tLAST EXIT")
	printProcesses(t, st.Processes)
	for _, c := range st.Clusters {
		printProcesses(t, c.Processes)
	}
	return t.Flush()
}

func printProcesses(w io.Writer, processes []supervisor.Status) {
	for _, p := range slices.SortedFunc(slices.Values(processes), func(a, b supervisor.Status) int { return strings.Compare(a.Name, b.Name) }) {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%s\t%s\n", p.Name, p.State, p.PID, age(p.Started), p.Restarts, size(p.PrivateBytes), orDash(p.LastExit))
	}
}

func age(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return time.Since(t).Round(time.Second).String()
}

func size(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.0f KiB", float64(bytes)/(1<<10))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func orNone(s []string) string {
	if len(s) == 0 {
		return "none built (make kube VERSION=1.NN)"
	}
	return strings.Join(s, " ")
}
