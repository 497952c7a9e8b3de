package etcd

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// tenantShare is the part of the quota that tenants may fill. What is left is for Minato's own records: when one cluster has
// filled etcd, the API must still be able to delete it.
const tenantShare = 0.9

// reserve refuses tenants' writes, as a full etcd does, while more than their share is in use. Deleting stays possible.
type reserve struct {
	share  int64 // bytes
	server atomic.Pointer[etcdserver.EtcdServer]
}

func newReserve(quota int64) *reserve { return &reserve{share: int64(tenantShare * float64(quota))} }

func (r *reserve) intercept(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if grows(req) && r.spent() && isTenant(ctx) {
		return nil, rpctypes.ErrGRPCNoSpace
	}
	return handler(ctx, req)
}

func (r *reserve) spent() bool {
	s := r.server.Load()
	return s != nil && s.Backend().SizeInUse() >= r.share
}

// grows is whether a request can make the database larger.
func grows(req any) bool {
	switch req := req.(type) {
	case *etcdserverpb.PutRequest, *etcdserverpb.LeaseGrantRequest:
		return true
	case *etcdserverpb.TxnRequest:
		return slices.ContainsFunc(req.Success, opGrows) || slices.ContainsFunc(req.Failure, opGrows)
	}
	return false
}

func opGrows(op *etcdserverpb.RequestOp) bool {
	return op.GetRequestPut() != nil || op.GetRequestTxn() != nil && grows(op.GetRequestTxn())
}

// isTenant is whether the client's certificate, which the handshake has verified, is that of a tenant.
func isTenant(ctx context.Context) bool {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return false
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	return ok && len(info.State.VerifiedChains) > 0 &&
		strings.HasPrefix(info.State.VerifiedChains[0][0].Subject.CommonName, TenantUser(""))
}
