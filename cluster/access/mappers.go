package access

import (
	"minato.dev/minato"
	"minato.dev/minato/service/eks"
)

// Mappers are asked in order; the first that knows a principal decides.
type Mappers []Mapper

// Map is who a principal is on a cluster. The error, of kind Unauthenticated and with the reason UnmappedPrincipal, says why
// it is nobody.
func (ms Mappers) Map(cluster *eks.Cluster, p minato.Principal) (Mapping, error) {
	for _, mapper := range ms {
		m, ok := mapper(cluster, p)
		switch {
		case ok && m.Refused != "":
			return Mapping{}, refuse(UnmappedPrincipal, "%s has no username on cluster %s: %s", p.ARN, cluster.Name, m.Refused)
		case ok:
			return m, nil
		}
	}
	return Mapping{}, refuse(UnmappedPrincipal, "%s is not known on cluster %s: it has no access entry and did not create the cluster",
		p.ARN, cluster.Name)
}
