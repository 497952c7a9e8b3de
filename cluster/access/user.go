package access

import (
	"strings"

	"minato.dev/minato"
)

// User is who a token stands for on a cluster, as kube-apiserver is told. kube-apiserver itself adds the group
// system:authenticated.
type User struct {
	Username string
	UID      string
	Groups   []string
	Extra    map[string][]string
}

// principalIDKey is the extra field that says that a user is an IAM principal, and which.
const principalIDKey = "sigs.k8s.io/aws-iam-authenticator/principalId"

// extra is the only value of an extra field, empty if there is none. Fields that have come through HTTP headers have their
// names in lower case: so an aggregated API server hands them on when it asks for its users.
func extra(u User, name string) string {
	for _, name := range []string{name, strings.ToLower(name)} {
		if values := u.Extra[name]; len(values) == 1 {
			return values[0]
		}
	}
	return ""
}

// newUser describes a mapped principal as EKS does: the uid names the account and the unique id, the extra fields name the
// principal in every form that policies, audit logs and admission rules on EKS go by.
func newUser(m Mapping, p minato.Principal) User {
	id := []string{p.UniqueID()}
	return User{
		Username: m.Username,
		UID:      "aws-iam-authenticator:" + p.Account + ":" + p.UniqueID(),
		Groups:   m.Groups,
		Extra: map[string][]string{
			"accessKeyId":  {p.AccessKeyID},
			"arn":          {p.ARN.String()},
			"canonicalArn": {p.CanonicalARN().String()},
			"principalId":  id,
			"sessionName":  {p.SessionName},
			principalIDKey: id,
		},
	}
}
