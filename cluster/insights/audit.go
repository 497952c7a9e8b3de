package insights

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"minato.dev/minato/kube"
)

// maxAgent bounds the user agents that are kept; kube-apiserver cuts them at 1024 bytes.
const maxAgent = 1024

// apiKey is an API as the audit log names it.
type apiKey struct{ Group, Version, Resource string }

func (k apiKey) path() string { return "/apis/" + k.Group + "/" + k.Version + "/" + k.Resource }

// ofKubernetes is whether it is in the tables of Kubernetes' own APIs: those that end, and those that not every minor has.
func (k apiKey) ofKubernetes() bool {
	return kube.FindAPI(k.Group, k.Version, k.Resource) != nil || kube.FindNewAPI(k.Group, k.Version, k.Resource) != nil
}

// call is one request for an API that ends, that earlier minors do not have, or that a custom resource's definition calls deprecated.
type call struct {
	api   apiKey
	agent string
	at    time.Time
}

var (
	// eventBegins is how kube-apiserver begins an event.
	eventBegins = []byte(`{"kind":"Event","apiVersion":"audit.k8s.io/`)

	uriMember  = []byte(`"requestURI":"/apis/`)
	deprecated = []byte(`"k8s.io/deprecated":"true"`)

	errNotEvent = errors.New("the line is not an audit event")
)

// parseLine reads a line of an audit log. Most lines are about APIs that stay: they are told by the path of the request, without
// taking the line apart and without allocating.
func parseLine(line []byte) (c call, counts bool, err error) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return call{}, false, nil
	}
	if !bytes.HasPrefix(line, eventBegins) || line[len(line)-1] != '}' {
		return call{}, false, errNotEvent
	}
	if !candidate(line) {
		return call{}, false, nil
	}
	var e event
	if err := json.Unmarshal(line, &e); err != nil {
		return call{}, false, errNotEvent
	}
	if !e.counts() {
		return call{}, false, nil
	}
	agent := strings.ToValidUTF8(e.UserAgent, "\uFFFD")
	if len(agent) > maxAgent {
		agent = strings.ToValidUTF8(agent[:maxAgent], "")
	}
	return call{api: apiKey{e.ObjectRef.APIGroup, e.ObjectRef.APIVersion, e.ObjectRef.Resource}, agent: agent, at: e.At.Time}, true, nil
}

// candidate is whether a line may be about an API that counts.
func candidate(line []byte) bool {
	_, path, ok := bytes.Cut(line, uriMember)
	if !ok {
		return false // the core group, and what is not a resource
	}
	// group/version/…
	if slash := bytes.IndexByte(path, '/'); slash >= 0 {
		end := bytes.IndexAny(path[slash+1:], `/?"`)
		if end >= 0 && (kube.APIVersionEnds(path[:slash+1+end]) || newResource(path[:slash+1+end], path[slash+1+end:])) {
			return true
		}
	}
	return bytes.Contains(path, deprecated)
}

// newResource is whether the rest of a line, from behind a group and version in its path, may be about an API that earlier minors do
// not have. Their groups and versions have many others, which are much used.
func newResource(groupVersion, rest []byte) bool {
	resources := kube.NewResources(groupVersion)
	if len(resources) == 0 {
		return false
	}
	if end := bytes.IndexByte(rest, '"'); end >= 0 {
		rest = rest[:end]
	}
	return slices.ContainsFunc(resources, func(name string) bool { return bytes.Contains(rest, []byte(name)) })
}

// event is what is read of an event of audit.k8s.io/v1.
type event struct {
	Stage string
	Verb  string
	User  struct {
		Username string
	}
	UserAgent string
	ObjectRef struct {
		Resource, APIGroup, APIVersion string
	}
	ResponseStatus struct{ Code int }
	At             timestamp `json:"requestReceivedTimestamp"`
	Annotations    map[string]string
}

// timestamp is a metav1.MicroTime; one that cannot be read is zero.
type timestamp struct{ time.Time }

func (t *timestamp) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	t.Time, _ = time.Parse(time.RFC3339Nano, s)
	return nil
}

// counts is whether an event is a call that somebody has to change. A watch is counted when it begins, everything else when it is
// answered.
func (e *event) counts() bool {
	ref := &e.ObjectRef
	ends := kube.FindAPI(ref.APIGroup, ref.APIVersion, ref.Resource) != nil
	begins := !ends && kube.FindNewAPI(ref.APIGroup, ref.APIVersion, ref.Resource) != nil
	// A definition says so of its custom resource, whose group always has a dot and may end in .k8s.io, as that of the Gateway API. Of
	// Kubernetes' own APIs the table knows more: those that are deprecated and stay are in the core group.
	custom := !ends && e.Annotations["k8s.io/deprecated"] == "true" && strings.Contains(ref.APIGroup, ".")
	if !ends && !begins && !custom || e.At.IsZero() || systemClient(e) {
		return false
	}
	if begins && strings.HasPrefix(e.User.Username, "system:node:") {
		return false // a kubelet calls what its own version has, and has a check of its own
	}
	if started := e.Stage == "ResponseStarted"; (ends || begins) && e.Verb == "watch" {
		return started && e.ResponseStatus.Code < 300
	} else if started {
		return false
	}
	// A refusal never came to the API. Nor did a request for an API that is not served, which is a 404 without the annotation.
	switch e.ResponseStatus.Code {
	case 401, 403, 404, 429:
		return e.Annotations["k8s.io/deprecated"] == "true"
	}
	return e.Stage == "ResponseComplete"
}

// controllers are the service accounts of the controllers in kube-controller-manager that touch every resource there is: that
// they call an API is because it is served.
var controllers = map[string]bool{
	"system:serviceaccount:kube-system:generic-garbage-collector": true,
	"system:serviceaccount:kube-system:resourcequota-controller":  true,
	"system:serviceaccount:kube-system:namespace-controller":      true,
}

// components are those of the control plane, which are upgraded with it, by the users that they show certificates for, and Minato itself, whose
// checks list objects.
var components = map[string]bool{
	"eks:cluster-bootstrap":                                true,
	"system:apiserver":                                     true,
	"system:kube-controller-manager":                       true,
	"system:kube-scheduler":                                true,
	"system:serviceaccount:kube-system:metadata-informers": true,
}

func systemClient(e *event) bool {
	name := e.User.Username
	if controllers[name] || components[name] {
		return true
	}
	return strings.HasPrefix(name, "system:serviceaccount:kube-system:") && strings.HasPrefix(e.UserAgent, "kube-controller-manager/")
}
