package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/internal/home"
)

// startPlain starts a webhook that gives every question the same answer without looking at it, in a process of its own: what TLS, HTTP/2
// and the machine take of an answer's time.
func (s *server) startPlain(ctx context.Context, answer []byte) (*child, error) {
	dir, err := os.MkdirTemp("", "minato-bench-plain-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ca, err := etcd.PKI(home.Dir(s.home).PKI()).Authority()
	if err != nil {
		return nil, err
	}
	for name, b := range map[string][]byte{"ca": ca.Pair.CertPEM, "answer": answer} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return nil, err
		}
	}
	return startChild(ctx, "plain", dir, home.Dir(s.home).PKI())
}

// servePlain is that process. It takes the folder of the answer and the CA of clients, and that of the webhooks' certificate.
func servePlain(addr string, args []string) error {
	dir, pkiDir := args[0], args[1]
	cert, err := tls.LoadX509KeyPair(filepath.Join(pkiDir, "hook.crt"), filepath.Join(pkiDir, "hook.key"))
	if err != nil {
		return err
	}
	debug.SetGCPercent(clientGC)
	answer, err := os.ReadFile(filepath.Join(dir, "answer"))
	if err != nil {
		return err
	}
	caPEM, err := os.ReadFile(filepath.Join(dir, "ca"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(caPEM)
	server := &http.Server{
		Addr: addr, ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(answer)
		}),
	}
	return server.ListenAndServeTLS("", "")
}
