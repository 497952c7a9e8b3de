package eks

import "minato.dev/minato"

// NodeRepair is nodeRepairConfig. Zero numbers are what the owner left out.
type NodeRepair struct {
	Enabled                bool                 `json:"enabled"`
	MaxUnhealthyCount      int                  `json:"maxUnhealthyNodeThresholdCount,omitempty"`
	MaxUnhealthyPercentage int                  `json:"maxUnhealthyNodeThresholdPercentage,omitempty"`
	MaxParallelCount       int                  `json:"maxParallelNodesRepairedCount,omitempty"`
	MaxParallelPercentage  int                  `json:"maxParallelNodesRepairedPercentage,omitempty"`
	Overrides              []NodeRepairOverride `json:"nodeRepairConfigOverrides,omitempty"`
}

// NodeRepairOverride is how nodes with one condition for one reason are repaired.
type NodeRepairOverride struct {
	Condition   string `json:"nodeMonitoringCondition"`
	Reason      string `json:"nodeUnhealthyReason"`
	WaitMinutes int    `json:"minRepairWaitTimeMins"`
	Action      string `json:"repairAction"` // Replace or NoAction
}

func checkRepair(r *NodeRepair) error {
	if r == nil {
		return nil
	}
	switch {
	case r.MaxUnhealthyCount != 0 && r.MaxUnhealthyPercentage != 0:
		return minato.Errorf(minato.Invalid, "Only one of maxUnhealthyNodeThresholdCount and maxUnhealthyNodeThresholdPercentage can be specified in nodeRepairConfig")
	case r.MaxParallelCount != 0 && r.MaxParallelPercentage != 0:
		return minato.Errorf(minato.Invalid, "Only one of maxParallelNodesRepairedCount and maxParallelNodesRepairedPercentage can be specified in nodeRepairConfig")
	case r.MaxUnhealthyCount < 0 || r.MaxParallelCount < 0:
		return minato.Errorf(minato.Invalid, "The counts of nodeRepairConfig must be 1 or more")
	case outOfPercent(r.MaxUnhealthyPercentage) || outOfPercent(r.MaxParallelPercentage):
		return minato.Errorf(minato.Invalid, "The percentages of nodeRepairConfig must be between 1 and 100")
	}
	for _, o := range r.Overrides {
		switch {
		case o.Condition == "" || o.Reason == "":
			return minato.Errorf(minato.Invalid, "nodeMonitoringCondition and nodeUnhealthyReason must both be given in nodeRepairConfigOverrides")
		case o.WaitMinutes < 1:
			return minato.Errorf(minato.Invalid, "minRepairWaitTimeMins must be 1 or more, not %d", o.WaitMinutes)
		case o.Action == "Reboot":
			return minato.Errorf(minato.Invalid, "repairAction Reboot is not supported: Minato's nodes are replaced instead. Use Replace")
		case o.Action != "Replace" && o.Action != "NoAction":
			return minato.Errorf(minato.Invalid, "repairAction %q is not one of Replace, NoAction", shorten(o.Action))
		}
	}
	return nil
}

func outOfPercent(n int) bool { return n < 0 || n > 100 }
