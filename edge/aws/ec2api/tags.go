package ec2api

import (
	"context"

	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/ec2"
)

func (h handlers) tags() []query.Operation {
	return []query.Operation{
		query.Op("CreateTags", h.createTags),
		query.Op("DeleteTags", h.deleteTags),
		query.Op("DescribeTags", h.describeTags),
	}
}

type createTagsInput struct {
	dryRun
	ResourceID []string `query:"ResourceId"`
	Tag        []tagInput
}

func (h handlers) createTags(ctx context.Context, in *createTagsInput) (*done, error) {
	tags, err := tagsOf(in.Tag)
	if err != nil {
		return nil, err
	}
	return &done{true}, h.service.CreateTags(ctx, in.caller(ctx), in.ResourceID, tags)
}

type deleteTagsInput struct {
	dryRun
	ResourceID []string `query:"ResourceId"`
	Tag        []struct {
		Key   string
		Value *string
	}
}

func (h handlers) deleteTags(ctx context.Context, in *deleteTagsInput) (*done, error) {
	tags := map[string]*string{}
	for _, t := range in.Tag {
		tags[t.Key] = t.Value
	}
	return &done{true}, h.service.DeleteTags(ctx, in.caller(ctx), in.ResourceID, tags)
}

type describeTagsOutput struct {
	Tags      []resourceTag `query:"tagSet"`
	NextToken string        `query:"nextToken"`
}

type resourceTag struct {
	ResourceID   string  `query:"resourceId"`
	ResourceType string  `query:"resourceType"`
	Key          string  `query:"key"`
	Value        *string `query:"value"`
}

func (h handlers) describeTags(ctx context.Context, in *describeInput) (*describeTagsOutput, error) {
	page, err := h.service.DescribeTags(ctx, caller(ctx), in.asked(nil))
	if err != nil {
		return nil, err
	}
	convert := func(t ec2.Tag) resourceTag { return resourceTag{t.ResourceID, t.ResourceType, t.Key, &t.Value} }
	return &describeTagsOutput{each(page.Items, convert), page.NextToken}, nil
}
