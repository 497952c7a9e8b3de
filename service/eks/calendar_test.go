package eks

import (
	"strings"
	"testing"
	"time"
)

func TestCalendar(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version, support, created, today string
		unsupported                      bool
		want                             string // version after it
	}{
		"the day before the end of standard support":        {"1.35", "STANDARD", "2026-11-23", "2027-03-26", false, "1.35"},
		"the end of standard support":                       {"1.35", "STANDARD", "2026-11-23", "2027-03-27", false, "1.36"},
		"who pays stays":                                    {"1.35", "EXTENDED", "2026-11-23", "2027-03-27", false, "1.35"},
		"the day before the end of extended support":        {"1.35", "EXTENDED", "2026-11-23", "2028-03-26", false, "1.35"},
		"the end of extended support":                       {"1.35", "EXTENDED", "2026-11-23", "2028-03-27", false, "1.36"},
		"who allows the unsupported stays":                  {"1.35", "EXTENDED", "2026-11-23", "2028-03-27", true, "1.35"},
		"and is upgraded all the same who would not pay":    {"1.35", "STANDARD", "2026-11-23", "2027-03-27", true, "1.36"},
		"there is no next one here, as 1.32 is not built":   {"1.31", "EXTENDED", "2026-11-23", "2026-11-26", false, "1.31"},
		"nor one that EKS has released":                     {"1.36", "STANDARD", "2026-11-23", "2027-08-02", false, "1.36"},
		"a version without a calendar has nothing upcoming": {"1.37", "STANDARD", "2026-11-23", "2030-01-01", true, "1.37"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.built = append(w.built, "1.37")
			w.at(day(t, c.created))
			w.AllowUnsupported = c.unsupported
			r := request("prod")
			r.Version, r.SupportType = c.version, c.support
			w.create(t, r)
			w.at(day(t, c.today))
			again, err := w.FollowCalendar(t.Context(), ClusterKey(testScope, "prod"))
			if blocked := strings.HasPrefix(name, "there is no") || strings.HasPrefix(name, "nor"); (err != nil) != blocked || again < 0 || again > calendarGap {
				t.Errorf("again in %s, %v", again, err)
			}
			cluster := w.reconcile(t, "prod")
			if got := cluster.Serving(); got != c.want {
				t.Errorf("on %s it serves %s, want %s", c.today, got, c.want)
			}
		})
	}
}

// An upgrade is announced by a record, which is the very one that runs when the day comes. One that will not be made is taken back.
func TestCalendarAnnounces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.at(day(t, "2026-11-23"))
	r := request("prod")
	r.Version, r.SupportType = "1.35", "STANDARD"
	w.create(t, r)
	key := ClusterKey(testScope, "prod")
	follow := func(today string) (updates []Update) {
		t.Helper()
		w.at(day(t, today))
		for range 2 { // the second finds what the first has done
			if _, err := w.FollowCalendar(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		list, err := w.ListUpdates(t.Context(), alice, "prod", UpdateTarget{}, PageRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range list.IDs {
			u, err := w.DescribeUpdate(t.Context(), alice, "prod", id, UpdateTarget{})
			if err != nil {
				t.Fatal(err)
			}
			updates = append(updates, u)
		}
		return updates
	}
	if got := follow("2027-01-25"); len(got) != 0 {
		t.Errorf("more than %s before there are %+v", Notice, got)
	}
	announced := follow("2027-01-27")
	if len(announced) != 1 || announced[0].Status != UpdateInProgress || announced[0].Type != VersionUpdate || announced[0].Params[0].Value != "1.36" {
		t.Fatalf("the upgrade is announced by %+v", announced)
	}
	if _, err := w.CancelUpdate(t.Context(), alice, "prod", announced[0].ID); err == nil || !strings.Contains(err.Error(), "2027-03-27") {
		t.Errorf("cancelling it: %v", err)
	}
	if c := w.reconcile(t, "prod"); c.Serving() != "1.35" || c.Status.Status != ClusterActive {
		t.Errorf("meanwhile it serves %s and is %s", c.Serving(), c.Status.Status)
	}
	w.at(day(t, "2027-01-28"))
	extend := "EXTENDED"
	if _, err := w.UpdateClusterConfig(t.Context(), alice, UpdateClusterConfigRequest{Name: "prod", SupportType: &extend}); err != nil {
		t.Fatal(err)
	}
	w.reconcile(t, "prod")
	if got := follow("2027-01-28"); got[0].ID != announced[0].ID || got[0].Status != UpdateCancelled {
		t.Errorf("who pays for more support still has %+v", got)
	}
	announced = follow("2028-02-20")
	if n := len(announced); n != 3 || announced[n-1].Status != UpdateInProgress {
		t.Fatalf("the end of extended support is announced by %+v", announced)
	}
	begun := follow("2028-03-27")
	if c := w.reconcile(t, "prod"); len(begun) != 3 || begun[2].ID != announced[2].ID || c.Serving() != "1.36" {
		t.Errorf("on the day the updates are %+v, and it serves %s", begun, c.Serving())
	}
	if got := follow("2028-03-28"); got[2].Status != UpdateSuccessful || got[2].Scheduled != nil {
		t.Errorf("after it the update is %+v", got[2])
	}
}

// TestCalendarTriesAgainTheNextDay: an upgrade that fails is not begun again at once.
func TestCalendarTriesAgainTheNextDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := request("prod")
	r.Version, r.SupportType = "1.35", "STANDARD"
	w.create(t, r)
	key := ClusterKey(testScope, "prod")
	due := day(t, "2027-03-27")
	w.at(due.AddDate(0, 0, -30))
	if _, err := w.FollowCalendar(t.Context(), key); err != nil { // which announces it
		t.Fatal(err)
	}
	w.at(due)
	if _, err := w.FollowCalendar(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	w.fail(t, "prod")
	for _, c := range []struct {
		after time.Duration
		want  ClusterStatus
	}{{time.Minute, ClusterActive}, {23 * time.Hour, ClusterActive}, {24 * time.Hour, ClusterUpdating}} {
		w.at(due.Add(c.after))
		if _, err := w.FollowCalendar(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		if got, err := w.DescribeCluster(t.Context(), alice, "prod"); err != nil || got.Status.Status != c.want {
			t.Errorf("%s after a failure it is %s, want %s: %v", c.after, got.Status.Status, c.want, err)
		}
	}
}

// fail ends the running updates of a cluster as the control plane's reconciler does when it gives up.
func (w *world) fail(t *testing.T, name string) {
	t.Helper()
	item, err := Clusters(w.Store).Get(t.Context(), ClusterKey(testScope, name))
	if err != nil {
		t.Fatal(err)
	}
	ops, err := FailUpdates(t.Context(), w.Store, &item.Value, UpdateError{Code: "Unknown", Message: "it does not come up"})
	if err == nil {
		err = item.Value.Transition(ClusterActive, ByReconciler)
	}
	if err == nil {
		_, err = w.Store.Commit(t.Context(), append(ops, Clusters(w.Store).UpdateOp(item))...)
	}
	if err != nil {
		t.Fatal(err)
	}
}
