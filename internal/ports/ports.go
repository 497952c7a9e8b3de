// Package ports finds free TCP ports on the loopback address, for processes that will listen there.
//
// They come from 20000–29999, below the range from which Linux picks ports for outgoing connections (32768 and up unless
// the machine says otherwise), so that no client's connection takes one between our choosing it and the process binding it.
package ports

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The range that ports are taken from, both ends included.
const (
	First = 20000
	Last  = 29999
)

var reserved = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// Free finds n ports that nothing listens on at 127.0.0.1. They are this caller's until release, which is called once the
// processes listen on them or no longer want them: no other caller in this program gets them before. The error says that too
// few are free, or that ctx has ended.
func Free(ctx context.Context, n int) (found []int, release func(), err error) {
	size := Last - First + 1
	for i, offset := 0, rand.N(size); i < size && len(found) < n; i++ {
		if err = ctx.Err(); err != nil {
			break
		}
		if port := First + (offset+i)%size; reserve(port) {
			found = append(found, port)
		}
	}
	if err == nil && len(found) < n {
		err = fmt.Errorf("finding %d free ports: only %d of %d–%d are free on 127.0.0.1", n, len(found), First, Last)
	}
	if err != nil {
		give(found)
		return nil, func() {}, err
	}
	return found, sync.OnceFunc(func() { give(found) }), nil
}

// Taken is whether a listener on host (empty for all addresses) could not bind the port now.
func Taken(host string, port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return true
	}
	_ = l.Close()
	return false
}

// reserve takes a port if neither a caller of Free nor a listener has it.
func reserve(port int) bool {
	reserved.Lock()
	defer reserved.Unlock()
	if reserved.ports[port] || Taken("127.0.0.1", port) {
		return false
	}
	reserved.ports[port] = true
	return true
}

func give(ports []int) {
	reserved.Lock()
	defer reserved.Unlock()
	for _, p := range ports {
		delete(reserved.ports, p)
	}
}
