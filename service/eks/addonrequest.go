package eks

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"minato.dev/minato"
)

// CreateAddonRequest asks for an add-on. Zero values are what the client left out.
type CreateAddonRequest struct {
	ClusterName      string
	Name             string
	Version          string
	RoleARN          string
	ResolveConflicts string
	Values           string
	Namespace        string
	// PodIdentity is podIdentityAssociations as wire JSON: associations that the add-on owns.
	PodIdentity        json.RawMessage
	Tags               minato.Tags
	ClientRequestToken string `json:"-"` // not part of what is asked for
}

// UpdateAddonRequest asks for a change of an add-on. Nil, and the empty string where there is no pointer, is what the client left out.
type UpdateAddonRequest struct {
	ClusterName        string
	Name               string
	Version            string
	RoleARN            *string
	ResolveConflicts   string
	Values             *string
	PodIdentity        json.RawMessage
	ClientRequestToken string `json:"-"`
}

// maxAddonValues bounds configuration values, in bytes. AWS publishes no limit.
const maxAddonValues = 64 << 10

// checkAddonValues checks configuration values against an add-on's schema.
func (s *Service) checkAddonValues(name, values string) error {
	if len(values) > maxAddonValues {
		return minato.Errorf(minato.Invalid, "ConfigurationValue provided in request is not supported: it has %d bytes, at most %d are allowed", len(values), maxAddonValues)
	}
	if err := s.CheckAddonValues(name, values); err != nil {
		return minato.Errorf(minato.Invalid, "ConfigurationValue provided in request is not supported: %w", err)
	}
	return nil
}

// checkResolveConflicts gives what becomes of fields that others have set.
func checkResolveConflicts(resolve string) (string, error) {
	switch resolve {
	case "":
		return ResolveNone, nil
	case ResolveNone, ResolveOverwrite, ResolvePreserve:
		return resolve, nil
	}
	return "", minato.Errorf(minato.Invalid, "resolveConflicts %q is not valid: want NONE, OVERWRITE or PRESERVE", shorten(resolve))
}

// checkAddonRole checks the role of an add-on's service account, and that the caller may pass it.
func (s *Service) checkAddonRole(ctx context.Context, c Caller, k AddonKind, role string) (minato.ARN, error) {
	if k.ServiceAccount == "" {
		return minato.ARN{}, minato.Errorf(minato.Invalid, "serviceAccountRoleArn is not supported for the addon %s: it asks nothing of AWS", k.Name)
	}
	arn, err := minato.ParseARN(role)
	if err != nil || arn.Service != "iam" || arn.ResourceType() != "role" || arn.ResourceName() == "" {
		return arn, minato.Errorf(minato.Invalid, "serviceAccountRoleArn %q is not the ARN of an IAM role: want arn:aws:iam::%s:role/NAME", shorten(role), c.Scope.Account)
	}
	if arn.Account != c.Scope.Account {
		return arn, minato.Errorf(minato.Invalid, "Cross-account pass role is not allowed: the role %s is of another account than %s", arn, c.Scope.Account)
	}
	if err := s.authorize(ctx, c, "iam:PassRole", arn, conditions{"iam:passedtoservice": {servicePrincipal}}); err != nil {
		return arn, err
	}
	switch _, err := s.PrincipalID(ctx, arn); minato.KindOf(err) {
	case "":
		return arn, nil
	case minato.NotFound:
		return arn, minato.Errorf(minato.Invalid, "The role %s was not found: create it before the addon", arn)
	default:
		return arn, fmt.Errorf("checking the role of an add-on: %w", err)
	}
}

// namespaceName is a namespace's name (RFC 1123).
var namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// kubernetesNamespaces are Kubernetes' own.
var kubernetesNamespaces = []string{"kube-node-lease", "kube-public"}

// addonNamespace is where an add-on is to be installed.
func addonNamespace(k AddonKind, asked string) (string, error) {
	switch {
	case asked == "" || asked == k.Namespace:
		return k.Namespace, nil
	case !namespaceName.MatchString(asked) || slices.Contains(kubernetesNamespaces, asked):
		return "", minato.Errorf(minato.Invalid, "The namespace %q is not valid: want 1 to 63 lower case letters, digits and hyphens, and none of Kubernetes' own", shorten(asked))
	case !k.AnyNamespace:
		return "", minato.Errorf(minato.Invalid, "namespaceConfig is not supported for the addon %s: it is installed in %s", k.Name, k.Namespace)
	}
	return asked, nil
}
