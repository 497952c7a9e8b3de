package insights

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

// ahead is how many minors beyond the one that serves are looked at.
const ahead = 2

// unused is what EKS says when nobody calls an API that ends.
const unused = "No deprecated API usage detected within the last 30 days."

// deprecatedAPIs are the checks for APIs of Kubernetes that the next minors serve no longer, one for each minor.
func deprecatedAPIs(v *view) (list []check) {
	for n := v.minor + 1; n <= v.minor+ahead; n++ {
		version, status := minorName(n), eks.InsightWarning
		if n == v.minor+1 {
			status = eks.InsightError
		}
		list = append(list, check{
			name: "Deprecated APIs removed in Kubernetes v" + version, category: eks.UpgradeReadiness, version: version, always: true,
			description: "Checks for usage of deprecated APIs that are scheduled for removal in Kubernetes v" + version +
				". Upgrading your cluster before migrating to the updated APIs supported by v" + version + " could cause application impact.",
			run: func(_ context.Context, v *view) (finding, error) {
				f := v.usage(status, func(k apiKey) (eks.Deprecation, bool) {
					a := kube.FindAPI(k.Group, k.Version, k.Resource)
					if a == nil || a.Removed != version {
						return eks.Deprecation{}, false
					}
					return deprecationOf(a), true
				}, map[string]string{
					"EKS update cluster documentation":              "https://docs.aws.amazon.com/eks/latest/userguide/update-cluster.html",
					"Kubernetes v" + version + " deprecation guide": "https://kubernetes.io/docs/reference/using-api/deprecation-guide/#v" + strings.ReplaceAll(version, ".", "-"),
				})
				f.deprecations = append(f.deprecations, v.uncalled(version)...)
				return f, nil
			},
		})
	}
	return list
}

// uncalled are the APIs that a minor removes and that nobody calls: EKS lists them, too, without clients. Those that nobody can call
// who has not asked for alphas are left out.
func (v *view) uncalled(removedIn string) (list []eks.Deprecation) {
	for _, a := range kube.APIs() {
		if len(v.calls[apiKey{a.Group, a.Version, a.Resource}]) == 0 && a.Removed == removedIn && !strings.Contains(a.Version, "alpha") {
			list = append(list, deprecationOf(&a))
		}
	}
	return sorted(list)
}

func deprecationOf(a *kube.API) eks.Deprecation {
	d := eks.Deprecation{Usage: a.Path(), StopServing: a.Removed}
	if a.Replacement != nil {
		d.ReplacedWith, d.ReplacementServed = a.Replacement.Path(), a.Replacement.Introduced
	}
	return d
}

// usage is what the calls of APIs that are of interest find. Who has stopped calling is still told of, and does not count.
func (v *view) usage(status eks.InsightStatusValue, of func(apiKey) (eks.Deprecation, bool), more map[string]string) finding {
	var used, stopped finding
	for key, clients := range v.calls {
		d, ok := of(key)
		if !ok {
			continue
		}
		d.Clients = stats(clients)
		still := slices.ContainsFunc(clients, func(c client) bool { return !c.last.Before(v.since) })
		into, s := &stopped, eks.InsightStatus{Status: eks.InsightPassing, Reason: "Nobody has called it since " + lastOf(clients) + "."}
		if still {
			into, s = &used, eks.InsightStatus{Status: status, Reason: "Deprecated API usage detected."}
		}
		into.deprecations = append(into.deprecations, d)
		into.resources = append(into.resources, eks.InsightResource{Status: s, URI: d.Usage})
	}
	f := finding{
		deprecations: fit(first(append(sorted(used.deprecations), sorted(stopped.deprecations)...), maxShownAPIs)),
		resources:    append(byURI(used.resources), byURI(stopped.resources)...),
		more:         more,
	}
	switch {
	case len(used.deprecations) > 0: // whatever else there is
		f.status = eks.InsightStatus{Status: status, Reason: fmt.Sprintf("Deprecated API usage detected within last 30 days: %d in use.", len(used.deprecations))}
		f.advice = "Update manifests and API clients to use newer Kubernetes APIs if applicable before upgrading. Clients are named by their user agents. Refresh the insights 15 minutes after the last call to see whether any is left."
	case len(v.missed) > 0:
		f.status, f.advice = eks.InsightStatus{Status: eks.InsightUnknown, Reason: missing(v.missed)},
			"Refresh the insights 15 minutes after that time: whoever still calls is seen by then."
	case len(stopped.deprecations) > 0:
		f.status = eks.InsightStatus{Status: eks.InsightPassing, Reason: "Deprecated API usage was detected within the last 30 days, and has stopped: see when each client called last."}
	default:
		f.status = eks.InsightStatus{Status: eks.InsightPassing, Reason: unused}
	}
	return f
}

