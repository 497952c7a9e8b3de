// Package kube is the table of Kubernetes minor versions that Minato knows: which patch each is built from, its EKS
// calendar, and what differs between the minors' command lines and configuration APIs.
//
// versions.json is the only place to edit. kubegen writes the nested modules kube/v1.NN from it and builds them; the server
// reads the same table for its calendar and for the arguments it gives to each minor's programs.
//
// The EKS dates are UTC days from the Amazon EKS user guide, "Understand the Kubernetes version lifecycle on EKS", and, for
// 1.36, from endoflife.date (read 2026-08-22). 1.37 has no EKS dates yet.
package kube

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed versions.json
var versionsJSON []byte

// Version is one row of the table: a Kubernetes minor version.
type Version struct {
	Minor string `json:"minor"` // "1.35"
	Patch string `json:"patch"` // module version of k8s.io/kubernetes, "v1.35.4"
	// Platform counts what Minato changed in how a control plane of this minor is made: patch, arguments, configuration.
	Platform int `json:"platform"`

	// EKS calendar, UTC days; zero where EKS has not published one.
	Released             Date `json:"released"`
	EndOfStandardSupport Date `json:"endOfStandardSupport"`
	EndOfExtendedSupport Date `json:"endOfExtendedSupport"`
	Default              bool `json:"default"` // what CreateCluster takes when no version is given

	KubeletTakesContext   bool     `json:"kubeletTakesContext"`   // NewKubeletCommand(ctx)
	AuthenticationConfig  string   `json:"authenticationConfig"`  // newest served apiserver.config.k8s.io version of AuthenticationConfiguration
	AuthorizationConfig   string   `json:"authorizationConfig"`   // the same of AuthorizationConfiguration
	FeatureGates          []string `json:"featureGates"`          // gates the control plane needs that are off by default in this minor
	AuthorizerCacheSwitch bool     `json:"authorizerCacheSwitch"` // webhook authorizer has cacheAuthorizedRequests; else its TTLs are set to 1ns
}

// Support is where a minor stands in its EKS life on a given day.
type Support string

// The support states, spelled as DescribeClusterVersions spells versionStatus.
const (
	StandardSupport Support = "STANDARD_SUPPORT"
	ExtendedSupport Support = "EXTENDED_SUPPORT"
	Unsupported     Support = "UNSUPPORTED"
)

// SupportAt tells the support state at a moment. Extended support starts at the beginning of the day that standard support
// ends, and nothing is supported from the beginning of the day that extended support ends. A minor without EKS dates is
// unsupported.
func (v Version) SupportAt(t time.Time) Support {
	switch {
	case !v.HasCalendar() || t.Before(v.Released.Time):
		return Unsupported
	case t.Before(v.EndOfStandardSupport.Time):
		return StandardSupport
	case t.Before(v.EndOfExtendedSupport.Time):
		return ExtendedSupport
	}
	return Unsupported
}

// HasCalendar is whether EKS has published dates for this minor.
func (v Version) HasCalendar() bool { return !v.Released.IsZero() }

// Number is the minor as an integer: 35 for 1.35.
func (v Version) Number() int {
	n, _ := strconv.Atoi(strings.TrimPrefix(v.Minor, "1."))
	return n
}

// PlatformVersion is the platform version as EKS spells it: "eks.1".
func (v Version) PlatformVersion() string { return fmt.Sprintf("eks.%d", v.Platform) }

// Next is the minor after v, if it is known.
func (v Version) Next() (Version, bool) { return Lookup(fmt.Sprintf("1.%d", v.Number()+1)) }

// Versions are all known minors, oldest first.
func Versions() []Version { return slices.Clone(versions) }

// Lookup finds a minor ("1.35").
func Lookup(minor string) (Version, bool) {
	i := slices.IndexFunc(versions, func(v Version) bool { return v.Minor == minor })
	if i < 0 {
		return Version{}, false
	}
	return versions[i], true
}

// Date is a UTC day, written 2026-11-26 in JSON.
type Date struct{ time.Time }

// UnmarshalJSON parses a day.
func (d *Date) UnmarshalJSON(b []byte) error {
	t, err := time.Parse(`"2006-01-02"`, string(b))
	if err != nil {
		return fmt.Errorf("parsing day %s: %w", b, err)
	}
	d.Time = t
	return nil
}

var versions = func() []Version {
	var vs []Version
	if err := json.Unmarshal(versionsJSON, &vs); err != nil {
		panic("kube: versions.json: " + err.Error())
	}
	return vs
}()
