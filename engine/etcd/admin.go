package etcd

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd/etcderr"
	"minato.dev/minato/internal/pki"
)

// requestTimeout bounds one request to etcd, unless the caller's context is shorter.
const requestTimeout = 10 * time.Second

// Admin keeps an etcd's users, tenants and space in order. It comes as root.
type Admin struct {
	client    *clientv3.Client
	pki       PKI
	authority *pki.Authority
	log       *slog.Logger

	mu    sync.Mutex
	state Maintenance
}

// NewAdmin makes the Admin of the etcd that client reaches with the Root identity of a PKI that is complete (Ensure, Import).
func NewAdmin(client *clientv3.Client, p PKI, log *slog.Logger) (*Admin, error) {
	authority, err := p.Authority()
	if err != nil {
		return nil, err
	}
	return &Admin{client: client, pki: p, authority: authority, log: log}, nil
}

// Ready is whether etcd answers with what is agreed upon, as the probe of a supervisor asks.
func (a *Admin) Ready(ctx context.Context) error {
	_, err := a.client.Get(ctx, recordsPrefix, clientv3.WithKeysOnly())
	return etcderr.Wrap("asking etcd", err)
}

// Bootstrap makes Minato's users and roles, or repairs them, and turns authentication on. It is for our own etcd.
func (a *Admin) Bootstrap(ctx context.Context) error {
	if err := a.ensureUser(ctx, string(Root), "root"); err != nil {
		return err
	}
	if err := a.ensureReaders(ctx); err != nil {
		return err
	}
	on, err := a.authIsOn(ctx)
	if err != nil || on {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err = a.client.AuthEnable(ctx)
	return etcderr.Wrap("turning etcd's authentication on", err)
}

// BootstrapExternal makes Minato's users and roles, or repairs them, on an etcd of the user's own. It refuses, with an error of
// kind Invalid that says what is missing, an etcd without authentication, one where our certificate is not root's, and one
// that does not trust the client CA.
func (a *Admin) BootstrapExternal(ctx context.Context) error {
	on, err := a.authIsOn(ctx)
	if err != nil {
		return err
	}
	if !on {
		return minato.Errorf(minato.Invalid, "the etcd at %v has no authentication: make a user root with the role root and run etcdctl auth enable", a.client.Endpoints())
	}
	if err := a.isRoot(ctx); err != nil {
		return err
	}
	if err := a.ensureReaders(ctx); err != nil {
		return err
	}
	return a.proveAuthority(ctx)
}

// readers are the identities of processes that only read records, and what they read.
var readers = map[Identity][]string{
	Hook: {recordsPrefix},
	Gate: {routesPrefix},
	VPC: {
		routesPrefix, ec2Prefix + "vpcs/", ec2Prefix + "subnets/", ec2Prefix + "security-groups/", ec2Prefix + "network-interfaces/",
		hybridPrefix,
	},
}

// ensureReaders makes the users of the processes that only read records.
func (a *Admin) ensureReaders(ctx context.Context) error {
	for id, prefixes := range readers {
		var permissions []permission
		for _, prefix := range prefixes {
			permissions = append(permissions, prefixPermission(read, prefix))
		}
		if err := a.ensureRole(ctx, string(id), permissions...); err != nil {
			return err
		}
		if err := a.ensureUser(ctx, string(id), string(id)); err != nil {
			return err
		}
	}
	return nil
}

func (a *Admin) authIsOn(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := a.client.AuthStatus(ctx)
	switch {
	case err == nil:
		return resp.Enabled, nil
	case errors.Is(err, rpctypes.ErrPermissionDenied), errors.Is(err, rpctypes.ErrUserEmpty), errors.Is(err, rpctypes.ErrUserNotFound):
		return true, nil // only an etcd with authentication on says so
	}
	return false, etcderr.Wrap("asking etcd whether authentication is on", err)
}

func (a *Admin) isRoot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := a.client.UserList(ctx)
	if err != nil && etcderr.Permanent(err) {
		return minato.Errorf(minato.Invalid, "the client certificate given for the etcd at %v is not root's there (%w): its common name must be a user with the role root, and etcd must run with --client-cert-auth", a.client.Endpoints(), err)
	}
	return etcderr.Wrap("asking etcd for its users", err)
}

// proveAuthority reads as the hook, whose certificate the client CA has signed.
func (a *Admin) proveAuthority(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	target := a.pki.Target(Hook, a.client.Endpoints()...)
	err := target.handshake(ctx)
	if err == nil {
		err = target.read(ctx, recordsPrefix)
	}
	if err != nil {
		return minato.Errorf(minato.Invalid, "the etcd at %v does not take certificates of the client CA %q: its --trusted-ca-file must hold that CA (reading as %s: %w)",
			a.client.Endpoints(), a.authority.Cert.Subject.CommonName, Hook, err)
	}
	return nil
}
