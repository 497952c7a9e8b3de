package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// list prints the names in folders, or of files.
func list(_ context.Context, paths []string) error {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var failed error
	for _, path := range paths {
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			fmt.Println(path)
			continue
		}
		entries, err := os.ReadDir(path)
		failed = errors.Join(failed, err)
		for _, entry := range entries {
			fmt.Println(entry.Name())
		}
	}
	return failed
}

// cat prints files, or standard input.
func cat(_ context.Context, paths []string) error {
	if len(paths) == 0 {
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(os.Stdout, file)
		if err = errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// sleep waits for some seconds, or until it is told to end.
func sleep(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("sleep: want a number of seconds, or infinity\n%s", usage)
	}
	if args[0] == "infinity" {
		<-ctx.Done()
		return nil
	}
	seconds, err := strconv.ParseFloat(args[0], 64)
	if err != nil || seconds < 0 {
		return fmt.Errorf("sleep %q: want a number of seconds, or infinity", args[0])
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(seconds * float64(time.Second))):
	}
	return nil
}
