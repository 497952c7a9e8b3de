// Package home knows where everything lies in Minato's home folder, and the few settings that must outlive a restart.
package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/internal/atomicfile"
)

// Dir is a home folder.
type Dir string

// Default is $MINATO_HOME, or ~/.minato.
func Default() (Dir, error) {
	if h := os.Getenv("MINATO_HOME"); h != "" {
		return At(h)
	}
	h, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the home folder: %w; set MINATO_HOME", err)
	}
	return Dir(filepath.Join(h, ".minato")), nil
}

// At is the home folder at a path.
func At(path string) (Dir, error) {
	abs, err := filepath.Abs(path)
	return Dir(abs), err
}

// Path joins names to the home folder.
func (d Dir) Path(names ...string) string {
	return filepath.Join(append([]string{string(d)}, names...)...)
}

// SealKey is the key that seals secrets in the store.
func (d Dir) SealKey() string { return d.Path("seal.key") }

// PKI holds the certificates of Minato's own processes.
func (d Dir) PKI() string { return d.Path("pki") }

// Etcd is etcd's data folder.
func (d Dir) Etcd() string { return d.Path("etcd") }

// Logs holds the log files of all processes; a cluster's are in clusters/<id>.
func (d Dir) Logs(names ...string) string { return d.Path(append([]string{"logs"}, names...)...) }

// Processes holds the supervisor's files.
func (d Dir) Processes() string { return d.Path("processes") }

// ControlSocket is where `minato status`, `minato logs` and `minato down` talk to a running server (0600). It lies in the run
// folder because a socket's path is limited to about 100 bytes.
func (d Dir) ControlSocket() string { return d.Run("control.sock") }

// Lock is held by the one server of this home.
func (d Dir) Lock() string { return d.Path("lock") }

// Credentials is the file with the administrators' access keys, by account (0600).
func (d Dir) Credentials() string { return d.Path("credentials.json") }

// Config are the settings fixed at first start, in config.json.
type Config struct {
	Listen           string        `json:"listen"`           // AWS API, host:port
	TLSPort          int           `json:"tlsPort"`          // OIDC issuers, and the AWS API over TLS
	RegistryPort     int           `json:"registryPort"`     // images, on loopback
	TunnelPort       int           `json:"tunnelPort"`       // what hybrid nodes connect to
	AdvertiseAddress []string      `json:"advertiseAddress"` // names and addresses that clients may use; the first is in endpoints and issuers
	Region           minato.Region `json:"region"`
	Accounts         []string      `json:"accounts"`
	EtcdPort         int           `json:"etcdPort,omitempty"` // our own etcd's client port on loopback
	EtcdEndpoints    []string      `json:"etcdEndpoints"`      // where etcd is: our own, or an external one
	ExternalEtcd     bool          `json:"externalEtcd,omitempty"`
	HookPort         int           `json:"hookPort,omitempty"`
	GatePort         int           `json:"gatePort,omitempty"` // the gate's own health and metrics
	// TestClock is whether the home was ever started with --test-clock, so that its clock may be moved.
	TestClock bool `json:"testClock,omitempty"`
	// ClockOffset is how far --test-clock set the clock ahead (or back), and `minato clock advance` since.
	ClockOffset time.Duration `json:"clockOffset,omitempty"`
}

// LoadConfig reads config.json; the error wraps fs.ErrNotExist when there is none yet.
func (d Dir) LoadConfig() (c Config, err error) {
	b, err := os.ReadFile(d.Path("config.json"))
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("reading %s: %w", d.Path("config.json"), err)
	}
	return c, nil
}

// SaveConfig writes config.json.
func (d Dir) SaveConfig(c Config) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(d.Path("config.json"), append(b, '\n'), 0o600)
}

// Exists is whether a server was ever started in this home.
func (d Dir) Exists() bool {
	_, err := os.Stat(d.Path("config.json"))
	return !errors.Is(err, fs.ErrNotExist)
}
