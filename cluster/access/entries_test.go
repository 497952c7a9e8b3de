package access_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"minato.dev/minato"
	"minato.dev/minato/cluster/access"
	"minato.dev/minato/engine/store"
	"minato.dev/minato/engine/store/memstore"
	"minato.dev/minato/service/eks"
)

// entriesWorld is a store of access entries and the index over it.
type entriesWorld struct {
	records *store.Collection[eks.AccessEntry]
	view    *store.View[eks.AccessEntry]
	entries *access.Entries
}

func newEntries(t testing.TB, all ...eks.AccessEntry) *entriesWorld {
	t.Helper()
	records := eks.AccessEntries(memstore.New())
	w := &entriesWorld{records: records, view: store.NewView(records)}
	w.entries = access.NewEntries(w.view)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.view.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	for _, e := range all {
		w.put(t, e)
	}
	return w
}

// put writes an entry, new or not, and waits until the index has it.
func (w *entriesWorld) put(t testing.TB, e eks.AccessEntry) {
	t.Helper()
	ctx, id := context.Background(), eks.AccessEntryKey(e.ClusterID, e.PrincipalARN)
	item, err := w.records.Get(ctx, id)
	if err == nil {
		item.Value = e
		item, err = w.records.Put(ctx, item)
	} else {
		item, err = w.records.Create(ctx, id, e)
	}
	if err == nil {
		err = w.view.WaitFor(ctx, item.Revision)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w *entriesWorld) remove(t testing.TB, e eks.AccessEntry) {
	t.Helper()
	item, err := w.records.Get(t.Context(), eks.AccessEntryKey(e.ClusterID, e.PrincipalARN))
	if err != nil {
		t.Fatal(err)
	}
	rev, err := w.records.Store().Commit(t.Context(), w.records.DeleteOp(item))
	if err == nil {
		err = w.view.WaitFor(t.Context(), rev)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// entryOf is the access entry that the API makes for a principal.
func entryOf(p minato.Principal, typ, username string, groups ...string) eks.AccessEntry {
	return eks.AccessEntry{
		ClusterID: clusterID, PrincipalARN: p.IAMARN(), PrincipalID: p.UniqueID(), Type: typ, Username: username, Groups: groups,
	}
}

const roleUsername = "arn:aws:sts::111122223333:assumed-role/admin/{{SessionName}}"

func TestEntryMapping(t *testing.T) {
	t.Parallel()
	node := role
	node.SessionName, node.ID, node.AccessKeyID = "i-0123", "AROAEXAMPLEROLE:i-0123", "ASIANODE"
	names := func(account, id string) (string, bool) {
		return "ip-10-0-0-1.ec2.internal", account == role.Account && id == "i-0123"
	}
	sly := role
	sly.SessionName = "{{AccountID}}"
	for _, tt := range []struct {
		name      string
		principal minato.Principal
		entry     eks.AccessEntry
		want      access.Mapping
	}{
		{"user", user, entryOf(user, "STANDARD", user.ARN.String(), "a", "b"), access.Mapping{Username: user.ARN.String(), Groups: []string{"a", "b"}}},
		{"role with a path", role, entryOf(role, "STANDARD", roleUsername), access.Mapping{
			Username: "arn:aws:sts::111122223333:assumed-role/admin/alice-example.com",
		}},
		{"raw", role, entryOf(role, "STANDARD", "x:{{SessionNameRaw}}:{{AccountID}}"), access.Mapping{Username: "x:alice@example.com:111122223333"}},
		{"key", node, entryOf(role, "STANDARD", "x:{{AccessKeyID}}"), access.Mapping{Username: "x:ASIANODE"}},
		{"template in a session's name", sly, entryOf(role, "STANDARD", "x:{{SessionName}}"), access.Mapping{Username: "x:{{AccountID}}"}},
		{"braces beside a template", role, entryOf(role, "STANDARD", "x:{{{SessionName}}}{{"), access.Mapping{Username: "x:{alice-example.com}{{"}},
		{"unknown template", role, entryOf(role, "STANDARD", "x:{{Nothing}}"), access.Mapping{Username: "x:{{Nothing}}"}},
		{"Linux node", node, entryOf(role, "EC2_LINUX", "system:node:{{EC2PrivateDNSName}}", "system:nodes"), access.Mapping{
			Username: "system:node:ip-10-0-0-1.ec2.internal", Groups: []string{"system:nodes"},
		}},
		{"hybrid node", node, entryOf(role, "HYBRID_LINUX", "system:node:{{SessionName}}", "system:nodes"), access.Mapping{
			Username: "system:node:i-0123", Groups: []string{"system:nodes"},
		}},
		{"no such instance", role, entryOf(role, "EC2_LINUX", "system:node:{{EC2PrivateDNSName}}"), access.Mapping{
			Refused: "its access entry names it after an EC2 instance, and alice@example.com is none that is known",
		}},
		{"no username", user, entryOf(user, "STANDARD", "{{SessionName}}"), access.Mapping{Refused: "the username of its access entry comes out empty"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mapper := newEntries(t, tt.entry).entries.Mapper(names)
			got, ok := mapper(cluster(user, "API", false), tt.principal)
			if diff := cmp.Diff(tt.want, got); !ok || diff != "" {
				t.Errorf("known %t (-want +got):\n%s", ok, diff)
			}
		})
	}
	t.Run("no instances are known", func(t *testing.T) {
		t.Parallel()
		mapper := newEntries(t, entryOf(role, "EC2_LINUX", "system:node:{{EC2PrivateDNSName}}")).entries.Mapper(nil)
		if m, ok := mapper(cluster(user, "API", false), node); !ok || m.Refused == "" {
			t.Errorf("%+v, %t", m, ok)
		}
	})
}

// TestWhoHasAnEntry is about precedence, modes and principals that only look like the one that an entry was made for.
func TestWhoHasAnEntry(t *testing.T) {
	t.Parallel()
	renamed := user
	renamed.ARN = minato.NewARN("iam", "", account, "user/team/alicia")
	for _, tt := range []struct {
		name      string
		mode      string
		principal minato.Principal
		entry     eks.AccessEntry
		want      string // username; empty for unknown
	}{
		{"API", "API", user, entryOf(user, "STANDARD", "x"), "x"},
		{"both modes", "API_AND_CONFIG_MAP", user, entryOf(user, "STANDARD", "x"), "x"},
		{"an entry comes before what the creator is", "API", user, entryOf(user, "STANDARD", "x"), "x"},
		{"CONFIG_MAP has no entries", "CONFIG_MAP", user, entryOf(user, "STANDARD", "x"), "kubernetes-admin"},
		{"nobody's", "API", root, entryOf(user, "STANDARD", "x"), ""},
		{"the role was made again", "API", recreated, entryOf(role, "STANDARD", "x"), ""},
		{"the user was renamed", "API", renamed, entryOf(user, "STANDARD", "x"), ""},
		{"another cluster's", "API", role, eks.AccessEntry{
			ClusterID: "f", PrincipalARN: role.RoleARN, PrincipalID: role.UniqueID(), Username: "x",
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newEntries(t, tt.entry)
			m, err := access.Mappers{w.entries.Mapper(nil), access.CreatorAdmin}.Map(cluster(user, tt.mode, true), tt.principal)
			if m.Username != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("%+v, %v; want the username %q", m, err, tt.want)
			}
		})
	}
}

func TestEntriesFollowTheRecords(t *testing.T) {
	t.Parallel()
	w := newEntries(t)
	mapper, c := w.entries.Mapper(nil), cluster(root, "API", false)
	expect := func(p minato.Principal, username string) {
		t.Helper()
		if m, ok := mapper(c, p); ok != (username != "") || m.Username != username {
			t.Errorf("%s is %q, %t; want %q", p.ARN, m.Username, ok, username)
		}
	}
	expect(role, "")
	w.put(t, entryOf(role, "STANDARD", "one"))
	expect(role, "one")
	w.put(t, entryOf(role, "STANDARD", "two"))
	expect(role, "two")
	// The entry is deleted and made again for the role that is there now, and the index sees both at once.
	w.put(t, entryOf(recreated, "STANDARD", "three"))
	expect(role, "")
	expect(recreated, "three")
	w.put(t, entryOf(user, "STANDARD", "four"))
	w.remove(t, entryOf(recreated, "STANDARD", ""))
	expect(recreated, "")
	expect(user, "four")
}
