// Package simulated makes nodes of instances that have a simulated image: Node objects without a machine, which kwok
// (sigs.k8s.io/kwok) says are Ready and run their pods. One kwok runs for each cluster that has such nodes. Each of them says what
// it is: the label minato.dev/simulated=true, and "simulated" in its node info.
package simulated
