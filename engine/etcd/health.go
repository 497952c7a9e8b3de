package etcd

import (
	"context"
	"errors"

	clientv3 "go.etcd.io/etcd/client/v3"

	"minato.dev/minato"
	"minato.dev/minato/engine/etcd/etcderr"
)

// Health is how an etcd is, for `minato status`.
type Health struct {
	Revision int64    `json:"revision"`
	Members  []Member `json:"members"`
	// Alarms that are raised: "NOSPACE" (no writes until there is space) or "CORRUPT".
	Alarms []string `json:"alarms,omitempty"`
}

// Member is one member of etcd. Sizes are in bytes.
type Member struct {
	Endpoint  string `json:"endpoint"`
	Version   string `json:"version,omitempty"`
	Leader    bool   `json:"leader,omitempty"`
	Size      int64  `json:"size,omitempty"`      // of the database file
	SizeInUse int64  `json:"sizeInUse,omitempty"` // the rest is free space within it
	Quota     int64  `json:"quota,omitempty"`     // how large it may grow; 0 when the member does not say (before etcd 3.6)
	Error     string `json:"error,omitempty"`     // why it did not answer

	revision int64
	troubled bool // it has an alarm raised, or no leader
}

// fragmented is whether giving free space back is worth a pause: most of a file that is not small.
func (m Member) fragmented() bool {
	free := m.Size - m.SizeInUse
	return free >= defragmentAt && free > m.Size/2
}

// Health asks every member how it is. The error is of kind Unavailable when none answers.
func (a *Admin) Health(ctx context.Context) (Health, error) {
	var h Health
	var errs []error
	troubled := false
	for _, endpoint := range a.client.Endpoints() {
		m, err := a.member(ctx, endpoint)
		if err != nil {
			m.Error = err.Error()
			errs = append(errs, err)
		}
		h.Revision = max(h.Revision, m.revision)
		h.Members = append(h.Members, m)
		troubled = troubled || m.troubled
	}
	if len(errs) == len(h.Members) {
		return h, &minato.Error{Kind: minato.Unavailable, Message: "no member of etcd answers", Err: errors.Join(errs...)}
	}
	if !troubled {
		return h, nil // a question for alarms goes through etcd's log, like a write
	}
	alarms, err := a.Alarms(ctx)
	h.Alarms = alarms
	return h, err
}

func (a *Admin) member(ctx context.Context, endpoint string) (Member, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	s, err := a.client.Status(ctx, endpoint)
	if err != nil {
		return Member{Endpoint: endpoint}, err
	}
	return Member{
		Endpoint:  endpoint,
		Version:   s.Version,
		Leader:    s.Leader == s.Header.MemberId,
		Size:      s.DbSize,
		SizeInUse: s.DbSizeInUse,
		Quota:     s.DbSizeQuota,
		revision:  s.Header.Revision,
		troubled:  len(s.Errors) > 0,
	}, nil
}

// Alarms are the alarms that are raised on any member, each named once.
func (a *Admin) Alarms(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	resp, err := a.client.AlarmList(ctx)
	if err != nil {
		return nil, etcderr.Wrap("asking etcd for alarms", err)
	}
	return alarmNames(resp), nil
}

func alarmNames(resp *clientv3.AlarmResponse) (names []string) {
	seen := map[string]bool{}
	for _, alarm := range resp.Alarms {
		if name := alarm.Alarm.String(); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}
