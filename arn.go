package minato

import (
	"strings"
)

// ARN is a parsed Amazon Resource Name: arn:partition:service:region:account:resource.
type ARN struct {
	Partition string
	Service   string
	Region    string
	Account   string
	Resource  string // everything after the fifth colon, such as "role/path/name" or "cluster/prod"
}

// ParseARN splits an ARN into its six parts. The error is of kind Invalid.
func ParseARN(s string) (ARN, error) {
	p := strings.SplitN(s, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[1] == "" || p[2] == "" || p[5] == "" {
		return ARN{}, Errorf(Invalid, "%q is not an ARN: want arn:partition:service:region:account:resource", s)
	}
	return ARN{Partition: p[1], Service: p[2], Region: p[3], Account: p[4], Resource: p[5]}, nil
}

// NewARN makes an ARN in Minato's partition.
func NewARN(service, region, account, resource string) ARN {
	return ARN{Partition: Partition, Service: service, Region: region, Account: account, Resource: resource}
}

// String is the ARN as written.
func (a ARN) String() string {
	if a.IsZero() {
		return ""
	}
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// IsZero is whether no ARN is there.
func (a ARN) IsZero() bool { return a == ARN{} }

// ResourceType is the resource up to its first slash or colon: "role" of "role/path/name".
func (a ARN) ResourceType() string {
	if i := strings.IndexAny(a.Resource, "/:"); i >= 0 {
		return a.Resource[:i]
	}
	return a.Resource
}

// ResourceID is the resource after its first slash or colon: "path/name" of "role/path/name", empty where there is none.
func (a ARN) ResourceID() string {
	if i := strings.IndexAny(a.Resource, "/:"); i >= 0 {
		return a.Resource[i+1:]
	}
	return ""
}

// ResourceName is the resource after its last slash: "name" of "role/path/name".
func (a ARN) ResourceName() string {
	return a.Resource[strings.LastIndexByte(a.Resource, '/')+1:]
}

// MarshalText writes the ARN as its string.
func (a ARN) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText parses what MarshalText wrote; empty text is the zero ARN.
func (a *ARN) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*a = ARN{}
		return nil
	}
	*a, err = ParseARN(string(b))
	return err
}
