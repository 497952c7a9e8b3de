package nodegroup

import (
	"testing"
	"time"

	"minato.dev/minato/service/eks"
)

// TestUnhealthy: overrides of node repair hold for conditions that are good when True and for those that are bad then.
func TestUnhealthy(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	condition := func(kind, status, reason string, minutes int) nodeCondition {
		return nodeCondition{Type: kind, Status: status, Reason: reason, LastTransitionTime: now.Add(-time.Duration(minutes) * time.Minute)}
	}
	ready := condition("Ready", "True", "KubeletReady", 90)
	pressure := eks.NodeRepairOverride{Condition: "DiskPressure", Reason: "KubeletHasDiskPressure", WaitMinutes: 10, Action: "Replace"}
	for name, test := range map[string]struct {
		conditions []nodeCondition
		overrides  []eks.NodeRepairOverride
		want       bool
	}{
		"fine":              {[]nodeCondition{ready}, nil, false},
		"long not ready":    {[]nodeCondition{condition("Ready", "Unknown", "NodeStatusUnknown", 31)}, nil, true},
		"just not ready":    {[]nodeCondition{condition("Ready", "False", "KubeletNotReady", 29)}, nil, false},
		"pressure":          {[]nodeCondition{ready, condition("DiskPressure", "True", "KubeletHasDiskPressure", 11)}, []eks.NodeRepairOverride{pressure}, true},
		"pressure, nobody":  {[]nodeCondition{ready, condition("DiskPressure", "True", "KubeletHasDiskPressure", 11)}, nil, false},
		"pressure, early":   {[]nodeCondition{ready, condition("DiskPressure", "True", "KubeletHasDiskPressure", 9)}, []eks.NodeRepairOverride{pressure}, false},
		"pressure, another": {[]nodeCondition{ready, condition("DiskPressure", "True", "Other", 11)}, []eks.NodeRepairOverride{pressure}, false},
		"no pressure": {
			[]nodeCondition{ready, condition("DiskPressure", "False", "KubeletHasDiskPressure", 11)}, []eks.NodeRepairOverride{pressure}, false,
		},
		"monitored": {
			[]nodeCondition{ready, condition("KernelReady", "False", "SoftLockup", 2)},
			[]eks.NodeRepairOverride{pressure, {Condition: "KernelReady", Reason: "SoftLockup", WaitMinutes: 1, Action: "Replace"}}, true,
		},
		"network": {
			[]nodeCondition{ready, condition("NetworkUnavailable", "True", "NoRouteCreated", 2)},
			[]eks.NodeRepairOverride{{Condition: "NetworkUnavailable", Reason: "NoRouteCreated", WaitMinutes: 1, Action: "Replace"}}, true,
		},
		"an override in the place of the rule": {
			[]nodeCondition{condition("Ready", "False", "KubeletNotReady", 45)},
			[]eks.NodeRepairOverride{{Condition: "Ready", Reason: "KubeletNotReady", WaitMinutes: 60, Action: "Replace"}}, false,
		},
		"no action about another condition": {
			[]nodeCondition{condition("Ready", "False", "KubeletNotReady", 45), condition("DiskPressure", "True", "KubeletHasDiskPressure", 45)},
			[]eks.NodeRepairOverride{{Condition: "DiskPressure", Reason: "KubeletHasDiskPressure", WaitMinutes: 1, Action: "NoAction"}}, true,
		},
	} {
		c := &Controller{deps: Deps{Limits: DefaultLimits}}
		p := &pass{now: now}
		p.group.Spec.Repair = &eks.NodeRepair{Enabled: true, Overrides: test.overrides}
		m := &member{node: &node{}}
		m.machine.JoinedAt = now.Add(-time.Hour)
		m.node.Status.Conditions = test.conditions
		if got := c.unhealthy(p, m); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
