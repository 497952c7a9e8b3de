package testenv

import (
	"debug/elf"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed awscli/files.py
var awsLister string

// AWSFiles are the installed aws and the files that it is made of, its Python among them, so that it runs elsewhere when they lie under
// the same paths there. It is all there about the services that are named, and of others what it must know of each. The error says why the
// files are not to be found: there is no aws, or it has been installed in a way that is not known here.
func AWSFiles(services ...string) (program string, files []string, err error) {
	program, python, err := awsInterpreter()
	switch {
	case err != nil:
		return "", nil, err
	case program == "":
		return "", nil, errors.New("there is no aws on the PATH")
	case python == "":
		program, files, err = frozenAWS(program, services)
	default:
		files, err = pythonAWS(program, python, services)
	}
	if err != nil {
		return "", nil, err
	}
	libraries, err := sharedLibraries(files)
	files = append(files, libraries...)
	slices.Sort(files)
	return program, slices.Compact(files), err
}

// pythonAWS are the files of an aws that is a script, without shared libraries of the system.
func pythonAWS(program, python string, services []string) ([]string, error) {
	list := exec.Command(python, append([]string{"-c", awsLister}, services...)...)
	list.Env = minimalEnviron()
	out, err := list.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("asking %s for its files: %w: %s", python, err, exit.Stderr)
	}
	if err != nil {
		return nil, err
	}
	return append(strings.Split(strings.TrimSpace(string(out)), "\n"), program, python), nil
}

// frozenAWS are the files of version 2 as AWS gives it out: a folder with the program, its Python and all that it needs.
func frozenAWS(link string, services []string) (program string, files []string, err error) {
	program, err = filepath.EvalSymlinks(link)
	if err != nil {
		return "", nil, err
	}
	dir := filepath.Dir(program)
	if found, err := filepath.Glob(filepath.Join(dir, "libpython*")); err != nil || len(found) == 0 {
		return "", nil, fmt.Errorf("%s is neither a script nor a program with its Python beside it", program)
	}
	data := filepath.Join(dir, "awscli/botocore/data") + "/"
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		service, _, ofService := strings.Cut(strings.TrimPrefix(path, data), "/")
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == "examples":
			return filepath.SkipDir
		case e.IsDir(), e.Name() == "ac.index": // what its prompt completes by
		case strings.HasPrefix(path, data) && ofService && !slices.Contains(services, service) && !strings.HasPrefix(e.Name(), "service-2.json"):
		default:
			files = append(files, path)
		}
		return nil
	})
	return program, files, err
}

// library is a line of ldd that says where a library, or the loader, is.
var library = regexp.MustCompile(`(?m)(/\S+) \(0x`)

// sharedLibraries are the libraries of the system that programs and other libraries among the files are linked with. ldd takes its time: of
// all that are linked with the same it is asked about one.
func sharedLibraries(files []string) (libraries []string, err error) {
	asked := map[string]bool{}
	for _, path := range files {
		needed := linkedWith(path)
		if needed == "" || asked[needed] {
			continue
		}
		asked[needed] = true
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			return nil, fmt.Errorf("ldd %s: %w", path, err)
		}
		for _, m := range library.FindAllStringSubmatch(string(out), -1) {
			libraries = append(libraries, m[1])
		}
	}
	return libraries, nil
}

// linkedWith are the names of the libraries that a file is linked with, empty for one that is no program or library.
func linkedWith(path string) string {
	if name := filepath.Base(path); strings.Contains(name, ".") && !strings.Contains(name, ".so") && !strings.HasPrefix(name, "python") {
		return "" // not worth opening
	}
	f, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // it was read only
	names, err := f.ImportedLibraries()
	if err != nil {
		return ""
	}
	return strings.Join(names, " ")
}
