package iam

import (
	"sync"

	"minato.dev/minato/service/iam/policy"
)

// compiler remembers compiled identity policies by their text, so that a policy is read once and not on every request.
type compiler struct {
	mu   sync.Mutex
	seen map[string]*policy.Policy
}

// maxCompiled bounds what is remembered. Past it all is forgotten: what is in use comes back with the next requests.
const maxCompiled = 1024

func (c *compiler) compile(document string) (*policy.Policy, error) {
	c.mu.Lock()
	p, ok := c.seen[document]
	c.mu.Unlock()
	if ok {
		return p, nil
	}
	p, err := policy.Parse(document, policy.Identity)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil || len(c.seen) >= maxCompiled {
		c.seen = map[string]*policy.Policy{}
	}
	c.seen[document] = p
	return p, nil
}
