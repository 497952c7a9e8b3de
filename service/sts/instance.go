package sts

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

// InstanceSession gives a machine credentials of its role: a session that is called as an EC2 instance's id or a Fargate node. The role must
// exist (else NotFound) and trust the service that the machine is of, on behalf of a resource, which may be zero (else Denied). How
// long it lasts is not for the role to say, as on EC2.
func (s *Service) InstanceSession(ctx context.Context, role minato.ARN, service string, resource minato.ARN, name string, d time.Duration) (iam.Temporary, error) {
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
