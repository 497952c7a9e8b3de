package kube

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// apisJSON is written by `go run ./kube/kubegen apis` from the lifecycle methods in k8s.io/api of every minor.
//
//go:embed apis.json
var apisJSON []byte

// API is a type of Kubernetes that is, or was, served under a version which some minor serves no longer.
type API struct {
	Group      string `json:"group"`
	Version    string `json:"version"`
	Kind       string `json:"kind"`
	Resource   string `json:"resource"`             // "flowschemas"
	Introduced string `json:"introduced,omitempty"` // minor: "1.26"
	Deprecated string `json:"deprecated,omitempty"`
	// Removed is the first minor that does not serve it. For minors that are not released it is what is planned.
	Removed string `json:"removed"`
	// Replacement is what to use instead, nil where there is nothing.
	Replacement *Replacement `json:"replacement,omitempty"`
}

// Replacement is what replaces an API.
type Replacement struct {
	Group      string `json:"group"`
	Version    string `json:"version"`
	Kind       string `json:"kind"`
	Resource   string `json:"resource"`
	Introduced string `json:"introduced,omitempty"` // empty where it was there before types told
}

// Path is where it is served: /apis/flowcontrol.apiserver.k8s.io/v1beta3/flowschemas.
func (a *API) Path() string { return apiPath(a.Group, a.Version, a.Resource) }

// Path is where it is served.
func (r *Replacement) Path() string { return apiPath(r.Group, r.Version, r.Resource) }

// NewAPI is a type of Kubernetes that minors before one do not serve, since the oldest in the table of versions.
type NewAPI struct {
	Group      string `json:"group"`
	Version    string `json:"version"`
	Kind       string `json:"kind"`
	Resource   string `json:"resource"`
	Introduced string `json:"introduced"` // the first minor that has it: "1.34"
}

// Path is where it is served.
func (a *NewAPI) Path() string { return apiPath(a.Group, a.Version, a.Resource) }

// IntroducedIn is the number of the first minor that has it: 34 for 1.34.
func (a *NewAPI) IntroducedIn() int { return minorNumber(a.Introduced) }

// RemovedIn is the number of the minor that does not serve it any more: 32 for 1.32.
func (a *API) RemovedIn() int { return minorNumber(a.Removed) }

// DeprecatedIn is the number of the minor that calls it deprecated first; 0 if none does.
func (a *API) DeprecatedIn() int { return minorNumber(a.Deprecated) }

func apiPath(group, version, resource string) string {
	if group == "" {
		return "/api/" + version + "/" + resource
	}
	return "/apis/" + group + "/" + version + "/" + resource
}

func minorNumber(minor string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(minor, "1."))
	return n
}

// apiTable is the table, and what finds its rows.
type apiTable struct {
	Sources []string `json:"sources"`
	APIs    []API    `json:"apis"`
	New     []NewAPI `json:"new"`

	byResource, byKind map[[3]string]*API
	versions           map[string]bool
	newByResource      map[[3]string]*NewAPI
	newResources       map[string][]string // by group/version
}

var apis = sync.OnceValue(func() *apiTable {
	t := &apiTable{
		byResource: map[[3]string]*API{}, byKind: map[[3]string]*API{}, versions: map[string]bool{},
		newByResource: map[[3]string]*NewAPI{}, newResources: map[string][]string{},
	}
	if err := json.Unmarshal(apisJSON, t); err != nil {
		panic("kube/apis.json: " + err.Error())
	}
	for i := range t.APIs {
		a := &t.APIs[i]
		t.byResource[[3]string{a.Group, a.Version, a.Resource}] = a
		t.byKind[[3]string{a.Group, a.Version, a.Kind}] = a
		t.versions[a.Group+"/"+a.Version] = true
	}
	for i := range t.New {
		a := &t.New[i]
		t.newByResource[[3]string{a.Group, a.Version, a.Resource}] = a
		t.newResources[a.Group+"/"+a.Version] = append(t.newResources[a.Group+"/"+a.Version], a.Resource)
	}
	return t
})

// APIs are all types that are served no longer by some minor, by the minor that ends them. Treat them as read-only.
func APIs() []API { return slices.Clone(apis().APIs) }

// FindAPI is the API of a resource, nil if it does not end.
func FindAPI(group, version, resource string) *API {
	return apis().byResource[[3]string{group, version, resource}]
}

// FindKind is the API of a kind, nil if it does not end.
func FindKind(group, version, kind string) *API {
	return apis().byKind[[3]string{group, version, kind}]
}

// APIVersionEnds is whether a group/version has a type that ends. It does not allocate.
func APIVersionEnds(groupVersion []byte) bool { return apis().versions[string(groupVersion)] }

// NewAPIs are all types that the oldest minor did not have yet. Treat them as read-only.
func NewAPIs() []NewAPI { return slices.Clone(apis().New) }

// FindNewAPI is the API of a resource, nil if the oldest minor has it already.
func FindNewAPI(group, version, resource string) *NewAPI {
	return apis().newByResource[[3]string{group, version, resource}]
}

// NewResources are the resources of a group/version that the oldest minor did not have yet. It does not allocate.
func NewResources(groupVersion []byte) []string { return apis().newResources[string(groupVersion)] }
