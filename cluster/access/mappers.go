package access

import (
	"minato.dev/minato"
	"minato.dev/minato/service/eks"
)

// Mappers are asked in order; the first that knows a principal decides.
type Mappers []Mapper

// Map is who a principal is on a cluster. An error of kind Unauthenticated, with the reason UnmappedPrincipal, says why it is
// nobody; one of kind Unavailable that this is not known yet.
func (ms Mappers) Map(cluster *eks.Cluster, p minato.Principal) (Mapping, error) {
	for _, mapper := range ms {
		m, ok := mapper(cluster, p)
		switch {
		case ok && m.Unread != "":
			return Mapping{}, minato.Errorf(minato.Unavailable, "who %s is on cluster %s is not known yet: %s", p.ARN, cluster.Name, m.Unread)
		case ok && m.Refused != "":
			return Mapping{}, refuse(UnmappedPrincipal, "%s has no username on cluster %s: %s", p.ARN, cluster.Name, m.Refused)
		case ok:
			return m, nil
		}
	}
	return Mapping{}, refuse(UnmappedPrincipal, "%s is not known on cluster %s: %s", p.ARN, cluster.Name, lacks[cluster.Spec.AuthenticationMode])
}

// lacks are what a principal that is nobody on a cluster lacks, by the cluster's authentication mode.
var lacks = map[string]string{
	modeConfigMap:        "it did not create the cluster, and the aws-auth ConfigMap does not name it",
	"API_AND_CONFIG_MAP": "it has no access entry, and the aws-auth ConfigMap does not name it",
	modeAPI:              "it has no access entry",
}
