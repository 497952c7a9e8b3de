package ec2

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"slices"
	"time"

	"minato.dev/minato"
	"minato.dev/minato/engine/store"
)

// RunInstances is a request to launch instances, from a launch template or without.
type RunInstances struct {
	Spec               InstanceSpec
	Template           TemplateName // may be empty
	TemplateVersion    string
	MinCount, MaxCount int
	SubnetID           string // empty for a default one
	PrivateIP          netip.Addr
	ClientToken        string `json:"-"`
}

// RunInstances launches as many instances as there is room for, from MinCount to MaxCount. A request that is sent again with
// the same client token within a day gets the instances that the first one made.
func (s *Service) RunInstances(ctx context.Context, c Caller, r RunInstances) ([]InstanceView, error) {
	digest := r.digest()
	l, subnet, err := s.plan(ctx, c, &r)
	if err != nil {
		return nil, err
	}
	if err := s.allowRun(ctx, c, r, l, subnet); err != nil {
		return nil, err
	}
	if r.MinCount < 1 || r.MaxCount < r.MinCount {
		return nil, invalid("Invalid value '%d' for maxCount, with minCount %d: want 1 <= minCount <= maxCount", r.MaxCount, r.MinCount)
	}
	var instances []Instance
	err = s.commit(ctx, func() (ops []store.Op, err error) {
		again, token, err := s.ranBefore(ctx, c.Scope, r.ClientToken, digest)
		if err != nil || again != nil {
			instances = again
			return nil, err
		}
		if l.Count, err = s.room(ctx, c.Scope, r, l); err != nil {
			return nil, err
		}
		if instances, ops, err = s.LaunchOps(ctx, c.Scope, l); err != nil || r.ClientToken == "" {
			return ops, err
		}
		token.Value.At, token.Value.Digest = s.Now().UTC(), digest
		for _, i := range instances {
			token.Value.Instances = append(token.Value.Instances, i.ID)
		}
		if token.Revision > 0 {
			return append(ops, s.runTokens().UpdateOp(token)), nil
		}
		return append(ops, s.runTokens().CreateOp(token.ID, token.Value)), nil
	})
	if err != nil {
		return nil, err
	}
	return s.ViewInstances(ctx, c.Scope, instances)
}

// room is how many instances to launch: as many as the subnet has addresses for.
func (s *Service) room(ctx context.Context, scope minato.Scope, r RunInstances, l Launch) (int, error) {
	itype, ok := InstanceTypeByName(l.Type)
	if !ok || r.MinCount == r.MaxCount {
		return r.MaxCount, nil
	}
	subnet, err := need(ctx, s, &subnetKind, scope, l.SubnetID)
	if err != nil {
		return 0, err
	}
	fit := subnet.Value.AvailableAddresses() / (1 + itype.PodAddresses())
	return max(r.MinCount, min(r.MaxCount, fit, MaxLaunch)), nil
}

// plan reads everything that a request names. It fills in r.Spec from the launch template.
func (s *Service) plan(ctx context.Context, c Caller, r *RunInstances) (Launch, Subnet, error) {
	var l Launch
	if r.Template != (TemplateName{}) {
		t, v, err := s.TemplateVersion(ctx, c.Scope, r.Template, r.TemplateVersion)
		if err != nil {
			return l, Subnet{}, err
		}
		r.Spec = r.Spec.Over(v.Data)
		l.Template = &TemplateRef{t.ID, v.Number}
	}
	spec := r.Spec
	if err := spec.check(); err != nil {
		return l, Subnet{}, err
	}
	subnet, err := s.subnetFor(ctx, c.Scope, *r)
	if err != nil {
		return l, subnet, err
	}
	if l.SecurityGroups, err = s.groupsFor(ctx, c.Scope, spec, subnet.VPCID); err != nil {
		return l, subnet, err
	}
	if l.ProfileARN, l.RoleARN, err = s.profileFor(ctx, c.Scope, spec.Profile); err != nil {
		return l, subnet, err
	}
	if l.UserData, err = base64.StdEncoding.DecodeString(spec.UserData); err != nil {
		return l, subnet, invalid("Invalid BASE64 encoding of user data.")
	}
	l.PrivateIP = r.PrivateIP
	if nic := spec.Primary(); nic != nil && nic.PrivateIP != "" {
		if l.PrivateIP, err = netip.ParseAddr(nic.PrivateIP); err != nil {
			return l, subnet, invalid("Value (%s) for parameter privateIpAddress is invalid: want an IPv4 address", nic.PrivateIP)
		}
	}
	switch {
	case spec.ImageID == "":
		return l, subnet, missingParameter("ImageId")
	case spec.Type == "":
		return l, subnet, missingParameter("InstanceType")
	}
	l.Type, l.ImageID, l.SubnetID, l.DiskGiB, l.Spot = spec.Type, spec.ImageID, subnet.ID, spec.RootGiB(), spec.Spot()
	l.Metadata, l.ClientToken = spec.MetadataOptions(), r.ClientToken
	l.Tags, l.InterfaceTags = spec.TagsFor("instance"), spec.TagsFor("network-interface")
	return l, subnet, nil
}

