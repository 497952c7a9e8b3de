package minato

import "strings"

// PrincipalType is what kind of caller a principal is.
type PrincipalType string

// The principal types, spelled as the aws:PrincipalType condition key spells them.
const (
	AccountRoot PrincipalType = "Account"
	IAMUser     PrincipalType = "User"
	AssumedRole PrincipalType = "AssumedRole"
	Service     PrincipalType = "Service" // one of Minato's own parts, or an AWS service name
)

// Principal is who makes a request, once its signature has been verified.
type Principal struct {
	Type    PrincipalType `json:"type"`
	Account string        `json:"account"`
	// ARN is what GetCallerIdentity answers: iam user ARN, iam root ARN, or sts assumed-role ARN with the session name.
	ARN ARN `json:"arn"`
	// ID is the unique id: AIDA… for users, AROA…:session for role sessions, the account for root.
	ID string `json:"id"`
	// AccessKeyID is the key that signed.
	AccessKeyID string `json:"accessKeyId,omitempty"`
	// RoleARN is the iam role ARN, path included, of a role session; zero otherwise.
	RoleARN ARN `json:"roleArn,omitzero"`
	// SessionName is the role session's name; empty otherwise.
	SessionName string `json:"sessionName,omitempty"`
}

// IAMARN is the user, role or root that stands behind the principal: the role for a session, the ARN itself otherwise.
func (p Principal) IAMARN() ARN {
	if p.Type == AssumedRole {
		return p.RoleARN
	}
	return p.ARN
}

// UniqueID is the id of IAMARN: a role session's id without its session name.
func (p Principal) UniqueID() string {
	id, _, _ := strings.Cut(p.ID, ":")
	return id
}

// CanonicalARN is IAMARN without the role's path, which is how Kubernetes authentication and aws-auth name a role.
func (p Principal) CanonicalARN() ARN {
	a := p.IAMARN()
	if p.Type == AssumedRole {
		a.Resource = "role/" + a.ResourceName()
	}
	return a
}
