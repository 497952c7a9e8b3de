package node

import "sync"

// keys are the record ids of instances that have been seen, by instance id.
type keys struct{ m sync.Map }

func (k *keys) set(instanceID, key string) { k.m.Store(instanceID, key) }

func (k *keys) get(instanceID string) (string, bool) {
	v, ok := k.m.Load(instanceID)
	if !ok {
		return "", false
	}
	return v.(string), true
}
