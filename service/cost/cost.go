// Package cost says what clusters would cost as managed ones: on EKS by the support state of their versions, on ROSA by their
// topology and workers. Prices are data, in prices.json, with where they come from. Machines, disks and traffic are left out: they
// cost the same wherever the control plane is.
package cost

import (
	_ "embed"
	"encoding/json"
	"math"
	"slices"
	"time"

	"minato.dev/minato/kube"
	"minato.dev/minato/service/eks"
)

//go:embed prices.json
var pricesJSON []byte

// Prices are what there is to pay, in Currency.
type Prices struct {
	Currency   string  `json:"currency"`
	MonthHours float64 `json:"monthHours"` // as AWS counts a month
	EKS        struct {
		StandardHour float64 `json:"standardHour"`
		ExtendedHour float64 `json:"extendedHour"`
		Source       string  `json:"source"`
	} `json:"eks"`
	ROSA struct {
		HCPClusterHour      float64 `json:"hcpClusterHour"`
		ClassicClusterHour  float64 `json:"classicClusterHour"`
		WorkersPer4VCPUHour float64 `json:"workersPer4VCPUHour"`
		Source              string  `json:"source"`
	} `json:"rosa"`
}

// Published are the prices that Minato knows.
var Published = func() (p Prices) {
	if err := json.Unmarshal(pricesJSON, &p); err != nil {
		panic("cost: prices.json: " + err.Error())
	}
	return p
}()

// Amount is what something has cost, and what it will.
type Amount struct {
	SinceCreation float64 `json:"sinceCreation"`
	MonthAhead    float64 `json:"monthAhead"`
}

func (a Amount) plus(b Amount) Amount {
	return Amount{a.SinceCreation + b.SinceCreation, a.MonthAhead + b.MonthAhead}
}

// cents rounds what is shown.
func (a Amount) cents() Amount {
	return Amount{math.Round(a.SinceCreation*100) / 100, math.Round(a.MonthAhead*100) / 100}
}

// Cost is one cluster's, or that of all.
type Cost struct {
	EKS         Amount `json:"eks"`
	ROSAHCP     Amount `json:"rosaHcp"`
	ROSAClassic Amount `json:"rosaClassic"`
}

// Plus adds two.
func (c Cost) Plus(d Cost) Cost {
	return Cost{c.EKS.plus(d.EKS), c.ROSAHCP.plus(d.ROSAHCP), c.ROSAClassic.plus(d.ROSAClassic)}
}

// Cents is the cost as it is shown.
func (c Cost) Cents() Cost { return Cost{c.EKS.cents(), c.ROSAHCP.cents(), c.ROSAClassic.cents()} }

// Node is one of a cluster's workers.
type Node struct {
	VCPUs int
	Since time.Time
}

// Of is what a cluster costs at a moment by Minato's clock. Workers count from their launch; of those that have gone nothing is known.
// upcoming is the upgrade that the support calendar has for a version of the cluster, if any.
func (p Prices) Of(c *eks.Cluster, nodes []Node, now time.Time, upcoming func(version string) (to string, at time.Time, ok bool)) Cost {
	month := time.Duration(p.MonthHours * float64(time.Hour))
	var out Cost
	out.EKS.SinceCreation = p.past(c, now)
	out.EKS.MonthAhead = p.ahead(c.Serving(), now, now.Add(month), upcoming)
	var workers Amount
	for _, n := range nodes {
		hourly := p.ROSA.WorkersPer4VCPUHour * float64(n.VCPUs) / 4
		workers = workers.plus(Amount{hourly * max(now.Sub(n.Since), 0).Hours(), hourly * p.MonthHours})
	}
	age := max(now.Sub(c.CreatedAt), 0).Hours()
	fee := func(hourly float64) Amount { return Amount{hourly * age, hourly * p.MonthHours} }
	out.ROSAHCP = workers.plus(fee(p.ROSA.HCPClusterHour))
	out.ROSAClassic = workers.plus(fee(p.ROSA.ClassicClusterHour))
	return out
}

// past is the fee of EKS for the versions that a cluster has had.
func (p Prices) past(c *eks.Cluster, now time.Time) (sum float64) {
	from, version := c.CreatedAt, c.Spec.Version
	if len(c.Status.Versions) > 0 {
		version = c.Status.Versions[0].Version
	}
	// Never appended to in place: others have the record, too.
	for _, next := range append(slices.Clip(c.Status.Versions[min(1, len(c.Status.Versions)):]), eks.VersionSince{Since: now}) {
		sum += p.fee(version, from, next.Since)
		from, version = next.Since, next.Version
	}
	return sum
}

// maxUpgrades bounds how many upgrades a month may have.
const maxUpgrades = 20

// ahead is the fee of EKS from now on, with the upgrades that come by themselves.
func (p Prices) ahead(version string, from, until time.Time, upcoming func(string) (string, time.Time, bool)) (sum float64) {
	for range maxUpgrades {
		to, at, ok := upcoming(version)
		if !ok || !at.Before(until) {
			break
		}
		at = later(at, from)
		sum += p.fee(version, from, at)
		from, version = at, to
	}
	return sum + p.fee(version, from, until)
}

// fee is that of one version for a time. A version that is past extended support, which EKS would not run, counts as in it.
func (p Prices) fee(version string, from, until time.Time) float64 {
	if !until.After(from) {
		return 0
	}
	v, known := kube.Lookup(version)
	end := v.EndOfStandardSupport.Time
	if !known || !v.HasCalendar() || !until.After(end) {
		return p.EKS.StandardHour * until.Sub(from).Hours()
	}
	end = later(end, from)
	return p.EKS.StandardHour*end.Sub(from).Hours() + p.EKS.ExtendedHour*until.Sub(end).Hours()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
