// Package etcdstore keeps the store.Store in etcd, version 3. It is the only package that reads or writes records through an
// etcd client.
package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato/engine/etcd/etcderr"
	"minato.dev/minato/engine/store"
)

// requestTimeout bounds one request: the client by itself would wait for an etcd that is away for as long as the caller does.
const requestTimeout = 10 * time.Second

// Store is records in etcd. Trouble with etcd comes as an error of kind minato.Unavailable.
type Store struct{ client *clientv3.Client }

var (
	_ store.Store    = (*Store)(nil)
	_ store.Prompter = (*Store)(nil)
)

// New makes a Store of a connected client, whose identity must be allowed to read, and to write where Commit is used.
func New(client *clientv3.Client) *Store { return &Store{client} }

// Get reads one key, as it is after every write acknowledged so far.
func (s *Store) Get(ctx context.Context, key string) (store.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := s.client.Get(ctx, key)
	if err != nil {
		return store.Entry{}, etcderr.Wrap("reading "+key, err)
	}
	if len(resp.Kvs) == 0 {
		return store.Entry{}, fmt.Errorf("%s: %w", key, store.ErrNotFound)
	}
	return entry(resp.Kvs[0]), nil
}

// List reads keys with a prefix in key order.
func (s *Store) List(ctx context.Context, prefix string, opts store.ListOptions) (store.Listing, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	from, end := span(prefix)
	if next := opts.After + "\x00"; opts.After != "" && next > from {
		from = next
	}
	if end != "\x00" && from >= end {
		return s.listNothing(ctx, prefix, opts)
	}
	resp, err := s.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(int64(opts.Limit)), clientv3.WithRev(int64(opts.At)))
	if err != nil {
		return store.Listing{}, listError(prefix, opts.At, err)
	}
	l := store.Listing{Revision: opts.At, More: resp.More, Entries: make([]store.Entry, len(resp.Kvs))}
	if l.Revision == 0 {
		l.Revision = store.Revision(resp.Header.Revision)
	}
	for i, kv := range resp.Kvs {
		l.Entries[i] = entry(kv)
	}
	return l, nil
}

// listNothing answers a List whose After lies behind the prefix: etcd has no empty ranges, and the revision is still asked for.
func (s *Store) listNothing(ctx context.Context, prefix string, opts store.ListOptions) (store.Listing, error) {
	opts.After, opts.Limit = "", 1
	l, err := s.List(ctx, prefix, opts)
	return store.Listing{Revision: l.Revision}, err
}

func listError(prefix string, at store.Revision, err error) error {
	if errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("listing %s at revision %d: %w", prefix, at, store.ErrCompacted)
	}
	return etcderr.Wrap("listing "+prefix, err)
}

// Commit applies all ops or none, in one transaction. etcd takes at most 128 ops in one, and 1.5 MiB. When the error is of
// kind Unavailable the ops may have been applied nevertheless.
func (s *Store) Commit(ctx context.Context, ops ...store.Op) (store.Revision, error) {
	if err := store.CheckOps(ops); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var (
		conditions []clientv3.Cmp
		writes     []clientv3.Op
		reads      []clientv3.Op // who broke a condition is asked in the same transaction
	)
	for _, op := range ops {
		conditions = append(conditions, condition(op))
		reads = append(reads, clientv3.OpGet(op.Key, clientv3.WithKeysOnly()))
		switch op.Verb {
		case store.VerbCreate, store.VerbUpdate:
			writes = append(writes, clientv3.OpPut(op.Key, string(op.Value)))
		case store.VerbDelete:
			writes = append(writes, clientv3.OpDelete(op.Key))
		}
	}
	resp, err := s.client.Txn(ctx).If(conditions...).Then(writes...).Else(reads...).Commit()
	if err != nil {
		return 0, etcderr.Wrap(fmt.Sprintf("committing %d ops", len(ops)), err)
	}
	if !resp.Succeeded {
		return 0, violation(ops, resp.Responses)
	}
	return store.Revision(resp.Header.Revision), nil
}

func condition(op store.Op) clientv3.Cmp {
	switch {
	case op.Verb == store.VerbCreate || op.Verb == store.VerbAbsent:
		return clientv3.Compare(clientv3.CreateRevision(op.Key), "=", 0)
	case op.If == store.AnyRevision:
		return clientv3.Compare(clientv3.CreateRevision(op.Key), ">", 0)
	default:
		// A key that is gone has ModRevision 0, which no record has: revision 0 must not match it.
		return clientv3.Compare(clientv3.ModRevision(op.Key), "=", max(int64(op.If), 1))
	}
}

// violation finds the first op whose condition did not hold, from the keys as the failed transaction read them.
func violation(ops []store.Op, read []*etcdserverpb.ResponseOp) error {
	for i, op := range ops {
		kvs := read[i].GetResponseRange().Kvs
		var modified store.Revision
		if len(kvs) > 0 {
			modified = store.Revision(kvs[0].ModRevision)
		}
		if err := op.Violation(modified, len(kvs) > 0); err != nil {
			return err
		}
	}
	return errors.New("committing: etcd refused the transaction and every condition holds")
}

// span is the range of keys with a prefix, as etcd wants it.
func span(prefix string) (from, end string) {
	if prefix == "" {
		return "\x00", "\x00"
	}
	return prefix, clientv3.GetPrefixRangeEnd(prefix)
}

func entry(kv *mvccpb.KeyValue) store.Entry {
	return store.Entry{
		Key:      string(kv.Key),
		Value:    kv.Value,
		Created:  store.Revision(kv.CreateRevision),
		Modified: store.Revision(kv.ModRevision),
	}
}
