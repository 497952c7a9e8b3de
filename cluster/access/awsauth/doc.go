// Package awsauth keeps up with the ConfigMap kube-system/aws-auth of every cluster: it reads it, watches it, and hands what
// it says to access.AWSAuths, so that a change holds within a second.
//
// It asks each kube-apiserver at its private port, with a client certificate of the cluster's own CA that opens nothing but
// this ConfigMap and the events about it (docs/adr/0007-aws-auth.md).
//
// A ConfigMap that cannot be understood changes nothing: what was good before goes on, and a Kubernetes event tells the
// cluster's owner what is wrong. Where nothing was good before, as after a restart, what can be read of it counts.
package awsauth
