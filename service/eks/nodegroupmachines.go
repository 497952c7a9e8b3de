package eks

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"minato.dev/minato"
)

// What a nodegroup has that asks for nothing else (API reference, CreateNodegroup).
const (
	defaultInstanceType = "t3.medium"
	defaultARMType      = "t4g.medium"
	defaultDiskGiB      = 20
	maxDiskGiB          = 16384
)

// CustomAMI is the AMI type of a nodegroup whose launch template has an image of its own.
const CustomAMI = "CUSTOM"

// amiTypes are the AMI types by architecture: Minato's nodes are set up as Amazon Linux 2023 is, and are nothing else.
var amiTypes = map[string]string{"x86_64": "AL2023_x86_64_STANDARD", "arm64": "AL2023_ARM_64_STANDARD"}

// chooseMachines checks what the nodes are made from, and fills in the defaults: version, image, instance types, disk.
func (s *Service) chooseMachines(ctx context.Context, cluster *Cluster, r CreateNodegroupRequest, spec *NodegroupSpec) error {
	var template LaunchTemplate
	if r.Template != nil {
		var err error
		if template, err = s.launchTemplate(ctx, cluster.Scope, *r.Template); err != nil {
			return err
		}
		spec.Template = &template.Ref
	}
	if err := chooseDisk(r, spec); err != nil {
		return err
	}
	if err := s.chooseInstanceTypes(r.InstanceTypes, template.InstanceType, spec); err != nil {
		return err
	}
	if template.ImageID != "" {
		return customImage(template, r, cluster.Spec.Version, spec)
	}
	want := amiTypes[s.Compute.Architecture]
	if r.AMIType != "" && r.AMIType != want {
		return minato.Errorf(minato.Invalid, "amiType %q is not supported: Minato's nodes on this machine are %s", shorten(r.AMIType), want)
	}
	spec.AMIType = want
	if r.Version != "" && r.Version != cluster.Spec.Version {
		return minato.Errorf(minato.Invalid, "Nodegroup Kubernetes version should be equal to Cluster Kubernetes version %s, not %q", cluster.Spec.Version, shorten(r.Version))
	}
	return s.chooseRelease(cluster.Spec.Version, r.ReleaseVersion, spec)
}

func chooseDisk(r CreateNodegroupRequest, spec *NodegroupSpec) error {
	switch {
	case r.DiskGiB != nil && r.Template != nil:
		return minato.Errorf(minato.Invalid, "Disk size must be specified within the launch template.")
	case r.DiskGiB != nil && (*r.DiskGiB < 1 || *r.DiskGiB > maxDiskGiB):
		return minato.Errorf(minato.Invalid, "diskSize must be between 1 and %d, not %d", maxDiskGiB, *r.DiskGiB)
	case r.DiskGiB != nil:
		spec.DiskGiB = *r.DiskGiB
	case r.Template == nil:
		spec.DiskGiB = defaultDiskGiB
	}
	return nil
}

// chooseInstanceTypes checks the instance types of a nodegroup, which come from the request or from its launch template.
func (s *Service) chooseInstanceTypes(asked []string, inTemplate string, spec *NodegroupSpec) error {
	types := asked
	switch {
	case inTemplate != "" && len(asked) > 0:
		return minato.Errorf(minato.Invalid, "You cannot specify instance types in both the launch template, which has %s, and the request", inTemplate)
	case inTemplate != "":
		types = []string{inTemplate}
	case len(asked) == 0:
		types = []string{defaultInstanceType}
		if s.Compute.Architecture == "arm64" {
			types = []string{defaultARMType}
		}
	}
	if len(types) > maxInstanceTypes {
		return minato.Errorf(minato.Invalid, "instanceTypes has %d entries, at most %d are allowed", len(types), maxInstanceTypes)
	}
	for i, name := range types {
		t, ok := s.Compute.InstanceType(name)
		switch {
		case !ok:
			return minato.Errorf(minato.Invalid, "The following supplied instance types do not exist: [%s]", shorten(name))
		case t.Architecture != s.Compute.Architecture:
			return minato.Errorf(minato.Invalid, "[%s] is not a valid instance type for requested amiType %s: it is %s", name, amiTypes[s.Compute.Architecture], t.Architecture)
		case slices.Contains(types[:i], name):
			return minato.Errorf(minato.Invalid, "The instance type %s is given twice", name)
		}
	}
	spec.InstanceTypes = types
	if inTemplate != "" {
		spec.InstanceTypes = nil
	}
	return nil
}

