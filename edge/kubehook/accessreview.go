package kubehook

// accessReview is a SubjectAccessReview of authorization.k8s.io/v1: the members that we read and write.
type accessReview struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Spec       accessReviewSpec   `json:"spec,omitzero"`
	Status     accessReviewStatus `json:"status,omitzero"`
}

type accessReviewSpec struct {
	User                  string                 `json:"user,omitempty"`
	UID                   string                 `json:"uid,omitempty"`
	Groups                []string               `json:"groups,omitempty"`
	Extra                 map[string][]string    `json:"extra,omitempty"`
	ResourceAttributes    *resourceAttributes    `json:"resourceAttributes,omitempty"`
	NonResourceAttributes *nonResourceAttributes `json:"nonResourceAttributes,omitempty"`
}

// resourceAttributes leaves out the name and the selectors: no access policy goes by them.
type resourceAttributes struct {
	Namespace   string `json:"namespace,omitempty"`
	Verb        string `json:"verb,omitempty"`
	Group       string `json:"group,omitempty"`
	Resource    string `json:"resource,omitempty"`
	Subresource string `json:"subresource,omitempty"`
}

type nonResourceAttributes struct {
	Path string `json:"path,omitempty"`
	Verb string `json:"verb,omitempty"`
}

type accessReviewStatus struct {
	Allowed bool   `json:"allowed"`
	Denied  bool   `json:"denied,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

const (
	accessReviewKind = "SubjectAccessReview"
	authorizationV   = "authorization.k8s.io/v1"
)
