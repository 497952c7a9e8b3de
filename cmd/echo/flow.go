package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

const (
	flowBuffer = 256 << 10
	// flowPatience bounds the time until a connection stands, and until the other side has taken all.
	flowPatience = 30 * time.Second
)

// receive takes what is sent to a TCP address, until ctx ends, and tells each sender how many bytes it has taken.
func receive(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("receive: want one address, such as :5001\n%s", usage)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", args[0])
	if err != nil {
		return err
	}
	fmt.Println("receiving on", l.Addr())
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			// Without the structs there would be other copies, with buffers of their own.
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, flowBuffer))
			if err == nil {
				_, _ = fmt.Fprintln(c, n)
			}
			fmt.Printf("%d bytes from %s\n", n, c.RemoteAddr())
		}()
	}
}

// send sends to a receiver for some seconds, and prints how much that came to.
func send(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("send: want a number of seconds and an address\n%s", usage)
	}
	seconds, err := strconv.ParseFloat(args[0], 64)
	if err != nil || seconds <= 0 || seconds > 3600 {
		return fmt.Errorf("send %q: want a number of seconds, up to 3600", args[0])
	}
	d := net.Dialer{Timeout: flowPatience}
	dialed, err := d.DialContext(ctx, "tcp", args[1])
	if err != nil {
		return err
	}
	c, isTCP := dialed.(*net.TCPConn)
	if !isTCP {
		return fmt.Errorf("send: %s is not a TCP address", args[1])
	}
	defer func() { _ = c.Close() }()
	begun := time.Now()
	length := time.Duration(seconds * float64(time.Second))
	if err := c.SetDeadline(begun.Add(length + flowPatience)); err != nil {
		return err
	}
	for b := make([]byte, flowBuffer); time.Since(begun) < length && ctx.Err() == nil; {
		if _, err := c.Write(b); err != nil {
			return err
		}
	}
	var taken int64
	if err := c.CloseWrite(); err != nil {
		return err
	}
	if _, err := fmt.Fscanln(c, &taken); err != nil {
		return errors.Join(errors.New("send: the receiver did not say what it has taken"), err)
	}
	took := time.Since(begun).Seconds()
	fmt.Printf("%d bytes in %.3f s, %.2f Gbit/s\n", taken, took, float64(taken)*8/took/1e9)
	return nil
}
