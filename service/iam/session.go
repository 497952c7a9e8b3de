package iam

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/internal/seal"
)

// Session is the record of temporary credentials. It lies under its access key id until it has expired.
type Session struct {
	Principal minato.Principal `json:"principal"`
	Context   SessionContext   `json:"context"`
	Secret    []byte           `json:"secret"` // sealed under the record's key
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
	t := Temporary{AccessKeyID: newAccessKeyID(sessionKeyPrefix), SecretAccessKey: newSecret(), Expires: now.Add(d)}
	t.Told = t.Expires.Add(-s.clock.Offset()).Truncate(time.Second)
	t.SessionToken = sealToken(s.sealer, t.AccessKeyID, t.Expires)
	who.AccessKeyID, session.IssuedAt = t.AccessKeyID, now
	record := Session{Principal: who, Context: session, Expires: t.Expires,
		Secret: s.sealer.Seal([]byte(t.SecretAccessKey), SessionsPrefix+t.AccessKeyID)}
	if _, err := s.sessions.Create(ctx, store.ID(t.AccessKeyID), record); err != nil {
		return Temporary{}, fmt.Errorf("recording session %s: %w", t.AccessKeyID, err)
	}
	return t, nil
}

// A session token is base64 of a version byte and a sealed "ACCESSKEYID EXPIRY": nobody else can make one, it says what it
// is of without a look at the store, and it stays short, since it travels within the cluster token, which may have 4096
// bytes in all. What the session may do lies in its record.
const (
	tokenVersion  = 1
	tokenContext  = "session token"
	maxTokenBytes = 1024
)

func sealToken(sealer *seal.Sealer, keyID string, expires time.Time) string {
	sealed := sealer.Seal([]byte(keyID+" "+strconv.FormatInt(expires.Unix(), 10)), tokenContext)
	return base64.StdEncoding.EncodeToString(append([]byte{tokenVersion}, sealed...))
}

// openToken is what a session token says. ok is false for anything that we did not make.
func openToken(sealer *seal.Sealer, token string) (keyID string, expires time.Time, ok bool) {
	if len(token) > maxTokenBytes {
		return "", time.Time{}, false
	}
	b, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(b) == 0 || b[0] != tokenVersion {
		return "", time.Time{}, false
	}
	plain, err := sealer.Unseal(b[1:], tokenContext)
	if err != nil {
		return "", time.Time{}, false
	}
	keyID, expiry, _ := strings.Cut(string(plain), " ")
	seconds, err := strconv.ParseInt(expiry, 10, 64)
	return keyID, time.Unix(seconds, 0), err == nil
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
