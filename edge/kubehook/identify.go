package kubehook

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"minato.dev/minato/cluster/podidentity"
)

// identifyTimeout bounds the look at a pod's ServiceAccount, which is asked of the kube-apiserver that waits for us.
const identifyTimeout = 2 * time.Second

// identify gives a new pod what an AWS SDK in it needs to find credentials, if its ServiceAccount has any.
func (s *Server) identify(ctx context.Context, clusterID string, body []byte) (any, error) {
	return identified(body, func(namespace, name string) (podidentity.Settings, podidentity.ServiceAccount, bool) {
		account := podidentity.ServiceAccount{Associated: s.cfg.Associated(clusterID, namespace, name)}
		ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
		defer cancel()
		annotations, err := s.cfg.Annotations(ctx, clusterID, namespace, name)
		if err != nil {
			// An association is known all the same, and a pod without one is not held up.
			s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "the ServiceAccount of a pod cannot be read", slog.String("cluster", clusterID),
				slog.String("serviceAccount", namespace+"/"+name), slog.Any("error", err))
		}
		account.Annotations = annotations
		settings, ok := s.cfg.PodSettings(clusterID)
		return settings, account, ok
	})
}

// identified answers the review of a new pod by what is known of its ServiceAccount; ok is false where nothing is.
func identified(body []byte, known func(namespace, name string) (s podidentity.Settings, a podidentity.ServiceAccount, ok bool)) (any, error) {
	var review admissionReview
	if err := json.Unmarshal(body, &review); err != nil || review.Request == nil {
		return nil, &badReview{"not an AdmissionReview"}
	}
	request := review.Request
	if request.Operation != "CREATE" {
		return admitted(request, nil)
	}
	var pod struct {
		Spec struct {
			ServiceAccountName string `json:"serviceAccountName"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(request.Object, &pod); err != nil {
		return nil, &badReview{"not a pod: " + err.Error()}
	}
	name := pod.Spec.ServiceAccountName
	if name == "" {
		name = "default"
	}
	settings, account, ok := known(request.Namespace, name)
	if !ok {
		return admitted(request, nil)
	}
	ops, err := podidentity.Mutate(settings, account, request.Object)
	if err != nil {
		return nil, &badReview{err.Error()}
	}
	return admitted(request, ops)
}

// admitted lets an object in, changed by a patch if there is one.
func admitted(r *admissionRequest, ops []podidentity.Operation) (any, error) {
	response := &admissionResponse{UID: r.UID, Allowed: true}
	if len(ops) > 0 {
		patch, err := json.Marshal(ops)
		if err != nil {
			return nil, err
		}
		response.PatchType, response.Patch = "JSONPatch", patch
	}
	return admissionReview{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview", Response: response}, nil
}
