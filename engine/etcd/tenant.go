package etcd

import (
	"context"
	"regexp"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd/etcderr"
	"minato.dev/minato/internal/pki"
)

const (
	tenantValidity = 365 * 24 * time.Hour
	deleteBatch    = 500 // keys in one delete, so that no request holds etcd up
	sizeBatch      = 64  // keys with values in one read; a value has at most 1.5 MiB
)

// TenantSize is how much a tenant keeps in etcd now, history not counted.
type TenantSize struct {
	Keys  int64 `json:"keys"`
	Bytes int64 `json:"bytes"` // of keys and values
}

var tenantID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

func checkTenant(id string) error {
	if tenantID.MatchString(id) {
		return nil
	}
	return minato.Errorf(minato.Invalid, "%q cannot be a tenant of etcd: want 1 to 63 letters, digits, - and _", id)
}

// EnsureTenant gives a tenant its user and its role, or repairs them: all of its prefix, nothing else but the key that says
// how far history has been compacted.
func (a *Admin) EnsureTenant(ctx context.Context, id string) error {
	if err := checkTenant(id); err != nil {
		return err
	}
	user := TenantUser(id)
	err := a.ensureRole(ctx, user,
		prefixPermission(readWrite, TenantPrefix(id)),
		permission{kind: read, key: compactRevKey})
	if err != nil {
		return err
	}
	return a.ensureUser(ctx, user, user)
}

// TenantIdentity issues a client certificate for a tenant, good for a year. etcd takes it once EnsureTenant has been there.
func (a *Admin) TenantIdentity(id string) (pki.Pair, error) {
	if err := checkTenant(id); err != nil {
		return pki.Pair{}, err
	}
	return a.authority.Issue(pki.Request{CommonName: TenantUser(id), Client: true, Validity: tenantValidity})
}

// DeleteTenant takes a tenant's access away and then deletes all it had. It can be repeated after it was interrupted.
func (a *Admin) DeleteTenant(ctx context.Context, id string) error {
	if err := checkTenant(id); err != nil {
		return err
	}
	if err := a.deleteUser(ctx, TenantUser(id)); err != nil {
		return err
	}
	for {
		more, err := a.deleteSome(ctx, TenantPrefix(id))
		if err != nil {
			return err
		}
		if !more {
			return a.deleteRole(ctx, TenantUser(id))
		}
	}
}

// deleteSome deletes the first keys under a prefix.
func (a *Admin) deleteSome(ctx context.Context, prefix string) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := a.client.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithLimit(deleteBatch))
	if err != nil {
		return false, etcderr.Wrap("listing "+prefix, err)
	}
	if len(resp.Kvs) == 0 {
		return false, nil
	}
	last := string(resp.Kvs[len(resp.Kvs)-1].Key)
	_, err = a.client.Delete(ctx, prefix, clientv3.WithRange(last+"\x00"))
	return resp.More, etcderr.Wrap("deleting under "+prefix, err)
}

// TenantSize counts what a tenant keeps. It reads everything, in small pages: not for every request.
func (a *Admin) TenantSize(ctx context.Context, id string) (TenantSize, error) {
	var size TenantSize
	if err := checkTenant(id); err != nil {
		return size, err
	}
	prefix := TenantPrefix(id)
	end := clientv3.GetPrefixRangeEnd(prefix)
	for from := prefix; ; {
		resp, err := a.page(ctx, from, end)
		if err != nil {
			return size, etcderr.Wrap("measuring "+prefix, err)
		}
		for _, kv := range resp.Kvs {
			size.Keys++
			size.Bytes += int64(len(kv.Key) + len(kv.Value))
		}
		if !resp.More {
			return size, nil
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}

// page reads without asking other members: a count need not be the very latest.
func (a *Admin) page(ctx context.Context, from, end string) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return a.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(sizeBatch), clientv3.WithSerializable())
}
