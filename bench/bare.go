package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"minato.dev/minato/internal/pki"
	"minato.dev/minato/internal/ports"
)

// adminToken opens the bare cluster's API server to the bench.
const adminToken = "bench"

// bare is one control plane of the upstream programs, started by hand.
type bare struct {
	dir       string
	endpoint  string
	processes []*exec.Cmd
}

// startBare starts etcd and the API server, then, as soon as that is ready, the other two (started together with it they lose
// seconds to their own retries), and returns when the default ServiceAccount can be read.
func startBare(ctx context.Context, o options) (*bare, error) {
	dir, err := os.MkdirTemp(o.dir, "bare-")
	if err != nil {
		return nil, err
	}
	free, release, err := ports.Free(ctx, 5)
	if err != nil {
		return nil, err
	}
	defer release()
	b := &bare{dir: dir, endpoint: fmt.Sprintf("https://127.0.0.1:%d", free[2])}
	if err := b.writeFiles(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	kube := filepath.Join(o.bin, "kube", "v"+o.minor, "kube")
	etcdURL := fmt.Sprintf("http://127.0.0.1:%d", free[0])
	peerURL := fmt.Sprintf("http://127.0.0.1:%d", free[1])
	programs := [][]string{
		{self, "etcd", "--data-dir", b.path("etcd"), "--listen-client-urls", etcdURL, "--advertise-client-urls", etcdURL,
			"--listen-peer-urls", peerURL, "--initial-advertise-peer-urls", peerURL, "--initial-cluster", "default=" + peerURL},
		{kube, "kube-apiserver", "--etcd-servers", etcdURL, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", free[2]),
			"--cert-dir", b.path("certs"), "--token-auth-file", b.path("tokens.csv"), "--authorization-mode=Node,RBAC",
			"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file", b.path("sa.key"),
			"--service-account-signing-key-file", b.path("sa.key"), "--service-cluster-ip-range=10.100.0.0/16"},
		{kube, "kube-controller-manager", "--kubeconfig", b.path("kubeconfig"), "--service-account-private-key-file", b.path("sa.key"),
			"--use-service-account-credentials", "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", free[3])},
		{kube, "kube-scheduler", "--kubeconfig", b.path("kubeconfig"), "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", free[4])},
	}
	if err := b.bringUp(ctx, programs); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

func (b *bare) bringUp(ctx context.Context, programs [][]string) error {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	token := func() string { return adminToken }
	for i, args := range programs {
		if i == 2 {
			if err := waitFor(ctx, client, b.endpoint+"/readyz", token); err != nil {
				return err
			}
		}
		if err := b.start(args); err != nil {
			return err
		}
	}
	return waitFor(ctx, client, b.endpoint+defaultServiceAccount, token)
}

func (b *bare) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bare) writeFiles() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		return err
	}
	kubeconfig := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"b","contexts":[{"name":"b","context":{"cluster":"b","user":"b"}}],
"clusters":[{"name":"b","cluster":{"server":%q,"insecure-skip-tls-verify":true}}],"users":[{"name":"b","user":{"token":%q}}]}`, b.endpoint, adminToken)
	for name, content := range map[string]string{
		"sa.key":     string(keyPEM),
		"tokens.csv": adminToken + ",admin,admin,system:masters\n",
		"kubeconfig": kubeconfig,
	} {
		if err := os.WriteFile(b.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (b *bare) start(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	log, err := os.Create(b.path(strings.ReplaceAll(args[1], "/", "_") + ".log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	// The bench must not leave anything behind when it is killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	b.processes = append(b.processes, cmd)
	return nil
}

func (b *bare) stop() {
	for _, p := range b.processes {
		_ = p.Process.Kill()
		_ = p.Wait()
	}
	_ = os.RemoveAll(b.dir)
}

func (b *bare) privateBytes() (sum int64) {
	for _, p := range b.processes {
		sum += privateBytes(p.Process.Pid)
	}
	return sum
}

// burstBare starts n at once and returns how long it took until all were there.
func burstBare(ctx context.Context, o options, n int) (time.Duration, error) {
	started := time.Now()
	all := make([]*bare, n)
	var g errgroup.Group
	for i := range n {
		g.Go(func() (err error) {
			all[i], err = startBare(ctx, o)
			return err
		})
	}
	err := g.Wait()
	took := time.Since(started)
	for _, b := range all {
		if b != nil {
			b.stop()
		}
	}
	return took, err
}
