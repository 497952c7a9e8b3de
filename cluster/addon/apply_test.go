package addon

import (
	"errors"
	"fmt"
	"testing"

	"minato.dev/minato/cluster/kubeapi"
)

// What is said of a change that was given up is what kept it.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	answer := func(message string) error {
		return fmt.Errorf("Deployment.apps coredns: %w", &kubeapi.StatusError{Code: 500, Body: `{"kind":"Status","message":"` + message + `"}`})
	}
	for code, err := range map[string]error{
		issueUnreachable: errors.New("connection refused"),
		issueDenied:      answer("failed calling webhook: no endpoints"),
		issueInternal:    answer("etcdserver: request timed out"),
	} {
		if got := givenUp(err); got.Code != code || got.Message == "" {
			t.Errorf("%v is %+v, want %s", err, got, code)
		}
	}
}
