// Package upstream is the table of the programs that Minato runs as they are released, besides Kubernetes: what a node needs
// (containerd, runc, CNI plugins) and what goes into the images of add-ons (CoreDNS, metrics-server).
//
// programs.json is the only place to edit. Each row has a nested module, upstream/NAME, whose go.mod pins the released module and
// names its programs as tools; upstream/build compiles them to bin/upstream/NAME/PROGRAM.
package upstream

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"maps"
	"path"
	"slices"
)

//go:embed programs.json
var programsJSON []byte

// Module is one row of the table: a released module and the programs that are built of it.
type Module struct {
	Name    string `json:"name"`    // of the nested module and of the folder of its programs
	Module  string `json:"module"`  // path of the released module
	Version string `json:"version"` // as the Go module proxy spells it, "v2.4.2"

	// Programs maps a program to the package that is its main, relative to the module.
	Programs map[string]string `json:"programs"`
	Tags     []string          `json:"tags"`  // build tags
	Stamp    []string          `json:"stamp"` // string variables that the linker sets to Version
	CGO      bool              `json:"cgo"`   // needs a C compiler; linked statically
	C        bool              `json:"c"`     // each program is one file in C, PROGRAM.c, in its package's folder

	In string `json:"dir"` // nested module that pins it, where that is not upstream/NAME
}

// Dir is the nested module that pins the released one, relative to the tree.
func (m Module) Dir() string { return cmp.Or(m.In, path.Join("upstream", m.Name)) }

// Names are the programs of a module in order.
func (m Module) Names() []string { return slices.Sorted(maps.Keys(m.Programs)) }

// Package is the import path of a program's main.
func (m Module) Package(program string) string { return path.Join(m.Module, m.Programs[program]) }

// Modules are all rows of the table, in its order.
func Modules() []Module { return slices.Clone(modules) }

// Lookup finds a row by its name.
func Lookup(name string) (Module, bool) {
	i := slices.IndexFunc(modules, func(m Module) bool { return m.Name == name })
	if i < 0 {
		return Module{}, false
	}
	return modules[i], true
}

var modules = func() []Module {
	var ms []Module
	if err := json.Unmarshal(programsJSON, &ms); err != nil {
		panic("upstream: programs.json: " + err.Error())
	}
	return ms
}()
