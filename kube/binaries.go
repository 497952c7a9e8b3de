package kube

import (
	"os"
	"path/filepath"
)

// Binaries is the folder that kubegen builds into: v1.NN/kube for each minor, one multi-call program that picks the component
// by its argv[0].
type Binaries string

// Path is the program of a minor and whether it has been built.
func (b Binaries) Path(minor string) (string, bool) {
	path := filepath.Join(string(b), "v"+minor, "kube")
	info, err := os.Stat(path)
	return path, err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Built are the minors that can be run, oldest first. It looks at the folder at every call, so a minor built while the server
// runs is offered at once.
func (b Binaries) Built() []Version {
	var built []Version
	for _, v := range versions {
		if _, ok := b.Path(v.Minor); ok {
			built = append(built, v)
		}
	}
	return built
}
