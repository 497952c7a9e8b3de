package scan

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/kube"
)

// API is what is asked of a cluster. A kubeapi.Client does it.
type API interface {
	Get(ctx context.Context, path string, out any) error
	Each(ctx context.Context, path string, query url.Values, fn func(item json.RawMessage) error) error
}

// An answer holds so many objects: it must stay within what a kubeapi.Client reads.
var (
	page         = url.Values{"limit": {"100"}}
	pageOfLarge  = url.Values{"limit": {"10"}} // of objects that may be a MiB
	helmReleases = url.Values{"limit": {"10"}, "labelSelector": {"owner=helm,status=deployed"}}
)

// Cluster scans what lives in a cluster: its objects by the versions that they were written in, which their managers most likely go on
// writing, and the manifests of its Helm releases.
func (s *Scanner) Cluster(ctx context.Context, name string, api API) error {
	s.most, s.live = maxLiveDocument, true
	for _, r := range s.concerned() {
		if err := s.collection(ctx, name, r, api); err != nil {
			return err
		}
	}
	return s.releases(ctx, api)
}

// groupResource is a resource in whatever version.
type groupResource struct{ group, resource string }

// concerned are the resources of which a version ends by the target, and those that they have become.
func (s *Scanner) concerned() (list []groupResource) {
	add := func(r groupResource) {
		if !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	for _, a := range kube.APIs() {
		if min(a.RemovedIn(), a.DeprecatedIn()) > s.target {
			continue
		}
		add(groupResource{a.Group, a.Resource})
		if a.Replacement != nil {
			add(groupResource{a.Replacement.Group, a.Replacement.Resource})
		}
	}
	return list
}

// collection scans the objects of a resource, if the cluster has it.
func (s *Scanner) collection(ctx context.Context, cluster string, r groupResource, api API) error {
	at, err := find(ctx, r, api)
	if err != nil || at.path == "" {
		return err
	}
	query := page
	if r.resource == "customresourcedefinitions" {
		query = pageOfLarge
	}
	err = api.Each(ctx, at.path, query, func(item json.RawMessage) error {
		var o live
		if err := json.Unmarshal(item, &o); err != nil {
			return err
		}
		s.Report.Objects++
		for _, w := range o.writers(at.kind) {
			s.Object(fmt.Sprintf("cluster %s, written by %s", cluster, w.manager), 0, w.version, w.kind, o.Metadata.Namespace, o.Metadata.Name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("listing %s: %w", at.path, err)
	}
	return nil
}

// served is where a resource is listed, and the kind of its objects: in a list they do not say it themselves.
type served struct{ path, kind string }

// find looks for a resource in the version that the cluster prefers, and then in its others. The path is empty if it has none to list.
func find(ctx context.Context, r groupResource, api API) (served, error) {
	if r.group == "" {
		return findIn(ctx, "/api/v1", r.resource, api)
	}
	type version struct {
		GroupVersion string `json:"groupVersion"`
	}
	var group struct {
		Versions  []version `json:"versions"`
		Preferred version   `json:"preferredVersion"`
	}
	if err := api.Get(ctx, "/apis/"+r.group, &group); kubeapi.NotFound(err) {
		return served{}, nil
	} else if err != nil {
		return served{}, fmt.Errorf("asking for the versions of %s: %w", r.group, err)
	}
	for _, v := range append([]version{group.Preferred}, group.Versions...) {
		if at, err := findIn(ctx, "/apis/"+v.GroupVersion, r.resource, api); err != nil || at.path != "" {
			return at, err
		}
	}
	return served{}, nil
}

func findIn(ctx context.Context, version, resource string, api API) (served, error) {
	var list struct {
		Resources []struct {
			Name  string   `json:"name"`
			Kind  string   `json:"kind"`
			Verbs []string `json:"verbs"`
		} `json:"resources"`
	}
	if err := api.Get(ctx, version, &list); err != nil && !kubeapi.NotFound(err) {
		return served{}, fmt.Errorf("asking for the resources of %s: %w", version, err)
	}
	for _, r := range list.Resources {
		if r.Name == resource && slices.Contains(r.Verbs, "list") { // reviews are created only
			return served{version + "/" + resource, r.Kind}, nil
		}
	}
	return served{}, nil
}

// live is what is read of an object in a cluster.
type live struct {
	Metadata struct {
		Name          string            `json:"name"`
		Namespace     string            `json:"namespace"`
		Annotations   map[string]string `json:"annotations"`
		ManagedFields []struct {
			Manager     string `json:"manager"`
			APIVersion  string `json:"apiVersion"`
			Subresource string `json:"subresource"`
		} `json:"managedFields"`
	} `json:"metadata"`
}

// writer is who wrote an object, and in which version.
type writer struct{ manager, version, kind string }

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// ownManagers are the parts of Kubernetes that write objects. Others have such names too: kube-vip.
var ownManagers = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "cloud-controller-manager"}

// writers are those who wrote an object of a kind, without Kubernetes' own parts: these come with the target.
func (o *live) writers(kind string) (list []writer) {
	add := func(w writer) {
		same := func(other writer) bool { return other.version == w.version && other.kind == w.kind }
		if w.version != "" && !slices.ContainsFunc(list, same) {
			list = append(list, w)
		}
	}
	var applied manifest
	if json.Unmarshal([]byte(o.Metadata.Annotations[lastApplied]), &applied) == nil {
		add(writer{"kubectl apply", applied.APIVersion, applied.Kind})
	}
	for _, m := range o.Metadata.ManagedFields {
		if m.Subresource == "" && !slices.Contains(ownManagers, m.Manager) && !strings.HasPrefix(m.Manager, "api-priority-and-fairness-") {
			add(writer{m.Manager, m.APIVersion, kind})
		}
	}
	return list
}

const (
	// maxRelease bounds what the Secret of a release unpacks to. Secrets end at 1 MiB.
	maxRelease = 16 << 20
	// maxLiveDocument bounds a document of a release: no object of a cluster is longer, and whoever may write Secrets there is a tenant of
	// the server that reads them.
	maxLiveDocument = 2 << 20
)

// until is a reader that ends when ctx does.
type until struct {
	ctx context.Context
	io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}

// releases scans the manifests that Helm has installed. Helm sends them again, as they are, when it upgrades or rolls back.
func (s *Scanner) releases(ctx context.Context, api API) error {
	err := api.Each(ctx, "/api/v1/secrets", helmReleases, func(item json.RawMessage) error {
		var secret releaseSecret
		if err := json.Unmarshal(item, &secret); err != nil {
			return err
		}
		s.release(ctx, secret)
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("listing the releases of Helm: %w", err)
	}
	return nil
}

// releaseSecret is what is read of a Secret that holds a release.
type releaseSecret struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Data map[string][]byte `json:"data"`
}

func (s *Scanner) release(ctx context.Context, secret releaseSecret) {
	r, err := decodeRelease(secret.Data["release"])
	if err != nil {
		s.problem("Helm release in secret "+secret.Metadata.Namespace+"/"+secret.Metadata.Name, 0, err)
		return
	}
	source := fmt.Sprintf("Helm release %s/%.*s", secret.Metadata.Namespace, maxName, r.Name)
	s.Reader(source, until{ctx, strings.NewReader(r.Manifest)})
	for _, h := range r.Hooks {
		s.Reader(source, until{ctx, strings.NewReader(h.Manifest)})
	}
}

// release is what is read of a release of Helm.
type release struct {
	Name     string `json:"name"`
	Manifest string `json:"manifest"`
	Hooks    []struct {
		Manifest string `json:"manifest"`
	} `json:"hooks"`
}

// decodeRelease reads what Helm's driver for Secrets writes: JSON, packed by gzip, in base64.
func decodeRelease(data []byte) (r release, err error) {
	if len(data) == 0 {
		return r, errors.New("it holds no release")
	}
	packed, err := base64.StdEncoding.AppendDecode(nil, data)
	if err != nil {
		return r, fmt.Errorf("the release is not base64: %w", err)
	}
	if bytes.HasPrefix(packed, []byte{0x1f, 0x8b, 0x08}) {
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return r, fmt.Errorf("the release cannot be unpacked: %w", err)
		}
		if packed, err = io.ReadAll(io.LimitReader(z, maxRelease+1)); err != nil {
			return r, fmt.Errorf("the release cannot be unpacked: %w", err)
		}
		if len(packed) > maxRelease {
			return r, fmt.Errorf("the release unpacks to more than %d MiB, and is left out", maxRelease>>20)
		}
	}
	if err := json.Unmarshal(packed, &r); err != nil {
		return r, fmt.Errorf("the release is not JSON: %w", err)
	}
	return r, nil
}

// Add takes in what another scan for the same target found.
func (r *Report) Add(other Report) {
	r.Files += other.Files
	r.Objects += other.Objects
	r.Findings = append(r.Findings, other.Findings...)
	r.Problems = append(r.Problems, other.Problems...)
	r.LeftOut += other.LeftOut
}
