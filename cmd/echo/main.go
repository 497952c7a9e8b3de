// Command echo is the image minato.local/echo: a small program to try a cluster with. Without a subcommand it serves HTTP and
// tells each client what it sees; its subcommands look around from inside a pod. It is called by the subcommand's name too, so
// that `kubectl exec POD -- ls /` works.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
)

const usage = `usage: echo                      serve HTTP on :80 and :8080
       echo serve ADDRESS...    serve HTTP elsewhere
       echo get [-timeout 30s] URL
                                print what is served there, as soon as somebody does
       echo ls [PATH...]        list folders
       echo cat [PATH...]       print files, or standard input
       echo sleep SECONDS       wait; "infinity" is for ever
       echo exit CODE           end with a code
       echo receive ADDRESS     take what is sent over TCP
       echo send SECONDS ADDRESS
                                send to a receiver, and print how fast that went`

// exit is an error that ends the program with a code.
type exit int

func (e exit) Error() string { return "exit " + strconv.Itoa(int(e)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	args := os.Args[1:]
	if name := filepath.Base(os.Args[0]); commands[name] != nil {
		args = append([]string{name}, args...)
	}
	err := run(ctx, args)
	if code, ok := errors.AsType[exit](err); ok {
		os.Exit(int(code))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

var commands = map[string]func(context.Context, []string) error{
	"serve":   serve,
	"get":     get,
	"ls":      list,
	"cat":     cat,
	"sleep":   sleep,
	"exit":    leave,
	"receive": receive,
	"send":    send,
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return serve(ctx, []string{":80", ":8080"})
	}
	command := commands[args[0]]
	if command == nil {
		return fmt.Errorf("unknown command %q\n%s", args[0], usage)
	}
	return command(ctx, args[1:])
}

func leave(_ context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("exit: want one code\n%s", usage)
	}
	code, err := strconv.ParseUint(args[0], 10, 8)
	if err != nil {
		return fmt.Errorf("exit %q: the code must be a number from 0 to 255", args[0])
	}
	return exit(code)
}
