package insights

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

var flowSchemas = apiKey{"flowcontrol.apiserver.k8s.io", "v1beta3", "flowschemas"}

func TestUsageRolls(t *testing.T) {
	begin := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	u := newUsage()
	day := func(n int) time.Time { return begin.AddDate(0, 0, n) }
	if !u.add(call{flowSchemas, "a", day(0)}) || u.add(call{flowSchemas, "a", day(0).Add(time.Second)}) {
		t.Error("the first call of a client is news, and the next is not")
	}
	if !u.add(call{flowSchemas, "a", day(0).Add(time.Hour)}) {
		t.Error("a client that was quiet is news")
	}
	u.add(call{flowSchemas, "b", day(10)})
	u.add(call{flowSchemas, "b", day(9)}) // late
	for _, test := range []struct {
		day  int
		want string
	}{{10, "a:3 b:2"}, {29, "a:3 b:2"}, {30, "b:2"}, {38, "b:2"}, {39, "b:1"}, {40, ""}, {400, ""}} {
		// As it is after a restart on that day.
		again := newUsage()
		for key, api := range u.apis {
			b, err := json.Marshal(api.record(key))
			if err != nil {
				t.Fatal(err)
			}
			var r usageRecord
			if err := json.Unmarshal(b, &r); err != nil {
				t.Fatal(err)
			}
			again.apis[r.API] = r.usage()
		}
		var got []string
		for _, c := range again.clients(day(test.day))[flowSchemas] {
			got = append(got, fmt.Sprintf("%s:%d", c.agent, c.count))
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("day %d: %q, want %q", test.day, s, test.want)
		}
	}
}

// A log may say anything of when a call was made.
func TestUsageOfOddDays(t *testing.T) {
	for _, at := range []time.Time{{}, time.Date(1969, 12, 28, 0, 0, 0, 0, time.UTC), time.Unix(0, 0), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)} {
		u := newUsage()
		u.add(call{flowSchemas, "a", at})
		if got := u.clients(at)[flowSchemas]; len(got) != 1 && at.Unix() >= 0 {
			t.Errorf("%s: the clients are %v", at, got)
		}
	}
}

// Whoever makes up user agents fills neither our memory nor the store.
func TestUsageIsBounded(t *testing.T) {
	now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	for name, agent := range map[string]func(int) string{
		"many": func(n int) string { return fmt.Sprint("agent", n) },
		"long": func(n int) string { return fmt.Sprint(n) + strings.Repeat("\x01", 1000) },
	} {
		u := newUsage()
		const calls = 5000
		for n := range calls {
			for d := range window {
				u.add(call{flowSchemas, agent(n), now.AddDate(0, 0, d)})
			}
		}
		clients := u.clients(now.AddDate(0, 0, window-1))[flowSchemas]
		sum := 0
		for _, c := range clients {
			sum += c.count
		}
		if len(clients) > maxAgents+1 || sum != calls*window || clients[0].agent != otherAgents {
			t.Errorf("%s: %d clients with %d calls, the first is %q", name, len(clients), sum, clients[0].agent)
		}
		b, err := json.Marshal(u.apis[flowSchemas].record(flowSchemas))
		if err != nil || len(b) > 3<<19 {
			t.Errorf("%s: the record has %d bytes, and etcd takes 1.5 MiB (%v)", name, len(b), err)
		}
		if shown := stats(clients); len(shown) != maxShownClients+1 && len(clients) > maxShownClients {
			t.Errorf("%s: %d clients are shown", name, len(shown))
		}
	}
	u := newUsage()
	for n := range 2 * maxAPIs {
		u.add(call{apiKey{"example.com", "v1", fmt.Sprint(n)}, "a", now})
	}
	if len(u.apis) != maxAPIs {
		t.Errorf("%d APIs are counted, want %d", len(u.apis), maxAPIs)
	}
}
