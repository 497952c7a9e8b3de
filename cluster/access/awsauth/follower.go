package awsauth

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"minato.dev/minato/cluster/access"
)

const (
	firstPause = 50 * time.Millisecond
	longPause  = time.Second // between two attempts at a cluster that does not answer
	// maxMessage is what Kubernetes takes in an event.
	maxMessage = 1000 // of 1024 bytes
)

// follower keeps up with one cluster.
type follower struct {
	clusterID string
	target    Target
	auths     *access.AWSAuths
	log       *slog.Logger
	now       func() time.Time

	failing bool   // the last attempt failed, and has been logged
	warned  string // the version that an event has been made about
}

// run reads and watches until ctx ends.
func (f *follower) run(ctx context.Context) {
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		began := f.now()
		read, err := f.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if f.now().Sub(began) > longPause { // a watch that lasted
			pause = firstPause
		}
		if read {
			f.failing = false
		} else if !f.failing {
			f.failing = true
			f.log.WarnContext(ctx, "aws-auth cannot be read; what was read before goes on", "cluster", f.clusterID, "error", err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// once reads the ConfigMap and watches it as long as that goes well.
func (f *follower) once(ctx context.Context) (read bool, err error) {
	a, err := newAPI(f.target)
	if err != nil {
		return false, err
	}
	defer a.close()
	m, version, err := a.get(ctx)
	if err != nil {
		return false, err
	}
	f.see(ctx, a, m)
	return true, a.watch(ctx, version, func(m *configMap) { f.see(ctx, a, m) })
}

// see takes over what the ConfigMap says.
func (f *follower) see(ctx context.Context, a *api, m *configMap) {
	if m == nil {
		f.auths.Set(f.clusterID, nil)
		return
	}
	auth, err := access.ParseAWSAuth(m.Data)
	if err == nil {
		f.auths.Set(f.clusterID, auth)
		return
	}
	f.warn(ctx, a, m, f.auths.SetMalformed(f.clusterID, auth, err).What(), err)
}

// warn tells the log and the cluster's owner, once for each version of the ConfigMap.
func (f *follower) warn(ctx context.Context, a *api, m *configMap, kept string, malformed error) {
	if f.warned == m.Metadata.ResourceVersion {
		return
	}
	f.warned = m.Metadata.ResourceVersion
	problems := strings.ReplaceAll(malformed.Error(), "\n", "; ")
	f.log.WarnContext(ctx, "aws-auth is malformed", "cluster", f.clusterID, "version", f.warned, "kept", kept, "error", problems)
	message := "aws-auth is malformed, so " + kept + ": " + problems
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	if err := a.warn(ctx, m, message, f.now()); err != nil {
		f.log.WarnContext(ctx, "making an event about aws-auth failed", "cluster", f.clusterID, "error", err)
	}
}
