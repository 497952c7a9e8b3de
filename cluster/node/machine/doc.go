// Package machine makes one node: a set of Linux namespaces on this machine with a containerd and a kubelet of their own.
//
// It runs in a process for each node, `minato machine`, in two halves. The host's half (Run) owns what lies outside: the
// cgroups, the node's disk, its interface in the VPC, and its metadata service. The guest's half (Guest) is pid 1 of the
// namespaces: it builds the root file system, starts containerd and kubelet, starts them again when they end, and reaps.
// When the host's half dies, the kernel ends pid 1 and with it everything inside; the next one clears what is left and starts
// the node again from the same disk, as after a power cut.
//
// All that the two need to know is in the run folder, written by cluster/node before the process starts: nothing here asks an
// API or a store, so nodes go on, and start again, while Minato's API is away.
package machine
