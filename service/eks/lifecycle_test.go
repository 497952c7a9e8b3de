package eks

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/service/iam"
)

func TestDeleteCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("prod")
	r.DeletionProtection = new(true)
	w.create(t, r)
	_, err := w.DeleteCluster(t.Context(), alice, "prod")
	wantError(t, err, minato.WrongState, "deletion protection")
	if _, err := w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "prod", DeletionProtection: new(false)}); err != nil {
		t.Fatal(err)
	}
	w.reconcile(t, "prod")
	for range 2 {
		if c, err := w.DeleteCluster(t.Context(), alice, "prod"); err != nil || c.Status.Status != ClusterDeleting {
			t.Fatalf("%s, %v", c.Status.Status, err)
		}
	}
	_, err = w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "prod", DeletionProtection: new(true)})
	wantError(t, err, minato.WrongState, "is not in ACTIVE status")

	w.remove(t, "prod")
	if l, err := w.Store.List(t.Context(), "/minato/", store.ListOptions{}); err != nil || len(l.Entries) > 0 {
		t.Errorf("left behind: %v, %v", l.Entries, err)
	}
	_, err = w.DeleteCluster(t.Context(), alice, "prod")
	wantError(t, err, minato.NotFound, "No cluster found for name: prod.")
}

func TestDeleteWhileCreating(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("prod")
	r.DeletionProtection = new(true) // does not hold yet
	if _, err := w.CreateCluster(t.Context(), alice, r); err != nil {
		t.Fatal(err)
	}
	if c, err := w.DeleteCluster(t.Context(), alice, "prod"); err != nil || c.Status.Status != ClusterDeleting {
		t.Errorf("%s, %v", c.Status.Status, err)
	}
}

func TestRemoveManyUpdates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.create(t, request("prod"))
	for i := range 2*removeBatch + 1 {
		if _, err := Updates(w.Store).Create(t.Context(), UpdatesOf(&c)+fmt.Sprint(i), Update{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := RemoveUpdates(t.Context(), w.Store, &c); err != nil {
		t.Fatal(err)
	}
	if l, err := w.Store.List(t.Context(), UpdatesPrefix, store.ListOptions{}); err != nil || len(l.Entries) > 0 {
		t.Errorf("%d updates are left, %v", len(l.Entries), err)
	}
}

func TestListClusters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"c", "a", "b-1", "b", "b_2"} {
		if _, err := w.CreateCluster(t.Context(), alice, request(name)); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := alice
	elsewhere.Scope.Region = "eu-west-1"
	if _, err := w.CreateCluster(t.Context(), elsewhere, request("far")); err != nil {
		t.Fatal(err)
	}
	var names []string
	page := PageRequest{MaxResults: new(int32(2))}
	for pages := 1; ; pages++ {
		l, err := w.ListClusters(t.Context(), alice, page, []string{"all"})
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, l.Names...)
		if page.NextToken = l.NextToken; page.NextToken == "" {
			if pages != 3 {
				t.Errorf("%d pages, want 3", pages)
			}
			break
		}
	}
	if want := []string{"a", "b", "b-1", "b_2", "c"}; !slices.Equal(names, want) {
		t.Errorf("listed %v, want %v", names, want)
	}
	for _, bad := range []struct {
		page    PageRequest
		include []string
		want    string
	}{
		{PageRequest{MaxResults: new(int32(0))}, nil, "maxResults must be between 1 and 100, not 0"},
		{PageRequest{MaxResults: new(int32(101))}, nil, "not 101"},
		{PageRequest{NextToken: "!"}, nil, "nextToken is not one that this list has answered"},
		{PageRequest{NextToken: nextToken("updates", "x")}, nil, "nextToken is not one that this list has answered"},
		{PageRequest{}, []string{"ALL"}, `include "ALL" is not valid`},
	} {
		_, err := w.ListClusters(t.Context(), alice, bad.page, bad.include)
		wantError(t, err, minato.Invalid, bad.want)
	}
}

func TestUpdatesList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, request("prod"))
	now := today
	w.Now = func() time.Time { now = now.Add(time.Second); return now }
	var want []string
	for i := range 5 {
		u, err := w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "prod", DeletionProtection: new(i%2 == 0)})
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, u.ID)
		w.reconcile(t, "prod")
	}
	var got []string
	page := PageRequest{MaxResults: new(int32(2))}
	for {
		l, err := w.ListUpdates(t.Context(), alice, "prod", UpdateTarget{}, page)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, l.IDs...)
		if page.NextToken = l.NextToken; page.NextToken == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	_, err := w.DescribeUpdate(t.Context(), alice, "prod", "../x", UpdateTarget{})
	wantError(t, err, minato.NotFound, "No update found for ID: ../x")
	_, err = w.DescribeUpdate(t.Context(), alice, "prod", want[0], UpdateTarget{Nodegroup: "ng"})
	wantError(t, err, minato.NotFound, "No node group found for name: ng.")
	_, err = w.ListUpdates(t.Context(), alice, "prod", UpdateTarget{Addon: "coredns"}, PageRequest{})
	wantError(t, err, minato.NotFound, "No addon: coredns found in cluster: prod")
	_, err = w.ListUpdates(t.Context(), alice, "none", UpdateTarget{}, PageRequest{})
	wantError(t, err, minato.NotFound, "No cluster found for name: none.")
}

