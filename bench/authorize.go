package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	awscore "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"minato.dev/minato/cluster/access/accesstest"
)

const (
	fewEntries  = 10
	manyEntries = 1000
	askingUsers = 50 // of the many: those that have an access key, and so can say who they are
)

// benchAuthorize measures the decision alone, and then asks the authorization webhook as a kube-apiserver does, with few access entries
// and then with many, of five policies each.
func benchAuthorize(ctx context.Context, o options) ([]Row, error) {
	rows, err := benchDecide(ctx)
	if err != nil {
		return nil, err
	}
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
	rows = append(rows, few.single.rows(fewEntries, "one after the other", "< 1")...)
	rows = append(rows, many.single.rows(manyEntries, "one after the other", "< 1")...)
	rows = append(rows, many.gentle.rows(manyEntries, fmt.Sprintf("at %d/s", gentleRate), "< 1")...)
	rows = append(rows, many.busy.rows(manyEntries, fmt.Sprintf("at %d/s", authRate), "< 1")...)
	return append(rows, against(fmt.Sprintf("the hook's CPU time for each, %d entries beside %d", manyEntries, fewEntries),
		many.cpu*1e6, few.cpu*1e6, "µs", "ratio ~ 1")), nil
}

// authorized is what answers took. CPU time tells what more entries cost also on a machine with other work.
type authorized struct {
	single besidePlain // by one client, without a pause
	gentle besidePlain // at a rate that leaves the machine idle most of the time
	busy   besidePlain // at a rate that does not
	cpu    float64     // seconds of the hook for one answer, when it has many to give
}

// besidePlain is what answers took, in rounds, and those of a webhook that answers without looking, in turns with it.
type besidePlain struct{ ours, plain rounds }

// rows are the medians of the rounds' percentiles, so that a moment in which the machine had other work does not decide.
func (b besidePlain) rows(entries int, how, goal string) []Row {
	name := func(what string) string {
		return fmt.Sprintf("authorization %s with %d entries, %s, beside a webhook that answers without looking", how, entries, what)
	}
	return []Row{
		against(name("p50"), b.ours.percentile(50)*1000, b.plain.percentile(50)*1000, "ms", ""),
		against(name(fmt.Sprintf("p99 (median of %d rounds)", len(b.ours))), b.ours.percentile(99)*1000, b.plain.percentile(99)*1000, "ms", goal),
	}
}

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
	if err := s.takeTurns(ctx, a, &run); err != nil {
		return run, err
	}
	before := cpuSeconds(hookPID(st))
	flooded, _, err := a.flood(ctx, askClients, authDuration)
	run.cpu = (cpuSeconds(hookPID(st)) - before) / float64(len(flooded))
	return run, err
}

const (
	turns        = 9 // of ours and of the one it is compared with
	turnDuration = time.Second
)

// takeTurns asks in turns with a webhook that answers without looking.
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
	if _, err := other.ask(ctx); err != nil { // the handshake
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(clientGC))
	for range turns {
		for _, side := range []struct {
			asker                *asker
			single, gentle, busy *rounds
		}{{a, &run.single.ours, &run.gentle.ours, &run.busy.ours}, {other, &run.single.plain, &run.gentle.plain, &run.busy.plain}} {
			single, _, err := side.asker.flood(ctx, 1, turnDuration)
			if err != nil {
				return err
			}
			gentle, err := side.asker.paced(ctx, gentleRate, turnDuration)
			if err != nil {
				return err
			}
			busy, err := side.asker.paced(ctx, authRate, turnDuration)
			if err != nil {
				return err
			}
			*side.single, *side.gentle, *side.busy = append(*side.single, single), append(*side.gentle, gentle), append(*side.busy, busy)
		}
	}
	run.single.print("one after the other")
	run.gentle.print(fmt.Sprintf("at %d/s", gentleRate))
	run.busy.print(fmt.Sprintf("at %d/s", authRate))
	return nil
}

// fivePolicies are the policies of every entry, those that the decision alone is measured with.
func fivePolicies() []types.AssociatedAccessPolicy {
	var all []types.AssociatedAccessPolicy
	for _, p := range accesstest.Policies() {
		all = append(all, types.AssociatedAccessPolicy{
			PolicyArn:   awscore.String(p.PolicyARN.String()),
			AccessScope: &types.AccessScope{Type: types.AccessScopeType(p.ScopeType), Namespaces: p.Namespaces},
		})
	}
	return all
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
