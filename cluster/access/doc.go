// Package access decides who a Kubernetes client is on a cluster. A client of an EKS cluster shows a token that is a
// presigned call of STS GetCallerIdentity, bound to the cluster's name by a signed header. On AWS the cluster makes that call
// to learn who signed it; we hold the keys, so the Authenticator checks the signature itself and needs neither STS nor the
// store.
//
// Who a principal is on a cluster is then asked of an ordered list of Mappers, of which the first that knows the principal
// decides. A principal that none of them knows is not authenticated.
package access
