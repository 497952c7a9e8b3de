// Package tunnel is how a cluster's control plane reaches hybrid nodes, which nobody can connect to from outside: the node keeps a
// TLS connection to a port beside the control planes, and serves HTTP/2 on it, to the side that it has called. Each CONNECT request
// that comes is one connection to itself or to one of its pods. docs/adr/0012-reverse-tunnel.md has the reasons.
package tunnel
