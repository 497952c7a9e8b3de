package iam

import (
	"context"
	"strconv"

	"minato.dev/minato"
)

// Request is what policies may ask about the request itself, whatever it is for.
type Request struct {
	SourceIP  string        // aws:SourceIp
	Region    minato.Region // aws:RequestedRegion
	TLS       bool          // aws:SecureTransport
	UserAgent string        // aws:UserAgent
}

type requestKey struct{}

// WithRequest puts a Request into a context; Authorize finds it there.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// requestFrom is the context's Request; without one, policies know nothing of the request.
func requestFrom(ctx context.Context) *Request {
	r, ok := ctx.Value(requestKey{}).(Request)
	if !ok {
		return nil
	}
	return &r
}

func (r *Request) describe(c map[string][]string) {
	if r == nil {
		return
	}
	c["aws:securetransport"] = []string{strconv.FormatBool(r.TLS)}
	for key, value := range map[string]string{
		"aws:sourceip":        r.SourceIP,
		"aws:requestedregion": string(r.Region),
		"aws:useragent":       r.UserAgent,
	} {
		if value != "" {
			c[key] = []string{value}
		}
	}
}
