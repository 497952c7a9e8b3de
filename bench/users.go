package main

import (
	"context"
	"net/url"

	awscore "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// callRate keeps the calls that prepare a run below what the server lets one principal make.
const callRate = 150

// user is an IAM user with an access entry in a cluster. Only some have an access key.
type user struct {
	arn string
	key awscore.Credentials
}

// createUsers makes users of the given names with an access entry each, and the given access policies associated with it.
func (s *server) createUsers(ctx context.Context, cluster string, names []string, hasKey func(i int) bool, policies []types.AssociatedAccessPolicy) ([]user, error) {
	users := make([]user, len(names))
	client := s.eks()
	pace := rate.NewLimiter(callRate, callRate)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, name := range names {
		group.Go(func() error {
			u, err := s.createUser(ctx, pace, name, hasKey(i))
			if err != nil {
				return err
			}
			users[i] = u
			if err := pace.Wait(ctx); err != nil {
				return err
			}
			if _, err := client.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: &cluster, PrincipalArn: &u.arn}); err != nil {
				return err
			}
			for _, p := range policies {
				if err := pace.Wait(ctx); err != nil {
					return err
				}
				_, err := client.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{
					ClusterName: &cluster, PrincipalArn: &u.arn, PolicyArn: p.PolicyArn, AccessScope: p.AccessScope,
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return users, group.Wait()
}

func (s *server) createUser(ctx context.Context, pace *rate.Limiter, name string, withKey bool) (u user, err error) {
	if err := pace.WaitN(ctx, 2); err != nil {
		return u, err
	}
	var made struct {
		ARN string `xml:"CreateUserResult>User>Arn"`
	}
	if err := s.query(ctx, "iam", url.Values{"Action": {"CreateUser"}, "Version": {"2010-05-08"}, "UserName": {name}}, &made); err != nil {
		return u, err
	}
	u.arn = made.ARN
	if !withKey {
		return u, nil
	}
	var key struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	err = s.query(ctx, "iam", url.Values{"Action": {"CreateAccessKey"}, "Version": {"2010-05-08"}, "UserName": {name}}, &key)
	u.key = awscore.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}
	return u, err
}
