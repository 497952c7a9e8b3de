// Package join makes the machine that it runs on a hybrid node of a cluster elsewhere: it registers with an activation, keeps
// credentials of the node's role, holds the tunnel through which the control plane comes in, and runs containerd and kubelet.
// It needs nothing of Minato's home: everything is in a folder of its own.
package join
