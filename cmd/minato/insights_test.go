package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestScanExits(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"old.yaml":    "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: shop}\n",
		"fine.yaml":   "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: shop}\n",
		"broken.yaml": "{\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for want, calls := range map[int][][]string{
		exitDone:   {{"fine.yaml"}},
		exitFailed: {{"broken.yaml"}, {"none.yaml"}},
		exitUsage:  {{}, {"fine.yaml", "--target", "1.7"}, {"fine.yaml", "-o", "xml"}},
		exitFound:  {{"old.yaml"}, {"broken.yaml", "old.yaml"}, {"."}, {"old.yaml", "--target", "1.31", "-o", "sarif"}},
	} {
		for _, args := range calls {
			call := []string{"insights", "scan"}
			for _, arg := range args {
				if _, err := os.Stat(filepath.Join(dir, arg)); err == nil {
					arg = filepath.Join(dir, arg)
				}
				call = append(call, arg)
			}
			if got := run(t.Context(), call); got != want {
				t.Errorf("%v exits with %d, want %d", args, got, want)
			}
		}
	}
}
