package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato/internal/boot"
)

// orphan is a live process that carries a supervisor's marker.
type orphan struct {
	identity
	nonce, name string
}

func marker(supervisor, nonce, name string) string {
	return supervisor + "/" + nonce + "/" + name
}

// findOrphans looks through /proc for processes that the supervisor with this id started. Processes that those started in
// turn carry the marker too; they are left out as far as they do not lead a session, as our children do. Reading another
// user's environment takes CAP_SYS_PTRACE, which root has unless a container took it away.
func findOrphans(supervisor string) ([]orphan, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	current, err := boot.ID()
	if err != nil {
		return nil, err
	}
	var found []orphan
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		st, err := readStat(pid)
		if err != nil || st.session != pid || st.ended() {
			continue
		}
		value := readMarker(pid)
		owner, rest, _ := strings.Cut(value, "/")
		nonce, name, ok := strings.Cut(rest, "/")
		if !ok || owner != supervisor {
			continue
		}
		found = append(found, orphan{identity{BootID: current, PID: pid, StartTime: st.startTime}, nonce, name})
	}
	return found, nil
}

// readMarker is the marker in a process's environment, empty if it has none or is not ours to read.
func readMarker(pid int) string {
	awaitExec(pid)
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		if value, ok := bytes.CutPrefix(kv, []byte(markerVar+"=")); ok {
			return string(value)
		}
	}
	return ""
}

// awaitExec waits while a process is in the middle of an exec: for some microseconds then, its environment reads as empty. So
// does its command line, which in a user process is empty at no other time. Kernel threads have no exe. The wait is bounded
// because a process may also have erased its own.
func awaitExec(pid int) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 100 {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil || len(cmdline) > 0 {
			return
		}
		if _, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil {
			return
		}
		<-tick.C
	}
}

// settle gives records without an identity the process that belongs to them, if one lives: those of starts that a crash cut
// short, by the nonce; and those of files that could not be read, by the name. Of several, the first started is the one that
// we started; the others are its descendants.
func settle(all map[string]*record, supervisor string) error {
	open := map[string]*record{}
	for name, rec := range all {
		if rec.PID == 0 {
			open[name] = rec
		}
	}
	if len(open) == 0 {
		return nil
	}
	orphans, err := findOrphans(supervisor)
	if err != nil {
		return err
	}
	for _, o := range orphans {
		rec := open[o.name]
		if rec == nil || rec.readable() && rec.Nonce != o.nonce {
			continue
		}
		if rec.PID == 0 || o.StartTime < rec.StartTime {
			rec.identity = o.identity
		}
	}
	return nil
}
