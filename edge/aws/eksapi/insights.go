package eksapi

import (
	"context"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"minato.dev/minato/service/eks"
)

func (h *handlers) listInsights(ctx context.Context, in *awseks.ListInsightsInput) (*awseks.ListInsightsOutput, error) {
	var filter eks.InsightFilter
	if f := in.Filter; f != nil {
		filter = eks.InsightFilter{Categories: words(f.Categories), Versions: f.KubernetesVersions, Statuses: words(f.Statuses)}
	}
	page := eks.PageRequest{MaxResults: in.MaxResults, NextToken: value(in.NextToken)}
	list, err := h.service.ListInsights(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), filter, page)
	if err != nil {
		return nil, err
	}
	insights := []ekstypes.InsightSummary{}
	for i := range list.Insights {
		one := insightOut(&list.Insights[i])
		insights = append(insights, ekstypes.InsightSummary{
			Id: one.Id, Name: one.Name, Category: one.Category, KubernetesVersion: one.KubernetesVersion, Description: one.Description,
			InsightStatus: one.InsightStatus, LastRefreshTime: one.LastRefreshTime, LastTransitionTime: one.LastTransitionTime,
		})
	}
	return &awseks.ListInsightsOutput{Insights: insights, NextToken: present(list.NextToken)}, nil
}

func (h *handlers) describeInsight(ctx context.Context, in *awseks.DescribeInsightInput) (*awseks.DescribeInsightOutput, error) {
	i, err := h.service.DescribeInsight(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName), value(in.Id))
	if err != nil {
		return nil, err
	}
	return &awseks.DescribeInsightOutput{Insight: insightOut(&i)}, nil
}

func (h *handlers) startInsightsRefresh(ctx context.Context, in *awseks.StartInsightsRefreshInput) (*awseks.StartInsightsRefreshOutput, error) {
	r, err := h.service.StartInsightsRefresh(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName))
	if err != nil {
		return nil, err
	}
	return &awseks.StartInsightsRefreshOutput{Message: &r.Message, Status: ekstypes.InsightsRefreshStatus(r.Status)}, nil
}

func (h *handlers) describeInsightsRefresh(ctx context.Context, in *awseks.DescribeInsightsRefreshInput) (*awseks.DescribeInsightsRefreshOutput, error) {
	r, err := h.service.DescribeInsightsRefresh(ctx, callerOn(ctx, value(in.ClusterName)), value(in.ClusterName))
	if err != nil {
		return nil, err
	}
	out := &awseks.DescribeInsightsRefreshOutput{Message: &r.Message, Status: ekstypes.InsightsRefreshStatus(r.Status), StartedAt: &r.StartedAt}
	if !r.EndedAt.IsZero() {
		out.EndedAt = &r.EndedAt
	}
	return out, nil
}

func insightOut(i *eks.Insight) *ekstypes.Insight {
	out := &ekstypes.Insight{
		Id: &i.ID, Name: &i.Name, Category: ekstypes.Category(i.Category), KubernetesVersion: present(i.Version), Description: &i.Description,
		InsightStatus: insightStatusOut(i.Status), LastRefreshTime: &i.RefreshedAt, LastTransitionTime: &i.TransitionedAt,
		Recommendation: &i.Advice, AdditionalInfo: map[string]string{}, Resources: []ekstypes.InsightResourceDetail{},
		CategorySpecificSummary: &ekstypes.InsightCategorySpecificSummary{DeprecationDetails: []ekstypes.DeprecationDetail{}},
	}
	for title, url := range i.More {
		out.AdditionalInfo[title] = url
	}
	for _, r := range i.Resources {
		out.Resources = append(out.Resources, ekstypes.InsightResourceDetail{
			InsightStatus: insightStatusOut(r.Status), KubernetesResourceUri: present(r.URI), Arn: present(r.ARN),
		})
	}
	for _, d := range i.Deprecations {
		out.CategorySpecificSummary.DeprecationDetails = append(out.CategorySpecificSummary.DeprecationDetails, deprecationOut(&d))
	}
	for _, a := range i.Addons {
		out.CategorySpecificSummary.AddonCompatibilityDetails = append(out.CategorySpecificSummary.AddonCompatibilityDetails,
			ekstypes.AddonCompatibilityDetail{Name: &a.Name, CompatibleVersions: a.Compatible})
	}
	return out
}

func insightStatusOut(s eks.InsightStatus) *ekstypes.InsightStatus {
	return &ekstypes.InsightStatus{Status: ekstypes.InsightStatusValue(s.Status), Reason: &s.Reason}
}

func deprecationOut(d *eks.Deprecation) ekstypes.DeprecationDetail {
	out := ekstypes.DeprecationDetail{
		Usage: &d.Usage, ReplacedWith: present(d.ReplacedWith), StopServingVersion: present(d.StopServing),
		StartServingReplacementVersion: present(d.ReplacementServed), ClientStats: []ekstypes.ClientStat{},
	}
	for _, c := range d.Clients {
		out.ClientStats = append(out.ClientStats, ekstypes.ClientStat{
			UserAgent: &c.UserAgent, NumberOfRequestsLast30Days: int32(min(c.Requests, 1<<31-1)), LastRequestTime: &c.LastAt,
		})
	}
	return out
}

// words are the values of an enumeration as they are on the wire.
func words[T ~string](in []T) (out []string) {
	for _, w := range in {
		out = append(out, string(w))
	}
	return out
}
