// Package podidentity decides what a new pod gets so that an AWS SDK in it finds credentials: environment variables, a token in a
// projected volume, a label. It is the mutation of EKS's pod-identity-webhook, for EKS Pod Identity and for IAM roles for service
// accounts (IRSA), as a pure function; who calls it and what it is told are others' affairs.
//
// Source: the behaviour of github.com/aws/amazon-eks-pod-identity-webhook as its README tells it, and the EKS User Guide.
package podidentity
