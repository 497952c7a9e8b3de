package main

import (
	"slices"
	"testing"
)

func TestRecord(t *testing.T) {
	dir := t.TempDir()
	if got, err := readRecord(dir); err != nil || got != nil {
		t.Fatalf("before the first run: %v, %v", got, err)
	}
	all := []result{{"good", passed, ""}, {"bad", "failed", "no"}, {"picky", skipped, "two nodes"}, {"late", notReached, ""}, {"other", passed, ""}}
	if err := writeRecord(dir, all); err != nil {
		t.Fatal(err)
	}
	got, err := readRecord(dir)
	if err != nil || !slices.Equal(got, all) {
		t.Fatalf("%v, %v", got, err)
	}
	todo, done := remaining([]string{"good", "bad", "picky", "late", "new"}, got)
	if !slices.Equal(todo, []string{"bad", "late", "new"}) || !slices.Equal(done, []result{all[0], all[2]}) {
		t.Errorf("left are %q, done %v", todo, done)
	}
}
