package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"minato.dev/minato/internal/atomicfile"
)

// ledger is who has which address.
type ledger struct {
	Used map[string]netip.Addr `json:"used"` // by attachment
	// Free are the addresses that were in use before, the longest ago first: those are given out last and in this order, so
	// that what others still remember of an address is stale before it means somebody else.
	Free []netip.Addr `json:"free"`
}

// errNoAddress is a node whose pods have all of its addresses.
var errNoAddress = errors.New("no free address")

func (a attachment) key() string { return a.ContainerID + "/" + a.Interface }

func parseKey(key string) attachment {
	id, name, _ := strings.Cut(key, "/")
	return attachment{id, name}
}

// take gives an attachment one of some addresses, the same one if it has one.
func (l *ledger) take(a attachment, addresses []netip.Addr) (netip.Addr, error) {
	if has, ok := l.Used[a.key()]; ok {
		return has, nil
	}
	used := map[netip.Addr]bool{}
	for _, addr := range l.Used {
		used[addr] = true
	}
	best, rank := netip.Addr{}, len(l.Free)+1
	for _, addr := range addresses {
		if used[addr] {
			continue
		}
		r := slices.Index(l.Free, addr) + 1 // never used is 0
		if r < rank {
			best, rank = addr, r
		}
	}
	if !best.IsValid() {
		return best, &problem{codeTryLater, fmt.Errorf("%w: all %d addresses of the node's pods are in use", errNoAddress, len(addresses))}
	}
	l.Free = slices.DeleteFunc(l.Free, func(f netip.Addr) bool { return f == best })
	l.Used[a.key()] = best
	return best, nil
}

// give takes an attachment's address back.
func (l *ledger) give(a attachment) {
	if addr, ok := l.Used[a.key()]; ok {
		delete(l.Used, a.key())
		l.Free = append(slices.DeleteFunc(l.Free, func(f netip.Addr) bool { return f == addr }), addr)
	}
}

// change reads the ledger, has it changed and writes it, while nobody else does.
func (c Config) change(do func(*ledger) error) error {
	if err := os.MkdirAll(c.StateFolder, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(c.StateFolder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	path := filepath.Join(c.StateFolder, "addresses.json")
	l := ledger{}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &l)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	if l.Used == nil {
		l.Used = map[string]netip.Addr{}
	}
	if err := do(&l); err != nil {
		return err
	}
	now, err := json.Marshal(l)
	if err != nil || string(now) == string(b) {
		return err
	}
	return atomicfile.Write(path, now, 0o600)
}