// subnetFor is the subnet named, or the default one of the zone named, or of any.
func (s *Service) subnetFor(ctx context.Context, scope minato.Scope, r RunInstances) (Subnet, error) {
	id := r.SubnetID
	if nic := r.Spec.Primary(); nic != nil {
		id = cmp.Or(id, nic.SubnetID)
	}
	if id != "" {
		subnet, err := need(ctx, s, &subnetKind, scope, id)
		return subnet.Value, err
	}
	subnets, err := s.DefaultSubnets(ctx, scope)
	if err != nil {
		return Subnet{}, err
	}
	zone := ""
	if r.Spec.Placement != nil {
		zone = r.Spec.Placement.Zone
	}
	for _, n := range subnets {
		if zone == "" || n.Zone == zone {
			return n, nil
		}
	}
	if len(subnets) > 0 {
		return Subnet{}, invalid("Invalid availability zone: [%s]", zone)
	}
	return Subnet{}, minato.Errorf(minato.Invalid, "No subnets found for the default VPC. Please specify a subnet.").Because("MissingInput")
}

// groupsFor are the ids of the security groups that a spec names, in one way or the other.
func (s *Service) groupsFor(ctx context.Context, scope minato.Scope, spec InstanceSpec, vpcID string) ([]string, error) {
	ids := slices.Clone(spec.Groups())
	if len(spec.SecurityGroupNames) == 0 {
		return ids, nil
	}
	all, err := list(ctx, s, s.securityGroups(), scope)
	if err != nil {
		return nil, err
	}
	for _, name := range spec.SecurityGroupNames {
		i := slices.IndexFunc(all, func(g SecurityGroup) bool { return g.VPCID == vpcID && g.Name == name })
		if i < 0 {
			return nil, minato.Errorf(minato.NotFound, "The security group '%s' does not exist in VPC '%s'", name, vpcID).Because(securityGroupKind.notFound)
		}
		ids = append(ids, all[i].ID)
	}
	return ids, nil
}

// profileFor reads an instance profile and the role in it.
func (s *Service) profileFor(ctx context.Context, scope minato.Scope, p ProfileSpec) (profile, role minato.ARN, err error) {
	name, parameter := p.Name, "name"
	if p.ARN != "" {
		parameter = "arn"
		if arn, err := minato.ParseARN(p.ARN); err == nil && arn.Account == scope.Account && arn.ResourceType() == "instance-profile" {
			name = arn.ResourceName()
		}
	}
	if p == (ProfileSpec{}) {
		return profile, role, nil
	}
	no := invalid("Value (%s) for parameter iamInstanceProfile.%s is invalid. Invalid IAM Instance Profile %s", p.Name+p.ARN, parameter, parameter)
	if name == "" {
		return profile, role, no
	}
	found, err := s.Profile(ctx, scope.Account, name)
	if minato.Is(err, minato.NotFound) || err == nil && p.ARN != "" && found.ARN().String() != p.ARN {
		return profile, role, no
	}
	if err != nil {
		return profile, role, err
	}
	if found.Role == "" {
		return profile, role, invalid("IAM Instance Profile \"%s\" has no associated IAM Roles", found.ARN())
	}
	r, err := s.Role(ctx, scope.Account, found.Role)
	return found.ARN(), r.ARN(), err
}

