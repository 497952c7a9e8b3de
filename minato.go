// Package minato is the vocabulary that every part of Minato shares: ARNs, principals, accounts, regions, tags and the one
// error type. It imports the standard library only and holds no behaviour of any service.
//
// The house, room by room (docs/ARCHITECTURE.md has the tour):
//
//	cmd/minato  the command line: one file per subcommand
//	server      the composition root: the only place that knows everybody
//	edge        speaks protocols (AWS's, the kube-apiserver's webhooks, OIDC discovery) and holds no decisions
//	cluster     what makes records true: control planes, the gate, who may enter
//	service     what each API means: eks, iam, sts, ec2; no HTTP, no processes
//	engine      what any such system needs: store, reconcile, supervisor
//	kube        the Kubernetes minors: one table, one nested module each
//	internal    leaf tools without a domain word
//
// Imports point one way: cmd, server, edge, cluster, service, engine, minato. A test in internal/deptest holds this.
package minato

import (
	"fmt"
	"regexp"
)

// Region is an AWS region name. Minato runs as one region, us-east-1 unless configured.
type Region string

// DefaultRegion is the region of a server that was given none.
const DefaultRegion Region = "us-east-1"

// Partition is the only ARN partition that Minato issues.
const Partition = "aws"

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// ValidAccountID is whether s has the form of an AWS account id: 12 digits.
func ValidAccountID(s string) bool { return accountID.MatchString(s) }

// Tags are a resource's tags, key to value.
type Tags map[string]string

// Scope is where a record lives: an account and a region in it.
type Scope struct {
	Account string
	Region  Region
}

// String is the scope as account/region.
func (s Scope) String() string { return fmt.Sprintf("%s/%s", s.Account, s.Region) }
