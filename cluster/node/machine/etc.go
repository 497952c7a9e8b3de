package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// writeEtc writes what names the node and finds others, on the node's disk.
func writeEtc(s Spec, resolver string) error {
	short, _, _ := strings.Cut(s.Name, ".")
	files := map[string]string{
		"hostname":    s.Name + "\n",
		"hosts":       fmt.Sprintf("127.0.0.1 localhost\n::1 localhost\n%s %s %s\n", s.Network.Primary(), s.Name, short),
		"resolv.conf": resolver,
		"machine-id":  machineID(s.InstanceID) + "\n",
	}
	for name, content := range files {
		if err := writeFile(filepath.Join("/etc", name), content, 0o644); err != nil {
			return err
		}
	}
	if err := unix.Sethostname([]byte(s.Name)); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	return nil
}

// machineID is the id of machine-id(5): 32 hexadecimal digits, the same at every start.
func machineID(instanceID string) string {
	digits := strings.TrimPrefix(instanceID, "i-")
	return (strings.Repeat("0", 32) + digits)[len(digits):]
}

// writeFile writes a file as a whole, with this mode whatever the umask.
func writeFile(path, content string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}