// chooseRelease sets the version of the nodes, with the one release that there is of it.
func (s *Service) chooseRelease(minor, release string, spec *NodegroupSpec) error {
	allowed, ok := s.Compute.Release(minor)
	if !ok {
		return minato.Errorf(minato.Invalid, "Nodes with Kubernetes %s cannot be had: it has not been built here. Build it with `make kube VERSION=%[1]s`", minor)
	}
	if release != "" && release != allowed {
		return minato.Errorf(minato.Invalid, "Requested Nodegroup release version %s is invalid. Allowed release version is %s", shorten(release), allowed)
	}
	spec.Version, spec.ReleaseVersion = minor, allowed
	return nil
}

// customImage sets what follows from a launch template with an image of its own.
func customImage(t LaunchTemplate, r CreateNodegroupRequest, clusterVersion string, spec *NodegroupSpec) error {
	for member, given := range map[string]bool{
		"amiType": r.AMIType != "" && r.AMIType != CustomAMI, "version": r.Version != "", "releaseVersion": r.ReleaseVersion != "",
	} {
		if given {
			return minato.Errorf(minato.Invalid, "You cannot specify %s when the launch template specifies an image, as version %s of %s does", member, t.Ref.Version, t.Ref.Name)
		}
	}
	if err := checkNodeMinor(t.ImageMinor, clusterVersion); err != nil {
		return minato.Errorf(minato.Invalid, "The image %s of the launch template cannot be used: %w", t.ImageID, err)
	}
	spec.AMIType, spec.Version, spec.ReleaseVersion = CustomAMI, t.ImageMinor, t.ImageID
	return nil
}

// launchTemplate reads a version of a launch template that is fit for a nodegroup.
func (s *Service) launchTemplate(ctx context.Context, scope minato.Scope, ref NodegroupTemplate) (LaunchTemplate, error) {
	if (ref.ID == "") == (ref.Name == "") {
		return LaunchTemplate{}, minato.Errorf(minato.Invalid, "Either launch template name or id must be specified, and not both")
	}
	t, err := s.Compute.LaunchTemplate(ctx, scope, ref)
	switch {
	case minato.Is(err, minato.NotFound):
		return t, minato.Errorf(minato.Invalid, "Launch template %s version %s was not found", shorten(ref.ID+ref.Name), shorten(orWord(ref.Version, "$Default")))
	case err != nil:
		return t, err
	case t.InstanceProfile:
		return t, minato.Errorf(minato.Invalid, "Launch template %s should not specify an instance profile: the nodegroup's is made of its node role", t.Ref.Name)
	case t.Subnet:
		return t, minato.Errorf(minato.Invalid, "Launch template %s should not specify a subnet: the nodegroup has subnets", t.Ref.Name)
	case t.Spot:
		return t, minato.Errorf(minato.Invalid, "Launch template %s should not request spot instances: the nodegroup has a capacityType", t.Ref.Name)
	case t.ShutdownBehavior:
		return t, minato.Errorf(minato.Invalid, "Launch template %s should not specify an instance initiated shutdown behavior", t.Ref.Name)
	}
	return t, nil
}

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}

// checkNodeMinor is whether a cluster can have nodes of a minor: its own or up to three before (Kubernetes version skew policy).
func checkNodeMinor(minor, clusterVersion string) error {
	if n, c := number(minor), number(clusterVersion); minor == "" || n > c || n < c-maxSkew {
		return fmt.Errorf("want nodes of the cluster's Kubernetes version %s or up to %d before it, not %q", clusterVersion, maxSkew, minor)
	}
	return nil
}

// maxSkew is how many minors a kubelet may be older than its kube-apiserver.
const maxSkew = 3

// NodeServicePrincipal is who assumes a node role.
const NodeServicePrincipal = "ec2.amazonaws.com"

// Policies of which a node role needs one each ("Amazon EKS User Guide", node IAM role).
var (
	workerPolicies   = []string{"AmazonEKSWorkerNodePolicy", "AmazonEKSWorkerNodeMinimalPolicy", "AdministratorAccess"}
	registryPolicies = []string{"AmazonEC2ContainerRegistryReadOnly", "AmazonEC2ContainerRegistryPullOnly", "AmazonEC2ContainerRegistryPowerUser", "AdministratorAccess"}
)

