package eks

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"minato.dev/minato"
)

// Limits of nodegroups (service quotas; API reference, NodegroupUpdateConfig and CreateNodegroup).
const (
	maxNodes         = 450
	maxUnavailable   = 100
	maxInstanceTypes = 20
	maxTaints        = 50
	maxLabels        = 50
)

// SimulatedLabel is the label of a nodegroup, and of its nodes, that are made up by kwok if its value is Simulated.
const (
	SimulatedLabel = "minato.dev/node"
	Simulated      = "simulated"
)

// nodegroupName is what a nodegroup may be called (API reference, CreateNodegroup).
var nodegroupName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9\-_]{0,62}$`)

// otherNodegroupMembers are members that are taken only when they ask for nothing, with what is missing.
var otherNodegroupMembers = map[string]string{
	"warmPoolConfig": "Minato does not have warm pools",
}

func checkNodegroupOther(other map[string]json.RawMessage) error {
	for _, name := range slices.Sorted(maps.Keys(other)) {
		lacking, ok := otherNodegroupMembers[name]
		if !ok {
			lacking = "Minato does not know this member"
		}
		if !asksForNothing(name, other[name]) {
			return minato.Errorf(minato.Invalid, "%s is not supported: %s", name, lacking)
		}
	}
	return nil
}

// newScaling is the scaling of a new nodegroup: all or nothing, and one node, up to two, where there is nothing.
func newScaling(r *ScalingRequest) (Scaling, error) {
	if r == nil {
		return Scaling{Min: 1, Max: 2, Desired: 2}, nil
	}
	if r.Min == nil || r.Max == nil || r.Desired == nil {
		return Scaling{}, minato.Errorf(minato.Invalid, "minSize, maxSize and desiredSize must all be given in scalingConfig")
	}
	s := Scaling{Min: *r.Min, Max: *r.Max, Desired: *r.Desired}
	switch {
	case s.Min > s.Max:
		return s, minato.Errorf(minato.Invalid, "minSize can't be greater than maxSize")
	case s.Min > s.Desired:
		return s, minato.Errorf(minato.Invalid, "minSize can't be greater than desiredSize")
	case s.Desired > s.Max:
		return s, minato.Errorf(minato.Invalid, "desiredSize can't be greater than maxSize")
	}
	return s, checkScaling(s)
}

func checkScaling(s Scaling) error {
	switch {
	case s.Min < 0:
		return minato.Errorf(minato.Invalid, "minSize is not valid: want 0 or more, not %d", s.Min)
	case s.Max < 1:
		return minato.Errorf(minato.Invalid, "maxSize is not valid: want 1 or more, not %d", s.Max)
	case s.Desired < 0:
		return minato.Errorf(minato.Invalid, "desiredSize is not valid: want 0 or more, not %d", s.Desired)
	case s.Max > maxNodes:
		return minato.Errorf(minato.LimitExceeded, "A nodegroup can have at most %d nodes, maxSize is %d", maxNodes, s.Max)
	}
	return nil
}

// checkNodegroupSpec checks the members of a spec that are right or wrong by themselves.
func checkNodegroupSpec(spec NodegroupSpec) error {
	switch spec.CapacityType {
	case "ON_DEMAND", "SPOT":
	case "CAPACITY_BLOCK":
		return minato.Errorf(minato.Invalid, "capacityType CAPACITY_BLOCK is not supported: Minato has no capacity reservations")
	default:
		return minato.Errorf(minato.Invalid, "capacityType %q is not one of ON_DEMAND, SPOT", shorten(spec.CapacityType))
	}
	if err := checkUpdateConfig(spec.Update); err != nil {
		return err
	}
	if err := checkRepair(spec.Repair); err != nil {
		return err
	}
	if err := checkLabels(spec.Labels); err != nil {
		return err
	}
	return checkTaints(spec.Taints)
}

func checkUpdateConfig(u NodegroupUpdates) error {
	switch {
	case u.MaxUnavailable != 0 && u.MaxUnavailablePercentage != 0:
		return minato.Errorf(minato.Invalid, "Only one of maxUnavailable and maxUnavailablePercentage can be specified in updateConfig")
	case u.MaxUnavailable < 0 || u.MaxUnavailable > maxUnavailable:
		return minato.Errorf(minato.Invalid, "maxUnavailable must be between 1 and %d, not %d", maxUnavailable, u.MaxUnavailable)
	case u.MaxUnavailablePercentage < 0 || u.MaxUnavailablePercentage > 100:
		return minato.Errorf(minato.Invalid, "maxUnavailablePercentage must be between 1 and 100, not %d", u.MaxUnavailablePercentage)
	case u.Strategy != "" && u.Strategy != "DEFAULT" && u.Strategy != "MINIMAL":
		return minato.Errorf(minato.Invalid, "updateStrategy %q is not one of DEFAULT, MINIMAL", shorten(u.Strategy))
	}
	return nil
}

// Forms of labels and taints (Kubernetes, "Labels and Selectors").
var (
	labelName  = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
	dnsName    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

func checkLabelKey(what, key string) error {
	prefix, name, ok := strings.Cut(key, "/")
	if !ok {
		prefix, name = "", key
	}
	if len(key) > 63 || !labelName.MatchString(name) || ok && !dnsName.MatchString(prefix) {
		return minato.Errorf(minato.Invalid, "The %s key %q is not valid: want at most 63 characters, NAME or DOMAIN/NAME", what, shorten(key))
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return minato.Errorf(minato.Invalid, "A nodegroup can have at most %d labels, these are %d", maxLabels, len(labels))
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if err := checkLabelKey("label", key); err != nil {
			return err
		}
		if reservedLabel(key) {
			return minato.Errorf(minato.Invalid, "Label cannot contain reserved prefixes [kubernetes.io/, k8s.io/, eks.amazonaws.com/], as %s does", key)
		}
		if value := labels[key]; value == "" || !labelValue.MatchString(value) {
			return minato.Errorf(minato.Invalid, "The value %q of the label %s is not valid: want 1 to 63 letters, digits, -, _ and .", shorten(value), key)
		}
	}
	return nil
}

// reservedLabel is whether a label is for Kubernetes or EKS to set. A kubelet would not start with such a one, but for two domains.
func reservedLabel(key string) bool {
	domain, _, ok := strings.Cut(key, "/")
	if !ok || domain == "node.kubernetes.io" || domain == "kubelet.kubernetes.io" {
		return false
	}
	for _, reserved := range []string{"kubernetes.io", "k8s.io", "eks.amazonaws.com"} {
		if domain == reserved || strings.HasSuffix(domain, "."+reserved) {
			return true
		}
	}
	return false
}

var taintEffects = []string{"NO_SCHEDULE", "PREFER_NO_SCHEDULE", "NO_EXECUTE"}

func checkTaints(taints []Taint) error {
	if len(taints) > maxTaints {
		return minato.Errorf(minato.Invalid, "A nodegroup can have at most %d taints, these are %d", maxTaints, len(taints))
	}
	for i, t := range taints {
		if err := checkLabelKey("taint", t.Key); err != nil {
			return err
		}
		switch {
		case !labelValue.MatchString(t.Value):
			return minato.Errorf(minato.Invalid, "The value %q of the taint %s is not valid: want at most 63 letters, digits, -, _ and .", shorten(t.Value), t.Key)
		case !slices.Contains(taintEffects, t.Effect):
			return minato.Errorf(minato.Invalid, "The effect %q of the taint %s is not one of %s", shorten(t.Effect), t.Key, strings.Join(taintEffects, ", "))
		case slices.ContainsFunc(taints[:i], t.replaces):
			return minato.Errorf(minato.Invalid, "The taint %s with the effect %s is given twice", t.Key, t.Effect)
		}
	}
	return nil
}

// replaces is whether a taint takes the other one's place on a node: those of a key and effect are the same.
func (t Taint) replaces(other Taint) bool { return t.Key == other.Key && t.Effect == other.Effect }

func withLabel(labels map[string]string, key, value string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, labels)
	all[key] = value
	return all
}
