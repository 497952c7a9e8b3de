package etcd

import (
	"context"
	"errors"
	"slices"

	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato/engine/etcd/etcderr"
)

// Every change to users and roles makes etcd ask its clients to repeat what they have in flight, so what is right already
// is left alone.

const (
	read      = clientv3.PermissionType(clientv3.PermRead)
	readWrite = clientv3.PermissionType(clientv3.PermReadWrite)
)

// permission is what a role may do with the keys from key up to, not including, end; with the key alone when end is empty.
type permission struct {
	kind     clientv3.PermissionType
	key, end string
}

func prefixPermission(kind clientv3.PermissionType, prefix string) permission {
	return permission{kind, prefix, clientv3.GetPrefixRangeEnd(prefix)}
}

// ensureRole makes a role with these permissions and no others.
func (a *Admin) ensureRole(ctx context.Context, name string, want ...permission) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	role, err := a.client.RoleGet(ctx, name)
	if errors.Is(err, rpctypes.ErrRoleNotFound) {
		role = &clientv3.AuthRoleGetResponse{}
		_, err = a.client.RoleAdd(ctx, name)
	}
	if err != nil && !errors.Is(err, rpctypes.ErrRoleAlreadyExist) {
		return etcderr.Wrap("making etcd role "+name, err)
	}
	has := make([]permission, 0, len(role.Perm))
	for _, p := range role.Perm {
		has = append(has, asPermission(p))
	}
	for _, p := range has {
		if slices.Contains(want, p) {
			continue
		}
		if _, err := a.client.RoleRevokePermission(ctx, name, p.key, p.end); err != nil && !errors.Is(err, rpctypes.ErrPermissionNotGranted) {
			return etcderr.Wrap("taking a permission from etcd role "+name, err)
		}
	}
	for _, p := range want {
		if slices.Contains(has, p) {
			continue
		}
		if _, err := a.client.RoleGrantPermission(ctx, name, p.key, p.end, p.kind); err != nil {
			return etcderr.Wrap("giving a permission to etcd role "+name, err)
		}
	}
	return nil
}

func asPermission(p *authpb.Permission) permission {
	return permission{clientv3.PermissionType(p.PermType), string(p.Key), string(p.RangeEnd)}
}

// ensureUser makes a user who is known by certificate alone and has this one role.
func (a *Admin) ensureUser(ctx context.Context, name, role string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	user, err := a.client.UserGet(ctx, name)
	if errors.Is(err, rpctypes.ErrUserNotFound) {
		user = &clientv3.AuthUserGetResponse{}
		_, err = a.client.UserAddWithOptions(ctx, name, "", &clientv3.UserAddOptions{NoPassword: true})
	}
	if err != nil && !errors.Is(err, rpctypes.ErrUserAlreadyExist) {
		return etcderr.Wrap("making etcd user "+name, err)
	}
	for _, r := range user.Roles {
		if r == role {
			continue
		}
		if _, err := a.client.UserRevokeRole(ctx, name, r); err != nil && !errors.Is(err, rpctypes.ErrRoleNotGranted) {
			return etcderr.Wrap("taking a role from etcd user "+name, err)
		}
	}
	if slices.Contains(user.Roles, role) {
		return nil
	}
	_, err = a.client.UserGrantRole(ctx, name, role)
	return etcderr.Wrap("giving a role to etcd user "+name, err)
}

func (a *Admin) deleteUser(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if _, err := a.client.UserDelete(ctx, name); err != nil && !errors.Is(err, rpctypes.ErrUserNotFound) {
		return etcderr.Wrap("deleting etcd user "+name, err)
	}
	return nil
}

func (a *Admin) deleteRole(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if _, err := a.client.RoleDelete(ctx, name); err != nil && !errors.Is(err, rpctypes.ErrRoleNotFound) {
		return etcderr.Wrap("deleting etcd role "+name, err)
	}
	return nil
}
