package iam

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
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

// newSessionKeyID is the id of a temporary access key, which tells its account as AWS's do: the first 48 bits after the prefix are a one, the
// account in 40 bits, and seven of the 39 random bits.
func newSessionKeyID(account string) string {
	var b [10]byte
	rand.Read(b[:])
	number, _ := strconv.ParseUint(account, 10, 40) // twelve digits
	head := 1<<47 | number<<7 | uint64(b[5]&0x7f)
	for i := range 6 {
		b[i] = byte(head >> (8 * (5 - i)))
	}
	return sessionKeyPrefix + base32.StdEncoding.EncodeToString(b[:])
}

// sessionKeyAccount is the account that the id of a temporary access key tells. Any id of the form tells one.
func sessionKeyAccount(id string) string {
	b, err := base32.StdEncoding.DecodeString(strings.TrimPrefix(id, sessionKeyPrefix))
	if err != nil || len(b) < 6 {
		return ""
	}
	var head uint64
	for _, octet := range b[:6] {
		head = head<<8 | uint64(octet)
	}
	return fmt.Sprintf("%012d", head&(1<<47-1)>>7)
}

func newSecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}
