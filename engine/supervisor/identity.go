package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"minato.dev/minato/internal/boot"
)

// identity names one process for good: a pid alone is used again by the kernel, but not with the same start time within one
// boot of the machine.
type identity struct {
	BootID    string `json:"bootId"`
	PID       int    `json:"pid,omitempty"`
	StartTime uint64 `json:"startTime,omitempty"` // clock ticks after boot
}

// alive is whether the very process still runs. A zombie does not run any more.
func (id identity) alive() (bool, error) {
	if id.PID <= 0 {
		return false, nil
	}
	current, err := boot.ID()
	if err != nil || current != id.BootID {
		return false, err
	}
	st, err := readStat(id.PID)
	if gone(err) {
		return false, nil
	}
	return err == nil && st.startTime == id.StartTime && !st.ended(), err
}

// identify reads the identity of a live process.
func identify(pid int) (identity, error) {
	current, err := boot.ID()
	if err != nil {
		return identity{}, err
	}
	st, err := readStat(pid)
	if err != nil {
		return identity{}, err
	}
	return identity{BootID: current, PID: pid, StartTime: st.startTime}, nil
}

// stat is the part of /proc/PID/stat that matters here.
type stat struct {
	state     byte
	session   int
	startTime uint64
}

func (s stat) ended() bool { return s.state == 'Z' || s.state == 'X' }

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(b))
}

// parseStat reads the fields from the third on: the second is the program's name, which may hold spaces and parentheses.
func parseStat(s string) (st stat, err error) {
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	const session, startTime = 6 - 3, 22 - 3 // numbers as in proc(5)
	if len(fields) <= startTime || len(fields[0]) != 1 {
		return st, fmt.Errorf("/proc/PID/stat is malformed: %q", s)
	}
	st.state = fields[0][0]
	st.session, err = strconv.Atoi(fields[session])
	if err == nil {
		st.startTime, err = strconv.ParseUint(fields[startTime], 10, 64)
	}
	return st, err
}

// gone is whether err says that the process asked about does not exist (any more).
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}
