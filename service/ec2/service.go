// Package ec2 is the part of EC2 that clusters and their nodes need: networks, security groups, and instances. A request or a
// reconciler writes the records; cluster/vpc and cluster/node make them true.
package ec2

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/kube"
	"minato.dev/minato/service/iam"
)

// Service is the operations of EC2 on the records. All fields are needed.
type Service struct {
	Store     store.Store
	Now       func() time.Time
	Authorize iam.Authorize
	// Profile and Role read an instance profile and a role of an account, by name; what is not there is of kind NotFound.
	Profile func(ctx context.Context, account, name string) (iam.InstanceProfile, error)
	Role    func(ctx context.Context, account, name string) (iam.Role, error)
	// Built are the Kubernetes minors that this server can run, of which the images follow.
	Built func() []kube.Version
	Log   *slog.Logger

	forgot sync.Map // when terminated instances were last forgotten, by scope
}

// Caller is who asks, and from where.
type Caller struct {
	Credential iam.Credential
	Scope      minato.Scope
	// Context are the condition keys that the request brings, in lower case: "aws:sourceip".
	Context map[string][]string
	// DryRun asks only whether the caller may: the answer is an error in any case.
	DryRun bool
}

// list reads all records that a collection has in a scope. One that cannot be read is logged and left out, so that it does
// not hide the others.
func list[T any](ctx context.Context, s *Service, records *store.Collection[T], scope minato.Scope) ([]T, error) {
	page, err := records.List(ctx, scopeID(scope)+"/", "", 0)
	if err != nil {
		return nil, readError(records.Prefix(), err)
	}
	for _, corrupt := range page.Corrupt {
		s.Log.ErrorContext(ctx, "a record is corrupt; it is left as it is", "key", corrupt.Key, "error", corrupt.Err)
	}
	values := make([]T, len(page.Items))
	for i, item := range page.Items {
		values[i] = item.Value
	}
	return values, nil
}

// get reads one record; ok is false where there is none.
func get[T any](ctx context.Context, records *store.Collection[T], scope minato.Scope, id string) (item store.Item[T], ok bool, err error) {
	item, err = records.Get(ctx, recordID(scope, id))
	if errors.Is(err, store.ErrNotFound) {
		return item, false, nil
	}
	if err != nil {
		return item, false, readError(records.Key(recordID(scope, id)), err)
	}
	return item, true, nil
}

func readError(key string, err error) error {
	return minato.Errorf(minato.Internal, "reading %s failed: %w", key, err)
}
