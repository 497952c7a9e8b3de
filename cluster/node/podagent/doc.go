// Package podagent is the EKS Pod Identity agent: on each node it answers AWS SDKs in pods at 169.254.170.23 and fd00:ec2::23. A pod
// shows the token of its ServiceAccount; the agent shows that to EKS Auth, with the credentials of the node's role, and keeps what it
// gets: for the next time, and for when EKS Auth is away.
//
// The contract is that of eks-pod-identity-agent v0.1.37: paths, statuses, limits, ports and flags.
package podagent
