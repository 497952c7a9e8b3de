package ec2

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Bounds of tags (EC2 user guide, "Tag restrictions").
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// checkTags checks tags that a user gives. Those that begin with aws: are for services, and do not count.
func checkTags(tags minato.Tags) error {
	for key, value := range tags {
		switch {
		case key == "":
			return invalid("Tag key cannot be empty")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("Tag keys starting with 'aws:' are reserved for internal use")
		case utf8.RuneCountInString(key) > maxTagKey:
			return invalid("Tag key exceeds the maximum length of %d characters", maxTagKey)
		case utf8.RuneCountInString(value) > maxTagValue:
			return invalid("Tag value exceeds the maximum length of %d characters", maxTagValue)
		}
	}
	return countTags(tags)
}

func countTags(tags minato.Tags) error {
	count := 0
	for key := range tags {
		if !strings.HasPrefix(key, "aws:") {
			count++
		}
	}
	if count > maxTags {
		return minato.Errorf(minato.LimitExceeded, "The maximum number of Tags for a resource has been reached: %d", maxTags).Because("TagLimitExceeded")
	}
	return nil
}

// taggable is a kind of resource that has tags, whatever its records are.
type taggable interface {
	owns(id string) bool
	typeName() string
	// tagged reads one resource of the kind.
	tagged(ctx context.Context, s *Service, scope minato.Scope, id string) (target, error)
	// retag gives the ops that change the tags of one.
	retag(ctx context.Context, s *Service, scope minato.Scope, id string, change func(minato.Tags)) (minato.Tags, []store.Op, error)
	// allTags lists the tags of all.
	allTags(ctx context.Context, s *Service, scope minato.Scope) ([]Tag, error)
}

// Tag is a tag of a resource.
type Tag struct {
	ResourceID   string
	ResourceType string
	Key, Value   string
}

func taggables() []taggable {
	return []taggable{
		&vpcKind, &subnetKind, &securityGroupKind, ruleTags{}, &routeTableKind, &internetGatewayKind, &natGatewayKind, &elasticIPKind,
		&interfaceKind, &templateKind, &instanceKind,
	}
}

func (k *kind[T]) owns(id string) bool { return strings.HasPrefix(id, k.prefix) }

func (k *kind[T]) typeName() string { return k.resource }

func (k *kind[T]) tagged(ctx context.Context, s *Service, scope minato.Scope, id string) (target, error) {
	item, err := need(ctx, s, k, scope, id)
	if err != nil {
		return target{}, err
	}
	return k.target(scope, item.Value), nil
}

func (k *kind[T]) retag(ctx context.Context, s *Service, scope minato.Scope, id string, change func(minato.Tags)) (minato.Tags, []store.Op, error) {
	item, err := need(ctx, s, k, scope, id)
	if err != nil {
		return nil, nil, err
	}
	tags := k.tags(&item.Value)
	*tags = changed(*tags, change)
	return *tags, []store.Op{k.records(s.Store).UpdateOp(item)}, nil
}

func changed(tags minato.Tags, change func(minato.Tags)) minato.Tags {
	tags = maps.Clone(tags)
	if tags == nil {
		tags = minato.Tags{}
	}
	change(tags)
	return tags
}

func (k *kind[T]) allTags(ctx context.Context, s *Service, scope minato.Scope) (all []Tag, err error) {
	records, err := list(ctx, s, k.records(s.Store), scope)
	for _, v := range records {
		for key, value := range *k.tags(&v) {
			all = append(all, Tag{k.id(v), k.resource, key, value})
		}
	}
	return all, err
}

// ruleTags are the tags of the rules of security groups, which lie in the records of their groups.
type ruleTags struct{}

func (ruleTags) owns(id string) bool { return ruleKind.owns(id) }

func (ruleTags) typeName() string { return ruleKind.resource }

func (ruleTags) group(ctx context.Context, s *Service, scope minato.Scope, id string) (store.Item[SecurityGroup], error) {
	page, err := s.securityGroups().List(ctx, scopeID(scope)+"/", "", 0)
	if err != nil {
		return store.Item[SecurityGroup]{}, readError(s.securityGroups().Prefix(), err)
	}
	for _, item := range page.Items {
		if rule, _ := item.Value.rule(id); rule != nil {
			return item, nil
		}
	}
	return store.Item[SecurityGroup]{}, ruleKind.missing(id)
}

func (t ruleTags) tagged(ctx context.Context, s *Service, scope minato.Scope, id string) (target, error) {
	item, err := t.group(ctx, s, scope, id)
	if err != nil {
		return target{}, err
	}
	rule, _ := item.Value.rule(id)
	return target{arn: resourceARN(scope, ruleKind.resource, id), tags: rule.Tags}, nil
}

