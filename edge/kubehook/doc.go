// Package kubehook serves the webhooks that kube-apiservers call, one tree of paths for each cluster:
//
//	POST /clusters/{id}/authenticate    a TokenReview: who is behind this token?
//	POST /clusters/{id}/authorize       a SubjectAccessReview: does an access policy let this user do that?
//	POST /clusters/{id}/mutate          an AdmissionReview of a new pod: does a Fargate profile have it?
//	POST /clusters/{id}/identify        the same: which AWS credentials does it get?
//
// A kube-apiserver shows the client certificate of its cluster (common name k8s-<id>) and may ask under its own path only.
// The package turns reviews into questions and answers into reviews; cluster/access decides.
package kubehook
