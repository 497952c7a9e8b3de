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

// String says what will happen, and when.
func (u Upcoming) String() string {
	if u.Blocked != nil {
		return fmt.Sprintf("on %s %s, and it cannot be upgraded: %s", u.At.Format(time.DateOnly), u.Reason, u.Blocked)
	}
	return fmt.Sprintf("on %s %s: it will be upgraded to %s", u.At.Format(time.DateOnly), u.Reason, u.To)
}

// Notice is how long before it an upgrade by the calendar is announced.
const Notice = 60 * 24 * time.Hour

// Announced is the upgrade that the calendar will make soon, if there is one.
func (s *Service) Announced(c *Cluster) (Upcoming, bool) {
	up, any := s.Upcoming(c)
	return up, any && up.At.Sub(s.Now()) <= Notice
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

// FollowCalendar announces the upgrade that a cluster's calendar has for it, and begins it when the day has come. It returns when to
// look again, zero for when the record changes; id is that of the record.
func (s *Service) FollowCalendar(ctx context.Context, id string) (again time.Duration, err error) {
	item, err := Clusters(s.Store).Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil || item.Value.Status.Status != ClusterActive {
		return 0, err
	}
	up, any := s.Upcoming(&item.Value)
	wait := up.At.Sub(s.Now())
	announced, err := s.announce(ctx, item, up, any && wait <= Notice && up.Blocked == nil)
	switch {
	case err != nil || !any:
		return 0, err
	case wait > 0:
		return min(wait, calendarGap), nil
	case up.Blocked != nil:
		return 0, fmt.Errorf("cluster %s is due for an upgrade since %s, because %s: %w", item.Value.Name, up.At.Format(time.DateOnly), up.Reason, up.Blocked)
	}
	if wait, err := s.untilRetry(ctx, &item.Value); err != nil || wait > 0 {
		return min(wait, calendarGap), err
	}
	return 0, s.beginUpcoming(ctx, item, up, announced)
}

// announce sees to it that there is the record of an update that announces what is upcoming, if that is to be announced, and none that
// announces anything else.
func (s *Service) announce(ctx context.Context, cluster store.Item[Cluster], up Upcoming, wanted bool) (announced *store.Item[Update], err error) {
	c := &cluster.Value
	page, err := Updates(s.Store).List(ctx, UpdatesOf(c), "", 0)
	if err != nil {
		return nil, fmt.Errorf("reading the updates of cluster %s: %w", c.Name, err)
	}
	ops := []store.Op{store.Check(Clusters(s.Store).Key(cluster.ID), cluster.Revision)}
	for i, item := range page.Items {
		switch {
		case item.Value.Scheduled == nil || item.Value.Status != UpdateInProgress:
		case wanted && item.Value.Scheduled.Equal(up.At):
			return &page.Items[i], nil
		default:
			item.Value.Status = UpdateCancelled
			ops = append(ops, Updates(s.Store).UpdateOp(item))
		}
	}
	if wanted && up.At.After(s.Now()) { // later it is begun at once
		target, _ := kube.Lookup(up.To)
		update := s.newUpdate(c, VersionUpdate, versionParams(target))
		update.Scheduled = &up.At
		ops = append(ops, Updates(s.Store).CreateOp(UpdatesOf(c)+update.ID, update))
	}
	if len(ops) > 1 {
		_, err = s.Store.Commit(ctx, ops...)
	}
	return nil, err
}

// beginUpcoming begins the upgrade that is due.
func (s *Service) beginUpcoming(ctx context.Context, item store.Item[Cluster], up Upcoming, announced *store.Item[Update]) error {
	c := &item.Value
	target, _ := kube.Lookup(up.To)
	chosen := s.versionChange(VersionUpdate, target)
	chosen.announced = announced
	_, ops, err := s.beginUpdate(ctx, c, "", "", func() (change, error) { return chosen, nil })
	if err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "upgrading a cluster by the support calendar", "cluster", c.Name, "to", up.To, "because", up.Reason)
	_, err = s.Store.Commit(ctx, append(ops, Clusters(s.Store).UpdateOp(item))...)
	return err
}

// untilRetry is how long to wait because the last change of the cluster's version has failed.
func (s *Service) untilRetry(ctx context.Context, c *Cluster) (time.Duration, error) {
	page, err := Updates(s.Store).List(ctx, UpdatesOf(c), "", 0)
	if err != nil {
		return 0, fmt.Errorf("reading the updates of cluster %s: %w", c.Name, err)
	}
	var last *Update
	for i := range page.Items {
		u := &page.Items[i].Value
		if u.Type == VersionUpdate && u.Scheduled == nil && (last == nil || u.begun().After(last.begun())) {
			last = u
		}
	}
	if last == nil || last.Status != UpdateFailed {
		return 0, nil
	}
	return max(last.begun().Add(retryUpgrade).Sub(s.Now()), 0), nil
}
