package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato/engine/etcd/etcderr"
)

const (
	// compactEvery is also the least history that is kept; the most is twice that.
	compactEvery = 5 * time.Minute
	lookEvery    = 10 * time.Second // between looks for alarms and free space
	defragmentAt = 64 << 20         // bytes of free space in the database file that are worth giving back
	// defragmentTimeout bounds the rewriting of one member's database file, which may have many GiB.
	defragmentTimeout = 10 * time.Minute
)

// Maintenance is what Maintain did last.
type Maintenance struct {
	CompactedTo    int64     `json:"compactedTo,omitempty"` // revision
	CompactedAt    time.Time `json:"compactedAt,omitzero"`
	DefragmentedAt time.Time `json:"defragmentedAt,omitzero"`
	// Alarm is "NOSPACE" while etcd takes no writes and Maintain could not heal it; Trouble says why.
	Alarm   string `json:"alarm,omitempty"`
	Trouble string `json:"trouble,omitempty"`
}

// Maintenance is what Maintain of this Admin did last.
func (a *Admin) Maintenance() Maintenance {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

func (a *Admin) note(change func(*Maintenance)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.state)
}

// Maintain compacts history, gives free space back and heals an etcd that is full, until ctx ends, and then returns nil. A
// database too full of live data stays so: see Maintenance.
func (a *Admin) Maintain(ctx context.Context) error {
	compaction, look := time.NewTicker(compactEvery), time.NewTicker(lookEvery)
	defer compaction.Stop()
	defer look.Stop()
	var m mark
	err := a.compact(ctx, &m) // sets the mark
	for {
		a.noteTrouble(ctx, err)
		select {
		case <-ctx.Done():
			return nil
		case <-compaction.C:
			err = a.compact(ctx, &m)
		case <-look.C:
			err = a.look(ctx, &m)
		}
	}
}

func (a *Admin) noteTrouble(ctx context.Context, err error) {
	text := ""
	if err != nil && ctx.Err() == nil {
		text = err.Error()
	}
	if text != "" && text != a.Maintenance().Trouble {
		a.log.Warn("etcd is not in order", "error", err, "cause", errors.Unwrap(err))
	}
	a.note(func(s *Maintenance) { s.Trouble = text })
}

// mark is where history will be compacted to next.
type mark struct {
	version  int64 // of compact_rev_key when we last saw it
	revision int64 // of the store then
	stuckAt  int64 // bytes in use that were too many, after a healing that was not enough
}

// compact compacts to the mark, and sets the mark to now.
//
// All who compact an etcd of Kubernetes coordinate by compact_rev_key: who has seen its latest version may write the
// revision that he compacts to, in decimal, and does so before he compacts; the others wait for another period. The key's
// readers in kube-apiservers drop what they cached from before that revision. (k8s.io/apiserver, storage/etcd3/compact.go)
func (a *Admin) compact(ctx context.Context, m *mark) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := a.client.Txn(ctx).
		If(clientv3.Compare(clientv3.Version(compactRevKey), "=", m.version)).
		Then(clientv3.OpPut(compactRevKey, strconv.FormatInt(m.revision, 10))).
		Else(clientv3.OpGet(compactRevKey)).
		Commit()
	if err != nil {
		return etcderr.Wrap("writing "+compactRevKey, err)
	}
	to := m.revision
	m.revision = resp.Header.Revision
	if !resp.Succeeded {
		if kvs := resp.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
			m.version = kvs[0].Version
		} else {
			m.version = 0
		}
		return nil
	}
	m.version++
	if to == 0 {
		return nil
	}
	return a.compactTo(ctx, to)
}

func (a *Admin) compactTo(ctx context.Context, revision int64, opts ...clientv3.CompactOption) error {
	_, err := a.client.Compact(ctx, revision, opts...)
	if err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return etcderr.Wrap(fmt.Sprintf("compacting etcd to revision %d", revision), err)
	}
	a.note(func(s *Maintenance) { s.CompactedTo, s.CompactedAt = max(s.CompactedTo, revision), time.Now() })
	return nil
}

// look sees to alarms, and to free space when there are none.
func (a *Admin) look(ctx context.Context, m *mark) error {
	h, err := a.Health(ctx)
	if err != nil {
		return err
	}
	for _, alarm := range h.Alarms {
		if err := a.answer(ctx, m, alarm, h); err != nil {
			return err
		}
	}
	if len(h.Alarms) > 0 {
		return nil // sizes are others now
	}
	a.note(func(s *Maintenance) { s.Alarm = "" })
	if slices.ContainsFunc(h.Members, Member.crowded) {
		return a.relieve(ctx, m)
	}
	for _, member := range h.Members {
		if member.Error == "" && member.fragmented() {
			if err := a.defragment(ctx, member.Endpoint); err != nil {
				return err
			}
		}
	}
	return nil
}

// answer does what can be done about an alarm.
func (a *Admin) answer(ctx context.Context, m *mark, alarm string, h Health) error {
	if a.Maintenance().Alarm != alarm {
		a.log.Warn("etcd has raised an alarm", "alarm", alarm, "members", h.Members)
	}
	a.note(func(s *Maintenance) { s.Alarm = alarm })
	if alarm != noSpace {
		return fmt.Errorf("etcd has raised the alarm %s: stop Minato and restore a backup", alarm)
	}
	if err := a.heal(ctx, m); err != nil {
		return err
	}
	a.note(func(s *Maintenance) { s.Alarm = "" })
	return nil
}

// defragment rewrites one member's database file without its free space. The member answers nobody meanwhile.
func (a *Admin) defragment(ctx context.Context, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, defragmentTimeout)
	defer cancel()
	began := time.Now()
	if _, err := a.client.Defragment(ctx, endpoint); err != nil {
		return etcderr.Wrap("defragmenting etcd at "+endpoint, err)
	}
	a.log.Info("etcd has been defragmented", "endpoint", endpoint, "took", time.Since(began).Round(time.Millisecond))
	a.note(func(s *Maintenance) { s.DefragmentedAt = time.Now() })
	return nil
}
