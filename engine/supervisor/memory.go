package supervisor

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// WithMemory is the status with the memory that its process holds now. It makes the kernel walk the process's page tables,
// some milliseconds for a large one, so it is for people and metrics and not for loops. What cannot be read stays zero.
func (s Status) WithMemory() Status {
	if s.PID == 0 {
		return s
	}
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.PID)); err == nil {
		s.RSSBytes = parseStatm(b)
	}
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", s.PID)); err == nil {
		s.PrivateBytes = parseSmapsRollup(b)
	}
	return s
}

// parseStatm reads the resident pages, the second number.
func parseStatm(b []byte) int64 {
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// parseSmapsRollup adds up the lines Private_Clean and Private_Dirty, which are in kB.
func parseSmapsRollup(b []byte) (bytesPrivate int64) {
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if name != "Private_Clean" && name != "Private_Dirty" {
			continue
		}
		kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
		bytesPrivate += kb << 10
	}
	return bytesPrivate
}
