// Package nodegroup makes managed nodegroups true: it launches and terminates the instances of each, replaces those that are lost
// or outdated, drains nodes before they go, and tells the nodes' labels and taints.
//
// A pass over one nodegroup is a list of steps (steps.go), each asking first what is so already, and ends in one commit. What
// the steps decide about which instances come and go is one pure function (plan.go).
package nodegroup
