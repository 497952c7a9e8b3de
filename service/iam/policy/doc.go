// Package policy is the IAM policy language: it parses documents strictly, compiles them, and decides what they say about a
// request. Everything here is a pure function of its arguments; who has which policies is package iam's business.
//
// A document is parsed once (Parse) and evaluated many times. Evaluate combines the policies that apply to a request the way
// AWS documents it (IAM User Guide, "Policy evaluation logic"): an explicit deny anywhere wins; a resource-based policy can
// grant by itself within an account; identity policies are cut by the permissions boundary and by session policies; across
// accounts both sides must allow. The Decision names the statement that decided, and why each kind of policy said no.
package policy
