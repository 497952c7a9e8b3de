package eks

import (
	"testing"

	"minato.dev/minato"
)

func TestTransitions(t *testing.T) {
	t.Parallel()
	// Every pair of statuses, in order CREATING, ACTIVE, UPDATING, FAILED, DELETING: A for the API, R for the reconciler,
	// = for staying, . for never.
	all := []ClusterStatus{ClusterCreating, ClusterActive, ClusterUpdating, ClusterFailed, ClusterDeleting}
	want := []string{
		"=R.RA",
		".=A.A",
		".R=..",
		"...=A",
		"....=",
	}
	for i, from := range all {
		for j, to := range all {
			for _, by := range []Actor{ByAPI, ByReconciler} {
				rule := want[i][j]
				allowed := rule == '=' || rule == 'A' && by == ByAPI || rule == 'R' && by == ByReconciler
				c := Cluster{Name: "prod", Status: Status{Status: from}}
				err := c.Transition(to, by)
				if allowed && (err != nil || c.Status.Status != to) {
					t.Errorf("%s to %s by %s: %v, now %s", from, to, by, err, c.Status.Status)
				}
				if !allowed && (!minato.Is(err, minato.WrongState) || c.Status.Status != from) {
					t.Errorf("%s to %s by %s: got %v and %s, want an error and no change", from, to, by, err, c.Status.Status)
				}
			}
		}
	}
}
