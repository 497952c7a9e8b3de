package eks

import (
	"maps"
	"slices"
	"strings"

	"minato.dev/minato"
)

// standardEntry is the type of an access entry for people and programs. All others are for nodes.
const standardEntry = "STANDARD"

// nodeEntry is what an entry of a type for nodes has by its type, and never otherwise.
type nodeEntry struct {
	username string
	groups   []string
	// policies is whether access policies can be associated with it.
	policies bool
}

const (
	byInstance = "system:node:{{EC2PrivateDNSName}}"
	bySession  = "system:node:{{SessionName}}"
	nodesGroup = "system:nodes"
)

// nodeEntries are the types for nodes ("Amazon EKS User Guide", access entries; for Windows and Fargate the groups of the
// aws-auth rows that EKS writes for them).
var nodeEntries = map[string]nodeEntry{
	"EC2":            {username: byInstance, groups: []string{nodesGroup}, policies: true},
	"EC2_LINUX":      {username: byInstance, groups: []string{nodesGroup}},
	"EC2_WINDOWS":    {username: byInstance, groups: []string{nodesGroup, "eks:kube-proxy-windows"}},
	"FARGATE_LINUX":  {username: bySession, groups: []string{"system:bootstrappers", nodesGroup, "system:node-proxier"}},
	"HYBRID_LINUX":   {username: bySession, groups: []string{nodesGroup}},
	"HYPERPOD_LINUX": {username: bySession, groups: []string{nodesGroup}},
}

// checkEntryType gives the type of an entry, STANDARD where none is asked for.
func checkEntryType(kind string) (string, error) {
	if kind == "" {
		return standardEntry, nil
	}
	if _, ok := nodeEntries[kind]; !ok && kind != standardEntry {
		return "", minato.Errorf(minato.Invalid, "The access entry type %q is not valid: want one of %s, %s", shorten(kind), standardEntry,
			strings.Join(slices.Sorted(maps.Keys(nodeEntries)), ", "))
	}
	return kind, nil
}

// hasPolicies is whether entries of a type can have access policies.
func hasPolicies(kind string) bool { return kind == standardEntry || nodeEntries[kind].policies }

// standardUsername is the username, or its template, of a STANDARD entry that was given none: the ARN of a user; for a role
// that of its sessions, without the role's path.
func standardUsername(principal minato.ARN) string {
	if principal.ResourceType() != "role" {
		return principal.String()
	}
	return minato.NewARN("sts", "", principal.Account, "assumed-role/"+principal.ResourceName()+"/{{SessionName}}").String()
}
