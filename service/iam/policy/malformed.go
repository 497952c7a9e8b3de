package policy

import "fmt"

// Malformed is a document that does not follow the policy language: what IAM calls MalformedPolicyDocument.
type Malformed struct {
	Path   string // where, such as Statement[2].Condition.StringEquals; empty for the document as a whole
	Reason string // what is wrong, in AWS's words where it has some
}

// Error is the reason and the place.
func (m *Malformed) Error() string {
	if m.Path == "" {
		return m.Reason
	}
	return fmt.Sprintf("%s (at %s)", m.Reason, m.Path)
}

func malformed(path, format string, args ...any) *Malformed {
	return &Malformed{Path: path, Reason: fmt.Sprintf(format, args...)}
}
