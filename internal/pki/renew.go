package pki

import (
	"crypto/tls"
	"sync"
	"time"
)

// Renewing returns a function that gives a certificate issued on request, and a new one from before its end on.
func Renewing(a *Authority, r Request, before time.Duration) func() (*tls.Certificate, error) {
	var (
		mu   sync.Mutex
		cert *tls.Certificate
	)
	return func() (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		if cert != nil && time.Until(cert.Leaf.NotAfter) > before {
			return cert, nil
		}
		pair, err := a.Issue(r)
		if err != nil {
			return nil, err
		}
		c, err := pair.TLS()
		if err != nil {
			return nil, err
		}
		cert = &c
		return cert, nil
	}
}
