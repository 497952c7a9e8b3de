package kubehook

// tokenReview is a TokenReview of authentication.k8s.io/v1, and of v1beta1, which does not differ: the members that we read
// and write.
type tokenReview struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Spec       tokenReviewSpec   `json:"spec,omitzero"`
	Status     tokenReviewStatus `json:"status,omitzero"`
}

type tokenReviewSpec struct {
	Token string `json:"token,omitempty"`
}

// tokenReviewStatus leaves out audiences: kube-apiserver then takes a token to be meant for itself, which these are.
type tokenReviewStatus struct {
	Authenticated bool      `json:"authenticated"`
	User          *userInfo `json:"user,omitempty"`
	Error         string    `json:"error,omitempty"`
}

type userInfo struct {
	Username string              `json:"username"`
	UID      string              `json:"uid"`
	Groups   []string            `json:"groups,omitempty"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

const (
	tokenReviewKind = "TokenReview"
	authenticationV = "authentication.k8s.io/v1"
	authenticationB = "authentication.k8s.io/v1beta1"
)
