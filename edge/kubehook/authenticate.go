package kubehook

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
)

// reviewTimeout bounds who somebody is. That is known from memory, but for a key that is too new to be there.
const reviewTimeout = 5 * time.Second

// authenticate answers a TokenReview.
//
// A token that is not accepted is answered with status 200 and status.error. kube-apiserver then answers its client 401, logs
// the error, and does not keep the outcome, so that a principal who is mapped a moment later gets in at once; without an
// error it would keep the "no" for --authentication-token-webhook-cache-ttl. (The authenticator of EKS answers 403 here,
// which kube-apiserver logs as a broken webhook and which ends in 401 too.)
func (s *Server) authenticate(ctx context.Context, clusterID string, body []byte) (any, error) {
	var review tokenReview
	if err := json.Unmarshal(body, &review); err != nil {
		return nil, &badReview{"the body is not a TokenReview in JSON"}
	}
	known := review.APIVersion == authenticationV || review.APIVersion == authenticationB
	if !known || review.Kind != tokenReviewKind {
		return nil, &badReview{"want a TokenReview of " + authenticationV + " or " + authenticationB}
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	answer := tokenReview{APIVersion: review.APIVersion, Kind: tokenReviewKind}
	user, err := s.cfg.Authenticate(ctx, clusterID, review.Spec.Token)
	rejected, ok := errors.AsType[*minato.Error](err)
	switch {
	case err == nil:
		s.metrics.authentications.WithLabelValues("accepted", "").Inc()
		// The authenticator log of EKS has the same line: who came in, and as whom.
		s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "access granted", slog.String("cluster", clusterID), slog.Any("arn", user.Extra["arn"]),
			slog.String("username", user.Username), slog.String("uid", user.UID), slog.Any("groups", user.Groups))
		answer.Status.Authenticated = true
		answer.Status.User = &userInfo{Username: user.Username, UID: user.UID, Groups: user.Groups, Extra: user.Extra}
	case ok && rejected.Kind == minato.Unauthenticated:
		s.metrics.authentications.WithLabelValues("rejected", rejected.Reason).Inc()
		s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "token rejected", slog.String("cluster", clusterID),
			slog.String("reason", rejected.Reason), slog.String("accessKeyId", access.AccessKeyID(err)), slog.String("error", rejected.Message))
		answer.Status.Error = rejected.Message
	default:
		s.metrics.authentications.WithLabelValues("failed", "").Inc()
		return nil, err
	}
	return answer, nil
}
