package sts

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

// Who gives machines the credentials of their roles: those in EC2, and those outside.
const (
	ec2Service = "ec2.amazonaws.com"
	ssmService = "ssm.amazonaws.com"
	podService = "eks-fargate-pods.amazonaws.com"
)

// InstanceSession gives an EC2 instance credentials of its role: a session that is called as the instance. The role must
// exist (else NotFound) and trust ec2.amazonaws.com (else Denied). How long it lasts is not for the role to say, as on EC2.
func (s *Service) InstanceSession(ctx context.Context, role minato.ARN, instanceID string, d time.Duration) (iam.Temporary, error) {
	return s.machineSession(ctx, ec2Service, minato.ARN{}, role, instanceID, d)
}

// ManagedInstanceSession is InstanceSession for a machine outside EC2, whose role trusts ssm.amazonaws.com, maybe on behalf of its account only.
func (s *Service) ManagedInstanceSession(ctx context.Context, role, instance minato.ARN, name string, d time.Duration) (iam.Temporary, error) {
	return s.machineSession(ctx, ssmService, instance, role, name, d)
}

// FargateSession is InstanceSession for the node of a Fargate pod, whose role trusts eks-fargate-pods.amazonaws.com on behalf of its profile.
func (s *Service) FargateSession(ctx context.Context, role, profile minato.ARN, node string, d time.Duration) (iam.Temporary, error) {
	return s.machineSession(ctx, podService, profile, role, node, d)
}

func (s *Service) machineSession(ctx context.Context, service string, resource, role minato.ARN, name string, d time.Duration) (iam.Temporary, error) {
	if err := s.iam.CheckServiceRole(ctx, role, service, resource); err != nil {
		return iam.Temporary{}, err
	}
	r, err := s.iam.RoleByARN(ctx, role)
	if err != nil {
		return iam.Temporary{}, err
	}
	who := minato.Principal{
		Type: minato.AssumedRole, Account: r.Account, RoleARN: r.ARN(), SessionName: name,
		ARN: minato.NewARN("sts", "", r.Account, "assumed-role/"+r.Name+"/"+name),
		ID:  r.ID + ":" + name,
	}
	return s.iam.IssueSession(ctx, who, iam.SessionContext{}, d)
}
