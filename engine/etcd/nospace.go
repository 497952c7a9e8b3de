package etcd

import (
	"context"
	"fmt"
	"strconv"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd/etcderr"
)

// noSpace is the alarm by which etcd refuses writes because its database has reached the quota.
const noSpace = "NOSPACE"

// heal makes a full etcd take writes again. History that is older than the mark goes first; all of it when that is not
// enough, for a watcher that must list again is better off than a writer that may not write.
func (a *Admin) heal(ctx context.Context, m *mark) error {
	a.log.Warn("etcd is full and takes no writes; compacting and defragmenting it")
	full, err := a.shrink(ctx, m.revision)
	if err == nil && full > comfortable {
		var h Health
		if h, err = a.Health(ctx); err == nil {
			m.revision = h.Revision
			full, err = a.shrink(ctx, h.Revision)
		}
	}
	if err != nil {
		return err
	}
	if full > tight {
		return minato.Errorf(minato.LimitExceeded, "etcd takes no writes: its live data fill %.0f %% of its quota; delete clusters or objects", 100*full)
	}
	if err := a.disarm(ctx); err != nil {
		return err
	}
	a.log.Info("etcd takes writes again", "filled", fmt.Sprintf("%.0f %%", 100*full))
	return a.publishCompaction(ctx, m)
}

// How full etcd may be, as a part of its quota, for heal to leave history alone that is younger than the mark; and for it to
// open etcd to writes at all, which below that would soon be full again and stand still for the next healing.
const (
	comfortable = 0.5
	tight       = 0.95
)

// shrink compacts to a revision and defragments every member, and says how full the fullest then is, 1 being the quota.
func (a *Admin) shrink(ctx context.Context, revision int64) (full float64, err error) {
	if revision > 0 {
		ctx, cancel := context.WithTimeout(ctx, defragmentTimeout)
		defer cancel()
		if err := a.compactTo(ctx, revision, clientv3.WithCompactPhysical()); err != nil {
			return 0, err
		}
	}
	for _, endpoint := range a.client.Endpoints() {
		if err := a.defragment(ctx, endpoint); err != nil {
			return 0, err
		}
		m, _, err := a.member(ctx, endpoint)
		if err != nil {
			return 0, etcderr.Wrap("asking etcd at "+endpoint, err)
		}
		if m.Quota > 0 {
			full = max(full, float64(m.Size)/float64(m.Quota))
		}
	}
	return full, nil
}

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
