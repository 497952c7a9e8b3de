package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Target says how to reach an etcd: host:port endpoints, the CA to verify it by, and who to come as.
type Target struct {
	Endpoints []string
	CAFile    string
	CertFile  string
	KeyFile   string
}

// Connect makes a client of a target. It does not wait for etcd to be there: requests do, until their context ends. The
// certificate is read again at every handshake, so it may be renewed underneath. Close the client when done.
func Connect(t Target) (*clientv3.Client, error) {
	config, err := t.tls()
	if err != nil {
		return nil, err
	}
	return clientv3.New(clientv3.Config{
		Endpoints:            t.Endpoints,
		TLS:                  config,
		Logger:               zap.NewNop(), // every error reaches the caller
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		DialOptions: []grpc.DialOption{
			// gRPC's own waits up to two minutes between attempts; etcd is back within a second of its restart.
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
				MinConnectTimeout: 5 * time.Second,
			}),
		},
	})
}

func (t Target) tls() (*tls.Config, error) {
	ca, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("connecting to etcd: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("connecting to etcd: no certificate in %s", t.CAFile)
	}
	load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		return &cert, err
	}
	if _, err := load(nil); err != nil {
		return nil, fmt.Errorf("connecting to etcd: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, GetClientCertificate: load}, nil
}

// read reads a key with a client of its own.
func (t Target) read(ctx context.Context, key string) error {
	client, err := Connect(t)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	_, err = client.Get(ctx, key, clientv3.WithKeysOnly())
	return err
}

// handshake asks every endpoint whether it takes our certificate. A client would try again and again when it does not.
func (t Target) handshake(ctx context.Context) error {
	config, err := t.tls()
	if err != nil {
		return err
	}
	config.NextProtos = []string{"h2"}
	dialer := tls.Dialer{Config: config}
	for _, endpoint := range t.Endpoints {
		_, address, found := strings.Cut(endpoint, "://")
		if !found {
			address = endpoint
		}
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		deadline, _ := ctx.Deadline()
		err = conn.SetDeadline(deadline)
		if err == nil {
			// HTTP/2 servers speak first; under TLS 1.3 a refusal comes only now.
			_, err = conn.Read(make([]byte, 1))
		}
		if err = errors.Join(err, conn.Close()); err != nil {
			return fmt.Errorf("%s: %w", endpoint, err)
		}
	}
	return nil
}
