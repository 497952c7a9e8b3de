// Package iam is what IAM means here: accounts, users, access keys, roles and policies, and the one place that decides
// whether a principal may do something (Authorize). Secrets are sealed in the records.
package iam
