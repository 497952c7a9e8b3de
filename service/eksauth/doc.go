// Package eksauth is EKS Auth: it gives a pod, by its ServiceAccount token, the credentials of the IAM role that is associated with
// its ServiceAccount. The association is service/eks's, the credentials are service/sts's; what is decided here is whether the token
// is one of the cluster's, and good.
package eksauth
