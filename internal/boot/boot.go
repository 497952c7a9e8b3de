// Package boot tells the boots of a machine apart.
package boot

import (
	"bytes"
	"os"
)

// ID changes with every boot of the machine.
func ID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return string(bytes.TrimSpace(b)), err
}
