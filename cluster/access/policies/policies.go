// Package policies holds the access policies of EKS: which there are, and what each allows. The rules are data, in one text
// file per policy that reads like the tables of the Amazon EKS User Guide, "Review access policy permissions":
//
//	source: where the rules are published
//	include: AmazonEKSViewPolicy
//
//	groups | resources | verbs
//	apps   | deployments, deployments/scale | create, delete
//
//	nonResourceURLs | verbs
//	/healthz        | get
//
// Every row is a rule of its own and means what a rule of a Kubernetes ClusterRole means; "" is the core group. A policy of
// which AWS publishes no rules stands in unpublished.txt: it is listed, and cannot be associated.
//
// Policies that customers made are written in the same way; see ParseCustom.
package policies

import (
	"embed"
	"slices"

	"minato.dev/minato"
)

//go:embed *.txt
var files embed.FS

// Policy is an access policy.
type Policy struct {
	Name string
	ARN  minato.ARN
	// Source is where its rules, or at least its name, are published.
	Source string

	rules       ruleSet
	unpublished string // what AWS does publish, when that is not the rules
}

// catalogue is read once. What is wrong with an embedded file is wrong with the program, so it does not start.
var catalogue = func() []Policy {
	all, err := load(files)
	if err != nil {
		panic("policies: " + err.Error())
	}
	return all
}()

var byARN = func() map[minato.ARN]*Policy {
	m := make(map[minato.ARN]*Policy, len(catalogue))
	for i := range catalogue {
		m[catalogue[i].ARN] = &catalogue[i]
	}
	return m
}()

// List is every access policy that EKS lists, by name.
func List() []Policy { return slices.Clone(catalogue) }

// Lookup finds the policy of an ARN such as arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy.
func Lookup(arn minato.ARN) (Policy, bool) {
	p, ok := byARN[arn]
	if !ok {
		return Policy{}, false
	}
	return *p, true
}

// Associable is whether the policy can be associated with an access entry, and the reason why not, as the end of a sentence
// that names the policy.
func (p Policy) Associable() (reason string, ok bool) {
	if p.unpublished == "" {
		return "", true
	}
	return "AWS does not publish its rules: " + p.unpublished + " (" + p.Source + ")", false
}

// Allows is whether one of the policy's rules allows a request, wherever the policy holds.
func (p Policy) Allows(r Request) bool { return p.rules.allow(r) }

// Rules are the policy's rules in the order of its file, those of included policies first.
func (p Policy) Rules() []Rule { return slices.Clone(p.rules.rows) }

func arn(name string) minato.ARN {
	return minato.ARN{Partition: minato.Partition, Service: "eks", Account: "aws", Resource: "cluster-access-policy/" + name}
}
