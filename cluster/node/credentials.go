package node

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/node/machine"
	"minato.dev/minato/service/ec2"
)

const (
	// sessionLength is that of a node's credentials, and renewBefore how long before their end they are replaced: so long can
	// Minato's API be away before a node is nobody.
	sessionLength = 12 * time.Hour
	renewBefore   = 6 * time.Hour
	// askAgain is how soon a role that gives no credentials is asked again.
	askAgain = 10 * time.Second
)

// renewCredentials gives the instance's metadata service credentials that last, and says when to come back.
func (c *Controller) renewCredentials(ctx context.Context, i ec2.Instance) (again time.Duration, err error) {
	if i.RoleARN.IsZero() {
		return resync, nil
	}
	now := c.deps.Clock.Now()
	old, err := machine.ReadCredentials(c.deps.Home, i.ID)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, c.wrap(i, err)
	}
	if left := old.Ends.Sub(now); left > renewBefore {
		return left - renewBefore, nil
	}
	next, again, err := c.newCredentials(ctx, i, now)
	if err != nil {
		return 0, err
	}
	if next.Code != success && old.Code == next.Code && old.Message == next.Message {
		return again, nil
	}
	return again, c.wrap(i, machine.WriteCredentials(c.deps.Home, i.ID, next))
}

const success = "Success"

// newCredentials asks the role. Its refusal is an answer too: that is what the metadata service then says, as on EC2.
func (c *Controller) newCredentials(ctx context.Context, i ec2.Instance, now time.Time) (machine.Credentials, time.Duration, error) {
	t, err := c.deps.Credentials(ctx, i.RoleARN, i.SessionName(), sessionLength)
	if minato.Is(err, minato.Denied) || minato.Is(err, minato.NotFound) {
		c.deps.Log.WarnContext(ctx, "instance gets no credentials of its role", "instance", i.ID, "role", i.RoleARN.String(), "error", err)
		return machine.Credentials{
			Code: "AssumeRoleUnauthorizedAccess", LastUpdated: now.UTC(),
			Message: "EC2 cannot assume the role " + i.RoleARN.ResourceName() + ". Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc.",
		}, askAgain, nil
	}
	if err != nil {
		return machine.Credentials{}, 0, c.wrap(i, err)
	}
	return machine.Credentials{
		Code: success, LastUpdated: now.UTC(), Type: "AWS-HMAC", AccessKeyID: t.AccessKeyID, SecretAccessKey: t.SecretAccessKey,
		Token: t.SessionToken, Expiration: t.Told, Ends: t.Expires,
	}, t.Expires.Sub(now) - renewBefore, nil
}
