package server

import (
	"net"

	"golang.org/x/net/netutil"
	"golang.org/x/sys/unix"
)

// minConns are served however few files may be open.
const minConns = 64

// bounded lets a listener have at most a quarter of the files that this process may open, so that clients who open
// connections and say nothing, on both of our listeners, leave enough for the store, the processes that we start and our logs.
// Whoever comes later waits in the kernel's queue. TLS goes on top of it: net/http must see its connections as they are.
func bounded(l net.Listener) net.Listener {
	return netutil.LimitListener(l, connsFor(openFileLimit()))
}

func connsFor(files uint64) int { return int(max(min(files, 1<<20)/4, minConns)) }

// openFileLimit is the soft limit, which the Go runtime has raised to the hard one.
func openFileLimit() uint64 {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 1024
	}
	return r.Cur
}
