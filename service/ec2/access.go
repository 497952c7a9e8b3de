package ec2

import (
	"context"
	"maps"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

// target is a resource that an action is on, for policies: its ARN, the tags that it has, and condition keys of this action
// and resource (Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2").
type target struct {
	arn  minato.ARN
	tags minato.Tags
	keys map[string][]string
}

// authorize asks whether the caller may do action, which is on no particular resource: EC2's Describe actions know none.
func (s *Service) authorize(ctx context.Context, c Caller, action string) error {
	return s.permitted(ctx, c, action, target{})
}

func (s *Service) permitted(ctx context.Context, c Caller, action string, t target) error {
	keys := maps.Clone(c.Context)
	if keys == nil {
		keys = map[string][]string{}
	}
	keys["ec2:region"] = []string{string(c.Scope.Region)}
	for key, value := range t.tags {
		keys["aws:resourcetag/"+strings.ToLower(key)] = []string{value}
		keys["ec2:resourcetag/"+strings.ToLower(key)] = []string{value}
	}
	maps.Copy(keys, t.keys)
	err := s.Authorize(ctx, iam.Access{Credential: c.Credential, Action: action, Resource: t.arn, Context: keys})
	if minato.Is(err, minato.Denied) {
		refusal := minato.Errorf(minato.Denied, "You are not authorized to perform this operation. %w", err).Because("UnauthorizedOperation")
		if encoded := iam.EncodedDenial(err); encoded != "" {
			refusal.Message += ". Encoded authorization failure message: " + encoded
		}
		return refusal
	}
	return err
}

// allow asks whether the caller may do action on all targets. That is the end of a dry run.
func (s *Service) allow(ctx context.Context, c Caller, action string, targets ...target) error {
	for _, t := range targets {
		if err := s.permitted(ctx, c, action, t); err != nil {
			return err
		}
	}
	if c.DryRun {
		return errDryRun()
	}
	return nil
}

// allowCreate asks whether the caller may make a resource with tags, in or of the parts given.
func (s *Service) allowCreate(ctx context.Context, c Caller, action, resource string, tags minato.Tags, parts ...target) error {
	return s.allowCreateAll(ctx, c, action, []newResource{{resource, tags, nil}}, parts...)
}

// newResource is a resource that does not exist yet: its type, the tags that it shall have, and condition keys.
type newResource struct {
	resource string
	tags     minato.Tags
	keys     map[string][]string
}

func (s *Service) allowCreateAll(ctx context.Context, c Caller, action string, made []newResource, parts ...target) error {
	for _, m := range made {
		if err := checkTags(m.tags); err != nil {
			return err
		}
		keys := requestTags(m.tags)
		maps.Copy(keys, m.keys)
		t := target{arn: resourceARN(c.Scope, m.resource, "*"), keys: keys}
		if err := s.permitted(ctx, c, action, t); err != nil {
			return err
		}
		if len(m.tags) == 0 {
			continue
		}
		t.keys["ec2:createaction"] = []string{strings.TrimPrefix(action, "ec2:")}
		if err := s.permitted(ctx, c, "ec2:CreateTags", t); err != nil {
			return err
		}
	}
	return s.allow(ctx, c, action, parts...)
}

func requestTags(tags minato.Tags) map[string][]string {
	keys := map[string][]string{}
	for key, value := range tags {
		keys["aws:requesttag/"+strings.ToLower(key)] = []string{value}
	}
	if len(tags) > 0 {
		keys["aws:tagkeys"] = slices.Sorted(maps.Keys(tags))
	}
	return keys
}

func errDryRun() error {
	return minato.Errorf(minato.PreconditionFail, "Request would have succeeded, but DryRun flag is set.").Because("DryRunOperation")
}

func resourceARN(scope minato.Scope, resource, id string) minato.ARN {
	return minato.NewARN("ec2", string(scope.Region), scope.Account, resource+"/"+id)
}

// target is a resource of the kind as policies see it.
func (k *kind[T]) target(scope minato.Scope, v T) target {
	t := target{arn: resourceARN(scope, k.resource, k.id(v))}
	if k.tags != nil {
		t.tags = *k.tags(&v)
	}
	return t
}

// need reads a resource, or says in EC2's words that it does not exist.
func need[T any](ctx context.Context, s *Service, k *kind[T], scope minato.Scope, id string) (store.Item[T], error) {
	if id == "" {
		return store.Item[T]{}, missingParameter(k.parameter)
	}
	item, ok, err := get(ctx, k.records(s.Store), scope, id)
	if err == nil && !ok {
		err = k.missing(id)
	}
	return item, err
}

// find reads a resource that an action is on and asks whether the caller may do it. Whoever may not is told so whether the
// resource exists or not.
func find[T any](ctx context.Context, s *Service, c Caller, action string, k *kind[T], id string, others ...target) (store.Item[T], error) {
	item, err := need(ctx, s, k, c.Scope, id)
	if minato.Is(err, minato.NotFound) {
		if denied := s.permitted(ctx, c, action, target{arn: resourceARN(c.Scope, k.resource, id)}); denied != nil {
			return item, denied
		}
	}
	if err != nil {
		return item, err
	}
	return item, s.allow(ctx, c, action, append(others, k.target(c.Scope, item.Value))...)
}

// modify lets edit work on a resource, if the caller may do action on it.
func modify[T any](ctx context.Context, s *Service, c Caller, action string, k *kind[T], id string, edit func(*T) error) (T, error) {
	var edited T
	if _, err := find(ctx, s, c, action, k, id); err != nil {
		return edited, err
	}
	err := s.commit(ctx, func() ([]store.Op, error) {
		item, err := need(ctx, s, k, c.Scope, id)
		if err == nil {
			err = edit(&item.Value)
		}
		edited = item.Value
		return []store.Op{k.records(s.Store).UpdateOp(item)}, err
	})
	return edited, err
}

func missingParameter(name string) error {
	return minato.Errorf(minato.Invalid, "The request must contain the parameter %s", name).Because("MissingParameter")
}

func unsupported(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.Unsupported, format, args...)
}

// dependency is EC2's answer when something that is still used is to be deleted.
func dependency(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.InUse, format, args...).Because("DependencyViolation")
}
