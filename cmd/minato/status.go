package main

import (
	"fmt"
	"io"
	"path"
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
	output := outputFlag(cmd, "table")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := output.check(); err != nil {
			return err
		}
		d, err := dir()
		if err != nil {
			return err
		}
		st, err := control.GetStatus(cmd.Context(), d)
		if err != nil {
			return err
		}
		return write(output, cmd.OutOrStdout(), st, printStatus)
	}
	return cmd
}

func printStatus(w io.Writer, st control.Status) error {
	state := "ready"
	if !st.Ready {
		state = "starting"
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "Minato %s is %s at %s (pid %d, up %s, %s)\n\n", st.Version, state, st.Endpoint, st.PID, age(st.Started), size(st.RSSBytes))
	fmt.Fprintf(t, "home\t%s\n", st.Home)
	fmt.Fprintf(t, "region\t%s\n", st.Region)
	fmt.Fprintf(t, "accounts\t%s\n", strings.Join(st.Accounts, ", "))
	fmt.Fprintf(t, "kubernetes\t%s\n", orNone(st.Minors))
	if st.TestClock {
		fmt.Fprintf(t, "test clock\t%s\n", st.Clock.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(t, "etcd\t%s\n\n", etcdLine(st.Etcd))
	printClusters(t, st)
	printProcesses(t, st)
	return t.Flush()
}

func etcdLine(e control.Etcd) string {
	line := strings.Join(e.Endpoints, " ")
	if e.DBBytes > 0 {
		line += ", " + size(e.DBBytes)
	}
	if e.Quota > 0 {
		line += " of " + size(e.Quota)
	}
	if len(e.Alarms) > 0 {
		line += ", ALARM " + strings.Join(e.Alarms, " ")
	}
	if e.Error != "" {
		line += ", TROUBLE: " + e.Error
	}
	return line
}

func printClusters(w io.Writer, st control.Status) {
	fmt.Fprintln(w, "CLUSTER\tACCOUNT\tVERSION\tSTATUS\tENDPOINT\tMEMORY\tETCD")
	for _, c := range st.Clusters {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d keys, %s\n", c.Name, c.Account, c.Version, c.Status, orDash(c.Endpoint), size(c.PrivateBytes), c.Keys, size(c.KeyBytes))
	}
	for _, c := range st.Clusters { // below the table: a line without columns would end it
		if c.SimulatedNodes > 0 {
			fmt.Fprintf(w, "~ %s: %d of its nodes are simulated by kwok; no program runs on them\n", c.Name, c.SimulatedNodes)
		}
		if c.Upcoming != "" {
			fmt.Fprintf(w, "! %s: %s\n", c.Name, c.Upcoming)
		}
		for _, issue := range c.Issues {
			fmt.Fprintf(w, "! %s: %s\n", c.Name, issue)
		}
	}
	for _, corrupt := range st.Corrupt {
		fmt.Fprintf(w, "! %s; its cluster goes on unattended; `minato restore` brings back what a backup has\n", corrupt)
	}
	if len(st.Clusters)+len(st.Corrupt) == 0 {
		fmt.Fprintln(w, "none yet: aws eks create-cluster makes one")
	}
}

// printProcesses tells which cluster a process belongs to by the cluster's name, which a person knows, not by its id.
func printProcesses(w io.Writer, st control.Status) {
	fmt.Fprintln(w, "\nPROCESS\tCLUSTER\tSTATE\tPID\tUP\tRESTARTS\tMEMORY\tLAST EXIT")
	for _, p := range byName(st.Processes) {
		cluster := "-"
		if dir := path.Dir(p.Name); dir != "." {
			cluster = path.Base(dir) // its id: the record that has its name cannot be read
		}
		printProcess(w, cluster, p)
	}
	for _, c := range st.Clusters {
		name := c.Name
		if len(st.Accounts) > 1 {
			name += " of " + c.Account
		}
		for _, p := range byName(c.Processes) {
			printProcess(w, name, p)
		}
	}
}

func printProcess(w io.Writer, cluster string, p supervisor.Status) {
	fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%d\t%s\t%s\n", path.Base(p.Name), cluster, p.State, p.PID,
		age(p.Started), p.Restarts, size(p.PrivateBytes), orDash(p.LastExit))
}

func byName(processes []supervisor.Status) []supervisor.Status {
	return slices.SortedFunc(slices.Values(processes), func(a, b supervisor.Status) int { return strings.Compare(a.Name, b.Name) })
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
