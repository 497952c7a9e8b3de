// Package gate owns the endpoint port of every cluster. A Route in the store says which port belongs to which cluster, which
// client addresses may use it and which backends (the ready generation of its kube-apiserver, on a private port) serve it.
//
// The gate passes TCP bytes on and knows no TLS: the certificate that a client sees is the apiserver's own. It runs as a
// process of its own, so that neither Minato's API nor the store is needed for a cluster to stay reachable.
package gate
