package kubehook

import (
	"context"
	"fmt"
	"log/slog"

	"minato.dev/minato/cluster/access"
)

// maxAccessReview bounds a SubjectAccessReview. It holds the selectors of a list request, and can so be longer than the URL
// that they came in, which kube-apiserver bounds at 1 MiB.
const maxAccessReview = 4 << 20

// authorize answers a SubjectAccessReview. To have no opinion is to neither allow nor deny.
func (s *Server) authorize(ctx context.Context, clusterID string, body []byte) (any, error) {
	question, err := readAccessReview(body)
	if err != nil {
		return nil, err
	}
	verdict := s.cfg.Authorize(clusterID, question)
	s.metrics.authorizations.WithLabelValues(verdict.Decision.String()).Inc()
	if verdict.Decision == access.Deny {
		s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "request denied", slog.String("cluster", clusterID),
			// A review holds what its maker likes, and all clusters share this log.
			slog.String("username", fmt.Sprintf("%.256s", question.User.Username)), slog.String("reason", fmt.Sprintf("%.1024s", verdict.Reason)))
	}
	return accessReview{APIVersion: authorizationV, Kind: accessReviewKind, Status: accessReviewStatus{
		Allowed: verdict.Decision == access.Allow,
		Denied:  verdict.Decision == access.Deny,
		Reason:  verdict.Reason,
	}}, nil
}
