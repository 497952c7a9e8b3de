package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// output is how a command says what it has found: for people, or as JSON.
type output struct {
	people string // what the form for people is called
	chosen *string
}

// outputFlag adds -o to a command.
func outputFlag(cmd *cobra.Command, people string) output {
	return output{people, cmd.Flags().StringP("output", "o", people, people+" or json")}
}

// check refuses a form that there is none of.
func (o output) check() error {
	if *o.chosen != o.people && *o.chosen != "json" {
		return usageError{fmt.Errorf("unknown output %q: want %s or json", *o.chosen, o.people)}
	}
	return nil
}

// write writes a value as JSON, or has print write it for people.
func write[T any](o output, w io.Writer, value T, print func(io.Writer, T) error) error {
	if *o.chosen != "json" {
		return print(w, value)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(value)
}
