package server

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/home"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/sts"
)

// ensureAccounts makes the services, and in each account what a new one has: root, an administrator, a default VPC. The
// administrators' keys go to a file that only the owner of the home can read.
func (s *Server) ensureAccounts(ctx context.Context) (string, error) {
	s.iam = iam.New(s.store, s.sealer, s.clock)
	s.sts = sts.New(s.iam)
	s.ec2 = &ec2.Service{
		Store: s.store, Now: s.clock.Now, Authorize: s.iam.Authorize, Profile: s.iam.InstanceProfile, Role: s.iam.Role,
		Built: s.o.Kube.Built, Log: s.log.With("part", "ec2"),
	}
	keys, err := s.dir.LoadCredentials()
	if err != nil {
		return "", err
	}
	for _, account := range s.cfg.Accounts {
		if err := s.ensureAccount(ctx, account, keys); err != nil {
			return "", fmt.Errorf("account %s: %w", account, err)
		}
	}
	s.hook = s.newHookClient()
	s.eks = s.eksService()
	s.ssm = s.ssmService()
	s.eksauth = s.eksAuthService()
	s.sts.ProviderKey = s.providerKey()
	return strings.Join(s.cfg.Accounts, ", "), nil
}

// ensureAccount leaves the administrator's key in the home, unless the administrator has put another one in its place.
func (s *Server) ensureAccount(ctx context.Context, account string, keys map[string]home.AccessKey) error {
	admin, err := s.iam.EnsureAccount(ctx, account)
	if err != nil {
		return err
	}
	if _, onFile := keys[account]; !onFile && admin.ID != "" {
		keys[account] = home.AccessKey{AccessKeyID: admin.ID, SecretAccessKey: admin.SecretAccessKey}
		if err := s.dir.SaveCredentials(keys); err != nil {
			return err
		}
	}
	return s.ec2.EnsureDefaults(ctx, minato.Scope{Account: account, Region: s.cfg.Region})
}

func (s *Server) eksService() *eks.Service {
	return &eks.Service{
		PrivateEndpoints: realVPCs(),
		Store:            s.store,
		Now:              s.clock.Now,
		Authorize:        s.iam.Authorize,
		CheckRole:        s.iam.CheckServiceRole,
		PrincipalID:      s.iam.PrincipalID,
		AccessPolicies:   accessPolicies(),
		CheckPolicyRules: checkPolicyRules,
		Addons:           addonKinds(),
		CheckAddonValues: checkAddonValues,
		Applied:          s.applied,
		Network:          s.network(),
		Compute:          s.compute(),
		Kubelets: func(ctx context.Context, clusterID string) ([]eks.Kubelet, error) {
			return s.planes.Kubelets(ctx, clusterID)
		},
		RollbackBlockers: func(ctx context.Context, c *eks.Cluster, target string) ([]string, error) {
			return s.insights.RollbackBlockers(ctx, c, target)
		},
		AllowUnsupported: s.o.AllowUnsupported,
		Log:              s.log.With("part", "eks"),
		BuiltMinors: func() (minors []string) {
			for _, v := range s.o.Kube.Built() {
				minors = append(minors, v.Minor)
			}
			return minors
		},
	}
}

// network is what EKS asks of EC2, in EKS's own types.
func (s *Server) network() eks.Network {
	return eks.Network{
		Subnets: func(ctx context.Context, scope minato.Scope, ids []string) ([]eks.Subnet, error) {
			found, err := s.ec2.Subnets(ctx, scope, ids)
			if err != nil {
				return nil, err
			}
			public, err := s.ec2.PublicSubnets(ctx, scope, found)
			out := make([]eks.Subnet, len(found))
			for i, n := range found {
				out[i] = eks.Subnet{ID: n.ID, VPCID: n.VPCID, AvailabilityZone: n.Zone, FreeAddresses: n.AvailableAddresses(), Public: public[n.ID]}
			}
			return out, err
		},
		SecurityGroups: func(ctx context.Context, scope minato.Scope, ids []string) ([]eks.SecurityGroup, error) {
			found, err := s.ec2.SecurityGroups(ctx, scope, ids)
			out := make([]eks.SecurityGroup, len(found))
			for i, g := range found {
				out[i] = eks.SecurityGroup{ID: g.ID, VPCID: g.VPCID}
			}
			return out, err
		},
		CIDRs: func(ctx context.Context, scope minato.Scope, vpcID string) ([]netip.Prefix, error) {
			return s.ec2.CIDRs(ctx, scope, vpcID)
		},
		NewSecurityGroup: func(ctx context.Context, scope minato.Scope, g eks.NewSecurityGroup) (string, []store.Op, error) {
			return s.ec2.NewSecurityGroup(ctx, scope, g.VPCID, g.Name, g.Description, g.Tags)
		},
	}
}
