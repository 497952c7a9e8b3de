package access

import (
	"log/slog"
	"sync"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// LookupPolicy finds an access policy with the rules that it has now; false if they are not known.
type LookupPolicy func(arn minato.ARN) (policies.Policy, bool)

// CustomPolicies are the access policies that customers made, read and ready for decisions.
type CustomPolicies struct {
	mu    sync.RWMutex
	byARN map[minato.ARN]policies.Policy
	arns  map[string]minato.ARN // by the record's key in the view
}

// NewCustomPolicies follows a view from now on. A policy whose rules cannot be read, because a newer Minato wrote them, allows
// nothing and is logged.
func NewCustomPolicies(view *store.View[eks.CustomPolicy], log *slog.Logger) *CustomPolicies {
	c := &CustomPolicies{byARN: map[minato.ARN]policies.Policy{}, arns: map[string]minato.ARN{}}
	view.Subscribe(func(id string) {
		item, ok := view.Get(id)
		arn := item.Value.ARN()
		var policy policies.Policy
		if ok {
			var err error
			if policy, err = policies.ParseCustom(arn, item.Value.Rules); err != nil {
				log.Error("an access policy cannot be read: it allows nothing", "policy", arn.String(), "error", err)
				ok = false
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.byARN, c.arns[id])
		delete(c.arns, id)
		if ok {
			c.byARN[arn], c.arns[id] = policy, arn
		}
	})
	return c
}

// Lookup finds a policy of AWS or one that a customer made.
func (c *CustomPolicies) Lookup(arn minato.ARN) (policies.Policy, bool) {
	if p, ok := policies.Lookup(arn); ok {
		return p, true
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	p, ok := c.byARN[arn]
	return p, ok
}
