package iam

import (
	"context"
	"time"

	"minato.dev/minato"
)

// Credential is what a verifier needs to check a signature and to know who made it.
type Credential struct {
	AccessKeyID string
	Secret      string // the secret access key, in the clear: never log it
	Principal   minato.Principal
	Expires     time.Time // zero for long-lived keys
	// Session is what temporary credentials carry beyond the user or role behind them; nil for long-lived keys.
	Session *SessionContext
}

// SessionContext is what STS fixed when it issued a session.
type SessionContext struct {
	Policies       []string // session policies, JSON documents
	Tags           minato.Tags
	TransitiveTags []string
	// Keys are condition keys of every request of the session, in lower case: what an identity provider said of who this is.
	Keys     map[string][]string `json:",omitempty"`
	IssuedAt time.Time
}

// Credentials looks up a key by its id. For a temporary key (ASIA…) the session token must come along and fit; for a
// long-lived one it must be empty. Errors are of kind Unauthenticated with the reason InvalidClientTokenId (no such key),
// ExpiredToken or InvalidToken.
type Credentials func(ctx context.Context, accessKeyID, sessionToken string) (Credential, error)

// Authorize decides whether the credential may do action ("eks:CreateCluster") on resource. It returns nil, or an Error of
// kind Denied in AWS's words: "User: ARN is not authorized to perform: ACTION on resource: ARN because no identity-based
// policy allows the ACTION action".
type Authorize func(ctx context.Context, r Access) error

// Access is one question to Authorize.
type Access struct {
	Credential Credential
	Action     string
	Resource   minato.ARN // zero for actions on no particular resource ("*")
	// Context are the condition keys of the request and of the operation, in lower case: "aws:sourceip",
	// "aws:requesttag/team". Those of the principal and of the time are not asked of the caller.
	Context map[string][]string
}
