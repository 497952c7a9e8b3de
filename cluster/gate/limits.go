package gate

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"minato.dev/minato/internal/backoff"
)

const (
	// filesPerConn is what one proxied connection can hold open: two sockets, and a pipe for each direction, because the
	// kernel splices from socket to socket through a pipe.
	filesPerConn = 6
	// filesReserved are left for listeners, the store's connection, the admin listener and logs.
	filesReserved = 512
	// minConns is served even where the file limit is absurdly low.
	minConns = 64

	// backendWait is how long a new connection waits for a backend to accept: an apiserver needs a few seconds to restart.
	backendWait = 10 * time.Second
	dialTimeout = 2 * time.Second

	// lingerTimeout is how long a client may keep its half of a connection open after the backend has ended its own. It
	// frees the connections of clients that never close, such as those of an old generation's.
	lingerTimeout = time.Minute
)

var (
	dialRetry   = backoff.Policy{Min: 20 * time.Millisecond, Max: 250 * time.Millisecond}
	bindRetry   = backoff.Policy{Min: 50 * time.Millisecond, Max: 2 * time.Second}
	acceptRetry = backoff.Policy{Min: 5 * time.Millisecond, Max: time.Second}
)

// connLimits are the most connections in all and for one cluster. One cluster gets at most half, so that it cannot shut out
// the others.
type connLimits struct{ total, perCluster int64 }

func limitsFor(maxConns int) connLimits {
	total := int64(maxConns)
	if total <= 0 {
		total = connsFor(openFileLimit())
	}
	return connLimits{total: total, perCluster: max(total/2, 1)}
}

func connsFor(files uint64) int64 {
	if files > math.MaxInt32 {
		files = math.MaxInt32
	}
	return max((int64(files)-filesReserved)/filesPerConn, minConns)
}

// openFileLimit is the soft limit, which the Go runtime has raised to the hard one.
func openFileLimit() uint64 {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 1024
	}
	return r.Cur
}
