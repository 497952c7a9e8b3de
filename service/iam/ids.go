package iam

import (
	"crypto/rand"
	"encoding/base64"
	"regexp"
)

// Prefixes of unique ids and access key ids (IAM User Guide, "IAM identifiers: Understanding unique ID prefixes").
const (
	userPrefix            = "AIDA"
	groupPrefix           = "AGPA"
	rolePrefix            = "AROA"
	policyPrefix          = "ANPA"
	instanceProfilePrefix = "AIPA"
	accessKeyPrefix       = "AKIA"
	sessionKeyPrefix      = "ASIA"
)

const (
	uniqueIDLength    = 17 // after the prefix
	accessKeyIDLength = 16 // after the prefix
	secretBytes       = 30 // 40 characters of base64
)

var accessKeyIDForm = regexp.MustCompile(`^(AKIA|ASIA)[A-Z2-7]{16}$`)

// randomID is a prefix and n random characters of 5 bits each.
func randomID(prefix string, n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	b := make([]byte, n)
	rand.Read(b)
	for i := range b {
		b[i] = alphabet[b[i]%32]
	}
	return prefix + string(b)
}

func newUniqueID(prefix string) string    { return randomID(prefix, uniqueIDLength) }
func newAccessKeyID(prefix string) string { return randomID(prefix, accessKeyIDLength) }

func newSecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}
