package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/internal/ports"
	"minato.dev/minato/kube"
	"minato.dev/minato/upstream"
)

// Options are what `minato up` was asked for. Empty ones keep what the home was started with before, or the default.
type Options struct {
	Home             home.Dir
	Listen           string
	Advertise        []string
	Accounts         []string
	Region           minato.Region
	TestClock        time.Time // zero is the machine's time
	AllowUnsupported bool
	EtcdEndpoints    []string      // of an external etcd; none is our own
	Etcd             etcd.External // and its files

	Cluster string // create this cluster once up
	Version string // its minor

	Detached bool // no terminal is attached: there is nobody who could press Ctrl-C

	Kube          kube.Binaries     // the built Kubernetes minors
	Upstream      upstream.Binaries // whatever else runs as it is released
	Executable    string            // the minato binary, for the processes beside us
	MinatoVersion string
	Out           io.Writer // progress
}

// defaultListen is where tools that talk to a local AWS look.
const defaultListen = "127.0.0.1:4566"

// resolve merges the options into the home's settings, making them at the first start, and saves them.
func resolve(ctx context.Context, o Options) (home.Config, error) {
	cfg, err := o.Home.LoadConfig()
	first := errors.Is(err, fs.ErrNotExist)
	if err != nil && !first {
		return cfg, err
	}
	if o.Region != "" && !first && o.Region != cfg.Region {
		return cfg, minato.Errorf(minato.Invalid, "--region %s: this home was started in %s, and a region cannot be changed; use another --home", o.Region, cfg.Region)
	}
	cfg.Region = cmp.Or(o.Region, cfg.Region, minato.DefaultRegion)
	if err := resolveListen(&cfg, o); err != nil {
		return cfg, err
	}
	resolveAccounts(&cfg, o.Accounts)
	if err := resolvePorts(ctx, &cfg, o); err != nil {
		return cfg, err
	}
	if !o.TestClock.IsZero() {
		cfg.ClockOffset = time.Until(o.TestClock)
	}
	cfg.TestClock = cfg.TestClock || cfg.ClockOffset != 0
	return cfg, o.Home.SaveConfig(cfg)
}

func resolveListen(cfg *home.Config, o Options) error {
	cfg.Listen = cmp.Or(o.Listen, cfg.Listen, defaultListen)
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return minato.Errorf(minato.Invalid, "--listen %q: want host:port, such as %s", cfg.Listen, defaultListen)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65531 {
		return minato.Errorf(minato.Invalid, "--listen %q: the port must be a number from 1 to 65531", cfg.Listen)
	}
	// The TLS port stands in every issuer, so it stays what it was when there could first be a cluster.
	if cfg.TLSPort == 0 || !begun(o.Home) {
		cfg.TLSPort = n + 1
	}
	cfg.RegistryPort = n + 2
	if cfg.RegistryPort == cfg.TLSPort { // which stayed when the APIs moved
		cfg.RegistryPort++
	}
	cfg.TunnelPort = n + 3
	if cfg.TunnelPort == cfg.TLSPort || cfg.TunnelPort == cfg.RegistryPort {
		cfg.TunnelPort++
	}
	if len(o.Advertise) > 0 {
		cfg.AdvertiseAddress = o.Advertise
	}
	if len(cfg.AdvertiseAddress) == 0 {
		if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		cfg.AdvertiseAddress = []string{host}
	}
	return checkAdvertised(host, cfg.AdvertiseAddress)
}

// checkAdvertised is whether clusters can be served on the addresses that are advertised. Whoever listens on every address may have another
// machine forward one that this one does not have.
func checkAdvertised(listen string, advertised []string) error {
	if ip := net.ParseIP(listen); ip != nil && ip.IsUnspecified() {
		return nil
	}
	for _, a := range advertised {
		if net.ParseIP(a) == nil { // a name
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(a, "0"))
		if err != nil {
			return minato.Errorf(minato.Invalid, "--advertise-address %s: clusters cannot be served on it (%v). Name an address of this machine, as `ip -brief address` lists them, "+
				"or listen on all of them with --listen 0.0.0.0:PORT if another machine forwards this one here", a, errors.Unwrap(err))
		}
		_ = l.Close()
	}
	return nil
}

// begun is whether a start of this home ever came so far that somebody could create a cluster.
func begun(dir home.Dir) bool {
	keys, err := dir.LoadCredentials()
	return err != nil || len(keys) > 0
}

func resolveAccounts(cfg *home.Config, asked []string) {
	for _, a := range asked {
		if !slices.Contains(cfg.Accounts, a) {
			cfg.Accounts = append(cfg.Accounts, a)
		}
	}
	if len(cfg.Accounts) == 0 {
		n, _ := rand.Int(rand.Reader, big.NewInt(900_000_000_000))
		cfg.Accounts = []string{strconv.FormatInt(n.Int64()+100_000_000_000, 10)}
	}
}

// resolvePorts fixes the loopback ports of our own processes: they stand in the arguments of every control plane.
func resolvePorts(ctx context.Context, cfg *home.Config, o Options) error {
	if cfg.HookPort == 0 {
		free, release, err := ports.Free(ctx, 3)
		if err != nil {
			return err
		}
		defer release()
		cfg.EtcdPort, cfg.HookPort, cfg.GatePort = free[0], free[1], free[2]
	}
	switch {
	case len(o.EtcdEndpoints) > 0:
		if len(cfg.EtcdEndpoints) > 0 && !cfg.ExternalEtcd && dirExists(o.Home.Etcd()) {
			return minato.Errorf(minato.Invalid, "--etcd-endpoints: this home keeps its records in its own etcd already; use another --home")
		}
		cfg.EtcdEndpoints, cfg.ExternalEtcd = o.EtcdEndpoints, true
	case !cfg.ExternalEtcd:
		cfg.EtcdEndpoints = []string{fmt.Sprintf("https://127.0.0.1:%d", cfg.EtcdPort)}
	}
	return nil
}

func dirExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
