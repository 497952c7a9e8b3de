package access

import (
	"context"
	"errors"
	"maps"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/internal/sigv4"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
)

// Config is what an Authenticator decides by. All of it must answer from memory.
type Config struct {
	// Cluster finds a cluster's record by its id; the record is only read.
	Cluster func(id string) (*eks.Cluster, bool)
	// Credentials finds the secret of a key.
	Credentials iam.Credentials
	// Hosts are our own host:port that a token may have been signed for, as OwnHosts gives them.
	Hosts []string
	// Mappers are asked in order who a principal is; the first that knows decides.
	Mappers Mappers
	// Now is the machine's time, for the date in tokens; nil is time.Now. (Expiry of credentials is for Credentials to check.)
	Now func() time.Time
}

// Authenticator finds out who is behind a token.
type Authenticator struct {
	cluster     func(id string) (*eks.Cluster, bool)
	credentials iam.Credentials
	hosts       hosts
	mappers     Mappers
	now         func() time.Time
}

// New makes an Authenticator.
func New(c Config) *Authenticator {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Authenticator{cluster: c.Cluster, credentials: c.Credentials, hosts: newHosts(c.Hosts), mappers: c.Mappers, now: c.Now}
}

// Authenticate finds out who shows a token to a cluster. The checks and their order are those of EKS: the token's form, its
// URL, its parameters, its date, its signature, and then who the principal is on the cluster.
//
// A token that is not accepted is an error of kind Unauthenticated with a Reason; AccessKeyID tells which key it names. Its
// message helps the cluster's owner and holds nothing of the token that would be of use to a thief. Any other error means
// that we could not find out, and that the client should try again.
func (a *Authenticator) Authenticate(ctx context.Context, clusterID, token string) (User, error) {
	u, err := a.hosts.parseToken(token)
	if err != nil {
		return User{}, err
	}
	cluster, ok := a.cluster(clusterID)
	if !ok {
		return User{}, refuse(UnknownCluster, "there is no cluster with the id %.64q", clusterID)
	}
	signed, err := readSignature(u, cluster.Name)
	if err != nil {
		return User{}, err
	}
	p, err := a.verify(ctx, cluster, signed)
	if err != nil {
		return User{}, named(err, signed.AccessKeyID)
	}
	m, err := a.mappers.Map(cluster, p)
	if err != nil {
		return User{}, named(err, signed.AccessKeyID)
	}
	return newUser(m, p), nil
}

// verify is who signed, once the signature is seen to be theirs and made for this cluster.
func (a *Authenticator) verify(ctx context.Context, cluster *eks.Cluster, signed *sigv4.Signed) (minato.Principal, error) {
	credential, err := a.credentials(ctx, signed.AccessKeyID, signed.SessionToken)
	if err != nil {
		return minato.Principal{}, err
	}
	err = signed.Verify(credential.Secret, nil, a.now())
	if e, ok := asError(err); ok && e.Reason == sigv4.Mismatch && !signed.Time.After(a.now().Add(sigv4.Skew)) {
		return minato.Principal{}, refuse(sigv4.Mismatch, "the token's signature is not that of access key %s for the cluster name %q: "+
			"it was made for another cluster, with another secret, or has been changed", signed.AccessKeyID, cluster.Name)
	}
	if err != nil {
		return minato.Principal{}, err
	}
	p := credential.Principal
	p.AccessKeyID = signed.AccessKeyID
	return p, nil
}

// named is err with the access key's id. The error may be shared, so it is copied.
func named(err error, accessKeyID string) error {
	e, ok := asError(err)
	if !ok {
		return err
	}
	c := *e
	c.Fields = maps.Clone(e.Fields)
	return c.With(accessKeyField, accessKeyID)
}

func asError(err error) (*minato.Error, bool) { return errors.AsType[*minato.Error](err) }