// A record that cannot be read hides only itself, and is named in the log.
func TestCorruptRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log bytes.Buffer
	w.Log = slog.New(slog.NewTextHandler(&log, nil))
	w.create(t, request("good"))
	if _, err := w.Store.Commit(t.Context(), store.Create(Clusters(w.Store).Key(ClusterKey(testScope, "bad")), []byte("{"))); err != nil {
		t.Fatal(err)
	}
	l, err := w.ListClusters(t.Context(), alice, PageRequest{}, nil)
	if err != nil || !slices.Equal(l.Names, []string{"good"}) {
		t.Errorf("listed %v, %v", l.Names, err)
	}
	if !strings.Contains(log.String(), "/minato/eks/clusters/111122223333/us-east-1/bad") {
		t.Errorf("the log does not name the record: %s", log.String())
	}
	log.Reset()
	_, err = w.DescribeCluster(t.Context(), alice, "bad")
	if minato.KindOf(err) != minato.Internal || !strings.Contains(log.String(), "us-east-1/bad") {
		t.Errorf("%v; log %s", err, log.String())
	}
	_, err = w.CreateCluster(t.Context(), alice, request("bad"))
	wantError(t, err, minato.AlreadyExists, "Cluster already exists with name: bad")
	if _, err := w.CreateCluster(t.Context(), alice, request("other")); err != nil {
		t.Errorf("beside a corrupt record: %v", err)
	}
}

// Who may not do an action learns nothing about the cluster, and tags decide.
func TestEveryActionIsAuthorized(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("prod")
	r.Tags = minato.Tags{"Team": "a"}
	w.create(t, r)
	arn := clusterARN(testScope, "prod").String()
	w.deny = func(a iam.Access) bool { return true }
	calls := map[string]func(name, arn string) error{
		"eks:DescribeCluster": func(name, _ string) error { _, err := w.DescribeCluster(t.Context(), alice, name); return err },
		"eks:DeleteCluster":   func(name, _ string) error { _, err := w.DeleteCluster(t.Context(), alice, name); return err },
		"eks:ListClusters": func(string, string) error {
			_, err := w.ListClusters(t.Context(), alice, PageRequest{}, nil)
			return err
		},
		"eks:UpdateClusterConfig": func(name, _ string) error {
			_, err := w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: name})
			return err
		},
		"eks:DescribeUpdate": func(name, _ string) error {
			_, err := w.DescribeUpdate(t.Context(), alice, name, "x", UpdateTarget{})
			return err
		},
		"eks:ListUpdates": func(name, _ string) error {
			_, err := w.ListUpdates(t.Context(), alice, name, UpdateTarget{}, PageRequest{})
			return err
		},
		"eks:DescribeClusterVersions": func(string, string) error {
			_, err := w.DescribeClusterVersions(t.Context(), alice, VersionFilter{}, PageRequest{})
			return err
		},
		"eks:TagResource":         func(_, arn string) error { return w.TagResource(t.Context(), alice, arn, minato.Tags{"k": "v"}) },
		"eks:UntagResource":       func(_, arn string) error { return w.UntagResource(t.Context(), alice, arn, []string{"k"}) },
		"eks:ListTagsForResource": func(_, arn string) error { _, err := w.ListTagsForResource(t.Context(), alice, arn); return err },
	}
	for action, call := range calls {
		w.asked()
		there, notThere := call("prod", arn), call("none", strings.Replace(arn, "prod", "none", 1))
		wantError(t, there, minato.Denied, action)
		wantError(t, notThere, minato.Denied, action)
		w.mu.Lock()
		accesses := w.accesses
		w.mu.Unlock()
		if accesses[0].Resource.Resource == "cluster/prod" && accesses[0].Context["aws:resourcetag/team"][0] != "a" {
			t.Errorf("%s was asked without the cluster's tags: %+v", action, accesses[0])
		}
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("prod")
	r.Tags = minato.Tags{"a": "1", "b": "2"}
	w.create(t, r)
	arn := clusterARN(testScope, "prod").String()
	if err := w.TagResource(t.Context(), alice, arn, minato.Tags{"b": "3", "c": ""}); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	asked := w.accesses[len(w.accesses)-1]
	w.mu.Unlock()
	if keys := asked.Context; keys["aws:requesttag/b"][0] != "3" || !slices.Equal(keys["aws:tagkeys"], []string{"b", "c"}) || keys["aws:resourcetag/b"][0] != "2" {
		t.Errorf("TagResource was asked with %v", keys)
	}
	if err := w.UntagResource(t.Context(), alice, arn, []string{"a", "never"}); err != nil {
		t.Fatal(err)
	}
	tags, err := w.ListTagsForResource(t.Context(), alice, arn)
	if err != nil || len(tags) != 2 || tags["b"] != "3" || tags["c"] != "" {
		t.Errorf("%v, %v", tags, err)
	}
	many := minato.Tags{}
	for i := range 49 {
		many[fmt.Sprint(i)] = ""
	}
	wantError(t, w.TagResource(t.Context(), alice, arn, many), minato.Invalid, "at most 50 tags")
	wantError(t, w.TagResource(t.Context(), alice, arn, nil), minato.Invalid, "tags is empty")
	wantError(t, w.UntagResource(t.Context(), alice, arn, nil), minato.Invalid, "tagKeys is empty")
	for bad, kind := range map[string]minato.Kind{
		"prod":                                  minato.Invalid,
		"arn:aws:iam::111122223333:role/x":      minato.Invalid,
		strings.Replace(arn, "prod", "none", 1): minato.NotFound,
		strings.Replace(arn, "111122223333", "444455556666", 1):         minato.NotFound,
		"arn:aws:eks:us-east-1:111122223333:nodegroup/prod/ng/0":        minato.NotFound,
		"arn:aws:eks:us-east-1:111122223333:cluster/prod/and/something": minato.NotFound,
	} {
		if _, err := w.ListTagsForResource(t.Context(), alice, bad); !minato.Is(err, kind) {
			t.Errorf("%s: %v (%s), want %s", bad, err, minato.KindOf(err), kind)
		}
	}
}

