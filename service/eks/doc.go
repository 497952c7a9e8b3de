// Package eks is what the EKS API means: the records, their validation, their status machines and the operations on them.
// It knows no HTTP and starts no process: an operation writes one record, and the control plane's reconciler, in
// cluster/controlplane, makes it true.
package eks
