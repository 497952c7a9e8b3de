package access

import (
	"sync"

	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// Clusters finds cluster records by id, which a view of them cannot: it knows them by account, region and name.
type Clusters struct {
	mu   sync.RWMutex
	byID map[string]*eks.Cluster
	ids  map[string]string // by the record's key in the view
}

// NewClusters follows a view from now on.
func NewClusters(view *store.View[eks.Cluster]) *Clusters {
	c := &Clusters{byID: map[string]*eks.Cluster{}, ids: map[string]string{}}
	view.Subscribe(func(key string) {
		item, ok := view.Get(key)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.byID, c.ids[key]) // gone, or made again under the same name with another id
		delete(c.ids, key)
		if ok {
			c.byID[item.Value.ID] = &item.Value
			c.ids[key] = item.Value.ID
		}
	})
	return c
}

// ByID is the record of a cluster; it is shared, so it must not be changed.
func (c *Clusters) ByID(id string) (*eks.Cluster, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	cluster, ok := c.byID[id]
	return cluster, ok
}
