package sts

import (
	"context"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

// ec2Service is who gives an instance the credentials of its role.
const ec2Service = "ec2.amazonaws.com"

// InstanceSession gives an EC2 instance credentials of its role: a session that is called as the instance. The role must
// exist (else NotFound) and trust ec2.amazonaws.com (else Denied). How long it lasts is not for the role to say, as on EC2.
func (s *Service) InstanceSession(ctx context.Context, role minato.ARN, instanceID string, d time.Duration) (iam.Temporary, error) {
	if err := s.iam.CheckServiceRole(ctx, role, ec2Service, minato.ARN{}); err != nil {
		return iam.Temporary{}, err
	}
	r, err := s.iam.RoleByARN(ctx, role)
	if err != nil {
		return iam.Temporary{}, err
	}
	who := minato.Principal{
		Type: minato.AssumedRole, Account: r.Account, RoleARN: r.ARN(), SessionName: instanceID,
		ARN: minato.NewARN("sts", "", r.Account, "assumed-role/"+r.Name+"/"+instanceID),
		ID:  r.ID + ":" + instanceID,
	}
	return s.iam.IssueSession(ctx, who, iam.SessionContext{}, d)
}
