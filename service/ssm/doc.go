// Package ssm is the part of AWS Systems Manager that makes machines outside EC2 known: activations, and the managed instances
// that register with them. It is how EKS's hybrid nodes get the credentials of their role. And the public parameters by which
// tools find the newest image for EC2's nodes.
package ssm
