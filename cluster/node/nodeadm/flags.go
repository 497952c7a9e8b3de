package nodeadm

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Taint is a taint that a node registers with.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"` // NoSchedule, PreferNoSchedule, NoExecute
}

func (t Taint) String() string {
	if t.Value == "" {
		return t.Key + ":" + t.Effect
	}
	return t.Key + "=" + t.Value + ":" + t.Effect
}

const (
	labelsFlag  = "node-labels"
	taintsFlag  = "register-with-taints"
	maxPodsFlag = "max-pods"
)

// LabelsFlag is the kubelet flag that gives a node its labels.
func LabelsFlag(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, k+"="+labels[k])
	}
	return "--" + labelsFlag + "=" + strings.Join(pairs, ",")
}

// TaintsFlag is the kubelet flag that gives a node its taints.
func TaintsFlag(taints []Taint) string {
	all := make([]string, 0, len(taints))
	for _, t := range taints {
		all = append(all, t.String())
	}
	return "--" + taintsFlag + "=" + strings.Join(all, ",")
}

// Labels are the node's labels: those of all --node-labels flags together, as the kubelet reads them.
func (c NodeConfig) Labels() (map[string]string, error) {
	labels := map[string]string{}
	for _, value := range c.flag(labelsFlag) {
		for _, pair := range split(value) {
			k, v, _ := strings.Cut(pair, "=")
			if k = strings.TrimSpace(k); k == "" {
				return nil, invalid("--%s has a label without a key: %q", labelsFlag, pair)
			}
			labels[k] = strings.TrimSpace(v)
		}
	}
	return labels, nil
}

// Taints are the node's taints: those of the last --register-with-taints flag, else those of the kubelet's configuration.
func (c NodeConfig) Taints() (taints []Taint, err error) {
	values := c.flag(taintsFlag)
	if len(values) == 0 {
		return c.configTaints()
	}
	for _, s := range split(values[len(values)-1]) {
		pair, effect, found := strings.Cut(s, ":")
		key, value, _ := strings.Cut(pair, "=")
		t := Taint{Key: key, Value: value, Effect: effect}
		if !found || !t.good() {
			return nil, invalid("--%s has %q: a taint is KEY=VALUE:NoSchedule, or :PreferNoSchedule, or :NoExecute", taintsFlag, s)
		}
		taints = append(taints, t)
	}
	return taints, nil
}

func (t Taint) good() bool {
	return t.Key != "" && slices.Contains([]string{"NoSchedule", "PreferNoSchedule", "NoExecute"}, t.Effect)
}

func (c NodeConfig) configTaints() (taints []Taint, err error) {
	b, err := json.Marshal(c.Kubelet.Config["registerWithTaints"])
	if err == nil {
		err = json.Unmarshal(b, &taints)
	}
	if err != nil || slices.ContainsFunc(taints, func(t Taint) bool { return !t.good() }) {
		return nil, invalid("spec.kubelet.config.registerWithTaints is not a list of taints with key and effect")
	}
	return taints, nil
}

// MaxPods is the kubelet's --max-pods or maxPods, zero when it has neither or nonsense.
func (c NodeConfig) MaxPods() int {
	if values := c.flag(maxPodsFlag); len(values) > 0 {
		n, _ := strconv.Atoi(values[len(values)-1])
		return max(n, 0)
	}
	n, _ := c.Kubelet.Config["maxPods"].(float64)
	return int(min(max(n, 0), 1<<20))
}

// flag are the values of a flag in their order: --name=value, or --name and then the value.
func (c NodeConfig) flag(name string) (values []string) {
	for i, arg := range c.Kubelet.Flags {
		got, value, joined := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !strings.HasPrefix(arg, "-") || got != name {
			continue
		}
		if !joined && i+1 < len(c.Kubelet.Flags) {
			value = c.Kubelet.Flags[i+1]
		}
		values = append(values, value)
	}
	return values
}

func split(s string) []string {
	return slices.DeleteFunc(strings.Split(s, ","), func(p string) bool { return strings.TrimSpace(p) == "" })
}
