package controlplane

import (
	"path/filepath"

	"minato.dev/minato/internal/home"
)

const (
	egressFile       = "egress-selector.yaml"
	egressSocketName = "egress.sock"
)

// EgressSocket is where a cluster's kube-apiserver asks for connections into its VPC, with CONNECT.
func EgressSocket(h home.Dir, clusterID string) string { return newRunDir(h, clusterID).egressSocket() }

func (d runDir) egressSocket() string { return filepath.Join(string(d), egressSocketName) }

// egress has kube-apiserver reach what is in the cluster's VPC, nodes, pods and Services, through a socket. Nothing else goes
// there: etcd and the webhooks of Minato are on this machine, and do not depend on the process behind the socket. While that
// is away a connection fails, and is tried again when it is needed again.
func (p plan) egress() doc {
	return doc{
		"apiVersion": "apiserver.k8s.io/v1beta1",
		"kind":       "EgressSelectorConfiguration",
		"egressSelections": []doc{{
			"name": "cluster",
			"connection": doc{
				"proxyProtocol": "HTTPConnect",
				"transport":     doc{"uds": doc{"udsName": p.Dir.egressSocket()}},
			},
		}},
	}
}
