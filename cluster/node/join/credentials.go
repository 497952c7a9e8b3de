package join

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"minato.dev/minato/cluster/node/token"
	"minato.dev/minato/internal/atomicfile"
	"minato.dev/minato/internal/clock"
	"minato.dev/minato/internal/sigv4"
	"minato.dev/minato/service/ssm"
)

const (
	credentialsFile = "credentials.json"
	// askAgain is how soon the server is asked again when it gives no credentials.
	askAgain = 10 * time.Second
	// followEvery is how often a server whose clock can be moved is asked, since that may end them at any time.
	followEvery = 30 * time.Second
)

// credentials are those on file.
type credentials struct {
	ssm.Credentials
	Moves bool `json:"moves,omitempty"` // whether the clock that they end by can be moved
}

func readCredentials(dir string) (c credentials, err error) {
	b, err := os.ReadFile(filepath.Join(dir, credentialsFile))
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(b, &c)
}

// renew gets credentials when those on file have passed half of their life, or may have ended unseen, and says when to look again.
func (s State) renew(ctx context.Context, dir string) (time.Duration, error) {
	old, err := readCredentials(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if left := time.Until(old.Expires); left > ssm.SessionLength/2 && !old.Moves {
		return left - ssm.SessionLength/2, nil
	}
	var c credentials
	header, err := s.ask(ctx, ssm.CredentialsPath, ssm.Prove(s.InstanceID, s.Key, time.Now()), &c.Credentials)
	if err != nil {
		return 0, err
	}
	wait := time.Until(c.Expires) - ssm.SessionLength/2
	if _, c.Moves = clock.AheadIn(header); c.Moves {
		wait = min(wait, followEvery)
	}
	b, err := json.Marshal(c)
	if err != nil {
		return 0, err
	}
	return wait, atomicfile.Write(filepath.Join(dir, credentialsFile), b, 0o600)
}

// keepCredentials renews them until ctx ends. While the server is away, the old ones serve.
func (s State) keepCredentials(ctx context.Context, dir string, log *slog.Logger) error {
	for {
		wait, err := s.renew(ctx, dir)
		if err != nil {
			log.WarnContext(ctx, "there are no new credentials", "error", err)
			wait = askAgain
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(wait, askAgain)):
		}
	}
}

// Token is what kubelet's credential plugin prints.
func Token(dir string, now time.Time) ([]byte, error) {
	s, err := Load(dir)
	if err != nil {
		return nil, err
	}
	c, err := readCredentials(dir)
	if err != nil {
		return nil, err
	}
	t, err := token.Sign(sigv4.Key{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, s.Cluster.Name, s.Region, now)
	if err != nil {
		return nil, err
	}
	return token.ExecCredential(t, now)
}
