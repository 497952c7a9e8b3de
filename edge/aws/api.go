// Package aws is the one listener for every AWS API: it verifies the signature, finds the service by the credential's scope,
// limits, logs one event per request, and leaves the body to the service's own package (eksapi, iamapi, stsapi, ec2api).
// Nothing behind it knows HTTP, and it decides nothing about what a request means.
package aws

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/internal/sigv4"
	"minato.dev/minato/service/iam"
)

// Call is what is known of an authenticated request before its body is read. For the request event, the service's package
// fills in Action and Resource, and its WriteError fills in ErrorCode and Err.
type Call struct {
	RequestID  string
	Credential iam.Credential
	Scope      minato.Scope // the caller's account, the credential scope's region
	Service    string       // the credential scope's service: "eks"
	SourceIP   string
	UserAgent  string
	TLS        bool   // the request came over TLS
	Action     string // "eks:CreateCluster"
	Resource   minato.ARN
	// Hold is how long the answer may be held back until there is something new to say: an SDK's waiter polls. Zero for others.
	Hold      time.Duration
	ErrorCode string // the code that the client was answered with; empty for success
	Err       error  // what lies behind it, for the log only

	signed *sigv4.Signed // what the request says of its signature, before that is verified
}

// ConditionKeys are the condition keys that policies may ask of any request. The map is the caller's to add to.
func (c *Call) ConditionKeys() map[string][]string {
	keys := map[string][]string{
		"aws:requestedregion": {string(c.Scope.Region)},
		"aws:securetransport": {strconv.FormatBool(c.TLS)},
		// Whoever signs here does so for themselves: no service of AWS calls another one through this listener.
		"aws:viaawsservice":         {"false"},
		"aws:principalisawsservice": {"false"},
	}
	if c.SourceIP != "" {
		keys["aws:sourceip"] = []string{c.SourceIP}
	}
	if c.UserAgent != "" {
		keys["aws:useragent"] = []string{c.UserAgent}
	}
	return keys
}

// API is one AWS service behind the listener.
type API interface {
	// SigningName is the service's name in a credential scope: "eks", "sts".
	SigningName() string
	// ServeHTTP answers an authenticated request; CallFrom(r.Context()) is never nil. The body is already buffered, its
	// size bounded and its hash checked.
	http.Handler
	// WriteError renders an error in the service's protocol, also for requests that never reach ServeHTTP.
	WriteError(w http.ResponseWriter, r *http.Request, err error)
}

// Unsigned is an API with operations that need no signature. The Call of such a request has no Credential.
type Unsigned interface {
	// TakesUnsigned is whether a request is for such an operation.
	TakesUnsigned(r *http.Request, body []byte) bool
}

type callKey struct{}

// WithCall puts a Call into a context.
func WithCall(ctx context.Context, c *Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// CallFrom is the Call of a request's context, nil where there is none.
func CallFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}
