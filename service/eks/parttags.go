package eks

import (
	"context"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// part is a part of a cluster that an ARN names: KIND/CLUSTER/NAME/UUID; KIND/CLUSTER/ID, where the id is name and UUID in one; or
// KIND/CLUSTER/oidc/NAME/UUID.
type part struct {
	arn           minato.ARN
	cluster, name string
	uuid          string
	kind          partKind
}

// partKind is how the parts of one kind are read and written for their tags.
type partKind struct {
	// read gives the UUID that a part has, and its tags.
	read func(ctx context.Context, s *Service, c *Cluster, name string) (uuid string, tags minato.Tags, err error)
	// write lets change work on the tags of a part, and writes them.
	write func(ctx context.Context, s *Service, c *Cluster, name string, change func(*minato.Tags) error) error
}

// partKinds are the kinds of parts by the resource types of their ARNs.
var partKinds = map[string]partKind{
	nodegroupPart: kindOf(Nodegroups, func(n *Nodegroup) (string, *minato.Tags) { return n.UUID, &n.Tags }),
	addonPart:     kindOf(Addons, func(a *Addon) (string, *minato.Tags) { return a.UUID, &a.Tags }),
	fargatePart:   kindOf(FargateProfiles, func(p *FargateProfile) (string, *minato.Tags) { return p.UUID, &p.Tags }),

	podIdentityPart: podIdentityKind,
	providerPart:    providerKind,
}

// kindOf is the kind of the parts in a collection, whose ids are cluster id and name.
func kindOf[T any](records func(store.Store) *store.Collection[T], fields func(*T) (uuid string, tags *minato.Tags)) partKind {
	return partKind{
		read: func(ctx context.Context, s *Service, c *Cluster, name string) (string, minato.Tags, error) {
			item, err := records(s.Store).Get(ctx, store.ID(c.ID, name))
			uuid, tags := fields(&item.Value)
			return uuid, *tags, err
		},
		write: func(ctx context.Context, s *Service, c *Cluster, name string, change func(*minato.Tags) error) error {
			_, err := records(s.Store).Modify(ctx, store.ID(c.ID, name), func(value *T) error {
				_, tags := fields(value)
				return change(tags)
			})
			return err
		},
	}
}

// partOf reads the ARN of a part.
func partOf(resourceARN string) (part, bool) {
	arn, err := minato.ParseARN(resourceARN)
	if err != nil || arn.Service != "eks" {
		return part{}, false
	}
	kind, ok := partKinds[arn.ResourceType()]
	words := strings.Split(arn.ResourceID(), "/")
	if arn.ResourceType() == podIdentityPart && len(words) == 2 {
		words = append(words, words[1])
	}
	if arn.ResourceType() == providerPart && len(words) == 4 && words[1] == "oidc" {
		words = slices.Delete(words, 1, 2)
	}
	if !ok || len(words) != 3 {
		return part{}, false
	}
	return part{arn: arn, cluster: words[0], name: words[1], uuid: words[2], kind: kind}, true
}

// find reads the part's cluster and tags for an action, and authorizes it.
func (p part) find(ctx context.Context, s *Service, c Caller, action string, more ...conditions) (Cluster, minato.Tags, error) {
	missing := minato.Errorf(minato.NotFound, "Resource not found: %s", shorten(p.arn.String()))
	ours := p.arn.Account == c.Scope.Account && p.arn.Region == string(c.Scope.Region)
	var tags minato.Tags
	found := false
	cluster, err := FindCluster(ctx, s.Store, ClusterKey(c.Scope, p.cluster))
	if err == nil && ours {
		var uuid string
		uuid, tags, err = p.kind.read(ctx, s, &cluster.Value, p.name)
		found = err == nil && uuid == p.uuid
	}
	if err := s.authorize(ctx, c, action, p.arn, append(more, resourceTags(tags))...); err != nil {
		return Cluster{}, nil, err
	}
	if !found {
		return Cluster{}, nil, missing
	}
	return cluster.Value, tags, nil
}

func (p part) tags(ctx context.Context, s *Service, c Caller, action string) (minato.Tags, error) {
	_, tags, err := p.find(ctx, s, c, action)
	return tags, err
}

func (p part) modifyTags(ctx context.Context, s *Service, c Caller, action string, change func(*minato.Tags) error, more ...conditions) error {
	cluster, _, err := p.find(ctx, s, c, action, more...)
	if err != nil {
		return err
	}
	return s.clusterError(ctx, p.cluster, p.kind.write(ctx, s, &cluster, p.name, change))
}