func (t ruleTags) retag(ctx context.Context, s *Service, scope minato.Scope, id string, change func(minato.Tags)) (minato.Tags, []store.Op, error) {
	item, err := t.group(ctx, s, scope, id)
	if err != nil {
		return nil, nil, err
	}
	rule, _ := item.Value.rule(id)
	rule.Tags = changed(rule.Tags, change)
	return rule.Tags, []store.Op{s.securityGroups().UpdateOp(item)}, nil
}

func (ruleTags) allTags(ctx context.Context, s *Service, scope minato.Scope) (all []Tag, err error) {
	groups, err := list(ctx, s, s.securityGroups(), scope)
	for _, g := range groups {
		for _, r := range g.views() {
			for key, value := range r.Tags {
				all = append(all, Tag{r.ID, ruleKind.resource, key, value})
			}
		}
	}
	return all, err
}

// maxTagged is how many resources one call may tag (EC2 API reference, CreateTags).
const maxTagged = 1000

// CreateTags gives resources tags, in the place of those of the same keys.
func (s *Service) CreateTags(ctx context.Context, c Caller, ids []string, tags minato.Tags) error {
	if len(tags) == 0 {
		return missingParameter("Tag")
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	return s.changeTags(ctx, c, "ec2:CreateTags", ids, tags, func(has minato.Tags) { maps.Copy(has, tags) })
}

// DeleteTags takes tags from resources: those of a key, or only those with a value too. No tags at all stand for all that a
// user may take away.
func (s *Service) DeleteTags(ctx context.Context, c Caller, ids []string, tags map[string]*string) error {
	named := minato.Tags{}
	for key, value := range tags {
		if strings.HasPrefix(key, "aws:") {
			return invalid("Tag keys starting with 'aws:' are reserved for internal use")
		}
		named[key] = ""
		if value != nil {
			named[key] = *value
		}
	}
	return s.changeTags(ctx, c, "ec2:DeleteTags", ids, named, func(has minato.Tags) {
		maps.DeleteFunc(has, func(key, value string) bool {
			want, listed := tags[key]
			return len(tags) == 0 && !strings.HasPrefix(key, "aws:") || listed && (want == nil || *want == value)
		})
	})
}

func (s *Service) changeTags(ctx context.Context, c Caller, action string, ids []string, tags minato.Tags, change func(minato.Tags)) error {
	if len(ids) == 0 || len(ids) > maxTagged {
		return invalid("%d resources were given: want 1 to %d", len(ids), maxTagged)
	}
	kinds := make([]taggable, len(ids))
	for i, id := range ids {
		at := slices.IndexFunc(taggables(), func(k taggable) bool { return k.owns(id) })
		if at < 0 {
			return minato.Errorf(minato.Invalid, "The ID '%s' is not valid", id).Because("InvalidID")
		}
		kinds[i] = taggables()[at]
	}
	dry := c
	dry.DryRun = false
	for i, id := range ids {
		t, err := kinds[i].tagged(ctx, s, c.Scope, id)
		if minato.Is(err, minato.NotFound) {
			t = target{arn: resourceARN(c.Scope, kinds[i].typeName(), id)}
		} else if err != nil {
			return err
		}
		t.keys = requestTags(tags)
		if denied := s.allow(ctx, dry, action, t); denied != nil {
			return denied
		}
		if err != nil {
			return err
		}
	}
	if c.DryRun {
		return errDryRun()
	}
	for i, id := range ids { // one commit each: they may be many, and rules of one group
		err := s.commit(ctx, func() ([]store.Op, error) {
			now, ops, err := kinds[i].retag(ctx, s, c.Scope, id, change)
			if err == nil {
				err = countTags(now)
			}
			return ops, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var tagKind = kind[Tag]{
	noun:  "tag",
	id:    func(t Tag) string { return t.ResourceID },
	order: func(t Tag) string { return t.ResourceID + " " + t.Key },
	filters: map[string]func(Tag) []string{
		"key":           one(func(t Tag) string { return t.Key }),
		"resource-id":   one(func(t Tag) string { return t.ResourceID }),
		"resource-type": one(func(t Tag) string { return t.ResourceType }),
		"value":         one(func(t Tag) string { return t.Value }),
	},
}

// DescribeTags lists the tags of all resources of the caller's account and region.
func (s *Service) DescribeTags(ctx context.Context, c Caller, d Describe) (Page[Tag], error) {
	// Unlike other kinds, tags may be filtered by tag:KEY too.
	filters := slices.Clone(d.Filters)
	for i, f := range filters {
		if key, ok := strings.CutPrefix(f.Name, "tag:"); ok {
			filters[i].Name = "value"
			filters = append(filters, Filter{"key", []string{key}})
		}
	}
	d.Filters = filters
	return describe(ctx, s, c, "ec2:DescribeTags", d, &tagKind, func() ([]Tag, error) {
		var all []Tag
		for _, k := range taggables() {
			tags, err := k.allTags(ctx, s, c.Scope)
			if err != nil {
				return nil, err
			}
			all = append(all, tags...)
		}
		return all, nil
	})
}
