package kubehook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"minato.dev/minato/cluster/podidentity"
)

// ElsewherePath is where the kube-apiservers of clusters that run elsewhere ask about new pods.
const ElsewherePath = "/connected/{account}/{name}/{id}/identify"

// Elsewhere answers kube-apiservers of clusters that run elsewhere. They have no certificate of ours: who knows the id of a cluster, which
// is random and stands in its webhook's configuration only, may ask which of its ServiceAccounts have associations, and nothing else.
type Elsewhere struct {
	// Cluster is whether there is such a cluster of this id.
	Cluster func(account, name, id string) bool
	// Associated is whether a ServiceAccount has a Pod Identity association.
	Associated func(ctx context.Context, clusterID, namespace, serviceAccount string) (bool, error)
	Settings   podidentity.Settings
	Log        *slog.Logger
}

// ServeHTTP answers the review of a new pod.
func (e Elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !e.Cluster(r.PathValue("account"), r.PathValue("name"), id) {
		http.Error(w, "there is no such cluster", http.StatusNotFound)
		return
	}
	body, err := readBody(w, r, maxAdmissionReview)
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), identifyTimeout)
	defer cancel()
	var failed error
	answer, err := identified(body, func(namespace, name string) (podidentity.Settings, podidentity.ServiceAccount, bool) {
		var account podidentity.ServiceAccount
		account.Associated, failed = e.Associated(ctx, id, namespace, name)
		return e.Settings, account, failed == nil
	})
	if bad, ok := errors.AsType[*badReview](err); ok {
		http.Error(w, bad.message, http.StatusBadRequest)
		return
	}
	if err = errors.Join(err, failed); err != nil {
		e.Log.ErrorContext(ctx, "a cluster elsewhere gets no answer about a pod", "cluster", id, "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	writeJSON(w, answer)
}
