package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"minato.dev/minato/internal/doctor"
	"minato.dev/minato/server"
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "say what this machine allows, what is missing and how to mend it",
		Args:  cobra.NoArgs,
	}
	dir := homeFlag(cmd)
	unit := cmd.Flags().Bool("systemd", false, "print a systemd unit that runs minato up instead")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := dir()
		if err != nil {
			return err
		}
		exe, err := os.Executable()
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		cfg := server.DoctorConfig(cmd.Context(), d, exe)
		if *unit {
			_, err := fmt.Fprint(out, doctor.SystemdUnit(cfg))
			return err
		}
		checks := doctor.Run(cmd.Context(), cfg)
		if err := doctor.Print(out, checks); err != nil {
			return err
		}
		if doctor.Failed(checks) {
			return fmt.Errorf("something that Minato needs is missing: see the lines marked above")
		}
		return nil
	}
	return cmd
}