// checkNodeRole checks that the caller may pass the role, that EC2 can assume it, and that it can be a node's.
func (s *Service) checkNodeRole(ctx context.Context, c Caller, cluster *Cluster, role string) (minato.ARN, error) {
	arn, err := s.passRole(ctx, c, cluster, "nodeRole", role)
	if err != nil {
		return arn, err
	}
	switch err := s.CheckRole(ctx, arn, NodeServicePrincipal, minato.ARN{}); minato.KindOf(err) {
	case "":
	case minato.NotFound:
		return arn, minato.Errorf(minato.Invalid, "The role with name %s cannot be found.", arn.ResourceName())
	case minato.Denied:
		return arn, minato.Errorf(minato.Invalid, "Following required service principals [%s] were not found in the trust relationships of nodeRole %s", NodeServicePrincipal, arn)
	default:
		return arn, fmt.Errorf("checking the role of a new nodegroup: %w", err)
	}
	policies, err := s.Compute.NodePolicies(ctx, arn)
	if err != nil || policies.Own {
		return arn, err
	}
	var missing []string
	for _, any := range [][]string{workerPolicies, registryPolicies} {
		if !slices.ContainsFunc(any, func(p string) bool { return slices.Contains(policies.Attached, p) }) {
			missing = append(missing, any[0])
		}
	}
	if len(missing) > 0 {
		return arn, minato.Errorf(minato.Invalid, "The provided role doesn't have the Amazon EKS Managed Policies associated with it. Please ensure the following policies [%s] are attached to %s",
			strings.Join(missing, ", "), arn)
	}
	return arn, nil
}

// passRole checks a role's ARN, and that the caller may pass it for something of the cluster.
func (s *Service) passRole(ctx context.Context, c Caller, cluster *Cluster, member, role string) (minato.ARN, error) {
	arn, err := minato.ParseARN(role)
	if err != nil || arn.Service != "iam" || arn.ResourceType() != "role" || arn.ResourceName() == "" {
		return arn, minato.Errorf(minato.Invalid, "%s %q is not the ARN of an IAM role: want arn:aws:iam::%s:role/NAME", member, shorten(role), c.Scope.Account)
	}
	if arn.Account != c.Scope.Account {
		return arn, minato.Errorf(minato.Invalid, "Cross-account pass role is not allowed: the role %s is of another account than %s", arn, c.Scope.Account)
	}
	passing := conditions{"iam:passedtoservice": {servicePrincipal}, "iam:associatedresourcearn": {cluster.ARN().String()}}
	return arn, s.authorize(ctx, c, "iam:PassRole", arn, passing)
}

// checkNodeSubnets checks that the subnets are in the cluster's VPC and have room for a node of one of the types.
func (s *Service) checkNodeSubnets(ctx context.Context, cluster *Cluster, spec NodegroupSpec) error {
	subnets, err := s.partSubnets(ctx, cluster, spec.SubnetIDs)
	if err != nil || spec.Scaling.Desired == 0 {
		return err
	}
	need := 0
	for _, name := range spec.InstanceTypes {
		if t, ok := s.Compute.InstanceType(name); ok && (need == 0 || t.Addresses < need) {
			need = t.Addresses
		}
	}
	if !slices.ContainsFunc(subnets, func(n Subnet) bool { return n.FreeAddresses >= max(need, 1) }) {
		return minato.Errorf(minato.Invalid, "The subnets %s do not have enough free IP addresses: a node takes %d of one subnet", strings.Join(spec.SubnetIDs, ", "), max(need, 1))
	}
	return nil
}

// partSubnets reads subnets, which must be in the cluster's VPC.
func (s *Service) partSubnets(ctx context.Context, cluster *Cluster, ids []string) ([]Subnet, error) {
	if len(ids) == 0 {
		return nil, minato.Errorf(minato.Invalid, "subnets is empty: give at least one subnet of %s", cluster.Spec.VPCID)
	}
	subnets, err := s.Network.Subnets(ctx, cluster.Scope, ids)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		at := slices.IndexFunc(subnets, func(n Subnet) bool { return n.ID == id })
		switch {
		case at < 0:
			return nil, minato.Errorf(minato.Invalid, "The subnet ID '%s' was not found in account %s, region %s", shorten(id), cluster.Scope.Account, cluster.Scope.Region)
		case subnets[at].VPCID != cluster.Spec.VPCID:
			return nil, minato.Errorf(minato.Invalid, "Subnet %s is not in the cluster's VPC %s, but in %s", id, cluster.Spec.VPCID, subnets[at].VPCID)
		case slices.Contains(ids[:i], id):
			return nil, minato.Errorf(minato.Invalid, "The subnet %s is given twice", id)
		}
	}
	return subnets, nil
}
