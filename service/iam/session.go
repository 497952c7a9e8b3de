package iam

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// Session is what temporary credentials are. It travels in their session token; one that is too large for that lies in a record, under
// its access key id until it has expired.
type Session struct {
	Principal minato.Principal `json:"principal"`
	Context   SessionContext   `json:"context"`
	Secret    []byte           `json:"secret"` // in a record sealed under its key
	Expires   time.Time        `json:"expires"`
}

// Temporary are credentials as they are handed out. Do not log them.
type Temporary struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expires         time.Time // by Minato's clock
	// Told is Expires by the machine's clock, by which clients renew: it is what they are told. When Minato's clock is moved
	// afterwards, it is not true any more.
	Told time.Time
}

// IssueSession makes temporary credentials. Who may have them, and for how long, has been decided: package sts does that.
func (s *Service) IssueSession(ctx context.Context, who minato.Principal, session SessionContext, d time.Duration) (Temporary, error) {
	now := s.clock.Now().UTC().Truncate(time.Second) // both times are told to clients in whole seconds
	t := Temporary{AccessKeyID: newSessionKeyID(who.Account), SecretAccessKey: newSecret(), Expires: now.Add(d)}
	t.Told = t.Expires.Add(-s.clock.Offset()).Truncate(time.Second)
	who.AccessKeyID, session.IssuedAt = t.AccessKeyID, now
	issued := Session{Principal: who, Context: session, Expires: t.Expires, Secret: []byte(t.SecretAccessKey)}
	var fits bool
	if t.SessionToken, fits = carry(s.sealer, issued); fits {
		return t, nil
	}
	t.SessionToken = sealToken(s.sealer, t.AccessKeyID, t.Expires)
	issued.Secret = s.sealer.Seal(issued.Secret, SessionsPrefix+t.AccessKeyID)
	_, err := s.sessions.Create(ctx, store.ID(t.AccessKeyID), issued)
	if errors.Is(err, store.ErrExists) { // once in thousands of millions
		return s.IssueSession(ctx, who, session, d)
	}
	if err != nil {
		return Temporary{}, fmt.Errorf("recording session %s: %w", t.AccessKeyID, err)
	}
	return t, nil
}

// DeleteExpiredSessions removes the records of sessions that have expired, and says how many there were.
func (s *Service) DeleteExpiredSessions(ctx context.Context) (deleted int, err error) {
	const pageSize = 500
	for after := ""; ; {
		page, err := s.sessions.List(ctx, "", after, pageSize)
		if err != nil {
			return deleted, fmt.Errorf("listing sessions: %w", err)
		}
		for _, corrupt := range page.Corrupt {
			slog.ErrorContext(ctx, "a session record is corrupt and left alone", "error", corrupt)
		}
		for _, item := range page.Items {
			if s.clock.Now().Before(item.Value.Expires) {
				continue
			}
			err := s.sessions.Delete(ctx, item.ID, item.Revision)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return deleted, fmt.Errorf("deleting session %s: %w", item.ID, err)
			}
			deleted++
		}
		if page.Next == "" {
			return deleted, nil
		}
		after = page.Next
	}
}
