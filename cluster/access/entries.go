package access

import (
	"slices"
	"sync"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// Entries finds the access entry of a principal, however many there are: a view of the records knows them by cluster and ARN
// only, and a role that was deleted and made again has the same ARN.
type Entries struct {
	mu          sync.RWMutex
	byPrincipal map[entryKey]*eks.AccessEntry
	keys        map[string]entryKey // by the record's key in the view
}

// entryKey is who an entry is for: the unique id and, because a user can be renamed, the name too.
type entryKey struct {
	clusterID   string
	principalID string
	arn         minato.ARN // without a role's path
}

// grant is an associated access policy, with the rules that it has now.
type grant struct {
	policy      policies.Policy
	association *eks.AssociatedPolicy
}

// NewEntries follows a view from now on.
func NewEntries(view *store.View[eks.AccessEntry]) *Entries {
	e := &Entries{byPrincipal: map[entryKey]*eks.AccessEntry{}, keys: map[string]entryKey{}}
	view.Subscribe(func(id string) {
		item, ok := view.Get(id)
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.byPrincipal, e.keys[id])
		delete(e.keys, id)
		if ok {
			record := &item.Value
			key := entryKey{record.ClusterID, record.PrincipalID, withoutPath(record.PrincipalARN)}
			e.byPrincipal[key] = record
			e.keys[id] = key
		}
	})
	return e
}

// clusterScope is the scope type of a policy that holds everywhere. Any other holds in the namespaces it names.
const clusterScope = "cluster"

// find is the entry of a principal on a cluster, which must not be changed; nil if it has none or the cluster's mode has no
// entries.
func (e *Entries) find(cluster *eks.Cluster, p minato.Principal) *eks.AccessEntry {
	if cluster.Spec.AuthenticationMode == modeConfigMap {
		return nil
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.byPrincipal[entryKey{cluster.ID, p.UniqueID(), p.CanonicalARN()}]
}

func (g grant) namespaced() bool { return g.association.ScopeType != clusterScope }

// covers is whether the grant holds in a namespace; empty is that of a request for the whole cluster.
func (g grant) covers(namespace string) bool {
	if !g.namespaced() {
		return true
	}
	return namespace != "" && slices.ContainsFunc(g.association.Namespaces, func(pattern string) bool { return matches(pattern, namespace) })
}

// matches is whether a name fits a pattern in which * stands for any characters, or none.
func matches(pattern, name string) bool {
	retry, rest := -1, 0 // where the last * was, and what of name begins after it
	i, j := 0, 0
	for j < len(name) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			retry, rest = i, j
			i++
		case i < len(pattern) && pattern[i] == name[j]:
			i++
			j++
		case retry >= 0: // let the last * stand for one more
			rest++
			i, j = retry+1, rest
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '*' {
		i++
	}
	return i == len(pattern)
}

// withoutPath is the ARN of a role without its path, as minato.Principal.CanonicalARN gives it.
func withoutPath(arn minato.ARN) minato.ARN {
	if arn.ResourceType() == "role" {
		arn.Resource = "role/" + arn.ResourceName()
	}
	return arn
}
