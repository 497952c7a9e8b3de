// Package catalogue is the add-ons that there are: their versions, what of them can be configured, and the Kubernetes objects
// that they are made of. It is data and templates; nothing here talks to a cluster.
//
// Names, labels and objects are those of EKS, so that what is written for its add-ons finds them. The versions are ours: the
// upstream version of the program, and a build that counts the changes of the manifest. What one version is made of never changes.
package catalogue

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"minato.dev/minato/kube"
)

//go:embed catalogue.json manifests schemas
var files embed.FS

// registry is where nodes find the images that Minato is built with.
const registry = "minato.local/eks/"

// buildMark stands in a version between that of the program and the build.
const buildMark = "-minatobuild."

// Publisher is who packs all of these add-ons.
const Publisher = "minato"

// Addon is an add-on.
type Addon struct {
	Name      string `json:"name"`
	Type      string `json:"type"`      // "networking"
	Owner     string `json:"owner"`     // whose program it is: community, or minato
	Namespace string `json:"namespace"` // where its objects lie unless asked otherwise
	// AnyNamespace is whether they may lie elsewhere.
	AnyNamespace bool `json:"anyNamespace"`
	// SelfManaged is whether a new cluster comes with it.
	SelfManaged bool `json:"selfManaged"`
	// ServiceAccount is the one that an IAM role can be given to; empty where the program asks nothing of AWS.
	ServiceAccount string `json:"serviceAccount"`
	// Policies are the names of AWS's policies that such a role needs.
	Policies []string `json:"policies"`
	// Workload is what has to run for the add-on to be healthy, as the end of its path: "deployments/coredns".
	Workload string `json:"workload"`
	// NotOn are the compute types of nodes on which a DaemonSet has nothing to do.
	NotOn []string `json:"notOn"`
	// PerMinor is the build of an add-on that is part of Kubernetes: it has a version for each minor.
	PerMinor int       `json:"perMinor"`
	Versions []Version `json:"versions"` // newest first
}

// Version is a version of an add-on.
type Version struct {
	Version string `json:"version"` // "v1.15.0-minatobuild.1"
	Image   string `json:"image"`   // tag of the image
	Build   int    `json:"build"`   // of the manifest
	// Minor is the Kubernetes minor whose build is in the image; empty for programs of other origin.
	Minor string `json:"-"`
}

// skew is how many minors a kube-proxy may be behind the kube-apiserver.
const skew = 3

// Runs is whether this version runs on clusters of a minor.
func (v Version) Runs(cluster kube.Version) bool {
	if v.Minor == "" {
		return true
	}
	own, _ := kube.Lookup(v.Minor)
	return own.Number() <= cluster.Number() && own.Number() >= cluster.Number()-skew
}

// DefaultOn is whether this is the version that clusters of a minor get when none is asked for.
func (a Addon) DefaultOn(v Version, cluster kube.Version) bool {
	if a.PerMinor > 0 {
		return v.Minor == cluster.Minor
	}
	return v.Version == a.Versions[0].Version
}

// Default is the version that clusters of a minor get when none is asked for.
func (a Addon) Default(cluster kube.Version) Version {
	return a.Versions[slices.IndexFunc(a.Versions, func(v Version) bool { return a.DefaultOn(v, cluster) })]
}

// ComputeTypes are the kinds of nodes that the add-on is for.
func (a Addon) ComputeTypes() []string {
	return slices.DeleteFunc([]string{"ec2", "fargate", "hybrid"}, func(t string) bool { return slices.Contains(a.NotOn, t) })
}

// ImageOf is the image of a version, as nodes call it.
func (a Addon) ImageOf(v Version) string { return registry + a.Name + ":" + v.Image }

// All are all add-ons, by name.
func All() []Addon { return slices.Clone(addons) }

// Lookup finds an add-on.
func Lookup(name string) (Addon, bool) {
	i := slices.IndexFunc(addons, func(a Addon) bool { return a.Name == name })
	if i < 0 {
		return Addon{}, false
	}
	return addons[i], true
}

// Lookup finds a version of the add-on.
func (a Addon) Lookup(version string) (Version, bool) {
	i := slices.IndexFunc(a.Versions, func(v Version) bool { return v.Version == version })
	if i < 0 {
		return Version{}, false
	}
	return a.Versions[i], true
}

// Installed is a version that a cluster has, which may be of an earlier Minato and not on offer any more.
func (a Addon) Installed(version string) (Version, error) {
	if v, ok := a.Lookup(version); ok {
		return v, nil
	}
	image, build, _ := strings.Cut(version, buildMark)
	n, err := strconv.Atoi(build)
	if err != nil {
		return Version{}, fmt.Errorf("%q is no version of the add-on %s", version, a.Name)
	}
	return Version{Version: version, Image: image, Build: n}, nil
}

var addons = func() []Addon {
	b, err := files.ReadFile("catalogue.json")
	if err != nil {
		panic("catalogue: " + err.Error())
	}
	var all []Addon
	if err := json.Unmarshal(b, &all); err != nil {
		panic("catalogue: catalogue.json: " + err.Error())
	}
	for i := range all {
		if a := &all[i]; a.PerMinor > 0 {
			for _, k := range slices.Backward(kube.Versions()) {
				a.Versions = append(a.Versions, Version{
					Version: k.Patch + buildMark + strconv.Itoa(a.PerMinor), Image: k.Patch, Build: a.PerMinor, Minor: k.Minor,
				})
			}
		}
	}
	return all
}()
