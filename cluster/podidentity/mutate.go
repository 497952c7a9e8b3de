package podidentity

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Names that EKS gives.
const (
	// SkipLabel on a pod keeps the webhook away from it, whatever its value.
	SkipLabel = "eks.amazonaws.com/skip-pod-identity-webhook"

	annotationPrefix     = "eks.amazonaws.com/"
	roleAnnotation       = annotationPrefix + "role-arn"
	audienceAnnotation   = annotationPrefix + "audience"
	regionalAnnotation   = annotationPrefix + "sts-regional-endpoints"
	expirationAnnotation = annotationPrefix + "token-expiration"
	skipAnnotation       = annotationPrefix + "skip-containers"

	enabledLabel = annotationPrefix + "pod-identity"
	enabled      = "enabled"
)

// Lifetimes of tokens, in seconds.
const (
	maxExpiration = 86400
	// minJittered is the shortest default: pods that start together are not to renew together.
	minJittered   = 79200
	minExpiration = 600
	// longest is what kube-apiserver takes at most.
	longest = 1 << 32
)

// Settings are what a cluster's pods are mutated by.
type Settings struct {
	Region string // of the cluster
	IPv6   bool   // whether its pods have IPv6 addresses
	// Endpoint is where pods reach the AWS APIs, for SDKs that nothing else is told; empty adds nothing.
	Endpoint string
	// Jitter is a number in [0, n), for the lifetime of a token that nobody asks for.
	Jitter func(n int) int
}

// ServiceAccount is what decides about the pods of one.
type ServiceAccount struct {
	// Associated is whether it has a Pod Identity association.
	Associated  bool
	Annotations map[string]string
}

// Operation is one of a JSON patch (RFC 6902).
type Operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// Mutate is how a pod, an object in JSON, is to be changed; nil for not at all. An association goes before a role annotation. An error
// says that it is no pod.
func Mutate(s Settings, account ServiceAccount, object []byte) ([]Operation, error) {
	var p pod
	if err := json.Unmarshal(object, &p); err != nil {
		return nil, fmt.Errorf("not a pod: %w", err)
	}
	if _, skip := p.Metadata.Labels[SkipLabel]; skip {
		return nil, nil
	}
	m := mutation{
		settings:   s,
		expiration: expiration(p.Metadata.Annotations[expirationAnnotation], account.Annotations[expirationAnnotation], s.Jitter),
		skip:       names(p.Metadata.Annotations[skipAnnotation]),
		regional:   account.Annotations[regionalAnnotation] != "false",
	}
	switch role := account.Annotations[roleAnnotation]; {
	case account.Associated:
		m.podIdentity()
	case role != "":
		m.webIdentity(role, account.Annotations[audienceAnnotation], p.windows())
	default:
		return nil, nil
	}
	return m.patch(&p), nil
}

// expiration is the lifetime of a pod's token: what the pod says, else what its ServiceAccount says, else about a day. What is no number
// is not heard, and what kube-apiserver would refuse is moved to where it does not.
func expiration(pod, account string, jitter func(int) int) int {
	for _, asked := range []string{pod, account} {
		if n, err := strconv.Atoi(asked); err == nil {
			return int(min(max(int64(n), minExpiration), longest))
		}
	}
	return minJittered + jitter(maxExpiration-minJittered+1)
}

