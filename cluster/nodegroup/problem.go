package nodegroup

import (
	"errors"
	"fmt"

	"minato.dev/minato/service/eks"
)

// Codes of health issues, from the NodegroupIssueCode enum of the EKS API.
const (
	issueAccess    = "AccessDenied"
	issueCluster   = "ClusterUnreachable"
	issueRole      = "IamNodeRoleNotFound"
	issueSubnet    = "Ec2SubnetNotFound"
	issueGroup     = "Ec2SecurityGroupNotFound"
	issueAddresses = "InsufficientFreeAddresses"
	issueLaunch    = "AsgInstanceLaunchFailures"
	issueImage     = "AmiIdNotFound"
	issueTemplate  = "Ec2LaunchTemplateNotFound"

	issueTemplateInvalid = "Ec2LaunchTemplateInvalidConfiguration"
	issueJoin            = "NodeCreationFailure"
	issuePodEviction     = "PodEvictionFailure"
)

// problem is why a step could not make true what it is for. It becomes the step's condition and, with a code, an issue of the
// nodegroup's health.
type problem struct {
	reason    string // one word, for the condition
	code      string // of a health issue; empty where the owner can do nothing about it
	message   string
	resources []string
	err       error
	// fatal ends a creation or an update: what it asks for cannot be had.
	fatal bool
}

func (p *problem) Error() string { return p.message }

func (p *problem) Unwrap() error { return p.err }

func (p *problem) issue() eks.HealthIssue {
	return eks.HealthIssue{Code: p.code, Message: p.message, ResourceIDs: p.resources}
}

// problemf is a fatal problem with a health issue.
func problemf(code string, resources []string, format string, args ...any) *problem {
	err := fmt.Errorf(format, args...)
	return &problem{reason: code, code: code, message: err.Error(), resources: resources, err: errors.Unwrap(err), fatal: true}
}

// asProblem is the problem in err's chain, or one made of what is known about err.
func asProblem(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	return &problem{reason: "Failed", message: err.Error(), err: err}
}

// updateErrors are the reasons that an update of the EKS API can have failed for (ErrorCode enum) by the codes of health issues.
var updateErrors = map[string]string{
	issueAccess: "AccessDenied", issueCluster: "ClusterUnreachable", issueSubnet: "SubnetNotFound", issueGroup: "SecurityGroupNotFound",
	issueAddresses: "InsufficientFreeAddresses", issueJoin: "NodeCreationFailure", issuePodEviction: "PodEvictionFailure",
}

func (p *problem) updateError() eks.UpdateError {
	code, ok := updateErrors[p.code]
	if !ok {
		code = "Unknown"
	}
	return eks.UpdateError{Code: code, Message: p.message, ResourceIDs: p.resources}
}
