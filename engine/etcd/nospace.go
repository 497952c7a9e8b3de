package etcd

import (
	"context"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd/etcderr"
)

// noSpace is the alarm by which etcd refuses writes because its database has reached the quota.
const noSpace = "NOSPACE"

// How full etcd may be, as a part of its quota, for heal to leave history alone that is younger than the mark; and for it to
// open etcd to writes at all, which above that would soon be full again and stand still for the next healing.
const (
	comfortable = 0.5
	tight       = 0.95
)

// heal makes a full etcd take writes again. History that is older than the mark goes first; all of it when that is not
// enough, for a watcher that must list again is better off than a writer that may not write.
func (a *Admin) heal(ctx context.Context, m *mark) error {
	fullest, err := a.compactAway(ctx, m)
	if err != nil {
		return err
	}
	// Defragmentation stops everything. When it was not enough, it waits until something has been deleted, or a while: the
	// size in use lags behind.
	if m.stuckAt == 0 || fullest.SizeInUse < m.stuckAt-m.stuckAt/100 || time.Since(a.Maintenance().DefragmentedAt) > compactEvery {
		if fullest, err = a.defragmentAll(ctx); err != nil {
			return err
		}
	}
	if fullest.full(fullest.Size) > tight {
		m.stuckAt = fullest.SizeInUse
		return minato.Errorf(minato.LimitExceeded, "etcd takes no writes: its live data fill %.0f %% of its quota of %d MiB; delete clusters or objects",
			100*fullest.full(fullest.Size), fullest.Quota>>20)
	}
	if err := a.disarm(ctx); err != nil {
		return err
	}
	m.stuckAt = 0
	a.log.Info("etcd takes writes again", "size", fullest.Size, "quota", fullest.Quota)
	return a.publishCompaction(ctx, m)
}

// relieve drops history when tenants have filled their share, for it counts too.
func (a *Admin) relieve(ctx context.Context, m *mark) error {
	fullest, err := a.compactAway(ctx, m)
	if err != nil {
		return err
	}
	// The quota is on the file, with the free space in it: without defragmentation the rest would not be ours.
	if fullest.full(fullest.Size) > tight && fullest.full(fullest.SizeInUse) <= tight {
		if fullest, err = a.defragmentAll(ctx); err != nil {
			return err
		}
	}
	if err := a.publishCompaction(ctx, m); err != nil {
		return err
	}
	if fullest.crowded() {
		return minato.Errorf(minato.LimitExceeded, "live data fill %.0f %% of etcd's quota of %d MiB, of which clusters may fill %.0f %%; delete clusters or objects",
			100*fullest.full(fullest.SizeInUse), fullest.Quota>>20, 100*tenantShare)
	}
	return nil
}

// compactAway compacts as far as it takes, and gives the fullest member.
func (a *Admin) compactAway(ctx context.Context, m *mark) (Member, error) {
	ctx, cancel := context.WithTimeout(ctx, defragmentTimeout)
	defer cancel()
	if m.revision > 0 {
		if err := a.compactTo(ctx, m.revision, clientv3.WithCompactPhysical()); err != nil {
			return Member{}, err
		}
	}
	fullest, err := a.fullest(ctx)
	if err != nil || m.revision > 0 && fullest.full(fullest.SizeInUse) <= comfortable {
		return fullest, err
	}
	m.revision = fullest.revision
	if err := a.compactTo(ctx, m.revision, clientv3.WithCompactPhysical()); err != nil {
		return Member{}, err
	}
	return a.fullest(ctx)
}

func (a *Admin) defragmentAll(ctx context.Context) (Member, error) {
	for _, endpoint := range a.client.Endpoints() {
		if err := a.defragment(ctx, endpoint); err != nil {
			return Member{}, err
		}
	}
	return a.fullest(ctx)
}

// fullest is the member with the least space left. All must answer.
func (a *Admin) fullest(ctx context.Context) (fullest Member, err error) {
	for i, endpoint := range a.client.Endpoints() {
		m, err := a.member(ctx, endpoint)
		if err != nil {
			return fullest, etcderr.Wrap("asking etcd at "+endpoint, err)
		}
		if i == 0 || m.full(m.Size) > fullest.full(fullest.Size) {
			fullest = m
		}
	}
	return fullest, nil
}

// full is a size as a part of the member's quota; 0 when it does not say how large that is.
func (m Member) full(size int64) float64 {
	if m.Quota == 0 {
		return 0
	}
	return float64(size) / float64(m.Quota)
}

// crowded is whether tenants have filled their share of the member.
func (m Member) crowded() bool { return m.full(m.SizeInUse) >= tenantShare }

// disarm takes every NOSPACE alarm back.
func (a *Admin) disarm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := a.client.AlarmList(ctx)
	if err != nil {
		return etcderr.Wrap("asking etcd for alarms", err)
	}
	for _, alarm := range resp.Alarms {
		if alarm.Alarm != etcdserverpb.AlarmType_NOSPACE {
			continue
		}
		if _, err := a.client.AlarmDisarm(ctx, (*clientv3.AlarmMember)(alarm)); err != nil {
			return etcderr.Wrap("taking etcd's alarm back", err)
		}
	}
	return nil
}

// publishCompaction writes the revision that healing compacted to for the kube-apiservers, which compact could not while
// etcd was full.
func (a *Admin) publishCompaction(ctx context.Context, m *mark) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := a.client.Put(ctx, compactRevKey, strconv.FormatInt(a.Maintenance().CompactedTo, 10), clientv3.WithPrevKV())
	if err != nil {
		return etcderr.Wrap("writing "+compactRevKey, err)
	}
	m.version, m.revision = 1, resp.Header.Revision
	if resp.PrevKv != nil {
		m.version = resp.PrevKv.Version + 1
	}
	return nil
}
