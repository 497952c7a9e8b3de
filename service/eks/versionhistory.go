package eks

import (
	"slices"
	"time"
)

// maxVersionHistory bounds what is remembered of a cluster that is upgraded and rolled back again and again.
const maxVersionHistory = 100

// VersionSince is a minor that a cluster's control plane has served since a moment by Minato's clock.
type VersionSince struct {
	Version string    `json:"version"`
	Since   time.Time `json:"since"`
}

// Serving is the minor that the control plane serves, which Spec.Version is ahead of while an update is carried out. Until the
// cluster is ACTIVE for the first time it is the one asked for.
func (c *Cluster) Serving() string {
	if n := len(c.Status.Versions); n > 0 {
		return c.Status.Versions[n-1].Version
	}
	return c.Spec.Version
}

// NodeLimit is the newest minor that nodes of the cluster may have: while the control plane changes its version, the lower one.
func (c *Cluster) NodeLimit() string {
	if serving := c.Serving(); number(serving) < number(c.Spec.Version) {
		return serving
	}
	return c.Spec.Version
}

// Serves notes that the control plane serves a minor from a moment on, unless it did so already.
func (s *Status) Serves(version, platform string, since time.Time) {
	s.PlatformVersion = platform
	if n := len(s.Versions); n > 0 && s.Versions[n-1].Version == version {
		return
	}
	// Never written into: whoever has an earlier copy of the record goes on comparing with it.
	s.Versions = append(slices.Clip(s.Versions), VersionSince{Version: version, Since: since.UTC().Truncate(time.Millisecond)})
	if len(s.Versions) > maxVersionHistory {
		s.Versions = slices.Delete(slices.Clone(s.Versions), 1, 2) // the first says when the cluster began
	}
}

// Upgraded is the version before the one that serves, and since when; false for a cluster that was created with its version.
func (c *Cluster) Upgraded() (from string, at time.Time, ok bool) {
	n := len(c.Status.Versions)
	if n < 2 {
		return "", time.Time{}, false
	}
	return c.Status.Versions[n-2].Version, c.Status.Versions[n-1].Since, true
}
