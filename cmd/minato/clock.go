package main

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"minato.dev/minato/server/control"
)

func clockCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clock",
		Short: "show Minato's clock, or move it ahead",
		Long: `Show the clock that support dates, upgrades by the calendar, the expiry of credentials and due rotations go by.

It is the machine's, unless the server was started with --test-clock DATE. Then "minato clock advance 400d" moves it on, so that
a CI job can see what happens to a cluster in a year. Signatures, certificates and ServiceAccount tokens stay on the machine's time.`,
		Args: cobra.NoArgs,
	}
	dir := homeFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		st, err := control.GetStatus(cmd.Context(), d)
		if err != nil {
			return err
		}
		return printClock(cmd.OutOrStdout(), st.Clock, st.TestClock)
	}
	cmd.AddCommand(clockAdvanceCommand())
	return cmd
}

func clockAdvanceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "advance DURATION",
		Short:   "move the clock of a server with --test-clock ahead",
		Example: "  minato clock advance 400d\n  minato clock advance 1w2d12h",
		Args:    cobra.ExactArgs(1),
	}
	dir := homeFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		by, err := parseLong(args[0])
		if err != nil {
			return usageError{err}
		}
		d, err := dir()
		if err != nil {
			return err
		}
		now, err := control.AdvanceClock(cmd.Context(), d, by)
		if err != nil {
			return err
		}
		return printClock(cmd.OutOrStdout(), now.Now, now.Test)
	}
	return cmd
}

func printClock(w io.Writer, now time.Time, test bool) error {
	kind := "the machine's clock"
	if test {
		kind = "test clock"
	}
	_, err := fmt.Fprintf(w, "%s (%s)\n", now.UTC().Format(time.RFC3339), kind)
	return err
}

// longDuration is weeks and days before what Go's durations have.
var longDuration = regexp.MustCompile(`^(?:(\d{1,5})w)?(?:(\d{1,6})d)?((?:\d+(?:h|m|s))*)$`)

// parseLong reads a positive duration that may have weeks and days: 400d, 1w2d12h.
func parseLong(s string) (time.Duration, error) {
	parts := longDuration.FindStringSubmatch(s)
	wrong := fmt.Errorf("%q is not a duration: want days, weeks, hours, minutes or seconds, such as 400d or 1w2d12h", s)
	if parts == nil || s == "" {
		return 0, wrong
	}
	const day = 24 * time.Hour
	var d time.Duration
	for i, unit := range map[int]time.Duration{1: 7 * day, 2: day} {
		if n, err := strconv.Atoi(parts[i]); err == nil {
			if n > int(100*365*day/unit) {
				return 0, fmt.Errorf("%q is more than 100 years", s)
			}
			d += time.Duration(n) * unit
		}
	}
	if parts[3] != "" {
		rest, err := time.ParseDuration(parts[3])
		if err != nil {
			return 0, wrong
		}
		d += rest
	}
	if d <= 0 {
		return 0, fmt.Errorf("%q is no time at all: the clock goes forward only", s)
	}
	return d, nil
}
