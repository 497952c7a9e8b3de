package server

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"minato.dev/minato/internal/doctor"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/kube"
	"minato.dev/minato/server/control"
	"minato.dev/minato/upstream"
)

// Kube is the folder beside the minato binary where `make kube` puts the Kubernetes minors.
func Kube(executable string) kube.Binaries {
	return kube.Binaries(filepath.Join(filepath.Dir(executable), "kube"))
}

// Upstream is the folder beside the minato binary where `make upstream` puts the programs that run as they are released.
func Upstream(executable string) upstream.Binaries {
	return upstream.Binaries(filepath.Join(filepath.Dir(executable), "upstream"))
}

// DoctorConfig says what `minato doctor` should look at for a home, which need not exist yet.
func DoctorConfig(ctx context.Context, dir home.Dir, executable string) doctor.Config {
	listen, tlsPort, registryPort := defaultListen, 0, 0
	if cfg, err := dir.LoadConfig(); err == nil {
		listen, tlsPort, registryPort = cfg.Listen, cfg.TLSPort, cfg.RegistryPort
	}
	host, port, _ := net.SplitHostPort(listen)
	if n, err := strconv.Atoi(port); err == nil && tlsPort == 0 {
		tlsPort, registryPort = n+1, n+2
	}
	_, err := control.GetStatus(ctx, dir)
	c := doctor.Config{
		Home:       string(dir),
		Ports:      []string{listen, net.JoinHostPort(host, strconv.Itoa(tlsPort)), net.JoinHostPort("127.0.0.1", strconv.Itoa(registryPort))},
		Running:    err == nil,
		Executable: executable,
		NotBuilt:   Upstream(executable).Missing(),
	}
	if len(c.NotBuilt) > 0 {
		c.BuildCommand = strings.Trim(upstream.Command(c.NotBuilt...), "`")
	}
	for _, v := range Kube(executable).Built() {
		c.Minors = append(c.Minors, v.Minor)
	}
	for _, v := range kube.Versions() {
		if v.Default {
			c.DefaultMinor = v.Minor
		}
	}
	return c
}
