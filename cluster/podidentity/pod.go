package podidentity

import (
	"encoding/json"
	"slices"
)

// pod is what is read of a pod.
type pod struct {
	Metadata struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		NodeSelector   map[string]string `json:"nodeSelector"`
		Volumes        []volume          `json:"volumes"`
		InitContainers []container       `json:"initContainers"`
		Containers     []container       `json:"containers"`
	} `json:"spec"`
}

type volume struct {
	Name string `json:"name"`
}

// container keeps its lists as they came, because they are written again.
type container struct {
	Name         string            `json:"name"`
	Env          []json.RawMessage `json:"env"`
	VolumeMounts []json.RawMessage `json:"volumeMounts"`
}

// variable is an environment variable.
type variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// windows is whether the pod is for nodes with Windows, as far as it says.
func (p *pod) windows() bool {
	return p.Spec.NodeSelector["kubernetes.io/os"] == "windows" || p.Spec.NodeSelector["beta.kubernetes.io/os"] == "windows"
}

// has is whether the container has a variable of this name, from wherever its value is.
func (c *container) has(v variable) bool {
	return slices.ContainsFunc(c.Env, func(raw json.RawMessage) bool {
		var there struct {
			Name string `json:"name"`
		}
		return json.Unmarshal(raw, &there) == nil && there.Name == v.Name
	})
}

// mounts is whether the container mounts the volume, or another at the same path.
func (c *container) mounts(volume, path string) bool {
	return slices.ContainsFunc(c.VolumeMounts, func(raw json.RawMessage) bool {
		var there struct {
			Name      string `json:"name"`
			MountPath string `json:"mountPath"`
		}
		return json.Unmarshal(raw, &there) == nil && (there.Name == volume || there.MountPath == path)
	})
}
