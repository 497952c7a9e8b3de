package controlplane

import (
	"errors"
	"fmt"
	"syscall"

	"minato.dev/minato/engine/store"
)

// Health issue codes, from the ClusterIssueCode enum of the EKS API.
const (
	issueInternal      = "InternalFailure"
	issueUnreachable   = "ClusterUnreachable"
	issueLimitExceeded = "ResourceLimitExceeded"
	issueVersion       = "UnsupportedVersion"
	issueConfiguration = "ConfigurationConflict"
)

// updateErrorUnknown is the code of a failed update, from the ErrorCode enum of the EKS API: none of the others fits most of
// what can go wrong here.
const updateErrorUnknown = "Unknown"

// Reasons that the rest of the package asks about.
const (
	reasonCrashLoop = "CrashLoop"
	reasonNotBuilt  = "NotBuilt"
	reasonNoProgram = "NoProgram"
)

// problem is why a step could not make true what it is for. It becomes the step's condition, and with a code it is an issue
// of the cluster's health that the owner sees.
type problem struct {
	reason  string // one word, for the condition
	code    string // of a health issue; empty when the owner can do nothing about it and it is likely to pass
	message string
	// updateCode is the code with which an update fails because of it, from the ErrorCode enum; empty for updateErrorUnknown.
	updateCode string
	fatal      bool // trying again cannot help: Controller.giveUp
	err        error
}

func (p *problem) Error() string { return p.message }

func (p *problem) Unwrap() error { return p.err }

func problemf(reason, code, format string, args ...any) *problem {
	err := fmt.Errorf(format, args...)
	return &problem{reason: reason, code: code, message: err.Error(), err: errors.Unwrap(err)}
}

// asProblem is the problem in err's chain, or one made of what is known about err.
func asProblem(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	p := &problem{reason: "Failed", message: err.Error(), err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		p.reason, p.code = "NoSpace", issueLimitExceeded
		p.message += "; Minato goes on by itself once there is room"
	case isCorrupt(err):
		p.reason, p.code, p.fatal = "RecordCorrupt", issueInternal, true
	}
	return p
}

func isCorrupt(err error) bool {
	_, ok := errors.AsType[*store.CorruptError](err)
	return ok
}
