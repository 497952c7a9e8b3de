package gate

import "net/netip"

// VPCAddress is where clusters' endpoints are found inside every VPC: 192.0.2.1 of TEST-NET-1 (RFC 5737), which no VPC, pod or
// Service network may use and no router knows, so that it can mean "this cluster's control plane" in all of them.
var VPCAddress = netip.MustParseAddr("192.0.2.1")
