// Package iam is what IAM means here: accounts, users, access keys, roles and policies, and the one place that decides
// whether a principal may do something (Authorize). Secrets are sealed in the records.
//
// IAM is one per account, and what it answers is true at once: there is no propagation to wait for. Service has the
// operations; Credentials and Authorize are the two seams that everybody else uses; Keyring is Credentials for a process of
// its own, over copies of the records. Temporary credentials are made by IssueSession; who may have them is package sts's
// to decide. What policies mean is package policy's.
package iam
