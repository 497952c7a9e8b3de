package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	awscore "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

const (
	fewEntries  = 10
	manyEntries = 1000
	askingUsers = 50 // of the many: those that have an access key, and so can say who they are
)

// benchAuthorize asks the authorization webhook as a kube-apiserver does, with few access entries and then with many, of five
// policies each.
func benchAuthorize(ctx context.Context, o options) ([]Row, error) {
	s, err := startServer(ctx, o)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	const cluster = "authorize"
	if _, err := s.createCluster(ctx, o, cluster); err != nil {
		return nil, err
	}
	few, err := s.authorizations(ctx, cluster, 0, fewEntries, fewEntries)
	if err != nil {
		return nil, err
	}
	many, err := s.authorizations(ctx, cluster, fewEntries, manyEntries, askingUsers)
	if err != nil {
		return nil, err
	}
	name := func(what string) string {
		return fmt.Sprintf("authorization at %d/s with %d entries, %s, beside %d entries", authRate, manyEntries, what, fewEntries)
	}
	beside := func(how, what string) string {
		return fmt.Sprintf("authorization %s with %d entries, %s, beside a webhook that answers without looking", how, manyEntries, what)
	}
	gentle := fmt.Sprintf("at %d/s", gentleRate)
	const single = "one after the other"
	return []Row{
		against(beside(single, "p50"), percentile(many.single.ours, 50)*1000, percentile(many.single.plain, 50)*1000, "ms", ""),
		against(beside(single, "p99"), percentile(many.single.ours, 99)*1000, percentile(many.single.plain, 99)*1000, "ms", "< 1"),
		against(beside(gentle, "p50"), percentile(many.gentle.ours, 50)*1000, percentile(many.gentle.plain, 50)*1000, "ms", ""),
		against(beside(gentle, "p99"), percentile(many.gentle.ours, 99)*1000, percentile(many.gentle.plain, 99)*1000, "ms", "< 1"),
		against(name("p50"), percentile(many.latencies, 50)*1000, percentile(few.latencies, 50)*1000, "ms", ""),
		against(name("p99"), percentile(many.latencies, 99)*1000, percentile(few.latencies, 99)*1000, "ms", "< 1"),
		against(fmt.Sprintf("the hook's CPU time for each, %d entries beside %d", manyEntries, fewEntries), many.cpu*1e6, few.cpu*1e6, "µs", "ratio ~ 1"),
	}, nil
}

// authorized is what answers took. CPU time tells what more entries cost also on a machine with other work.
type authorized struct {
	latencies []time.Duration
	single    besidePlain // by one client, without a pause
	gentle    besidePlain // at a rate that leaves the machine idle most of the time
	cpu       float64     // seconds of the hook for one answer, when it has many to give
}

// besidePlain is what answers took, and those of a webhook that answers without looking, in turns with it.
type besidePlain struct{ ours, plain []time.Duration }

// authorizations makes users from the first up to the last, of whom some have keys, and measures what the webhook takes to
// answer about those.
func (s *server) authorizations(ctx context.Context, cluster string, first, last, asking int) (run authorized, err error) {
	var names []string
	for i := first; i < last; i++ {
		names = append(names, fmt.Sprintf("user-%d", i))
	}
	every := len(names) / asking
	users, err := s.createUsers(ctx, cluster, names, func(i int) bool { return i%every == 0 }, fivePolicies())
	if err != nil {
		return run, err
	}
	st, err := s.status(ctx)
	if err != nil {
		return run, err
	}
	var questions []question
	for _, u := range users {
		if u.key.AccessKeyID == "" {
			continue
		}
		q, err := s.accessReviews(ctx, cluster, st.Clusters[0].ID, u)
		if err != nil {
			return run, err
		}
		questions = append(questions, q...)
	}
	a, err := s.hookAsker(st.Clusters[0].ID, "authorize", questions)
	if err != nil {
		return run, err
	}
	if run.latencies, err = a.paced(ctx, authRate, authDuration); err != nil {
		return run, err
	}
	if err := s.takeTurns(ctx, a, &run); err != nil {
		return run, err
	}
	before := cpuSeconds(hookPID(st))
	flooded, _, err := a.flood(ctx, askClients, authDuration)
	run.cpu = (cpuSeconds(hookPID(st)) - before) / float64(len(flooded))
	return run, err
}

