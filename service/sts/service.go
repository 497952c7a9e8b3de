package sts

import (
	"context"
	"log/slog"
	"regexp"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/service/iam"
)

// Service is STS.
type Service struct {
	iam *iam.Service
	// ProviderKey finds the keys of identity providers; without it there are no web identities.
	ProviderKey ProviderKey
}

// New makes the service.
func New(i *iam.Service) *Service { return &Service{iam: i} }

// Durations of temporary credentials (STS API reference, AssumeRole and GetSessionToken).
const (
	minDuration          = 15 * time.Minute
	defaultDuration      = time.Hour
	maxChained           = time.Hour // of a role assumed with the credentials of another role
	maxRoleDuration      = 12 * time.Hour
	defaultUserSession   = 12 * time.Hour
	maxUserSession       = 36 * time.Hour
	maxRootSession       = time.Hour
	expiredSessionsEvery = 10 * time.Minute
)

var (
	sessionNameForm = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]{2,64}$`)
	externalIDForm  = regexp.MustCompile(`^[A-Za-z0-9_+=,.@:/-]{2,}$`)
)

func invalid(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.Invalid, format, args...).Because(iam.ValidationError)
}

func denied(format string, args ...any) *minato.Error {
	return minato.Errorf(minato.Denied, format, args...).Because(iam.AccessDenied)
}

func seconds(d time.Duration) int { return int(d / time.Second) }

// CollectExpired removes the records of expired sessions, now and every few minutes until ctx ends.
func (s *Service) CollectExpired(ctx context.Context) error {
	ticker := time.NewTicker(expiredSessionsEvery)
	defer ticker.Stop()
	for {
		deleted, err := s.iam.DeleteExpiredSessions(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			slog.WarnContext(ctx, "expired sessions are not all removed; trying again later", "error", err, "removed", deleted)
		case deleted > 0:
			slog.InfoContext(ctx, "removed expired sessions", "removed", deleted)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}
