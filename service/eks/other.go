package eks

import (
	"encoding/json"
	"maps"
	"slices"

	"minato.dev/minato"
)

// Members of a request whose effect Minato lacks are refused, unless they are given in a form that asks for nothing, such as
// {"enabled": false}: then nothing is what they get. Some clients send that form, and want to read it back.

// otherMembers are those members, with what is missing.
var otherMembers = map[string]string{
	"computeConfig":               "Minato does not have EKS Auto Mode",
	"storageConfig":               "Minato does not have EKS Auto Mode",
	"elasticLoadBalancing":        "Minato does not have EKS Auto Mode",
	"controlPlaneScalingConfig":   `Minato does not have provisioned control planes, only the tier "standard"`,
	"encryptionConfig":            "Minato does not encrypt with a KMS key yet; Secrets are encrypted with a key of the cluster's own",
	"kubeApiServerConfig":         "Minato does not configure control plane components yet",
	"kubeControllerManagerConfig": "Minato does not configure control plane components yet",
	"kubeSchedulerConfig":         "Minato does not configure control plane components yet",
	"outpostConfig":               "Minato has no Outposts",
	"zonalShiftConfig":            "Minato does not have zonal shift",
	"ipFamily":                    "it is fixed when the cluster is created",
	"serviceIpv4Cidr":             "it is fixed when the cluster is created",
}

// echoedMembers are those that a cluster shows if it was given them. The others are shown always, or never.
var echoedMembers = []string{"computeConfig", "controlPlaneScalingConfig", "storageConfig", "zonalShiftConfig"}

// EchoedMembers are the request members that have no effect and are given back as they came.
func EchoedMembers() []string { return slices.Clone(echoedMembers) }

// checkOther refuses what asks for something and gives what is to be echoed.
func checkOther(other map[string]json.RawMessage) (echo map[string]json.RawMessage, err error) {
	for _, name := range slices.Sorted(maps.Keys(other)) {
		lacking, ok := otherMembers[name]
		if !ok {
			lacking = "Minato does not know this member"
		}
		if !asksForNothing(name, other[name]) {
			return nil, minato.Errorf(minato.Invalid, "%s is not supported: %s", name, lacking)
		}
		if slices.Contains(echoedMembers, name) {
			if echo == nil {
				echo = map[string]json.RawMessage{}
			}
			echo[name] = other[name]
		}
	}
	return echo, nil
}

// asksForNothing is whether a member is empty or says false throughout.
func asksForNothing(name string, raw json.RawMessage) bool {
	if name == "controlPlaneScalingConfig" && string(raw) == `{"tier":"standard"}` {
		return true
	}
	var v any
	return json.Unmarshal(raw, &v) == nil && empty(v)
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !empty(item) })
	case map[string]any:
		for _, member := range v {
			if !empty(member) {
				return false
			}
		}
		return true
	}
	return false
}
