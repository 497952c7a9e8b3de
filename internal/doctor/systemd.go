package doctor

import (
	"fmt"
	"strconv"
	"strings"
)

// SystemdUnit is a unit that starts the server at boot. KillMode=process leaves the control planes alone when only the
// server's own process dies: the next start takes them over. `systemctl stop` sends SIGTERM, on which the server stops
// everything in order itself.
func SystemdUnit(c Config) string {
	return fmt.Sprintf(`[Unit]
Description=Minato, EKS-compatible managed Kubernetes
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=%s up --home %s
KillMode=process
Restart=always
RestartSec=1s
TimeoutStopSec=2min
LimitNOFILE=1048576

[Install]
WantedBy=multi-user.target
`, systemdWord(c.Executable), systemdWord(c.Home))
}

// systemdWord quotes a path as systemd.service(5) reads it, with % and $ kept from being expanded.
func systemdWord(s string) string {
	return strconv.Quote(strings.NewReplacer("%", "%%", "$", "$$").Replace(s))
}
