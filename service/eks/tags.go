package eks

import (
	"context"
	"maps"
	"slices"
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

// tagged finds the cluster that an ARN names, in the caller's account and region. (Access entries are in accesstags.go, parts in parttags.go.)
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

// TagResource adds tags to a cluster, an access entry or a part of a cluster and changes those that it has.
func (s *Service) TagResource(ctx context.Context, c Caller, resourceARN string, tags minato.Tags) error {
	if len(tags) == 0 {
		return minato.Errorf(minato.Invalid, "tags is empty: give at least one tag")
	}
	return s.modifyTags(ctx, c, "eks:TagResource", resourceARN, func(all minato.Tags) { maps.Copy(all, tags) }, requestTags(tags))
}

// UntagResource removes tags from a cluster, an access entry or a part of a cluster. Keys that it does not have are passed over.
func (s *Service) UntagResource(ctx context.Context, c Caller, resourceARN string, keys []string) error {
	if len(keys) == 0 {
		return minato.Errorf(minato.Invalid, "tagKeys is empty: give at least one key")
	}
	return s.modifyTags(ctx, c, "eks:UntagResource", resourceARN, func(all minato.Tags) {
		maps.DeleteFunc(all, func(k, _ string) bool { return slices.Contains(keys, k) })
	}, conditions{"aws:tagkeys": keys})
}

// modifyTags lets change work on a copy of a resource's tags, and writes it.
func (s *Service) modifyTags(ctx context.Context, c Caller, action, resourceARN string, change func(minato.Tags), more ...conditions) error {
	changed := func(tags *minato.Tags) error {
		all := minato.Tags{}
		maps.Copy(all, *tags)
		change(all)
		*tags = all
		return checkTags(all)
	}
	if arn, err := minato.ParseARN(resourceARN); err == nil && arn.ResourceType() == accessEntryType {
		return s.modifyEntryTags(ctx, c, action, arn, changed, more...)
	}
	if part, ok := partOf(resourceARN); ok {
		return part.modifyTags(ctx, s, c, action, changed, more...)
	}
	name, err := tagged(c, resourceARN)
	if err != nil {
		return err
	}
	_, err = s.modify(ctx, c, action, name, func(cluster *Cluster) ([]store.Op, error) {
		return nil, changed(&cluster.Tags)
	}, more...)
	return err
}

// ListTagsForResource reads the tags of a cluster, an access entry or a part of a cluster.
func (s *Service) ListTagsForResource(ctx context.Context, c Caller, resourceARN string) (minato.Tags, error) {
	if arn, err := minato.ParseARN(resourceARN); err == nil && arn.ResourceType() == accessEntryType {
		_, entry, err := s.entryByARN(ctx, c, "eks:ListTagsForResource", arn)
		return entry.Value.Tags, err
	}
	if part, ok := partOf(resourceARN); ok {
		return part.tags(ctx, s, c, "eks:ListTagsForResource")
	}
	name, err := tagged(c, resourceARN)
	if err != nil {
		return nil, err
	}
	item, err := s.cluster(ctx, c, "eks:ListTagsForResource", name)
	return item.Value.Tags, err
}
