package kubehook

import (
	"encoding/json"
	"slices"

	"minato.dev/minato/cluster/podidentity"
)

// toleration is what matters of a pod's toleration.
type toleration struct{ Key, Operator, Value, Effect string }

// toleratesFargate is whether a pod could be scheduled to Fargate's nodes in spite of their taint.
func toleratesFargate(tolerations []json.RawMessage) bool {
	return slices.ContainsFunc(tolerations, func(raw json.RawMessage) bool {
		var t toleration
		if json.Unmarshal(raw, &t) != nil || t.Effect != "" && t.Effect != "NoSchedule" {
			return false
		}
		if t.Operator == "Exists" {
			return t.Key == "" || t.Key == ComputeTypeKey
		}
		return t.Key == ComputeTypeKey && t.Value == ComputeTypeFargate
	})
}

// keepAway keeps a pod that is not of Fargate, though it would tolerate its taint, from Fargate's nodes: on EKS these have no room for
// another pod. Pods of DaemonSets may go there.
func keepAway(pod admittedPod) []podidentity.Operation {
	if pod.ofDaemonSet() || pod.Spec.NodeName != "" || !toleratesFargate(pod.Spec.Tolerations) {
		return nil
	}
	elsewhere := map[string]any{"key": ComputeTypeKey, "operator": "NotIn", "values": []any{ComputeTypeFargate}}
	affinity := pod.Spec.Affinity
	if affinity == nil {
		affinity = map[string]any{}
	}
	node := member(affinity, "nodeAffinity")
	required := member(node, "requiredDuringSchedulingIgnoredDuringExecution")
	terms, _ := required["nodeSelectorTerms"].([]any)
	if len(terms) == 0 {
		terms = []any{map[string]any{"matchExpressions": []any{elsewhere}}}
	} else {
		for _, t := range terms { // any of them is enough for a node
			if term, ok := t.(map[string]any); ok && len(term) > 0 { // an empty one matches no node
				expressions, _ := term["matchExpressions"].([]any)
				term["matchExpressions"] = append(expressions, elsewhere)
			}
		}
	}
	required["nodeSelectorTerms"] = terms
	return []podidentity.Operation{{Op: "add", Path: "/spec/affinity", Value: affinity}}
}

// member is the object of a name in another, made if it is not there.
func member(of map[string]any, name string) map[string]any {
	m, ok := of[name].(map[string]any)
	if !ok {
		m = map[string]any{}
		of[name] = m
	}
	return m
}
