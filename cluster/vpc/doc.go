// Package vpc makes VPCs real on this machine: each is a network namespace, with nothing but itself between its interfaces.
//
// An interface is a veth pair: one end is eth0 of a machine, the other lies in the VPC's namespace under a name made from the
// interface's id. There is no bridge. As on AWS the network is routed, not switched: the namespace has a route for every
// address of every interface, answers ARP for all of them, and lets in from an interface only what comes from its own
// addresses (strict reverse path filtering). So all packets between machines pass the same forwarding path, one subnet or two,
// which is where security groups are.
//
// What is made stays when the process that made it dies, and is taken up again by the next one: see Run.
package vpc
