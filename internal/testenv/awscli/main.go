// Command awscli is what stands as aws on the PATH of the tests' clients: it passes its arguments, environment and files on to the
// process that runs the AWS CLI (server.py), whose exit code becomes its own.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// command is what the other side becomes.
type command struct {
	Dir  string   `json:"dir"`
	Args []string `json:"args"`
	Env  []string `json:"env"`
}

func main() {
	code, err := passOn()
	if err != nil {
		fmt.Fprintln(os.Stderr, "aws of the tests:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func passOn() (int, error) {
	dir, err := os.Getwd()
	if err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	body, err := json.Marshal(command{Dir: dir, Args: append([]string{}, os.Args[1:]...), Env: os.Environ()})
	if err != nil {
		return 0, err
	}
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: filepath.Join(filepath.Dir(self), "socket"), Net: "unix"})
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
