package kubehook

import (
	"context"
	"encoding/json"
	"slices"

	"minato.dev/minato/cluster/podidentity"
)

// maxAdmissionReview bounds an AdmissionReview of a pod, twice the largest object that etcd takes.
const maxAdmissionReview = 4 << 20

// What EKS gives pods that match a Fargate profile.
const (
	// ProfileLabel says which Fargate profile a pod has. Who sets it before chooses among the profiles that match.
	ProfileLabel = "eks.amazonaws.com/fargate-profile"
	// FargateScheduler finds their node.
	FargateScheduler = "fargate-scheduler"
	// ComputeTypeKey is a label and a taint of Fargate's nodes, with the value ComputeTypeFargate.
	ComputeTypeKey     = "eks.amazonaws.com/compute-type"
	ComputeTypeFargate = "fargate"
	// computeTypeEC2 is the value of an annotation of that name by which a pod keeps away from Fargate, as EKS's CoreDNS does.
	computeTypeEC2 = "ec2"
)

// admissionReview is admission.k8s.io/v1, as far as it matters for pods that are created.
type admissionReview struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Request    *admissionRequest  `json:"request,omitempty"`
	Response   *admissionResponse `json:"response,omitempty"`
}

type admissionRequest struct {
	UID       string          `json:"uid"`
	Namespace string          `json:"namespace"`
	Operation string          `json:"operation"`
	Object    json.RawMessage `json:"object"`
}

type admissionResponse struct {
	UID       string `json:"uid"`
	Allowed   bool   `json:"allowed"`
	PatchType string `json:"patchType,omitempty"`
	Patch     []byte `json:"patch,omitempty"` // base64 in JSON, as it must be
}

// admittedPod is what decides about a pod.
type admittedPod struct {
	Metadata struct {
		Labels          map[string]string `json:"labels"`
		Annotations     map[string]string `json:"annotations"`
		OwnerReferences []struct {
			Kind       string `json:"kind"`
			Controller bool   `json:"controller"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
	Spec struct {
		SchedulerName string            `json:"schedulerName"`
		NodeName      string            `json:"nodeName"`
		Tolerations   []json.RawMessage `json:"tolerations"`
		Affinity      map[string]any    `json:"affinity"`
	} `json:"spec"`
}

func (p *admittedPod) ofDaemonSet() bool {
	for _, owner := range p.Metadata.OwnerReferences {
		if owner.Controller && owner.Kind == "DaemonSet" {
			return true
		}
	}
	return false
}

// mutate gives a new pod that matches a Fargate profile to Fargate's scheduler, and keeps every other one from Fargate's nodes.
func (s *Server) mutate(_ context.Context, clusterID string, body []byte) (any, error) {
	var review admissionReview
	if err := json.Unmarshal(body, &review); err != nil || review.Request == nil {
		return nil, &badReview{"not an AdmissionReview"}
	}
	var pod admittedPod
	if err := json.Unmarshal(review.Request.Object, &pod); err != nil {
		return nil, &badReview{"not a pod: " + err.Error()}
	}
	var ops []podidentity.Operation
	if profile, ok := s.fargateProfile(clusterID, review.Request, pod); ok {
		ops = fargatePatch(pod, profile)
	} else if review.Request.Operation == "CREATE" {
		ops = keepAway(pod)
	}
	return admitted(review.Request, ops)
}

// fargateProfile is the profile that a pod gets. Pods of DaemonSets belong to their nodes, and those that name a scheduler of their own, or
// nodes of EC2, have chosen.
func (s *Server) fargateProfile(clusterID string, r *admissionRequest, pod admittedPod) (string, bool) {
	if r.Operation != "CREATE" || pod.Spec.SchedulerName != "" && pod.Spec.SchedulerName != "default-scheduler" ||
		pod.Metadata.Annotations[ComputeTypeKey] == computeTypeEC2 || pod.ofDaemonSet() {
		return "", false
	}
	names := s.cfg.Profiles(clusterID, r.Namespace, pod.Metadata.Labels)
	if wanted := pod.Metadata.Labels[ProfileLabel]; wanted != "" && slices.Contains(names, wanted) {
		return wanted, true
	}
	if len(names) == 0 {
		return "", false
	}
	return names[0], true
}

func fargatePatch(pod admittedPod, profile string) []podidentity.Operation {
	labels := map[string]string{ProfileLabel: profile}
	for key, value := range pod.Metadata.Labels {
		if key != ProfileLabel {
			labels[key] = value
		}
	}
	tolerations := []any{}
	for _, t := range pod.Spec.Tolerations {
		tolerations = append(tolerations, t)
	}
	tolerations = append(tolerations, map[string]string{"key": ComputeTypeKey, "operator": "Equal", "value": ComputeTypeFargate, "effect": "NoSchedule"})
	return []podidentity.Operation{ // add replaces what is there
		{Op: "add", Path: "/metadata/labels", Value: labels},
		{Op: "add", Path: "/spec/schedulerName", Value: FargateScheduler},
		{Op: "add", Path: "/spec/tolerations", Value: tolerations},
	}
}
