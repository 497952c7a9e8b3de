package eks

import (
	"time"

	"minato.dev/minato/engine/store"
)

// DefaultAddonsPrefix is where it is noted that a cluster has been given the add-ons that it comes with: + cluster id.
const DefaultAddonsPrefix = "/minato/eks/default-addons/"

// DefaultAddonsApplied says which add-ons a cluster has been given when it was new. They are their owner's afterwards.
type DefaultAddonsApplied struct {
	Versions map[string]string `json:"versions"` // by name
	At       time.Time         `json:"at"`
}

// DefaultAddons is the collection of these notes.
func DefaultAddons(s store.Store) *store.Collection[DefaultAddonsApplied] {
	return store.NewCollection[DefaultAddonsApplied](s, DefaultAddonsPrefix)
}
