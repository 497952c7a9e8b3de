package eks

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
	Action      string `json:"repairAction"` // Replace, Reboot, NoAction
}
