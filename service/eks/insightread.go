package eks

import (
	"context"
	"errors"
	"slices"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// InsightFilter is which insights are listed; an empty member is any.
type InsightFilter struct {
	Categories, Versions, Statuses []string
}

// InsightList is one page of insights.
type InsightList struct {
	Insights  []Insight
	NextToken string
}

// ListInsights lists what the checks of a cluster found, the checks of a category together and by name.
func (s *Service) ListInsights(ctx context.Context, c Caller, clusterName string, f InsightFilter, page PageRequest) (InsightList, error) {
	cluster, err := s.cluster(ctx, c, "eks:ListInsights", clusterName)
	if err != nil {
		return InsightList{}, err
	}
	if err := f.check(); err != nil {
		return InsightList{}, withCluster(err, clusterName)
	}
	found, err := Insights(s.Store).List(ctx, store.ID(cluster.Value.ID)+"/", "", 0)
	if err != nil {
		return InsightList{}, s.clusterError(ctx, clusterName, err)
	}
	for _, corrupt := range found.Corrupt {
		s.logCorrupt(ctx, corrupt)
	}
	var wanted []Insight
	for _, item := range found.Items {
		if f.takes(&item.Value) {
			wanted = append(wanted, item.Value)
		}
	}
	insights, next, err := pageOf(wanted, "insights", page, func(i Insight) string {
		return i.Category + "/" + i.Name + "/" + i.ID
	})
	return InsightList{Insights: insights, NextToken: next}, withCluster(err, clusterName)
}

// check refuses filters that nothing can pass.
func (f InsightFilter) check() error {
	for _, category := range f.Categories {
		if known := []string{UpgradeReadiness, Misconfiguration, RollbackReadiness}; !slices.Contains(known, category) {
			return minato.Errorf(minato.Invalid, "filter.categories: %q is not one of %v", shorten(category), known)
		}
	}
	for _, status := range f.Statuses {
		if known := []InsightStatusValue{InsightPassing, InsightWarning, InsightError, InsightUnknown}; !slices.Contains(known, InsightStatusValue(status)) {
			return minato.Errorf(minato.Invalid, "filter.statuses: %q is not one of %v", shorten(status), known)
		}
	}
	return nil
}

func (f InsightFilter) takes(i *Insight) bool {
	any := func(filter []string, value string) bool { return len(filter) == 0 || slices.Contains(filter, value) }
	return any(f.Categories, i.Category) && any(f.Versions, i.Version) && any(f.Statuses, string(i.Status.Status))
}

// DescribeInsight reads one insight.
func (s *Service) DescribeInsight(ctx context.Context, c Caller, clusterName, id string) (Insight, error) {
	cluster, err := s.cluster(ctx, c, "eks:DescribeInsight", clusterName)
	if err != nil {
		return Insight{}, err
	}
	item, err := Insights(s.Store).Get(ctx, store.ID(cluster.Value.ID, id))
	if errors.Is(err, store.ErrNotFound) {
		return Insight{}, minato.Errorf(minato.NotFound, "No insight found for id: %s.", shorten(id)).With("clusterName", clusterName)
	}
	return item.Value, s.clusterError(ctx, clusterName, err)
}

const (
	refreshRunning   = "Insights refresh is in progress" // text of EKS
	refreshNeverDone = "No insights refresh has been started for this cluster."
)

// StartInsightsRefresh has a cluster's insights computed anew. While that is under way it is the same refresh.
func (s *Service) StartInsightsRefresh(ctx context.Context, c Caller, clusterName string) (InsightsRefresh, error) {
	for {
		cluster, err := s.cluster(ctx, c, "eks:StartInsightsRefresh", clusterName)
		if err != nil {
			return InsightsRefresh{}, err
		}
		if status := cluster.Value.Status.Status; status != ClusterActive && status != ClusterUpdating {
			return InsightsRefresh{}, minato.Errorf(minato.WrongState, "Insights of cluster %s cannot be refreshed: its status is %s, not ACTIVE", clusterName, status).With("clusterName", clusterName)
		}
		r, err := s.beginRefresh(ctx, &cluster.Value)
		if isRace(err) && ctx.Err() == nil {
			continue
		}
		return r, s.clusterError(ctx, clusterName, err)
	}
}

func (s *Service) beginRefresh(ctx context.Context, cluster *Cluster) (InsightsRefresh, error) {
	records, key := InsightsRefreshes(s.Store), ClusterKey(cluster.Scope, cluster.Name)
	next := InsightsRefresh{ClusterID: cluster.ID, Status: RefreshInProgress, Message: refreshRunning, StartedAt: s.Now().UTC().Truncate(time.Millisecond)}
	item, err := records.Get(ctx, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		_, err = records.Create(ctx, key, next)
	case err == nil && item.Value.ClusterID == cluster.ID && item.Value.Status == RefreshInProgress:
		return item.Value, nil
	case err == nil:
		item.Value = next
		_, err = records.Put(ctx, item)
	}
	return next, err
}

// DescribeInsightsRefresh is where the last refresh of a cluster's insights stands.
func (s *Service) DescribeInsightsRefresh(ctx context.Context, c Caller, clusterName string) (InsightsRefresh, error) {
	cluster, err := s.cluster(ctx, c, "eks:DescribeInsightsRefresh", clusterName)
	if err != nil {
		return InsightsRefresh{}, err
	}
	item, err := InsightsRefreshes(s.Store).Get(ctx, ClusterKey(c.Scope, clusterName))
	if errors.Is(err, store.ErrNotFound) || err == nil && item.Value.ClusterID != cluster.Value.ID {
		return InsightsRefresh{}, minato.Errorf(minato.NotFound, refreshNeverDone).With("clusterName", clusterName)
	}
	return item.Value, s.clusterError(ctx, clusterName, err)
}
