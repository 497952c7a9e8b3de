package podagent

import (
	"errors"
	"net"
	"net/http"
	"sync"

	"golang.org/x/time/rate"
)

// How many tokens that nobody has signed EKS Auth is asked about for one sender.
const (
	forgedBurst     = 50
	forgedPerSecond = 5
	maxForgers      = 1000
)

// forgers are the addresses that tokens have come from which EKS Auth says are none. Its zero value is ready.
type forgers struct {
	mu sync.Mutex
	by map[string]*rate.Limiter // what each may still send
}

// among is whether too many such tokens have come from a request's sender lately.
func (f *forgers) among(r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	left, ok := f.by[sender(r)]
	return ok && left.Tokens() < 1
}

// note takes down what EKS Auth has said about a request's token.
func (f *forgers) note(r *http.Request, err error) {
	e, ok := errors.AsType[*upstreamError](err)
	if !ok || e.unsigned() || e.Code != "InvalidTokenException" && e.Code != "ExpiredTokenException" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil || len(f.by) >= maxForgers {
		f.by = map[string]*rate.Limiter{}
	}
	from := sender(r)
	if f.by[from] == nil {
		f.by[from] = rate.NewLimiter(forgedPerSecond, forgedBurst)
	}
	f.by[from].Allow()
}

func sender(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
