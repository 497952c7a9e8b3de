package iamapi

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

// pageInput is what lists take.
type pageInput struct {
	Marker   string
	MaxItems *int
}

func (p pageInput) page() iam.Page {
	page := iam.Page{Marker: p.Marker}
	if p.MaxItems != nil {
		page.MaxItems = *p.MaxItems
		if page.MaxItems == 0 { // which the service takes for the default
			page.MaxItems = -1
		}
	}
	return page
}

// pageOutput is the end of every list.
type pageOutput struct {
	IsTruncated bool
	Marker      string
}

func pageEnd(next string) pageOutput { return pageOutput{IsTruncated: next != "", Marker: next} }

// each converts a list. The result is never nil, so that an empty list is written.
func each[From, To any](list []From, convert func(From) To) []To {
	out := make([]To, 0, len(list))
	for _, v := range list {
		out = append(out, convert(v))
	}
	return out
}

// encoded is a policy document as IAM writes it: percent-encoded as in RFC 3986.
func encoded(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

type tag struct {
	Key   string
	Value *string // written even if empty
}

// tagsOf reads tags. A key may stand once.
func tagsOf(list []tag) (minato.Tags, error) {
	var tags minato.Tags
	for _, t := range list {
		if tags == nil {
			tags = minato.Tags{}
		}
		if _, twice := tags[t.Key]; twice {
			return nil, minato.Errorf(minato.Invalid, "Duplicate tag keys found. Please note that Tag keys are case insensitive: %s", t.Key).
				Because(iam.InvalidInput)
		}
		value := ""
		if t.Value != nil {
			value = *t.Value
		}
		tags[t.Key] = value
	}
	return tags, nil
}

// wireTags are tags by key; nil if there are none.
func wireTags(tags minato.Tags) []tag {
	var list []tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value := tags[key]
		list = append(list, tag{key, &value})
	}
	return list
}

// tagsOutput is what the operations that list tags answer.
type tagsOutput struct {
	Tags []tag
	pageOutput
}

func tagPage(tags minato.Tags) *tagsOutput {
	out := &tagsOutput{Tags: wireTags(tags)}
	if out.Tags == nil {
		out.Tags = []tag{}
	}
	return out
}

type boundary struct{ PermissionsBoundaryType, PermissionsBoundaryArn string }

func wireBoundary(arn string) *boundary {
	if arn == "" {
		return nil
	}
	return &boundary{"Policy", arn}
}

type user struct {
	Path                string
	UserName            string
	UserID              string `query:"UserId"`
	Arn                 string
	CreateDate          time.Time
	PermissionsBoundary *boundary
	Tags                []tag
}

// listedUser leaves out what lists do not tell.
func listedUser(u iam.User) user {
	return user{Path: u.Path, UserName: u.Name, UserID: u.ID, Arn: u.ARN().String(), CreateDate: u.Created}
}

func wireUser(u iam.User) user {
	w := listedUser(u)
	w.PermissionsBoundary, w.Tags = wireBoundary(u.Boundary), wireTags(u.Tags)
	return w
}

type group struct {
	Path       string
	GroupName  string
	GroupID    string `query:"GroupId"`
	Arn        string
	CreateDate time.Time
}

func wireGroup(g iam.Group) group {
	return group{Path: g.Path, GroupName: g.Name, GroupID: g.ID, Arn: g.ARN().String(), CreateDate: g.Created}
}

type role struct {
	Path                     string
	RoleName                 string
	RoleID                   string `query:"RoleId"`
	Arn                      string
	CreateDate               time.Time
	AssumeRolePolicyDocument string
	Description              string
	MaxSessionDuration       int
	PermissionsBoundary      *boundary
	Tags                     []tag
}

// listedRole leaves out what lists do not tell.
func listedRole(r iam.Role) role {
	return role{
		Path: r.Path, RoleName: r.Name, RoleID: r.ID, Arn: r.ARN().String(), CreateDate: r.Created,
		AssumeRolePolicyDocument: encoded(r.Trust), Description: r.Description,
		MaxSessionDuration: int(r.MaxSessionDuration / time.Second),
	}
}

func wireRole(r iam.Role) role {
	w := listedRole(r)
	w.PermissionsBoundary, w.Tags = wireBoundary(r.Boundary), wireTags(r.Tags)
	return w
}
