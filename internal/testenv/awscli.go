package testenv

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// The AWS CLI takes about a second of processor time to begin, more than most of its commands take here, and the tests run it some
// hundred times. So one process imports it, and forks for each command (awscli.py). What stands as aws on the PATH of the tests'
// clients, kubectl's credential plugin among them, is this test binary, which passes its arguments, environment and files on.

//go:embed awscli.py
var awsCLI string

// socketVariable tells the aws that is this binary where to pass on to.
const socketVariable = "MINATO_TEST_AWS_SOCKET"

// awsDir holds aws, and the socket; empty where the installed aws is run as it is.
var awsDir string

// startAWS starts that process, if the installed aws is a Python program.
func startAWS() (stop func(), err error) {
	python, err := awsInterpreter()
	if err != nil || python == "" {
		return func() {}, err
	}
	dir, err := os.MkdirTemp("", dirPrefix+"aws-")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.Symlink(self, filepath.Join(dir, "aws")); err != nil {
		return nil, err
	}
	cmd := exec.Command(python, "-c", awsCLI, filepath.Join(dir, "socket"))
	cmd.Env, cmd.Stderr = minimalEnviron(), os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the AWS CLI: %w", err)
	}
	stop = func() {
		_ = stdin.Close()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		stop()
		return nil, fmt.Errorf("the AWS CLI does not begin (%q): %w", line, err)
	}
	awsDir = dir
	return stop, nil
}

// awsInterpreter is the Python of the installed aws, empty where there is none or it is another kind of program.
func awsInterpreter() (string, error) {
	path, err := exec.LookPath("aws")
	if err != nil {
		return "", nil // a test that needs it says so
	}
	if filepath.Base(filepath.Dir(path)) == "shims" { // of pyenv, which takes as long again to find the program
		out, err := exec.Command("pyenv", "which", "aws").Output()
		if err != nil {
			return "", fmt.Errorf("pyenv which aws: %w", err)
		}
		path = strings.TrimSpace(string(out))
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was read only
	first, err := bufio.NewReader(io.LimitReader(f, 256)).ReadString('\n')
	if err != nil {
		return "", nil
	}
	interpreter, ok := strings.CutPrefix(strings.TrimSpace(first), "#!")
	if !ok || !strings.Contains(filepath.Base(interpreter), "python") {
		return "", nil
	}
	return interpreter, nil
}

// awsRequest is one command.
type awsRequest struct {
	Dir  string   `json:"dir"`
	Args []string `json:"args"`
	Env  []string `json:"env"`
}

// beAWS is what this binary does as aws.
func beAWS() int {
	code, err := passOn(os.Getenv(socketVariable))
	if err != nil {
		fmt.Fprintln(os.Stderr, "aws of the tests:", err)
		return 1
	}
	return code
}

func passOn(socket string) (int, error) {
	dir, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(awsRequest{Dir: dir, Args: append([]string{}, os.Args[1:]...), Env: os.Environ()})
	if err != nil {
		return 0, err
	}
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	message := append(fmt.Appendf(nil, "%08x", len(body)), body...)
	n, _, err := c.WriteMsgUnix(message, syscall.UnixRights(0, 1, 2), nil)
	if err != nil {
		return 0, err
	}
	if _, err := c.Write(message[n:]); err != nil {
		return 0, err
	}
	var code [1]byte
	if _, err := io.ReadFull(c, code[:]); err != nil {
		return 0, errors.Join(errors.New("it ended without a word"), err)
	}
	return int(code[0]), nil
}
