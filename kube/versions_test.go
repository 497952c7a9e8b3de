package kube_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"minato.dev/minato/kube"
)

func day(t *testing.T, s string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSupportAt(t *testing.T) {
	for _, c := range []struct {
		minor, day string
		want       kube.Support
	}{
		{"1.31", "2024-09-25", kube.Unsupported},
		{"1.31", "2024-09-26", kube.StandardSupport},
		{"1.31", "2025-11-25", kube.StandardSupport},
		{"1.31", "2025-11-26", kube.ExtendedSupport},
		{"1.31", "2026-11-25", kube.ExtendedSupport},
		{"1.31", "2026-11-26", kube.Unsupported},
		{"1.35", "2026-11-23", kube.StandardSupport},
		{"1.37", "2026-11-23", kube.Unsupported},
	} {
		v, ok := kube.Lookup(c.minor)
		if !ok {
			t.Fatalf("no %s", c.minor)
		}
		if got := v.SupportAt(day(t, c.day)); got != c.want {
			t.Errorf("%s on %s is %s, want %s", c.minor, c.day, got, c.want)
		}
	}
}

// TestTable holds what the rest of the house relies on: order, one default that EKS supports, whole calendars, pins that fit.
func TestTable(t *testing.T) {
	pin := regexp.MustCompile(`^v1\.\d+\.\d+$`)
	defaults, last := 0, 0
	for _, v := range kube.Versions() {
		if v.Number() <= last {
			t.Errorf("%s comes after 1.%d", v.Minor, last)
		}
		last = v.Number()
		if !pin.MatchString(v.Patch) || v.Patch[1:len(v.Minor)+1] != v.Minor {
			t.Errorf("%s is pinned to %q", v.Minor, v.Patch)
		}
		if v.HasCalendar() && (!v.Released.Before(v.EndOfStandardSupport.Time) || !v.EndOfStandardSupport.Before(v.EndOfExtendedSupport.Time)) {
			t.Errorf("the dates of %s are not in order", v.Minor)
		}
		if v.Default {
			defaults++
			if !v.HasCalendar() {
				t.Errorf("%s is the default and has no EKS dates", v.Minor)
			}
		}
		if _, err := os.Stat(filepath.Join("v"+v.Minor, "go.mod")); err != nil {
			t.Errorf("kubegen has not been run for %s: %v", v.Minor, err)
		}
	}
	if defaults != 1 {
		t.Errorf("%d minors are the default, want 1", defaults)
	}
}

func TestBuilt(t *testing.T) {
	b := kube.Binaries(t.TempDir())
	if got := b.Built(); len(got) != 0 {
		t.Fatalf("an empty folder has %v", got)
	}
	path, ok := b.Path("1.35")
	if ok {
		t.Fatal("1.35 is built")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if len(b.Built()) != 0 {
		t.Error("a file that cannot be executed counts as built")
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := b.Built(); len(got) != 1 || got[0].Minor != "1.35" {
		t.Errorf("got %v", got)
	}
}
