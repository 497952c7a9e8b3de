package kube

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

// fieldsJSON is written by `go run ./kube/kubegen fields` from Kubernetes' types and its table of feature gates, of every minor.
//
//go:embed fields.json
var fieldsJSON []byte

// NewField is a field of objects that minors before one do not take: the feature gate that it needs is closed there.
type NewField struct {
	Group      string `json:"group,omitempty"`
	Version    string `json:"version"`
	Resource   string `json:"resource"`   // "deployments"
	Path       string `json:"path"`       // "spec.template.spec.containers[].restartPolicyRules[]": [] are the elements of a list or a map
	Gate       string `json:"gate"`       // "ContainerRestartRules"
	Introduced string `json:"introduced"` // the first minor in which the gate is open by default: "1.35"
	GoName     string `json:"-"`
}

// ListPath is where the objects that have it are listed.
func (f *NewField) ListPath() string { return apiPath(f.Group, f.Version, f.Resource) }

// IntroducedIn is the number of the first minor that takes it: 35 for 1.35.
func (f *NewField) IntroducedIn() int { return minorNumber(f.Introduced) }

var newFields = sync.OnceValue(func() []NewField {
	var t struct{ Fields []NewField }
	if err := json.Unmarshal(fieldsJSON, &t); err != nil {
		panic("kube/fields.json: " + err.Error())
	}
	return t.Fields
})

// NewFields are all fields that some minor after the oldest is the first to take, by that minor.
func NewFields() []NewField { return slices.Clone(newFields()) }

// In is whether an object, decoded from JSON, has the field.
func (f *NewField) In(object any) bool { return has(object, strings.Split(f.Path, ".")) }

func has(value any, path []string) bool {
	if len(path) == 0 {
		return value != nil
	}
	name, many := strings.CutSuffix(path[0], "[]")
	object, ok := value.(map[string]any)
	if !ok {
		return false
	}
	value = object[name]
	if !many {
		return has(value, path[1:])
	}
	switch all := value.(type) {
	case []any:
		return slices.ContainsFunc(all, func(one any) bool { return has(one, path[1:]) })
	case map[string]any:
		for _, one := range all {
			if has(one, path[1:]) {
				return true
			}
		}
	}
	return false
}
