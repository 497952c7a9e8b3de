package registry

import (
	"crypto/subtle"
	"net"
	"net/http"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

// authenticate finds out who a client says it is. The user is an access key id and the password its secret; for temporary
// credentials the session token follows the secret, after a colon, which no secret contains.
func (q *request) authenticate() error {
	if q.r.Header.Get("Authorization") == "" {
		return nil
	}
	user, password, ok := q.r.BasicAuth()
	if !ok {
		return unauthorized("want an access key id as the user and its secret as the password")
	}
	secret, token, _ := strings.Cut(password, ":")
	who, err := q.cfg.Credentials(q.ctx(), user, token)
	if minato.Is(err, minato.Unauthenticated) {
		return unauthorized("%w", err)
	}
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(secret), []byte(who.Secret)) != 1 {
		return unauthorized("the password is not the secret access key of %s", user)
	}
	q.who = who
	return nil
}

func unauthorized(format string, args ...any) error {
	return minato.Errorf(minato.Unauthenticated, format, args...).Because("UNAUTHORIZED")
}

// ping is where clients find out how to log in. A client that gave no credentials is asked for some, or docker would push without;
// one that has none goes on and pulls.
func (q *request) ping() error {
	if q.who.AccessKeyID == "" {
		return unauthorized("log in with an access key id and its secret, or pull without")
	}
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// mayWrite is nil when the client may change the repository.
func (q *request) mayWrite() error {
	if q.who.AccessKeyID == "" {
		return unauthorized("changing a repository takes an access key id and its secret")
	}
	if q.cfg.Builtin.Has(q.name) {
		return minato.Errorf(minato.Denied, "%s is a repository that Minato is built with, and read-only", q.name).Because("DENIED")
	}
	action := "ecr:PutImage"
	if q.r.Method == http.MethodDelete && q.what == "manifests" {
		action = "ecr:BatchDeleteImage"
	}
	host, _, _ := net.SplitHostPort(q.r.RemoteAddr)
	return q.cfg.Authorize(q.ctx(), iam.Access{
		Credential: q.who,
		Action:     action,
		Resource: minato.ARN{
			Partition: "aws", Service: "ecr", Region: string(q.cfg.Region), Account: q.account(), Resource: "repository/" + q.name,
		},
		Context: map[string][]string{"aws:sourceip": {host}},
	})
}
