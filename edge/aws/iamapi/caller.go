package iamapi

import (
	"context"
	"maps"
	"slices"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws"
	"minato.dev/minato/service/iam"
)

// conditions are condition keys of a request, in lower case, with their values.
type conditions = map[string][]string

// allow asks whether the caller may do the operation at hand on a resource, and answers with the caller's account.
func (h handlers) allow(ctx context.Context, resource minato.ARN, more ...conditions) (account string, err error) {
	call := aws.CallFrom(ctx)
	call.Resource = resource
	return call.Credential.Principal.Account, h.allowAction(ctx, call.Action, resource, more...)
}

// allowAction is allow for an action that an operation needs besides its own, such as iam:PassRole.
func (h handlers) allowAction(ctx context.Context, action string, resource minato.ARN, more ...conditions) error {
	call := aws.CallFrom(ctx)
	keys := call.ConditionKeys()
	for _, m := range more {
		maps.Copy(keys, m)
	}
	return h.iam.Authorize(ctx, iam.Access{Credential: call.Credential, Action: action, Resource: resource, Context: keys})
}

// arn is the ARN of something of IAM in the caller's account.
func arn(ctx context.Context, resource string) minato.ARN {
	return minato.NewARN("iam", "", aws.CallFrom(ctx).Credential.Principal.Account, resource)
}

// allowNew is allow for a thing to be made at a path with tags; tagging it is an action of its own.
func (h handlers) allowNew(ctx context.Context, kind, path, name, tagAction string, tags minato.Tags, more ...conditions) (string, error) {
	if path == "" {
		path = "/"
	}
	resource := arn(ctx, kind+path+name)
	more = append(more, requestTags(tags))
	account, err := h.allow(ctx, resource, more...)
	if err == nil && len(tags) > 0 {
		err = h.allowAction(ctx, "iam:"+tagAction, resource, more...)
	}
	return account, err
}

// allowList is allow for listing things under a path.
func (h handlers) allowList(ctx context.Context, kind, pathPrefix string) (string, error) {
	if pathPrefix == "" {
		pathPrefix = "/"
	}
	return h.allow(ctx, arn(ctx, kind+pathPrefix))
}

// allowOn is allow for a user, group or role that is there, with its path and tags; one that is not is asked for as if it
// had neither, so that only who may ask learns that it is missing.
func (h handlers) allowOn(ctx context.Context, kind iam.Kind, name string, more ...conditions) (iam.Holder, error) {
	holder := iam.Holder{Account: aws.CallFrom(ctx).Credential.Principal.Account, Kind: kind, Name: name}
	if name == "" {
		return holder, iam.Missing(string(kind) + "Name")
	}
	about, err := h.iam.Describe(ctx, holder)
	if minato.Is(err, minato.NotFound) {
		about.ARN, err = arn(ctx, string(kind)+"/"+name), nil
	}
	if err != nil {
		return holder, err
	}
	keys := resourceTags(about.Tags)
	if about.Boundary != "" {
		keys["iam:permissionsboundary"] = []string{about.Boundary}
	}
	_, err = h.allow(ctx, about.ARN, append([]conditions{keys}, more...)...)
	return holder, err
}

// requestTags are the condition keys that tags in a request set.
func requestTags(tags minato.Tags) conditions {
	keys := conditions{}
	for key, value := range tags {
		keys["aws:requesttag/"+strings.ToLower(key)] = []string{value}
	}
	if len(tags) > 0 {
		keys["aws:tagkeys"] = slices.Sorted(maps.Keys(tags))
	}
	return keys
}

// resourceTags are the condition keys that the tags of a resource set; IAM has them under two names.
func resourceTags(tags minato.Tags) conditions {
	keys := conditions{}
	for key, value := range tags {
		keys["aws:resourcetag/"+strings.ToLower(key)] = []string{value}
		keys["iam:resourcetag/"+strings.ToLower(key)] = []string{value}
	}
	return keys
}

// callingUser is the user name given, or else that of the user who calls.
func callingUser(ctx context.Context, name string) (string, error) {
	who := aws.CallFrom(ctx).Credential.Principal
	switch {
	case name != "":
		return name, nil
	case who.Type == minato.IAMUser:
		return who.ARN.ResourceName(), nil
	}
	return "", minato.Errorf(minato.Invalid, "Must specify userName when calling with non-User credentials").
		Because(iam.ValidationError)
}
