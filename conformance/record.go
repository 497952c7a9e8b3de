package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// recordFile is where a subset's results are kept, beside its reports, so that a run can go on where another was interrupted.
const recordFile = "results.json"

// readRecord reads the results of the runs so far; none where there was no run.
func readRecord(dir string) (results []result, err error) {
	b, err := os.ReadFile(filepath.Join(dir, recordFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &results); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, recordFile), err)
	}
	return results, nil
}

func writeRecord(dir string, results []result) error {
	b, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, recordFile), append(b, '\n'), 0o644)
}

// remaining splits tests into those that are still to be run and the results of those that earlier runs have settled.
func remaining(tests []string, earlier []result) (todo []string, done []result) {
	for _, name := range tests {
		i := slices.IndexFunc(earlier, func(r result) bool { return r.Name == name && r.settled() })
		if i < 0 {
			todo = append(todo, name)
			continue
		}
		done = append(done, earlier[i])
	}
	return todo, done
}
