package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/cluster/access/policies"
	"minato.dev/minato/edge/kubehook"
	"minato.dev/minato/engine/etcd"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/server/control"
	"minato.dev/minato/service/eks"
)

// accessPolicies are all access policies of AWS as EKS's service knows them.
func accessPolicies() []eks.AccessPolicy {
	var all []eks.AccessPolicy
	for _, p := range policies.List() {
		known := eks.AccessPolicy{Name: p.Name, ARN: p.ARN}
		if why, ok := p.Associable(); !ok {
			known.Unassociable = why
		}
		all = append(all, known)
	}
	return all
}

// checkPolicyRules is what is wrong with the rules of a policy that a customer made.
func checkPolicyRules(arn minato.ARN, rules string) error {
	_, err := policies.ParseCustom(arn, rules)
	return err
}

// policiesOf reads the policies of an access entry. Those whose rules are not known are not found.
func (s *Server) policiesOf(ctx context.Context, entry *eks.AccessEntry) (access.LookupPolicy, error) {
	custom := map[minato.ARN]policies.Policy{}
	for _, a := range entry.Policies {
		if _, ok := policies.Lookup(a.PolicyARN); ok {
			continue
		}
		item, err := eks.CustomPolicies(s.store).Get(ctx, eks.CustomPolicyKey(a.PolicyARN.Account, a.PolicyARN.ResourceID()))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if p, err := policies.ParseCustom(a.PolicyARN, item.Value.Rules); err == nil {
			custom[a.PolicyARN] = p
		}
	}
	return func(arn minato.ARN) (policies.Policy, bool) {
		if p, ok := policies.Lookup(arn); ok {
			return p, true
		}
		p, ok := custom[arn]
		return p, ok
	}, nil
}

// newHookClient makes what asks the webhooks how far they have read the records. It comes with the certificate that we have
// for etcd, read again at every handshake because it is renewed.
func (s *Server) newHookClient() *kubehook.Client {
	identity := s.etcdPKI.Target(etcd.Root)
	client := kubehook.NewClient(net.JoinHostPort("127.0.0.1", strconv.Itoa(s.cfg.HookPort)), &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    s.ca.Pool(),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(identity.CertFile, identity.KeyFile)
			return &cert, err
		},
	})
	s.onStop(client.Close)
	return client
}

// hookApplied waits until access to clusters is decided by the records of a revision.
func (s *Server) hookApplied(ctx context.Context, rev store.Revision) error {
	return s.hook.Applied(ctx, rev)
}

// applied is hookApplied for the credentials of pods too.
func (s *Server) applied(ctx context.Context, rev store.Revision) error {
	if err := s.pods.associations.WaitFor(ctx, rev); err != nil {
		return err
	}
	return s.hookApplied(ctx, rev)
}

// customPolicies answers `minato access policy`.
func (s *Server) customPolicies() control.Policies {
	return control.Policies{
		Put: func(ctx context.Context, account, name, rules string) (eks.CustomPolicy, error) {
			if err := s.checkAccount(&account); err != nil {
				return eks.CustomPolicy{}, err
			}
			return s.eks.PutCustomPolicy(ctx, account, name, rules)
		},
		List: func(ctx context.Context, account string) ([]eks.CustomPolicy, error) {
			if err := s.checkAccount(&account); err != nil {
				return nil, err
			}
			return s.eks.CustomPolicies(ctx, account)
		},
		Get: func(ctx context.Context, account, name string) (eks.CustomPolicy, error) {
			if err := s.checkAccount(&account); err != nil {
				return eks.CustomPolicy{}, err
			}
			return s.eks.CustomPolicy(ctx, account, name)
		},
		Delete: func(ctx context.Context, account, name string) error {
			if err := s.checkAccount(&account); err != nil {
				return err
			}
			return s.eks.DeleteCustomPolicy(ctx, account, name)
		},
	}
}

// checkAccount puts the server's first account in for none, and refuses one that the server does not have.
func (s *Server) checkAccount(account *string) error {
	if *account == "" {
		*account = s.cfg.Accounts[0]
	}
	if !slices.Contains(s.cfg.Accounts, *account) {
		return minato.Errorf(minato.NotFound, "this server has no account %.64q; there are: %s", *account, strings.Join(s.cfg.Accounts, ", "))
	}
	return nil
}
