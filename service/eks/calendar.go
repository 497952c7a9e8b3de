package eks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/kube"
)

// Upcoming is an upgrade that will be made without being asked for.
type Upcoming struct {
	To     string    // the next minor
	At     time.Time // by Minato's clock; it may be past
	Reason string    // "Kubernetes 1.31 leaves extended support"
	// Blocked is why it cannot be made now; nil when it can.
	Blocked error
}

// Upcoming is the upgrade that a cluster's support calendar has for it, if it has any: at the end of standard support when its
// upgrade policy is STANDARD, at the end of extended support otherwise. A server with --allow-unsupported leaves clusters where they
// are after extended support.
func (s *Service) Upcoming(c *Cluster) (Upcoming, bool) {
	version, known := kube.Lookup(c.Serving())
	if !known || !version.HasCalendar() {
		return Upcoming{}, false
	}
	up := Upcoming{At: version.EndOfStandardSupport.Time, Reason: "Kubernetes " + version.Minor + " leaves standard support, and the upgrade policy is STANDARD"}
	if c.Spec.SupportType != standardSupport {
		up.At, up.Reason = version.EndOfExtendedSupport.Time, "Kubernetes "+version.Minor+" leaves extended support"
		if s.AllowUnsupported {
			return Upcoming{}, false
		}
	}
	next, known := version.Next()
	if !known {
		up.Blocked = minato.Errorf(minato.Invalid, "this Minato knows no Kubernetes after %s", version.Minor)
		return up, true
	}
	up.To, up.Blocked = next.Minor, s.checkRunnable(next)
	return up, true
}

const (
	// calendarGap bounds how long nobody looks at the calendar: the machine's clock may be set.
	calendarGap = time.Hour
	// retryUpgrade is how long after a failed upgrade the calendar tries again, by Minato's clock.
	retryUpgrade = 24 * time.Hour
)

// UpgradeIfDue begins the upgrade that a cluster's calendar has for it, if the day has come. It returns when to look again, zero for
// when the record changes; id is that of the record.
func (s *Service) UpgradeIfDue(ctx context.Context, id string) (again time.Duration, err error) {
	item, err := Clusters(s.Store).Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	c := &item.Value
	up, any := s.Upcoming(c)
	if !any || c.Status.Status != ClusterActive {
		return 0, nil
	}
	if wait := up.At.Sub(s.Now()); wait > 0 {
		return min(wait, calendarGap), nil
	}
	if up.Blocked != nil {
		return 0, fmt.Errorf("cluster %s is due for an upgrade since %s, because %s: %w", c.Name, up.At.Format(time.DateOnly), up.Reason, up.Blocked)
	}
	if wait, err := s.untilRetry(ctx, c); err != nil || wait > 0 {
		return min(wait, calendarGap), err
	}
	target, _ := kube.Lookup(up.To)
	_, ops, err := s.beginUpdate(ctx, c, "", "", func() (change, error) { return s.versionChange(VersionUpdate, target), nil })
	if err != nil {
		return 0, err
	}
	s.Log.InfoContext(ctx, "upgrading a cluster by the support calendar", "cluster", c.Name, "to", up.To, "because", up.Reason)
	_, err = s.Store.Commit(ctx, append(ops, Clusters(s.Store).UpdateOp(item))...)
	return 0, err
}

// untilRetry is how long to wait because the last change of the cluster's version has failed.
func (s *Service) untilRetry(ctx context.Context, c *Cluster) (time.Duration, error) {
	page, err := Updates(s.Store).List(ctx, UpdatesOf(c), "", 0)
	if err != nil {
		return 0, fmt.Errorf("reading the updates of cluster %s: %w", c.Name, err)
	}
	var wait time.Duration
	for _, item := range page.Items { // oldest first
		u := item.Value
		if u.Type != VersionUpdate {
			continue
		}
		if wait = 0; u.Status == UpdateFailed {
			wait = u.CreatedAt.Add(retryUpgrade).Sub(s.Now())
		}
	}
	return max(wait, 0), nil
}
