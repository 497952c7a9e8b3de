package nodegroup

import (
	"cmp"
	"slices"
)

// state is what the plan looks at of a member.
type state struct {
	id       string
	zone     string
	current  bool // made as the nodegroup now wants its nodes
	ready    bool
	draining bool
	age      int // the larger, the older
}

// wanted is how many nodes there are to be, and how quickly outdated ones may be replaced.
type wanted struct {
	desired     int
	unavailable int  // how many may be missing or replaced at a time
	minimal     bool // take nodes away before there are new ones, not after
}

// plan is how many instances to launch, and which to drain. Outdated ones are replaced a few at a time: with new ones first, as
// EKS's DEFAULT strategy does, or without room for more than desired, as MINIMAL. What is too many goes at once.
func plan(states []state, w wanted) (launch int, drain []string) {
	var fresh, old []state
	leaving := 0 // outdated ones that drain
	for _, s := range states {
		switch {
		case s.draining && !s.current:
			leaving++
		case s.draining:
		case s.current:
			fresh = append(fresh, s)
		default:
			old = append(old, s)
		}
	}
	surge, floor := w.unavailable, w.desired
	if w.minimal {
		surge, floor = 0, w.desired-w.unavailable
	}
	if len(old)+leaving == 0 {
		if excess := len(fresh) - w.desired; excess > 0 {
			return 0, victims(fresh, excess)
		}
		return w.desired - len(fresh), nil
	}
	launch = max(0, min(w.desired-len(fresh), w.desired+surge-len(fresh)-len(old)-leaving))
	return launch, outdated(fresh, old, floor, w.unavailable-leaving)
}

// outdated chooses which of the old nodes go now: at most so many, and of those that are Ready only as many as leave floor Ready ones.
func outdated(fresh, old []state, floor, most int) (drain []string) {
	ready := 0
	for _, s := range slices.Concat(fresh, old) {
		if s.ready {
			ready++
		}
	}
	for _, id := range victims(old, len(old)) {
		if len(drain) >= most {
			break
		}
		s := old[slices.IndexFunc(old, func(s state) bool { return s.id == id })]
		if s.ready {
			if ready-1 < floor {
				continue
			}
			ready--
		}
		drain = append(drain, id)
	}
	return drain
}

// victims chooses which nodes go: those that are not Ready, then from the zone that has most, then the oldest.
func victims(from []state, count int) (ids []string) {
	left := slices.Clone(from)
	for range count {
		zones := map[string]int{}
		for _, s := range left {
			zones[s.zone]++
		}
		i := 0
		for j := 1; j < len(left); j++ {
			if before(left[j], left[i], zones) {
				i = j
			}
		}
		ids = append(ids, left[i].id)
		left = slices.Delete(left, i, i+1)
	}
	return ids
}

func before(a, b state, zones map[string]int) bool {
	unready := func(s state) int {
		if s.ready {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(unready(a), unready(b)), cmp.Compare(zones[b.zone], zones[a.zone]), cmp.Compare(b.age, a.age), cmp.Compare(a.id, b.id)) < 0
}

// unavailable is how many nodes may be replaced at a time.
func unavailable(count, percentage, desired int) int {
	if percentage > 0 {
		count = desired * percentage / 100
	}
	return max(count, 1)
}
