package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"minato.dev/minato/kube"
)

// build compiles kube/v1.NN to bin/kube/v1.NN/kube, stamped with the version that its API server reports and its clients put
// into their user agents. It writes beside the target and renames, so that a running server never sees half a binary.
func build(v kube.Version) error {
	dest, err := filepath.Abs(filepath.Join("bin", "kube", "v"+v.Minor, "kube"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return err
	}
	tmp := dest + ".building"
	fmt.Printf("building Kubernetes %s (about 6 minutes on 2 cores when nothing is cached)\n", v.Patch)
	if err := goCommand(moduleDir(v), "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags(v), "-o", tmp, "."); err != nil {
		return err
	}
	return os.Rename(tmp, dest)
}

func ldflags(v kube.Version) string {
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags,
			"-X "+pkg+".gitVersion="+v.Patch,
			"-X "+pkg+".gitMajor=1",
			"-X "+pkg+".gitMinor="+strings.TrimPrefix(v.Minor, "1."),
			"-X "+pkg+".gitCommit=",
			"-X "+pkg+".gitTreeState=clean",
		)
	}
	return strings.Join(flags, " ")
}
