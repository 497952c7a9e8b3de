package access

import (
	"minato.dev/minato"
	"minato.dev/minato/service/eks"
)

// Mapping is who a principal is on a cluster.
type Mapping struct {
	Username string
	Groups   []string
	// Refused says why a principal that is known cannot be given a username now; then the rest is empty.
	Refused string
	// Unread says what has to be read before anybody can tell whether the principal is known; then the rest is empty.
	Unread string
}

// Mapper says who a principal is on a cluster, and whether it knows at all. It must answer from memory.
type Mapper func(cluster *eks.Cluster, p minato.Principal) (Mapping, bool)

const (
	// mastersGroup may do everything: kube-apiserver does not ask further.
	mastersGroup = "system:masters"
	// hiddenAdmin is the username that EKS gives the creator of a cluster that has no access entries.
	hiddenAdmin = "kubernetes-admin"

	modeConfigMap = "CONFIG_MAP"
)

// CreatorAdmin makes the principal that created a cluster its administrator in the mode CONFIG_MAP, where that cannot be seen
// or undone. In the other modes the creator has an access entry, if any, which can be changed and deleted like others.
//
// A creator that was a role is matched by the role, whatever the session; and always by the unique id too: a user or role
// that was deleted and made again under the same name is somebody else.
func CreatorAdmin(cluster *eks.Cluster, p minato.Principal) (Mapping, bool) {
	creator := cluster.Creator
	if cluster.Spec.AuthenticationMode != modeConfigMap ||
		p.Account != creator.Account || p.UniqueID() != creator.UniqueID() || p.CanonicalARN() != creator.CanonicalARN() {
		return Mapping{}, false
	}
	return Mapping{Username: hiddenAdmin, Groups: []string{mastersGroup}}, true
}
