// Package sts is what the Security Token Service means here: who is asking, and temporary credentials for those whom a
// role's trust policy lets in. The credentials themselves are package iam's.
package sts
