package eks

import (
	"time"
)

// UpdateStatus is the status of an update.
type UpdateStatus string

// The statuses of an update.
const (
	UpdateInProgress UpdateStatus = "InProgress"
	UpdateFailed     UpdateStatus = "Failed"
	UpdateCancelled  UpdateStatus = "Cancelled"
	UpdateSuccessful UpdateStatus = "Successful"
)

// Update is the record of one asynchronous change.
type Update struct {
	ID        string        `json:"id"` // UUID
	ClusterID string        `json:"clusterId"`
	Type      string        `json:"type"` // UpdateType: LoggingUpdate, …
	Status    UpdateStatus  `json:"status"`
	Params    []UpdateParam `json:"params"`
	CreatedAt time.Time     `json:"createdAt"`
	Errors    []UpdateError `json:"errors,omitempty"`
	// Scheduled is when an update that is announced will begin; nil once it has.
	Scheduled *time.Time `json:"scheduled,omitempty"`
	// BegunAt is when an update that was announced has begun; nil for others, which begin when they are made.
	BegunAt *time.Time `json:"begunAt,omitempty"`
	// Generation is the Spec.Generation that carries this change: the update is done when the control plane observed it.
	Generation int64 `json:"generation"`
	// Before is the cluster's spec without this change, to go back to if it fails. It is dropped when the update ends.
	Before *ClusterSpec `json:"before,omitempty"`
	// NodegroupBefore is Before for an update of a nodegroup.
	NodegroupBefore *NodegroupSpec `json:"nodegroupBefore,omitempty"`
	// AddonBefore is Before for an update of an add-on.
	AddonBefore *AddonSpec `json:"addonBefore,omitempty"`
	// ClientRequestToken makes the call that began it idempotent.
	ClientRequestToken string `json:"clientRequestToken,omitempty"`
	RequestHash        string `json:"requestHash,omitempty"`
}

// UpdateParam is one parameter of an update; the value is always a string (docs/operations.md has the formats).
type UpdateParam struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// UpdateError is one reason why an update failed.
type UpdateError struct {
	Code        string   `json:"code"`
	Message     string   `json:"message"`
	ResourceIDs []string `json:"resourceIds,omitempty"`
}

// begun is when an update has begun that is not scheduled any more.
func (u *Update) begun() time.Time {
	if u.BegunAt != nil {
		return *u.BegunAt
	}
	return u.CreatedAt
}
