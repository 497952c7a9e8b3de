package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/ports"
)

// plain is a webhook that gives every question the same answer without looking at it, in a process of its own: what TLS, HTTP/2 and the
// machine take of an answer's time.
type plain struct {
	url string
	cmd *exec.Cmd
}

// startPlain starts one that answers as much as a review's answer has.
func (s *server) startPlain(ctx context.Context, answer []byte) (*plain, error) {
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
	free, release, err := ports.Free(ctx, 1)
	if err != nil {
		return nil, err
	}
	release()
	addr := fmt.Sprintf("127.0.0.1:%d", free[0])
	p := &plain{url: "https://" + addr + "/", cmd: exec.Command(os.Args[0], "plain", addr, dir, home.Dir(s.home).PKI())}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := waitListening(ctx, addr); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *plain) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// servePlain is that process: its address, the folder of the answer and the CA of clients, and that of the webhooks' certificate.
func servePlain(addr, dir, pkiDir string) error {
	cert, err := tls.LoadX509KeyPair(filepath.Join(pkiDir, "hook.crt"), filepath.Join(pkiDir, "hook.key"))
	if err != nil {
		return err
	}
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
