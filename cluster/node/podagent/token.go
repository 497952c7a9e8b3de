package podagent

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	audience = "pods.eks.amazonaws.com"
	// maxToken bounds a token, in bytes: kube-apiserver's are about one KiB.
	maxToken = 16 << 10
)

// checkToken is whether EKS Auth might accept a token, so that nonsense does not get there. Nobody's signature is checked here.
func checkToken(token string, now time.Time) error {
	if token == "" {
		return errors.New("the service account token cannot be empty")
	}
	if len(token) > maxToken {
		return fmt.Errorf("the service account token cannot be longer than %d bytes", maxToken)
	}
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil {
		return errors.New("the service account token cannot be parsed as a JSON Web Token")
	}
	switch {
	case !slices.Contains(claims.Audience, audience):
		return fmt.Errorf("the service account token is not for the audience %s", audience)
	case claims.Subject == "":
		return errors.New("the service account token has no subject")
	case claims.ExpiresAt == nil:
		return errors.New("the service account token has no expiry")
	case !claims.ExpiresAt.After(now):
		return errors.New("the service account token has expired")
	}
	return nil
}