// Two changes of one record at once are both made.
func TestTagWhileSomebodyElseDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, request("prod"))
	arn := clusterARN(testScope, "prod").String()
	w.meanwhile("eks:TagResource", func() {
		if err := w.TagResource(t.Context(), alice, arn, minato.Tags{"theirs": "1"}); err != nil {
			t.Error(err)
		}
	})
	if err := w.TagResource(t.Context(), alice, arn, minato.Tags{"ours": "2"}); err != nil {
		t.Fatal(err)
	}
	if tags, err := w.ListTagsForResource(t.Context(), alice, arn); err != nil || tags["theirs"] != "1" || tags["ours"] != "2" {
		t.Errorf("%v, %v", tags, err)
	}
}

func TestUpdateIDs(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	last := ""
	for i := range 1000 {
		id := newUpdateID(today.Add(time.Duration(i) * time.Millisecond))
		if !form.MatchString(id) || id <= last {
			t.Fatalf("%s after %s", id, last)
		}
		last = id
	}
}

func TestAwaitCluster(t *testing.T) {
	t.Parallel()
	type answer struct {
		status ClusterStatus
		err    error
		after  time.Duration
	}
	tests := []struct {
		name string
		act  func(t *testing.T, w *world) // after 5 s
		want answer
	}{
		{"becomes ACTIVE", func(t *testing.T, w *world) { w.reconcile(t, "prod") }, answer{ClusterActive, nil, 5 * time.Second}},
		{"another cluster changes", func(t *testing.T, w *world) { w.create(t, request("prod-2")) }, answer{ClusterCreating, nil, 20 * time.Second}},
		{"only the tags change", func(t *testing.T, w *world) {
			_ = w.TagResource(t.Context(), alice, clusterARN(testScope, "prod").String(), minato.Tags{"k": "v"})
		}, answer{ClusterCreating, nil, 20 * time.Second}},
		{"is deleted", func(t *testing.T, w *world) {
			if _, err := w.DeleteCluster(t.Context(), alice, "prod"); err != nil {
				t.Fatal(err)
			}
			w.remove(t, "prod")
		}, answer{"", minato.Errorf(minato.NotFound, ""), 5 * time.Second}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				if _, err := w.CreateCluster(t.Context(), alice, request("prod")); err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				time.AfterFunc(5*time.Second, func() { test.act(t, w) })
				c, err := w.AwaitCluster(t.Context(), alice, "prod", 20*time.Second)
				if minato.KindOf(err) != minato.KindOf(test.want.err) || c.Status.Status != test.want.status || time.Since(begun) != test.want.after {
					t.Errorf("got %q, %v after %v; want %+v", c.Status.Status, err, time.Since(begun), test.want)
				}
			})
		})
	}
}

func TestAwaitClusterThatIsNotUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(t, request("prod"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := w.AwaitCluster(ctx, alice, "prod", time.Hour)
	if err != nil || c.Status.Status != ClusterActive {
		t.Errorf("%s, %v", c.Status.Status, err)
	}
	_, err = w.AwaitCluster(ctx, alice, "none", time.Hour)
	wantError(t, err, minato.NotFound, "No cluster found for name: none.")
}
