package eksauth

import (
	"crypto"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"minato.dev/minato"
)

// Audience is whom the tokens of pods are for.
const Audience = "pods.eks.amazonaws.com"

// Pod is whose token it is.
type Pod struct {
	Namespace, ServiceAccount string
	Name, UID                 string
}

// tokenForm is the form of a token in the API's model.
var tokenForm = regexp.MustCompile(`^[A-Za-z0-9-_=]+\.[A-Za-z0-9-_=]+\.[A-Za-z0-9-_=]+$`)

// algorithms are those that kube-apiserver signs with. There is no "none" among them.
var algorithms = []string{"RS256", "ES256", "ES384", "ES512"}

// tokenClaims are what a token of kube-apiserver says.
type tokenClaims struct {
	jwt.RegisteredClaims
	Kubernetes struct {
		Namespace      string    `json:"namespace"`
		Pod            objectRef `json:"pod"`
		ServiceAccount objectRef `json:"serviceaccount"`
	} `json:"kubernetes.io"`
}

type objectRef struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// verify is whose token it is, if the issuer has signed it, for EKS Pod Identity, and it is not over. Time is real time, by which
// kube-apiserver made the token.
func (i Issuer) verify(token string) (Pod, error) {
	if len(token) > maxToken || !tokenForm.MatchString(token) {
		return Pod{}, minato.Errorf(minato.Invalid, "The token included in the request is not a JSON Web Token: want three parts of base64url, with dots between them, and at most %d bytes", maxToken)
	}
	var claims tokenClaims
	now := time.Now()
	parser := jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithIssuer(i.URL), jwt.WithAudience(Audience), jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(func() time.Time { return now }))
	_, err := parser.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) { return i.key(t.Header["kid"]) })
	switch {
	case err == nil:
		return claims.pod()
	case expired(err) && claims.ExpiresAt != nil:
		return Pod{}, minato.Errorf(minato.Invalid, "The token included in the request is expired: current date/time %s must be before the expiration date/time %s",
			now.UTC().Format(time.RFC3339Nano), claims.ExpiresAt.UTC().Format(time.RFC3339)).Because(ExpiredToken)
	default:
		return Pod{}, invalidToken("%s", i.whatIsWrong(&claims, err))
	}
}

// expired is whether a token is over and nothing else is wrong with it.
func expired(err error) bool {
	for _, other := range []error{jwt.ErrTokenInvalidIssuer, jwt.ErrTokenInvalidAudience, jwt.ErrTokenNotValidYet} {
		if errors.Is(err, other) {
			return false
		}
	}
	return errors.Is(err, jwt.ErrTokenExpired)
}

func (i Issuer) key(id any) (crypto.PublicKey, error) {
	if key, ok := i.Keys[fmt.Sprint(id)]; ok {
		return key, nil
	}
	return nil, fmt.Errorf("the key %.64q is none of the cluster's", fmt.Sprint(id))
}

// whatIsWrong says what is wrong with a token in words that help.
func (i Issuer) whatIsWrong(claims *tokenClaims, err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return fmt.Sprintf("it is of the issuer %.256q, the cluster's is %q", claims.Issuer, i.URL)
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return fmt.Sprintf("its audience %.256q does not include %q", []string(claims.Audience), Audience)
	}
	return err.Error()
}

func invalidToken(format string, args ...any) error {
	return minato.Errorf(minato.Invalid, "The token included in the request is invalid: "+format, args...).Because(InvalidToken)
}

// pod is the pod that the token is bound to.
func (c *tokenClaims) pod() (Pod, error) {
	k := c.Kubernetes
	pod := Pod{Namespace: k.Namespace, ServiceAccount: k.ServiceAccount.Name, Name: k.Pod.Name, UID: k.Pod.UID}
	if slices.Contains([]string{pod.Namespace, pod.ServiceAccount, pod.Name, pod.UID, k.ServiceAccount.UID}, "") {
		return Pod{}, invalidToken("it is not bound to a pod: want the claims namespace, pod and serviceaccount in kubernetes.io")
	}
	if want := "system:serviceaccount:" + pod.Namespace + ":" + pod.ServiceAccount; c.Subject != want {
		return Pod{}, invalidToken("its subject is %.256q, its service account is %q", c.Subject, want)
	}
	return pod, nil
}
