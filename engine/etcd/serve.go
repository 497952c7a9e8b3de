package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"

	"minato.dev/minato"
)

// DefaultQuota is how large the database may grow, in bytes: what etcd's authors advise as the most.
const DefaultQuota = 8 << 30

// memberName is what the one member of our etcd calls itself, in a restored snapshot too.
const memberName = "minato"

// memberURL is where other members would find this one. There are none, and nothing listens there.
const memberURL = "http://127.0.0.1:0"

// ServeConfig says how to run our own etcd.
type ServeConfig struct {
	Dir   string // the data folder, made with mode 0700
	PKI   PKI    // Ensure has been called
	Port  int    // clients come to 127.0.0.1 here
	Quota int64  // largest size of the database in bytes; 0 is DefaultQuota
	Log   *slog.Logger
}

// Serve runs etcd until ctx ends, then stops it in order and returns nil. It serves gRPC on loopback to clients that the
// tenant CA has signed, and health and metrics on the Unix socket http.sock in the data folder.
func Serve(ctx context.Context, c ServeConfig) error {
	if c.Port < 1 || c.Port > 65535 {
		return minato.Errorf(minato.Invalid, "etcd cannot listen on port %d: want 1 to 65535", c.Port)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("making etcd's data folder: %w", err)
	}
	dir, err := os.Open(c.Dir)
	if err != nil {
		return fmt.Errorf("opening etcd's data folder: %w", err)
	}
	defer func() { _ = dir.Close() }()

	if c.Quota == 0 {
		c.Quota = DefaultQuota
	}
	began := time.Now()
	streams, reserve := newStreams(), newReserve(c.Quota)
	server, err := embed.StartEtcd(c.embed(dir, streams, reserve))
	if err != nil {
		return fmt.Errorf("starting etcd: %w", err)
	}
	reserve.server.Store(server.Server)
	defer server.Close()
	defer streams.end()
	for ready := server.Server.ReadyNotify(); ; {
		select {
		case <-ready:
			c.Log.Info("etcd is ready", "port", c.Port, "dir", c.Dir, "after", time.Since(began).Round(time.Millisecond))
			ready = nil
		case <-ctx.Done():
			return nil
		case err := <-server.Err():
			return errors.Join(errors.New("etcd no longer serves"), err)
		case <-server.Server.StopNotify():
			return errors.New("etcd stopped by itself")
		}
	}
}

func (c ServeConfig) embed(dir *os.File, streams *streams, reserve *reserve) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name = memberName
	cfg.Dir = c.Dir
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zapTo(c.Log))

	client := url.URL{Scheme: "https", Host: "127.0.0.1:" + strconv.Itoa(c.Port)}
	cfg.ListenClientUrls = []url.URL{client}
	cfg.AdvertiseClientUrls = []url.URL{client}
	// HTTP on a listener of its own leaves gRPC's to gRPC alone, whose watches starve under HTTP's. The socket's path goes
	// by the descriptor of the folder, because it is limited to 107 bytes.
	cfg.ListenClientHttpUrls = []url.URL{{Scheme: "unix", Path: fmt.Sprintf("/proc/self/fd/%d/http.sock", dir.Fd())}}
	cfg.EnableGRPCGateway = false
	cfg.ClientTLSInfo.CertFile = c.PKI.cert(serverName)
	cfg.ClientTLSInfo.KeyFile = c.PKI.key(serverName)
	cfg.ClientTLSInfo.TrustedCAFile = c.PKI.AuthorityFile()
	cfg.ClientTLSInfo.ClientCertAuth = true
	cfg.GRPCAdditionalServerOptions = []grpc.ServerOption{
		grpc.ChainStreamInterceptor(streams.intercept), grpc.ChainUnaryInterceptor(reserve.intercept),
	}

	peer, _ := url.Parse(memberURL)
	cfg.ListenPeerUrls = nil
	cfg.AdvertisePeerUrls = []url.URL{*peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(memberName)
	// A member that is alone elects itself when the first timeout is over: these make that 50 to 250 ms.
	cfg.TickMs, cfg.ElectionMs = 50, 250
	// Nobody has to catch up with us, so the log in memory can be short.
	cfg.SnapshotCatchUpEntries = 100

	cfg.QuotaBackendBytes = c.Quota
	cfg.AutoCompactionRetention = "0" // Admin.Maintain compacts
	cfg.WatchProgressNotifyInterval = time.Minute
	cfg.WarningApplyDuration = time.Second
	cfg.WarningUnaryRequestDuration = time.Second
	return cfg
}

// HTTPSocket is the Unix socket of a data folder on which Serve answers /health and /metrics.
func HTTPSocket(dir string) string { return filepath.Join(dir, "http.sock") }