// names are the parts of a comma list.
func names(list string) (parts []string) {
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// mutation is one of the two kinds, ready to be applied to the containers of a pod.
type mutation struct {
	settings   Settings
	expiration int
	regional   bool
	skip       []string

	label       bool // it is Pod Identity
	audience    string
	volume      string // name of the volume with the token
	tokenFile   string // its name in the volume
	mountPath   string
	credentials []variable
}

// podIdentity is for a ServiceAccount with an association.
func (m *mutation) podIdentity() {
	const folder = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
	address := AgentAddress
	if m.settings.IPv6 {
		address = "[fd00:ec2::23]"
	}
	m.label, m.regional = true, true
	m.audience, m.volume, m.tokenFile, m.mountPath = "pods.eks.amazonaws.com", "eks-pod-identity-token", "eks-pod-identity-token", folder
	m.credentials = []variable{
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://" + address + "/v1/credentials"},
		{"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", folder + "/" + m.tokenFile},
	}
}

// webIdentity is for a ServiceAccount whose annotation names a role.
func (m *mutation) webIdentity(role, audience string, windows bool) {
	const folder = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
	if audience == "" {
		audience = "sts.amazonaws.com"
	}
	m.audience, m.volume, m.tokenFile, m.mountPath = audience, "aws-iam-token", "token", folder
	file := folder + "/" + m.tokenFile
	if windows {
		file = "C:" + strings.ReplaceAll(file, "/", `\`)
	}
	m.credentials = []variable{{"AWS_ROLE_ARN", role}, {"AWS_WEB_IDENTITY_TOKEN_FILE", file}}
}

// patch is the mutation of a pod. There is none when no container takes it.
func (m *mutation) patch(p *pod) (ops []Operation) {
	for i := range p.Spec.InitContainers {
		ops = append(ops, m.container(fmt.Sprintf("/spec/initContainers/%d", i), &p.Spec.InitContainers[i])...)
	}
	for i := range p.Spec.Containers {
		ops = append(ops, m.container(fmt.Sprintf("/spec/containers/%d", i), &p.Spec.Containers[i])...)
	}
	if len(ops) == 0 {
		return nil
	}
	if !slices.ContainsFunc(p.Spec.Volumes, func(v volume) bool { return v.Name == m.volume }) {
		ops = append(ops, m.addVolume(p))
	}
	if m.label {
		ops = append(ops, addLabel(p))
	}
	return ops
}

// container is the mutation of one container: variables that it has stay as they are.
func (m *mutation) container(path string, c *container) (ops []Operation) {
	if slices.Contains(m.skip, c.Name) {
		return nil
	}
	// Two variables that say the same thing in parts are added together or not at all.
	groups := [][]variable{m.sts(), {{"AWS_DEFAULT_REGION", m.settings.Region}, {"AWS_REGION", m.settings.Region}}, m.credentials}
	groups = append(groups, m.endpoints())
	var added []any
	for _, group := range groups {
		if slices.ContainsFunc(group, c.has) {
			continue
		}
		for _, v := range group {
			added = append(added, v)
		}
	}
	if len(added) > 0 {
		ops = append(ops, Operation{"add", path + "/env", join(c.Env, added)})
	}
	if !slices.ContainsFunc(m.credentials, c.has) && !c.mounts(m.volume, m.mountPath) {
		mount := map[string]any{"name": m.volume, "mountPath": m.mountPath, "readOnly": true}
		ops = append(ops, Operation{"add", path + "/volumeMounts", join(c.VolumeMounts, []any{mount})})
	}
	return ops
}

func (m *mutation) sts() []variable {
	if !m.regional {
		return nil
	}
	return []variable{{"AWS_STS_REGIONAL_ENDPOINTS", "regional"}}
}

// endpoints send SDKs to Minato. The SDK for Go does not heed AWS_ENDPOINT_URL when it shows a web identity to STS, because it makes that
// client before it has read the variable.
func (m *mutation) endpoints() []variable {
	to := m.settings.Endpoint
	switch {
	case to == "":
		return nil
	case m.label:
		return []variable{{"AWS_ENDPOINT_URL", to}}
	}
	return []variable{{"AWS_ENDPOINT_URL", to}, {"AWS_ENDPOINT_URL_STS", to}}
}

// addVolume puts the volume before all others.
func (m *mutation) addVolume(p *pod) Operation {
	v := map[string]any{"name": m.volume, "projected": map[string]any{"sources": []any{map[string]any{
		"serviceAccountToken": map[string]any{"audience": m.audience, "expirationSeconds": m.expiration, "path": m.tokenFile},
	}}}}
	if len(p.Spec.Volumes) == 0 {
		return Operation{"add", "/spec/volumes", []any{v}}
	}
	return Operation{"add", "/spec/volumes/0", v}
}

func addLabel(p *pod) Operation {
	if len(p.Metadata.Labels) == 0 {
		return Operation{"add", "/metadata/labels", map[string]string{enabledLabel: enabled}}
	}
	return Operation{"add", "/metadata/labels/" + strings.ReplaceAll(enabledLabel, "/", "~1"), enabled}
}

// join is a list with more at its end; what was in it stays as it came.
func join(there []json.RawMessage, more []any) []any {
	all := make([]any, 0, len(there)+len(more))
	for _, item := range there {
		all = append(all, item)
	}
	return append(all, more...)
}
