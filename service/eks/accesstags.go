package eks

import (
	"context"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// accessEntryType is the resource type in an access entry's ARN.
const accessEntryType = "access-entry"

// entryByARN finds the access entry that an ARN names, in the caller's account and region, for an action, and authorizes it.
func (s *Service) entryByARN(ctx context.Context, c Caller, action string, arn minato.ARN, more ...conditions) (cluster store.Item[Cluster], entry store.Item[AccessEntry], err error) {
	if cluster, entry, err = s.findEntry(ctx, c.Scope, arn); err != nil {
		return cluster, entry, err
	}
	if entry.ID != "" {
		more = append(more, entryConditions(cluster.Value.Name, entry.Value.PrincipalARN, &entry.Value))
	}
	if err := s.authorize(ctx, c, action, arn, more...); err != nil {
		return cluster, entry, err
	}
	if entry.ID == "" {
		return cluster, entry, minato.Errorf(minato.NotFound, "Resource not found: %s", shorten(arn.String()))
	}
	return cluster, entry, nil
}

// findEntry reads the cluster's entries, because the ARN lacks the principal's path. The items are empty when there is none.
func (s *Service) findEntry(ctx context.Context, scope minato.Scope, arn minato.ARN) (cluster store.Item[Cluster], entry store.Item[AccessEntry], err error) {
	name, _, _ := strings.Cut(arn.ResourceID(), "/")
	cluster, err = Clusters(s.Store).Get(ctx, ClusterKey(scope, name))
	if err != nil {
		return store.Item[Cluster]{}, entry, ignoreNotFound(s.clusterError(ctx, name, err))
	}
	page, err := AccessEntries(s.Store).List(ctx, entriesOf(&cluster.Value), "", 0)
	if err != nil {
		return cluster, entry, s.clusterError(ctx, name, err)
	}
	for _, item := range page.Items {
		if item.Value.ARN(&cluster.Value) == arn {
			return cluster, item, nil
		}
	}
	return cluster, entry, nil
}

func ignoreNotFound(err error) error {
	if minato.Is(err, minato.NotFound) {
		return nil
	}
	return err
}

// modifyEntryTags lets change work on the tags of an access entry, and writes them. Nobody's access depends on them.
func (s *Service) modifyEntryTags(ctx context.Context, c Caller, action string, arn minato.ARN, change func(*minato.Tags) error, more ...conditions) error {
	for {
		cluster, entry, err := s.entryByARN(ctx, c, action, arn, more...)
		if err == nil {
			err = change(&entry.Value.Tags)
		}
		if err != nil {
			return err
		}
		_, err = s.Store.Commit(ctx, s.unchanged(cluster), AccessEntries(s.Store).UpdateOp(entry))
		if isRace(err) && ctx.Err() == nil {
			continue
		}
		return s.clusterError(ctx, cluster.Value.Name, err)
	}
}
