package insights

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato/cluster/kubeapi"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/eks"
)

// check is one check, and makes one insight.
type check struct {
	name, category, description string
	// version is the minor that the insight is about.
	version string
	// always is whether it is made at every look, because it asks the cluster for little or nothing: those of counted calls.
	always bool
	run    func(ctx context.Context, v *view) (finding, error)
}

// finding is what a check found.
type finding struct {
	status       eks.InsightStatus
	advice       string
	more         map[string]string
	resources    []eks.InsightResource
	deprecations []eks.Deprecation
	addons       []eks.InsightAddonDetail
}

func passing(reason string) finding {
	return finding{status: eks.InsightStatus{Status: eks.InsightPassing, Reason: reason}}
}

// checks are those for the cluster of a view.
func (v *view) checks() []check {
	list := append(deprecatedAPIs(v), customResources(v), kubelets(v), kubeProxy(v), addons(v), health(v), nodeImages(v),
		budgets(v), webhooks(v), replicas(v), supportCalendar(v))
	if v.cluster.Spec.RemoteNetworks != nil {
		list = append(list, hybridNodes(v))
	}
	return append(list, rollback(v)...)
}

// view is what checks see of a cluster, read once for all of them.
type view struct {
	cluster *eks.Cluster
	minor   int // that it serves
	now     time.Time
	// since is when a client must have called an API to be one that still does.
	since time.Time
	calls map[apiKey][]client
	// missed are the times since then of which not all calls are known.
	missed []gap

	client        *kubeapi.Client // nil when there is no control plane to ask
	store         store.Store
	addonVersions func(addon, minor string) []string
	announced     func(*eks.Cluster) (eks.Upcoming, bool)
	lists         map[string]listed
}

type listed struct {
	objects []object
	err     error
}

func newView(cluster *eks.Cluster, now, since time.Time, calls map[apiKey][]client) *view {
	return &view{cluster: cluster, minor: minorOf(cluster.Serving()), now: now, since: since, calls: calls, lists: map[string]listed{}}
}

// target is the next minor, as "1.36".
func (v *view) target() string { return minorName(v.minor + 1) }

// run makes all checks, or those that are always made. unmade is why the first of those that could not be made was not, empty if there
// is none.
func (v *view) run(ctx context.Context, all bool) (insights []eks.Insight, unmade string) {
	for _, c := range v.checks() {
		if !all && !c.always {
			continue
		}
		f, err := c.run(ctx, v)
		if err != nil {
			f = finding{status: eks.InsightStatus{Status: eks.InsightUnknown, Reason: "Unable to determine: " + err.Error()}}
			unmade = cmp.Or(unmade, c.name+": "+f.status.Reason)
		}
		insights = append(insights, eks.Insight{
			ID: eks.InsightID(v.cluster.ID, c.category+"/"+c.name, c.version), ClusterID: v.cluster.ID, Name: c.name, Category: c.category, Version: c.version,
			Description: c.description, Status: f.status, Advice: f.advice, More: f.more, Resources: bounded(f.resources), Deprecations: f.deprecations, Addons: f.addons,
		})
	}
	return insights, unmade
}

// maxResources is how many resources an insight names.
const maxResources = 200

func bounded(resources []eks.InsightResource) []eks.InsightResource {
	return first(resources, maxResources)
}

// object is what checks read of a Kubernetes object.
type object struct {
	Metadata struct {
		Name, Namespace string
		Labels          map[string]string
		Annotations     map[string]string
		ManagedFields   []managed
		OwnerReferences []struct{ Controller bool }
	}
	raw json.RawMessage
}

// managed tells of a program that has written an object, or a subresource of it.
type managed struct{ Manager, Subresource string }

// owned is whether a controller made it for another object.
func (o object) owned() bool {
	return slices.ContainsFunc(o.Metadata.OwnerReferences, func(r struct{ Controller bool }) bool { return r.Controller })
}

// into reads more of it.
func (o object) into(out any) error { return json.Unmarshal(o.raw, out) }

// list reads a collection, once for all checks. One that the cluster does not have is empty.
func (v *view) list(ctx context.Context, path string) ([]object, error) {
	if l, ok := v.lists[path]; ok {
		return l.objects, l.err
	}
	l := v.read(ctx, path)
	v.lists[path] = l
	return l.objects, l.err
}

func (v *view) read(ctx context.Context, path string) (l listed) {
	l.err = v.each(ctx, path, func(o object) error {
		l.objects = append(l.objects, o)
		return nil
	})
	return l
}

// each reads a collection that may be large, one object after the other. One that the cluster does not have is empty.
func (v *view) each(ctx context.Context, path string, fn func(object) error) error {
	if v.client == nil {
		return errors.New("the cluster's API server does not answer")
	}
	err := v.client.Each(ctx, path, nil, func(item json.RawMessage) error {
		o := object{raw: item}
		if err := json.Unmarshal(item, &o); err != nil {
			return err
		}
		return fn(o)
	})
	if err != nil && !kubeapi.NotFound(err) {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// uri is where an object is, as insights name it: /apis/policy/v1/namespaces/default/poddisruptionbudgets/web.
func (o object) uri(collection string) string {
	base, resource := collection[:strings.LastIndexByte(collection, '/')], collection[strings.LastIndexByte(collection, '/')+1:]
	if o.Metadata.Namespace != "" {
		base += "/namespaces/" + o.Metadata.Namespace
	}
	return base + "/" + resource + "/" + o.Metadata.Name
}

// trouble is a finding that a list of resources makes: passing when there are none.
func trouble(status eks.InsightStatusValue, resources []eks.InsightResource, good, bad, advice string) finding {
	if len(resources) == 0 {
		return passing(good)
	}
	for i := range resources {
		if resources[i].Status.Status == "" {
			resources[i].Status.Status = status
		}
		if rank(resources[i].Status.Status) > rank(status) {
			status = resources[i].Status.Status
		}
	}
	return finding{status: eks.InsightStatus{Status: status, Reason: bad}, advice: advice, resources: resources}
}

func rank(s eks.InsightStatusValue) int {
	return slices.Index([]eks.InsightStatusValue{eks.InsightPassing, eks.InsightUnknown, eks.InsightWarning, eks.InsightError}, s)
}

func minorName(n int) string { return "1." + strconv.Itoa(n) }

// minorOf is the minor in a version such as v1.31.4 or 1.31; 0 if there is none.
func minorOf(version string) int {
	_, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	n, _ := strconv.Atoi(rest)
	return n
}