// allowRun asks whether the caller may launch, with everything that takes part, and pass on the role.
func (s *Service) allowRun(ctx context.Context, c Caller, r RunInstances, l Launch, subnet Subnet) error {
	keys := map[string][]string{
		"ec2:instancetype": {l.Type}, "ec2:vpc": {resourceARN(c.Scope, vpcKind.resource, subnet.VPCID).String()},
		"ec2:subnet": {subnet.ARN().String()}, "ec2:availabilityzone": {subnet.Zone}, "ec2:metadatahttptokens": {l.Metadata.Tokens()},
	}
	if !l.ProfileARN.IsZero() {
		keys["ec2:instanceprofile"] = []string{l.ProfileARN.String()}
	}
	if l.Template != nil {
		keys["ec2:launchtemplate"] = []string{resourceARN(c.Scope, templateKind.resource, l.Template.ID).String()}
	}
	made := []newResource{
		{instanceKind.resource, r.Spec.TagsFor("instance"), keys},
		{interfaceKind.resource, r.Spec.TagsFor("network-interface"), keys},
		{"volume", r.Spec.TagsFor("volume"), keys},
	}
	image := resourceARN(c.Scope, imageKind.resource, l.ImageID)
	image.Account = ""
	parts := []target{{arn: image, keys: keys}, subnetKind.target(c.Scope, subnet)}
	for _, id := range l.SecurityGroups {
		parts = append(parts, s.groupTarget(ctx, c.Scope, id))
	}
	if l.Template != nil {
		parts = append(parts, target{arn: resourceARN(c.Scope, templateKind.resource, l.Template.ID)})
	}
	if l.RoleARN.IsZero() {
		return s.allowCreateAll(ctx, c, "ec2:RunInstances", made, parts...)
	}
	dry := c
	dry.DryRun = false
	if err := s.allowCreateAll(ctx, dry, "ec2:RunInstances", made, parts...); err != nil {
		return err
	}
	return s.allow(ctx, c, "iam:PassRole", target{arn: l.RoleARN, keys: map[string][]string{"iam:passedtoservice": {"ec2.amazonaws.com"}}})
}

// runToken remembers what a RunInstances with a client token has made.
type runToken struct {
	Digest    string    `json:"digest"`
	Instances []string  `json:"instances"`
	At        time.Time `json:"at"`
}

const (
	runTokensPrefix = "/minato/ec2/run-tokens/"
	runTokensLast   = 24 * time.Hour
	maxClientToken  = 64 // characters (EC2 API reference, "Ensuring idempotency")
)

func (s *Service) runTokens() *store.Collection[runToken] {
	return store.NewCollection[runToken](s.Store, runTokensPrefix)
}

// digest stands for what a request asks.
func (r RunInstances) digest() string {
	asked, err := json.Marshal(r)
	if err != nil {
		panic("ec2: a request does not marshal: " + err.Error()) // a programming error
	}
	sum := sha256.Sum256(asked)
	return hex.EncodeToString(sum[:])
}

// ranBefore are the instances that a request with this token has made, nil if there was none. The record to be written is
// new if its revision is 0.
func (s *Service) ranBefore(ctx context.Context, scope minato.Scope, token, digest string) ([]Instance, store.Item[runToken], error) {
	none := store.Item[runToken]{ID: recordID(scope, token)}
	if token == "" {
		return nil, none, nil
	}
	if len(token) > maxClientToken {
		return nil, none, invalid("The client token has %d characters: want %d at most", len(token), maxClientToken)
	}
	if err := s.forgetTokens(ctx, scope); err != nil {
		return nil, none, err
	}
	item, ok, err := get(ctx, s.runTokens(), scope, token)
	if err != nil || !ok {
		return nil, none, err
	}
	if item.Value.Digest != digest {
		return nil, none, minato.Errorf(minato.Invalid, "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).").
			Because("IdempotentParameterMismatch")
	}
	instances, err := existing(ctx, s.instances(), scope, item.Value.Instances)
	if len(instances) == 0 && err == nil { // they have come and gone
		return nil, store.Item[runToken]{ID: item.ID, Revision: item.Revision}, nil
	}
	return instances, item, err
}

func (s *Service) forgetTokens(ctx context.Context, scope minato.Scope) error {
	page, err := s.runTokens().List(ctx, scopeID(scope)+"/", "", 0)
	if err != nil {
		return readError(s.runTokens().Prefix(), err)
	}
	for _, item := range page.Items {
		if s.Now().Sub(item.Value.At) <= runTokensLast {
			continue
		}
		if err := s.runTokens().Delete(ctx, item.ID, store.AnyRevision); ignoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}
