package eks

import (
	"slices"
	"strings"

	"minato.dev/minato"
)

// logTypes are the log types of a control plane, in the order in which the API lists them.
var logTypes = []string{"api", "audit", "authenticator", "controllerManager", "scheduler"}

// LoggingOff are the log types that a spec has not enabled.
func (s *ClusterSpec) LoggingOff() []string {
	return slices.DeleteFunc(slices.Clone(logTypes), func(t string) bool { return slices.Contains(s.LoggingTypes, t) })
}

// applyLogging switches log types on and off; what is not named stays as it is. The result is in the order of logTypes.
func applyLogging(enabled []string, setups []LogSetup) ([]string, error) {
	on := map[string]bool{}
	for _, t := range enabled {
		on[t] = true
	}
	named := map[string]bool{}
	for _, setup := range setups {
		for _, t := range setup.Types {
			if !slices.Contains(logTypes, t) {
				return nil, minato.Errorf(minato.Invalid, "unknown log type %q: want some of %s", shorten(t), strings.Join(logTypes, ", "))
			}
			if named[t] && on[t] != setup.Enabled {
				return nil, minato.Errorf(minato.Invalid, "the log type %s is both enabled and disabled", t)
			}
			named[t], on[t] = true, setup.Enabled
		}
	}
	var types []string
	for _, t := range logTypes {
		if on[t] {
			types = append(types, t)
		}
	}
	return types, nil
}

// modeConfigMap is the authentication mode without access entries.
const modeConfigMap = "CONFIG_MAP"

// authenticationModes are in the order in which a cluster may go through them, one step at a time.
var authenticationModes = []string{modeConfigMap, "API_AND_CONFIG_MAP", "API"}

// The support types of an upgrade policy.
const (
	standardSupport = "STANDARD"
	extendedSupport = "EXTENDED"
)

var supportTypes = []string{standardSupport, extendedSupport}

// checkSpec checks the members of a spec that are right or wrong by themselves.
func checkSpec(spec ClusterSpec) error {
	if !slices.Contains(authenticationModes, spec.AuthenticationMode) {
		return unknownMode(spec.AuthenticationMode)
	}
	if !slices.Contains(supportTypes, spec.SupportType) {
		return minato.Errorf(minato.Invalid, "supportType %q is not one of %s", shorten(spec.SupportType), strings.Join(supportTypes, ", "))
	}
	return checkPublicCIDRs(spec.PublicAccessCIDRs)
}

// checkEndpointAccess is that somebody can reach the cluster.
func (s *Service) checkEndpointAccess(spec ClusterSpec) error {
	switch {
	case spec.EndpointPublicAccess:
		return nil
	case !spec.EndpointPrivateAccess:
		return minato.Errorf(minato.Invalid, "Both private and public endpoint access cannot be false")
	case !s.PrivateEndpoints:
		return minato.Errorf(minato.Invalid, "endpointPublicAccess=false is not supported by a Minato that does not run as root: it has no real VPCs, so the cluster could not be reached at all")
	}
	return nil
}

// checkEgressMode refuses routing of the control plane's traffic through the VPC, which has no effect here.
func checkEgressMode(mode string) error {
	if mode != "" && mode != "AWS_MANAGED" {
		return minato.Errorf(minato.Invalid, "controlPlaneEgressMode %q is not supported: only AWS_MANAGED is", shorten(mode))
	}
	return nil
}

func unknownMode(mode string) error {
	return minato.Errorf(minato.Invalid, "authenticationMode %q is not one of %s", shorten(mode), strings.Join(authenticationModes, ", "))
}
