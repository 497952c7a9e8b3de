package cost_test

import (
	"slices"
	"testing"
	"time"

	"minato.dev/minato/service/cost"
	"minato.dev/minato/service/eks"
)

func day(t *testing.T, s string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func never(string) (string, time.Time, bool) { return "", time.Time{}, false }

func TestOf(t *testing.T) {
	t.Parallel()
	const days = 24.0
	workers := func(since string) []cost.Node {
		return []cost.Node{{VCPUs: 4, Since: day(t, since)}, {VCPUs: 2, Since: day(t, since)}}
	}
	for name, c := range map[string]struct {
		created  string
		versions []eks.VersionSince
		nodes    []cost.Node
		now      string
		upcoming func(string) (string, time.Time, bool)
		want     cost.Cost
	}{
		"standard support": {"2026-11-01", []eks.VersionSince{{Version: "1.35", Since: day(t, "2026-11-01")}}, nil, "2026-11-11", never, cost.Cost{
			EKS:     cost.Amount{SinceCreation: 10 * days * 0.10, MonthAhead: 73},
			ROSAHCP: cost.Amount{SinceCreation: 10 * days * 0.25, MonthAhead: 182.5},
		}},
		"into extended support, with workers": {"2026-11-22", []eks.VersionSince{{Version: "1.34", Since: day(t, "2026-11-22")}}, workers("2026-12-02"), "2026-12-12", never, cost.Cost{
			EKS:         cost.Amount{SinceCreation: 10*days*0.10 + 10*days*0.60, MonthAhead: 438},
			ROSAHCP:     cost.Amount{SinceCreation: 20*days*0.25 + 10*days*1.5*0.171, MonthAhead: 182.5 + 730*1.5*0.171},
			ROSAClassic: cost.Amount{SinceCreation: 10 * days * 1.5 * 0.171, MonthAhead: 730 * 1.5 * 0.171},
		}},
		"upgraded out of it": {"2026-12-02", []eks.VersionSince{{Version: "1.34", Since: day(t, "2026-12-02")}, {Version: "1.35", Since: day(t, "2026-12-12")}}, nil, "2026-12-22", never, cost.Cost{
			EKS:     cost.Amount{SinceCreation: 10*days*0.60 + 10*days*0.10, MonthAhead: 73},
			ROSAHCP: cost.Amount{SinceCreation: 20 * days * 0.25, MonthAhead: 182.5},
		}},
		"upgraded next week by the calendar": {"2026-11-25", []eks.VersionSince{{Version: "1.34", Since: day(t, "2026-11-25")}}, nil, "2026-11-25",
			func(version string) (string, time.Time, bool) { return "1.35", day(t, "2026-12-02"), version == "1.34" },
			cost.Cost{EKS: cost.Amount{MonthAhead: 73}, ROSAHCP: cost.Amount{MonthAhead: 182.5}}},
		"being created": {"2026-12-05", nil, nil, "2026-12-05", never, cost.Cost{EKS: cost.Amount{MonthAhead: 438}, ROSAHCP: cost.Amount{MonthAhead: 182.5}}},
		"the clock went back": {"2026-12-05", nil, workers("2026-12-05"), "2026-11-01", never, cost.Cost{
			EKS:         cost.Amount{MonthAhead: 73},
			ROSAHCP:     cost.Amount{MonthAhead: 182.5 + 730*1.5*0.171},
			ROSAClassic: cost.Amount{MonthAhead: 730 * 1.5 * 0.171},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			roomy := append(make([]eks.VersionSince, 0, 10), c.versions...)
			cluster := &eks.Cluster{CreatedAt: day(t, c.created), Spec: eks.ClusterSpec{Version: "1.34"}, Status: eks.Status{Versions: roomy}}
			got, want := cost.Published.Of(cluster, c.nodes, day(t, c.now), c.upcoming).Cents(), c.want.Cents()
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if rest := roomy[len(c.versions):cap(roomy)]; slices.ContainsFunc(rest, func(v eks.VersionSince) bool { return v != eks.VersionSince{} }) {
				t.Errorf("the record's versions were appended to: %+v", rest)
			}
			if sum := got.Plus(got); sum.EKS.MonthAhead != 2*got.EKS.MonthAhead {
				t.Errorf("twice %+v is %+v", got, sum)
			}
		})
	}
}
