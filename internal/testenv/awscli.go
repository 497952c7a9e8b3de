package testenv

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// The AWS CLI takes more than a second of processor time to begin, more than most of its commands take here, and the tests run it
// some hundred times. So some processes that have imported it run them one after the other, and a small program that passes on to them
// is the aws on the PATH of the tests' clients, kubectl's credential plugin among them.

//go:embed awscli/server.py
var awsServer string

var stopAWS = func() {} // set by awsDir when there is something to stop

// awsDir has that aws; empty where the installed aws is none to import, and is run as it is.
var awsDir = sync.OnceValues(func() (string, error) {
	_, python, err := awsInterpreter()
	if err != nil || python == "" {
		return "", err
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", dirPrefix+"aws-")
	if err != nil {
		return "", err
	}
	stopAWS = func() { _ = os.RemoveAll(dir) }
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "aws"), "./internal/testenv/awscli")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the aws of the tests: %w\n%s", err, out)
	}
	cmd := exec.Command(python, "-c", awsServer, filepath.Join(dir, "socket"))
	cmd.Env, cmd.Stderr = minimalEnviron(), os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("starting the AWS CLI: %w", err)
	}
	stopAWS = func() {
		_ = stdin.Close() // it ends with its standard input
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		return "", fmt.Errorf("the AWS CLI does not begin (%q): %w", line, err)
	}
	return dir, nil
})

// awsInterpreter is the installed aws, empty where there is none, and its Python, empty where it is another kind of program.
func awsInterpreter() (path, python string, err error) {
	path, err = exec.LookPath("aws")
	if err != nil {
		return "", "", nil // a test that needs it says so
	}
	if filepath.Base(filepath.Dir(path)) == "shims" { // of pyenv, which takes as long again to find the program
		out, err := exec.Command("pyenv", "which", "aws").Output()
		if err != nil {
			return "", "", fmt.Errorf("pyenv which aws: %w", err)
		}
		path = strings.TrimSpace(string(out))
	}
	f, err := os.Open(path)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = f.Close() }() // it was read only
	first, err := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	if err != nil {
		return path, "", nil
	}
	interpreter, ok := strings.CutPrefix(strings.TrimSpace(first), "#!")
	if !ok || !strings.Contains(filepath.Base(interpreter), "python") {
		return path, "", nil
	}
	return path, interpreter, nil
}
