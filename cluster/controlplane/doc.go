// Package controlplane makes a cluster's record true: keys and certificates, a tenant in etcd, three Kubernetes processes, a
// route at the gate, and at last the status ACTIVE; and takes all of it away again when the cluster is deleted.
//
// One pass over a cluster is a list of small steps (steps.go), each in a file of its own, each beginning with "is this so
// already?". A step does its one thing, writes what must survive a crash into the private ControlPlane record before it acts
// on it, and leaves what the owner may see on the cluster's record, which the pass writes once, at its end, together with
// the updates that it has carried out. So a pass may be killed anywhere and the next one goes on from there.
//
// # Generations
//
// The three processes of a cluster form a generation: a number, a Kubernetes patch, private ports. The gate hands the
// connections of the cluster's endpoint to the active generation's kube-apiserver. Whenever the arguments or the files that
// a program reads only once would come out different (another Kubernetes version, another port of the webhook), a pass begins
// the next generation beside the active one, waits until it serves, turns the gate to it, and only then stops the old one.
//
// # Files
//
// A cluster's run folder is made from the records and can be lost at any time. pki/ has keys and certificates, which the
// programs read again when they change, so that a rotation restarts nothing; gen-N/ has what is read once.
package controlplane
