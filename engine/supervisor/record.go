package supervisor

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"minato.dev/minato/internal/atomicfile"
)

// record is what a supervisor leaves to the next one about a process. It is written twice per start: before the fork without
// an identity, after it with one. A supervisor that dies in between leaves a process whose pid is nowhere on file; the next
// one finds it in /proc by the nonce in its environment (orphans.go).
type record struct {
	Version int    `json:"v"`
	Spec    Spec   `json:"spec"`
	Nonce   string `json:"nonce"` // new with every start
	identity
	Started time.Time `json:"started,omitzero"`
}

const (
	recordVersion = 1
	recordSuffix  = ".json"
	maxNameBytes  = 200 // escaped; a file name has 255
)

func newRecord(spec Spec) *record {
	return &record{Version: recordVersion, Spec: spec, Nonce: rand.Text()}
}

// readable is whether the record could be read; if not, it has a name and no more.
func (r *record) readable() bool { return r.Version != 0 }

// records keeps the files.
type records struct{ dir string }

func (r records) path(name string) string {
	return filepath.Join(r.dir, escapeName(name)+recordSuffix)
}

// escapeName makes a file name of a process name: without slashes, and without a dot at the start, which marks the temporary
// files of atomicfile.
func escapeName(name string) string {
	return "p-" + url.PathEscape(name)
}

func unescapeName(file string) (string, bool) {
	escaped, ok := strings.CutPrefix(strings.TrimSuffix(file, recordSuffix), "p-")
	if !ok || !strings.HasSuffix(file, recordSuffix) {
		return "", false
	}
	name, err := url.PathUnescape(escaped)
	return name, err == nil
}

// write keeps rec. A spec's environment may hold secrets: only the owner can read it.
func (r records) write(rec *record) error {
	b, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(r.path(rec.Spec.Name), b, 0o600)
}

func (r records) remove(name string) error {
	err := os.Remove(r.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// load reads all records. One that cannot be read stands there with its name only, and is handed to bad.
func (r records) load(bad func(file string, err error)) (map[string]*record, error) {
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, err
	}
	all := map[string]*record{}
	for _, e := range entries {
		name, ok := unescapeName(e.Name())
		if !ok {
			continue
		}
		rec, err := readRecord(filepath.Join(r.dir, e.Name()), name)
		if err != nil {
			bad(e.Name(), err)
			rec = &record{Spec: Spec{Name: name}}
		}
		all[name] = rec
	}
	return all, nil
}

func readRecord(path, name string) (*record, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	rec := &record{}
	if err := json.Unmarshal(b, rec); err != nil {
		return nil, err
	}
	if rec.Version != recordVersion {
		return nil, fmt.Errorf("it has version %d, this Minato reads version %d", rec.Version, recordVersion)
	}
	if rec.Spec.Name != name {
		return nil, fmt.Errorf("it is the record of %q", rec.Spec.Name)
	}
	return rec, nil
}

// sameSpec is whether two specs are the same process. Ready has no part in it.
func sameSpec(a, b Spec) bool {
	ja, errA := json.Marshal(a)
	jb, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(ja, jb)
}