// maxShownGaps is how many gaps an insight names.
const maxShownGaps = 3

// missing says of which times not all calls are known, the last first.
func missing(gaps []gap) string {
	gaps = slices.Clone(gaps)
	slices.SortFunc(gaps, func(a, b gap) int { return b.To.Compare(a.To) })
	var times []string
	for _, g := range first(gaps, maxShownGaps) {
		times = append(times, g.String())
	}
	if len(gaps) > maxShownGaps {
		times = append(times, "and before")
	}
	return "Deprecated API usage may be missing " + strings.Join(times, "; ") + "."
}

// maxShownAPIs is how many APIs an insight names: with their clients they have to fit into a record.
const maxShownAPIs = 50

func first[T any](list []T, n int) []T { return list[:min(len(list), n)] }

func lastOf(clients []client) string {
	last := slices.MaxFunc(clients, func(a, b client) int { return a.last.Compare(b.last) }).last
	return last.UTC().Format("2006-01-02 15:04:05 UTC")
}

func sorted(d []eks.Deprecation) []eks.Deprecation {
	slices.SortFunc(d, func(a, b eks.Deprecation) int { return strings.Compare(a.Usage, b.Usage) })
	return d
}

func byURI(r []eks.InsightResource) []eks.InsightResource {
	slices.SortFunc(r, func(a, b eks.InsightResource) int { return strings.Compare(a.URI, b.URI) })
	return r
}

const definitionsPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

// customResources is the check for versions of custom resources that their definitions call deprecated, and that are called.
func customResources(v *view) check {
	return check{
		name: "Deprecated custom resource versions", category: eks.UpgradeReadiness, version: v.target(), always: true,
		description: "Checks for usage of versions of custom resources that their CustomResourceDefinitions call deprecated. The release of the operator that stops serving a version breaks whoever still calls it.",
		run: func(ctx context.Context, v *view) (finding, error) {
			now, err := v.deprecatedVersions(ctx)
			if err != nil {
				return finding{}, err
			}
			return v.usage(eks.InsightWarning, func(k apiKey) (eks.Deprecation, bool) {
				d, ok := now[k]
				return d, ok
			}, nil), nil
		},
	}
}

// deprecatedVersions are those that definitions in the cluster call deprecated now.
func (v *view) deprecatedVersions(ctx context.Context) (map[apiKey]eks.Deprecation, error) {
	if !slices.ContainsFunc(keys(v.calls), func(k apiKey) bool { return !k.ofKubernetes() }) {
		return nil, nil // nobody calls one
	}
	definitions, err := v.list(ctx, definitionsPath)
	if err != nil {
		return nil, err
	}
	now := map[apiKey]eks.Deprecation{}
	for _, o := range definitions {
		var d struct {
			Spec struct {
				Group    string
				Names    struct{ Plural string }
				Versions []struct {
					Name               string
					Served, Deprecated bool
				}
			}
		}
		if err := o.into(&d); err != nil {
			return nil, err
		}
		instead := ""
		for _, version := range d.Spec.Versions {
			if version.Served && !version.Deprecated {
				instead = apiKey{d.Spec.Group, version.Name, d.Spec.Names.Plural}.path()
				break
			}
		}
		for _, version := range d.Spec.Versions {
			if key := (apiKey{d.Spec.Group, version.Name, d.Spec.Names.Plural}); version.Served && version.Deprecated {
				now[key] = eks.Deprecation{Usage: key.path(), ReplacedWith: instead}
			}
		}
	}
	return now, nil
}

func keys(m map[apiKey][]client) (list []apiKey) {
	for k := range m {
		list = append(list, k)
	}
	return list
}
