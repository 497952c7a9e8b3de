package kubehook

import (
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/internal/jsonread"
)

// accessReview is the answer to a SubjectAccessReview of authorization.k8s.io/v1.
type accessReview struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Status     accessReviewStatus `json:"status,omitzero"`
}

type accessReviewStatus struct {
	Allowed bool   `json:"allowed"`
	Denied  bool   `json:"denied,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

const (
	accessReviewKind = "SubjectAccessReview"
	authorizationV   = "authorization.k8s.io/v1"
)

// readAccessReview reads what a SubjectAccessReview asks. Most of what a cluster's users do begins with one, so it is read in one pass.
// The name and the selectors are left out: no access policy goes by them.
func readAccessReview(body []byte) (access.Question, error) {
	var (
		q                access.Question
		apiVersion, kind string
		resource, url    bool
	)
	r := jsonread.New(body)
	r.Object(func(name []byte) {
		switch string(name) {
		case "apiVersion":
			r.String(&apiVersion)
		case "kind":
			r.String(&kind)
		case "spec":
			r.Object(func(name []byte) {
				switch string(name) {
				case "resourceAttributes":
					resource = readResource(r, &q) || resource
				case "nonResourceAttributes":
					url = readURL(r, &q) || url
				default:
					readUser(r, string(name), &q.User)
				}
			})
		default:
			r.Skip()
		}
	})
	switch {
	case r.End() != nil:
		return access.Question{}, &badReview{"the body is not a SubjectAccessReview in JSON"}
	case apiVersion != authorizationV || kind != accessReviewKind:
		return access.Question{}, &badReview{"want a SubjectAccessReview of " + authorizationV}
	case resource == url:
		return access.Question{}, &badReview{"want either resourceAttributes or nonResourceAttributes"}
	}
	q.Request.NonResource = url
	return q, nil
}

// readUser reads a member of a review's spec that is about the user.
func readUser(r *jsonread.Reader, name string, u *access.User) {
	switch name {
	case "user":
		r.String(&u.Username)
	case "uid":
		r.String(&u.UID)
	case "groups":
		u.Groups = r.Strings()
	case "extra":
		u.Extra = map[string][]string{}
		r.Object(func(name []byte) {
			key := string(name)
			u.Extra[key] = r.Strings()
		})
	default:
		r.Skip()
	}
}

// readResource reads what a user wants to do with a resource, and whether it is that.
func readResource(r *jsonread.Reader, q *access.Question) (found bool) {
	if r.Null() {
		return false
	}
	r.Object(func(name []byte) {
		switch string(name) {
		case "namespace":
			r.String(&q.Namespace)
		case "verb":
			r.String(&q.Request.Verb)
		case "group":
			r.String(&q.Request.Group)
		case "resource":
			r.String(&q.Request.Resource)
		case "subresource":
			r.String(&q.Request.Subresource)
		default:
			r.Skip()
		}
	})
	return true
}

// readURL reads what a user wants to do with a URL that is no resource, and whether it is that.
func readURL(r *jsonread.Reader, q *access.Question) (found bool) {
	if r.Null() {
		return false
	}
	r.Object(func(name []byte) {
		switch string(name) {
		case "path":
			r.String(&q.Request.Path)
		case "verb":
			r.String(&q.Request.Verb)
		default:
			r.Skip()
		}
	})
	return true
}
