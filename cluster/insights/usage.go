package insights

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"minato.dev/minato/service/eks"
)

const (
	// window is how many days a call counts.
	window = 30
	// maxAgents is how many user agents of one API are told apart: a client may call itself what it likes.
	maxAgents = 1000
	// maxAgentBytes bounds them together, and so the record of an API: JSON may take six bytes for one.
	maxAgentBytes = 160 << 10
	// otherAgents is the user agent under which the rest is counted.
	otherAgents = "(other user agents)"
	// maxAPIs bounds the APIs of a cluster: there are some hundred that end, and custom resources.
	maxAPIs = 1000
)

// counter counts the calls of one API by one user agent, by day.
type counter struct {
	days   [window]uint32 // days[d%window] is the count of day d
	newest int32          // the newest day counted, since 1970
	last   time.Time
}

func dayOf(t time.Time) int32 { return int32(t.Unix() / (24 * 60 * 60)) }

// add counts n calls, the last at a moment.
func (c *counter) add(at time.Time, n uint32) {
	day := dayOf(at)
	if day < 0 || day <= c.newest-window {
		return
	}
	c.roll(day)
	c.days[day%window] += n
	if at.After(c.last) {
		c.last = at
	}
}

// roll forgets the days that are too old when it is day.
func (c *counter) roll(day int32) {
	if day <= c.newest {
		return
	}
	if day-c.newest >= window {
		clear(c.days[:])
	} else {
		for d := c.newest + 1; d <= day; d++ {
			c.days[d%window] = 0
		}
	}
	c.newest = day
}

// total is how many calls there were within the window.
func (c *counter) total(now time.Time) (sum int) {
	c.roll(dayOf(now))
	for _, n := range c.days {
		sum += int(n)
	}
	return sum
}

// apiUsage is who calls one API. One that nobody has called within the window is there until its record is removed.
type apiUsage struct {
	agents map[string]*counter
	bytes  int // of the agents
	dirty  bool
}

// usage is what one cluster's audit log was counted into.
type usage struct {
	mu      sync.Mutex
	apis    map[apiKey]*apiUsage
	garbage int64 // lines that are no events
	lost    int64 // how often a part of the log was gone before it was read
	gaps    []gap
	errors  auditErrors // the last look at the kube-apiserver
}

func newUsage() *usage { return &usage{apis: map[apiKey]*apiUsage{}} }

// add counts a call. first is whether it is the first that its client is known for, or the first in a while.
func (u *usage) add(c call) (first bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	api, ok := u.apis[c.api]
	if !ok {
		if len(u.apis) >= maxAPIs {
			return false
		}
		api = &apiUsage{agents: map[string]*counter{}}
		u.apis[c.api] = api
	}
	agent := c.agent
	count, ok := api.agents[agent]
	if !ok {
		if len(api.agents) >= maxAgents || api.bytes+len(agent) > maxAgentBytes {
			agent = otherAgents
			count, ok = api.agents[agent]
		}
		if !ok {
			count = &counter{}
			api.agents[agent] = count
			api.bytes += len(agent)
		}
	}
	first = c.at.Sub(count.last) > quiet
	count.add(c.at, 1)
	api.dirty = true
	return first
}

// missing notes a time of which not all calls are known.
func (u *usage) missing(g gap) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.gaps = withGap(u.gaps, g)
}

// heardErrors takes in what a kube-apiserver says of events that it could not write, and answers whether there are more of them.
func (u *usage) heardErrors(now auditErrors) (more bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	g, more := now.since(u.errors)
	if more {
		u.gaps = withGap(u.gaps, g)
	}
	u.errors = now
	return more
}

// missed are the gaps that reach into the time after a moment. Those older than what counts are forgotten.
func (u *usage) missed(now, since time.Time) []gap {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.gaps = lasting(u.gaps, now.AddDate(0, 0, -window))
	return lasting(u.gaps, since)
}

// client is one user agent of an API.
type client struct {
	agent string
	count int
	last  time.Time
}

// clients are those that called each API within the window, the busiest first. What is older is forgotten.
func (u *usage) clients(now time.Time) map[apiKey][]client {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := map[apiKey][]client{}
	for key, api := range u.apis {
		for agent, c := range api.agents {
			n := c.total(now)
			if n == 0 {
				delete(api.agents, agent)
				api.bytes -= len(agent)
				api.dirty = true
				continue
			}
			all[key] = append(all[key], client{agent, n, c.last})
		}
		slices.SortFunc(all[key], func(a, b client) int {
			return cmp.Or(b.count-a.count, cmp.Compare(a.agent, b.agent))
		})
	}
	return all
}

// usageRecord is the record of who calls one API of a cluster.
type usageRecord struct {
	API    apiKey                 `json:"api"`
	Agents map[string]countRecord `json:"agents"`
}

// countRecord is a counter in a record.
type countRecord struct {
	Last   time.Time `json:"last"`
	Newest int32     `json:"day"`    // the day of the first count, since 1970
	Counts []uint32  `json:"counts"` // of that day and those before it
}

func (api *apiUsage) record(key apiKey) usageRecord {
	r := usageRecord{API: key, Agents: make(map[string]countRecord, len(api.agents))}
	for agent, c := range api.agents {
		saved := countRecord{Last: c.last, Newest: c.newest}
		for d := c.newest; d > c.newest-window && d >= 0; d-- {
			saved.Counts = append(saved.Counts, c.days[d%window])
		}
		for n := len(saved.Counts); n > 0 && saved.Counts[n-1] == 0; n-- {
			saved.Counts = saved.Counts[:n-1]
		}
		r.Agents[agent] = saved
	}
	return r
}

func (r usageRecord) usage() *apiUsage {
	api := &apiUsage{agents: make(map[string]*counter, len(r.Agents))}
	for agent, saved := range r.Agents {
		c := &counter{last: saved.Last, newest: max(saved.Newest, window)}
		for i, n := range saved.Counts[:min(len(saved.Counts), window)] {
			c.days[(c.newest-int32(i))%window] = n
		}
		api.agents[agent] = c
		api.bytes += len(agent)
	}
	return api
}

// maxShownClients is how many clients of an API an insight names.
const maxShownClients = 100

// stats are clients as an insight shows them.
func stats(clients []client) (list []eks.ClientStat) {
	for _, c := range clients {
		list = append(list, eks.ClientStat{UserAgent: c.agent, Requests: c.count, LastAt: c.last})
	}
	return fold(list, maxShownClients)
}

// fold are the first n clients, and the rest in one.
func fold(list []eks.ClientStat, n int) []eks.ClientStat {
	if len(list) <= n {
		return list
	}
	rest := eks.ClientStat{UserAgent: otherAgents}
	for _, c := range list[n:] {
		rest.Requests += c.Requests
		if c.LastAt.After(rest.LastAt) {
			rest.LastAt = c.LastAt
		}
	}
	return append(slices.Clip(list[:n]), rest)
}

// maxShownBytes bounds all clients that an insight names, in a record: those of a cluster are written in one commit, and etcd takes
// 1.5 MiB.
const maxShownBytes = 256 << 10

// fit folds the clients of those APIs that there is no room for.
func fit(list []eks.Deprecation) []eks.Deprecation {
	room := maxShownBytes
	for i := range list {
		for n, c := range list[i].Clients {
			if room -= 6*len(c.UserAgent) + 100; room < 0 { // JSON may take six bytes for one
				list[i].Clients = fold(list[i].Clients, n)
				break
			}
		}
	}
	return list
}
