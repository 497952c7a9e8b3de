package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"
)

// serve answers HTTP on some addresses until ctx ends.
func serve(ctx context.Context, addresses []string) error {
	if len(addresses) == 0 {
		return fmt.Errorf("serve: want an address, such as :8080")
	}
	server := &http.Server{Handler: http.HandlerFunc(answer), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, len(addresses))
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		fmt.Println("serving on", l.Addr())
		go func() { ended <- server.Serve(l) }()
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Shutdown(stopping)
}

// answer tells a client which pod it reached, and how its request looks from here.
func answer(w http.ResponseWriter, r *http.Request) {
	host, _ := os.Hostname()
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	fmt.Printf("%s %s from %s\n", r.Method, r.URL, r.RemoteAddr)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "hostname: %s\naddress: %s\nclient: %s\n\n%s %s %s\nHost: %s\n", host, local, r.RemoteAddr, r.Method, r.URL, r.Proto, r.Host)
	_ = headers(w, r.Header)
}

func headers(w io.Writer, h http.Header) error {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range h[name] {
			if _, err := fmt.Fprintf(w, "%s: %s\n", name, value); err != nil {
				return err
			}
		}
	}
	return nil
}
