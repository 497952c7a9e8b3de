package eks

import (
	"context"
	"maps"
	"strings"
	"unicode/utf8"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Limits of tags (API model, TagMap).
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

func checkTags(tags minato.Tags) error {
	if len(tags) > maxTags {
		return minato.Errorf(minato.Invalid, "A resource can have at most %d tags, these are %d", maxTags, len(tags))
	}
	for k, v := range tags {
		switch n := utf8.RuneCountInString(k); {
		case n < 1 || n > maxTagKey:
			return minato.Errorf(minato.Invalid, "The tag key %q must have 1 to %d characters", shorten(k), maxTagKey)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return minato.Errorf(minato.Invalid, "The tag key %q begins with aws:, which is reserved", shorten(k))
		case utf8.RuneCountInString(v) > maxTagValue:
			return minato.Errorf(minato.Invalid, "The value of the tag %q must have at most %d characters", shorten(k), maxTagValue)
		}
	}
	return nil
}

// tagged finds the cluster that an ARN names, in the caller's account and region: no other kind of resource can be tagged yet.
func tagged(c Caller, resourceARN string) (name string, err error) {
	arn, err := minato.ParseARN(resourceARN)
	if err != nil || arn.Service != "eks" {
		return "", minato.Errorf(minato.Invalid, "Invalid resource ARN %q: want one such as %s", shorten(resourceARN), clusterARN(c.Scope, "NAME"))
	}
	if arn.ResourceType() != "cluster" || arn != clusterARN(c.Scope, arn.ResourceID()) {
		return "", minato.Errorf(minato.NotFound, "Resource not found: %s", shorten(resourceARN))
	}
	return arn.ResourceID(), nil
}

// TagResource adds tags to a cluster and changes those that it has.
func (s *Service) TagResource(ctx context.Context, c Caller, resourceARN string, tags minato.Tags) error {
	name, err := tagged(c, resourceARN)
	if err != nil {
		return err
	}
	if len(tags) == 0 {
		return minato.Errorf(minato.Invalid, "tags is empty: give at least one tag")
	}
	_, err = s.modify(ctx, c, "eks:TagResource", name, func(cluster *Cluster) ([]store.Op, error) {
		all := minato.Tags{}
		maps.Copy(all, cluster.Tags)
		maps.Copy(all, tags)
		cluster.Tags = all
		return nil, checkTags(all)
	}, requestTags(tags))
	return err
}

// UntagResource removes tags from a cluster. Keys that it does not have are passed over.
func (s *Service) UntagResource(ctx context.Context, c Caller, resourceARN string, keys []string) error {
	name, err := tagged(c, resourceARN)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return minato.Errorf(minato.Invalid, "tagKeys is empty: give at least one key")
	}
	_, err = s.modify(ctx, c, "eks:UntagResource", name, func(cluster *Cluster) ([]store.Op, error) {
		cluster.Tags = maps.Clone(cluster.Tags)
		for _, k := range keys {
			delete(cluster.Tags, k)
		}
		return nil, nil
	}, conditions{"aws:tagkeys": keys})
	return err
}

// ListTagsForResource reads the tags of a cluster.
func (s *Service) ListTagsForResource(ctx context.Context, c Caller, resourceARN string) (minato.Tags, error) {
	name, err := tagged(c, resourceARN)
	if err != nil {
		return nil, err
	}
	item, err := s.cluster(ctx, c, "eks:ListTagsForResource", name)
	return item.Value.Tags, err
}