// takeTurns asks gently, in turns with a webhook that answers without looking.
func (s *server) takeTurns(ctx context.Context, a *asker, run *authorized) error {
	answer, err := a.ask(ctx)
	if err != nil {
		return err
	}
	p, err := s.startPlain(ctx, answer)
	if err != nil {
		return err
	}
	defer p.stop()
	questions := make([]question, len(a.questions))
	for i, q := range a.questions {
		questions[i] = question{body: q.body}
	}
	other := &asker{client: a.client, url: "https://" + p.addr + "/", questions: questions}
	const d = authDuration / gentleTurns
	for range gentleTurns {
		for _, turn := range []struct {
			asker          *asker
			single, gentle *[]time.Duration
		}{{a, &run.single.ours, &run.gentle.ours}, {other, &run.single.plain, &run.gentle.plain}} {
			gentle, err := turn.asker.paced(ctx, gentleRate, d)
			if err != nil {
				return err
			}
			single, _, err := turn.asker.flood(ctx, 1, d)
			if err != nil {
				return err
			}
			*turn.gentle, *turn.single = append(*turn.gentle, gentle...), append(*turn.single, single...)
		}
	}
	return nil
}

// gentleTurns is how often the two take turns.
const gentleTurns = 5

// fivePolicies are the policies of every entry. All but the last are for namespaces that are not asked about, so that none of
// them ends the search.
func fivePolicies() []types.AssociatedAccessPolicy {
	policy := func(name string, namespaces ...string) types.AssociatedAccessPolicy {
		return types.AssociatedAccessPolicy{
			PolicyArn:   awscore.String("arn:aws:eks::aws:cluster-access-policy/" + name),
			AccessScope: &types.AccessScope{Type: types.AccessScopeTypeNamespace, Namespaces: namespaces},
		}
	}
	elsewhere := []string{"dev-*", "test-*", "team-*-staging"}
	return []types.AssociatedAccessPolicy{
		policy("AmazonEKSAdminPolicy", elsewhere...),
		policy("AmazonEKSEditPolicy", elsewhere...),
		policy("AmazonEKSAdminViewPolicy", elsewhere...),
		policy("AmazonEKSSecretReaderPolicy", elsewhere...),
		policy("AmazonEKSViewPolicy", "prod"),
	}
}

// accessReviews ask about a user what the last of its policies allows, and what none of them does.
func (s *server) accessReviews(ctx context.Context, cluster, clusterID string, u user) ([]question, error) {
	token := s.presign(ctx, s.env["AWS_ENDPOINT_URL"], u.key, cluster, time.Now())
	a, err := s.hookAsker(clusterID, "authenticate", []question{tokenReview(token)})
	if err != nil {
		return nil, err
	}
	defer a.client.CloseIdleConnections()
	answer, err := a.ask(ctx)
	if err != nil {
		return nil, err
	}
	var review struct {
		Status struct {
			User struct {
				Username string          `json:"username"`
				UID      string          `json:"uid"`
				Groups   []string        `json:"groups"`
				Extra    json.RawMessage `json:"extra"`
			} `json:"user"`
		} `json:"status"`
	}
	if err := json.Unmarshal(answer, &review); err != nil {
		return nil, err
	}
	who := review.Status.User
	ask := func(attributes, want string) question {
		spec := map[string]any{
			"user": who.Username, "uid": who.UID, "groups": append(who.Groups, "system:authenticated"), "extra": who.Extra,
			"resourceAttributes": json.RawMessage(attributes),
		}
		body, _ := json.Marshal(map[string]any{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
		return question{body: body, want: []byte(want)}
	}
	return []question{
		ask(`{"namespace":"prod","verb":"get","version":"v1","resource":"pods","name":"web-0"}`, `"allowed":true`),
		ask(`{"namespace":"prod","verb":"delete","version":"v1","resource":"pods","name":"web-0"}`, `"SubjectAccessReview"}`), // no status: no opinion
	}, nil
}
