package eks

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// newUpdate makes the record of an update that begins, for the spec's current generation.
func (s *Service) newUpdate(c *Cluster, kind string, params []UpdateParam) Update {
	now := s.Now().UTC().Truncate(time.Millisecond)
	return Update{
		ID:         newUpdateID(now),
		ClusterID:  c.ID,
		Type:       kind,
		Status:     UpdateInProgress,
		Params:     params,
		CreatedAt:  now,
		Generation: c.Spec.Generation,
	}
}

// newUpdateID makes a UUID of version 7 (RFC 9562), whose order is that of time: so updates list oldest first.
func newUpdateID(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	ms := uint64(now.UnixMilli())
	binary.BigEndian.PutUint16(b[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(b[2:], uint32(ms))
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// updatedBefore is the update of a cluster that this very request began before, nil where none. A token that began another one is
// an error.
func (s *Service) updatedBefore(ctx context.Context, c *Cluster, token, hash string) (*Update, error) {
	return beganBefore(ctx, Updates(s.Store), UpdatesOf(c), token, hash, c.Name)
}

// beganBefore is updatedBefore for the updates under an id prefix.
func beganBefore(ctx context.Context, updates *store.Collection[Update], prefix, token, hash, clusterName string) (*Update, error) {
	if token == "" {
		return nil, nil
	}
	page, err := updates.List(ctx, prefix, "", 0)
	if err != nil {
		return nil, minato.Errorf(minato.Internal, "reading the updates of cluster %s: %w", clusterName, err)
	}
	for i := range page.Items {
		u := &page.Items[i].Value
		if u.ClientRequestToken != token {
			continue
		}
		if u.RequestHash != hash {
			return nil, errTokenReused(token, clusterName)
		}
		return u, nil
	}
	return nil, nil
}

// DescribeUpdate reads one update of a cluster or of one of its parts.
func (s *Service) DescribeUpdate(ctx context.Context, c Caller, name, id string, target UpdateTarget) (Update, error) {
	cluster, err := s.cluster(ctx, c, "eks:DescribeUpdate", name)
	if err != nil {
		return Update{}, err
	}
	updates, prefix, err := s.updatesOf(ctx, &cluster.Value, target)
	if err != nil {
		return Update{}, err
	}
	item, err := updates.Get(ctx, prefix+store.ID(id))
	if errors.Is(err, store.ErrNotFound) {
		return Update{}, minato.Errorf(minato.NotFound, "No update found for ID: %s", shorten(id)).With("clusterName", name)
	}
	return item.Value, s.clusterError(ctx, name, err)
}

// UpdateList is one page of the ids of updates, oldest first.
type UpdateList struct {
	IDs       []string
	NextToken string
}

// ListUpdates lists the updates of a cluster, or of one of its parts.
func (s *Service) ListUpdates(ctx context.Context, c Caller, name string, target UpdateTarget, page PageRequest) (UpdateList, error) {
	cluster, err := s.cluster(ctx, c, "eks:ListUpdates", name)
	if err != nil {
		return UpdateList{}, err
	}
	updates, prefix, err := s.updatesOf(ctx, &cluster.Value, target)
	if err != nil {
		return UpdateList{}, err
	}
	limit, err := page.limit()
	if err != nil {
		return UpdateList{}, withCluster(err, name)
	}
	after, err := page.after("updates")
	if err != nil {
		return UpdateList{}, withCluster(err, name)
	}
	if after != "" {
		after = prefix + after
	}
	found, err := updates.List(ctx, prefix, after, limit)
	if err != nil {
		return UpdateList{}, s.clusterError(ctx, name, err)
	}
	for _, corrupt := range found.Corrupt {
		s.logCorrupt(ctx, corrupt)
	}
	list := UpdateList{IDs: []string{}}
	for _, item := range found.Items {
		list.IDs = append(list.IDs, item.Value.ID)
	}
	if found.Next != "" {
		list.NextToken = nextToken("updates", found.Next[len(prefix):])
	}
	return list, nil
}
