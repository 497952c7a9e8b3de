package process

import (
	"sync"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/ec2"
)

// instanceNames knows the private DNS names of instances, which nodes are called by.
type instanceNames struct {
	view   *store.View[ec2.Instance]
	mu     sync.RWMutex
	byID   map[instanceKey]string
	byItem map[string]instanceKey
}

type instanceKey struct{ account, id string }

func newInstanceNames(s store.Store) *instanceNames {
	n := &instanceNames{view: store.NewView(ec2.Instances(s)), byID: map[instanceKey]string{}, byItem: map[string]instanceKey{}}
	n.view.Subscribe(func(item string) {
		found, ok := n.view.Get(item)
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.byID, n.byItem[item])
		delete(n.byItem, item)
		if ok && found.Value.State != ec2.InstanceTerminated {
			key := instanceKey{found.Value.Scope.Account, found.Value.ID}
			n.byID[key], n.byItem[item] = found.Value.PrivateDNSName, key
		}
	})
	return n
}

// privateDNSName is an access.PrivateDNSName: only instances that have not been terminated have one.
func (n *instanceNames) privateDNSName(account, instanceID string) (string, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	name, ok := n.byID[instanceKey{account, instanceID}]
	return name, ok
}
