// Build compiles the programs of nested modules, upstream/NAME, to bin/upstream/NAME/PROGRAM.
//
//	go run ./upstream/build [NAME ...]
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"minato.dev/minato/upstream"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(names []string) error {
	modules := upstream.Modules()
	if len(names) > 0 {
		modules = nil
	}
	for _, name := range names {
		m, ok := upstream.Lookup(name)
		if !ok {
			return fmt.Errorf("no %q in upstream/programs.json", name)
		}
		modules = append(modules, m)
	}
	for _, m := range modules {
		if err := build(m); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return nil
}

// build compiles all programs of a module. It writes beside the targets and renames, so that whoever runs them never sees half a
// binary.
func build(m upstream.Module) error {
	bin, err := filepath.Abs(filepath.Join("bin", "upstream"))
	if err != nil {
		return err
	}
	dir := upstream.Binaries(bin).Dir(m.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	fmt.Printf("building %s %s\n", m.Name, m.Version)
	for _, program := range m.Names() {
		dest := filepath.Join(dir, program)
		compile := goBuild
		if m.C {
			compile = cBuild
		}
		if err := compile(m, program, dest+".building"); err != nil {
			return err
		}
		if err := os.Rename(dest+".building", dest); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, ".built"), []byte(m.Version+"\n"), 0o644) // its time is what make compares with
}

func goBuild(m upstream.Module, program, dest string) error {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags(m), "-tags", strings.Join(m.Tags, ","), "-o", dest}
	cmd := exec.Command("go", append(args, m.Package(program))...)
	cmd.Dir = m.Dir()
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if m.CGO {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// cBuild compiles one file of C out of the module cache, where the go command has verified it.
func cBuild(m upstream.Module, program, dest string) error {
	download := exec.Command("go", "mod", "download", "-json", m.Module)
	download.Dir = m.Dir()
	download.Env = append(os.Environ(), "GOWORK=off")
	download.Stderr = os.Stderr
	out, err := download.Output()
	if err != nil {
		return fmt.Errorf("downloading %s: %w", m.Module, err)
	}
	var released struct{ Dir string }
	if err := json.Unmarshal(out, &released); err != nil {
		return err
	}
	source := filepath.Join(released.Dir, m.Programs[program], program+".c")
	cc := exec.Command("gcc", "-Os", "-Wall", "-static", "-s", "-DVERSION="+m.Version, "-o", dest, source)
	cc.Stdout, cc.Stderr = os.Stdout, os.Stderr
	return cc.Run()
}

// ldflags stamp the version, and link what has C in it statically, so that it runs in any file system.
func ldflags(m upstream.Module) string {
	flags := []string{"-s", "-w"}
	for _, variable := range m.Stamp {
		flags = append(flags, "-X "+variable+"="+m.Version)
	}
	if m.CGO {
		flags = append(flags, "-linkmode external", "-extldflags -static")
	}
	return strings.Join(flags, " ")
}
