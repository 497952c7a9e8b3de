package iam

import (
	"context"

	"minato.dev/minato"
)

// PrincipalID is the unique id (AIDA…, AROA…) of the user or role with an ARN, path included, in any account of this server.
// An ARN of anything else, or of nobody, is an Error of kind NotFound.
func (s *Service) PrincipalID(ctx context.Context, arn minato.ARN) (string, error) {
	kind := Kind(arn.ResourceType())
	if arn.Service != "iam" || (kind != UserKind && kind != RoleKind) {
		return "", notFound("%s is not a user or role", arn)
	}
	return s.uniqueID(ctx, arn)
}
