package iamapi

import (
	"context"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
	language "minato.dev/minato/service/iam/policy"
)

type simulateInput struct {
	PolicySourceArn                    string
	PolicyInputList                    []string
	PermissionsBoundaryPolicyInputList []string
	ActionNames                        []string
	ResourceArns                       []string
	ResourcePolicy                     string
	ResourceOwner                      string
	CallerArn                          string
	ResourceHandlingOption             string
	ContextEntries                     []contextEntry
	pageInput
}

type contextEntry struct {
	ContextKeyName, ContextKeyType string
	ContextKeyValues               []string
}

type simulateOutput struct {
	EvaluationResults []evaluationResult
	pageOutput
}

type evaluationResult struct {
	EvalActionName                    string
	EvalResourceName                  string
	EvalDecision                      string
	MatchedStatements                 []matchedStatement
	MissingContextValues              []string
	PermissionsBoundaryDecisionDetail *boundaryDecision
}

type matchedStatement struct {
	SourcePolicyID   string `query:"SourcePolicyId"`
	SourcePolicyType string
}

type boundaryDecision struct{ AllowedByPermissionsBoundary bool }

// source reads the ARN of whose policies are meant, and asks whether the caller may ask about them.
func (h handlers) source(ctx context.Context, text string) (source minato.ARN, account string, err error) {
	if text == "" {
		return source, "", iam.Missing("policySourceArn")
	}
	if source, err = minato.ParseARN(text); err != nil {
		return source, "", minato.Errorf(minato.Invalid, "ARN %s is not valid.", text).Because(iam.InvalidInput)
	}
	account, err = h.allow(ctx, source)
	return source, account, err
}

func (h handlers) simulatePrincipalPolicy(ctx context.Context, in *simulateInput) (*simulateOutput, error) {
	source, account, err := h.source(ctx, in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	return h.simulate(ctx, account, source, in)
}

func (h handlers) simulateCustomPolicy(ctx context.Context, in *simulateInput) (*simulateOutput, error) {
	account, err := h.allow(ctx, minato.ARN{})
	if err != nil {
		return nil, err
	}
	if len(in.PolicyInputList) == 0 {
		return nil, iam.Missing("policyInputList")
	}
	return h.simulate(ctx, account, minato.ARN{}, in)
}

func (h handlers) simulate(ctx context.Context, account string, source minato.ARN, in *simulateInput) (*simulateOutput, error) {
	if in.ResourceOwner != "" || in.ResourceHandlingOption != "" || len(in.PermissionsBoundaryPolicyInputList) > 1 {
		return nil, minato.Errorf(minato.Invalid, "ResourceOwner, ResourceHandlingOption and more than one permissions boundary are not simulated by Minato").
			Because(iam.InvalidInput)
	}
	simulation := iam.Simulation{
		Source: source, Policies: in.PolicyInputList, Boundary: strings.Join(in.PermissionsBoundaryPolicyInputList, ""),
		Resource: in.ResourcePolicy, Actions: in.ActionNames, Resources: in.ResourceArns, Context: conditions{},
	}
	if in.CallerArn != "" {
		caller, err := minato.ParseARN(in.CallerArn)
		if err != nil {
			return nil, minato.Errorf(minato.Invalid, "CallerArn %s is not valid.", in.CallerArn).Because(iam.InvalidInput)
		}
		simulation.Caller = caller
	}
	for _, e := range in.ContextEntries {
		simulation.Context[strings.ToLower(e.ContextKeyName)] = e.ContextKeyValues
	}
	results, err := h.iam.Simulate(ctx, account, simulation)
	if err != nil {
		return nil, err
	}
	return &simulateOutput{EvaluationResults: each(results, wireSimulated)}, nil
}

// evalDecisions are the verdicts as IAM's simulator spells them.
var evalDecisions = map[language.Verdict]string{
	language.Allowed: "allowed", language.ExplicitDeny: "explicitDeny", language.ImplicitDeny: "implicitDeny",
}

func wireSimulated(r iam.Simulated) evaluationResult {
	w := evaluationResult{
		EvalActionName: r.Action, EvalResourceName: r.Resource, EvalDecision: evalDecisions[r.Verdict],
		MatchedStatements: []matchedStatement{}, MissingContextValues: r.Missing,
	}
	if w.MissingContextValues == nil {
		w.MissingContextValues = []string{}
	}
	for _, f := range r.All {
		if f.Statement != nil && (f.Verdict == language.ExplicitDeny || r.Verdict != language.ExplicitDeny) {
			w.MatchedStatements = append(w.MatchedStatements, matchedStatement{sourcePolicy(f.Statement.Policy), "IAM Policy"})
		}
	}
	if r.Boundary != "" {
		w.PermissionsBoundaryDecisionDetail = &boundaryDecision{r.Boundary == language.Allowed}
	}
	return w
}

// sourcePolicy is what the simulator calls a policy: a managed one by its name, an inline one by whose it is, as in user_alice_read.
func sourcePolicy(name string) string {
	if arn, err := minato.ParseARN(name); err == nil {
		return arn.ResourceName()
	}
	if words := strings.Fields(name); len(words) == 6 { // "inline policy read of user alice"
		return words[4] + "_" + words[5] + "_" + words[2]
	}
	return name
}

type contextKeysOutput struct{ ContextKeyNames []string }

func (h handlers) contextKeysForPrincipalPolicy(ctx context.Context, in *simulateInput) (*contextKeysOutput, error) {
	source, account, err := h.source(ctx, in.PolicySourceArn)
	if err != nil {
		return nil, err
	}
	keys, err := h.iam.ContextKeys(ctx, account, source, in.PolicyInputList)
	return &contextKeysOutput{keys}, err
}

func (h handlers) contextKeysForCustomPolicy(ctx context.Context, in *simulateInput) (*contextKeysOutput, error) {
	account, err := h.allow(ctx, minato.ARN{})
	if err != nil {
		return nil, err
	}
	if len(in.PolicyInputList) == 0 {
		return nil, iam.Missing("policyInputList")
	}
	keys, err := h.iam.ContextKeys(ctx, account, minato.ARN{}, in.PolicyInputList)
	return &contextKeysOutput{keys}, err
}
