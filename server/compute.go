package server

import (
	"context"
	"os"
	"strconv"
	"strings"

	"minato.dev/minato"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
	"minato.dev/minato/service/iam"
	"minato.dev/minato/service/ssm"
)

// compute is what nodegroups ask of EC2 and IAM, in EKS's own types.
func (s *Server) compute() eks.Compute {
	return eks.Compute{
		InstanceType: func(name string) (eks.InstanceType, bool) {
			t, ok := ec2.InstanceTypeByName(name)
			return eks.InstanceType{Name: t.Name, Architecture: t.Architecture, Addresses: 1 + t.PodAddresses()}, ok && !t.Fargate()
		},
		Release:        s.nodeRelease,
		Architecture:   ec2.HostArchitecture(),
		Simulated:      os.Geteuid() != 0,
		LaunchTemplate: s.launchTemplate,
		NodePolicies:   s.nodePolicies,
	}
}

// nodeRelease names the image of a minor as EKS names its releases: patch and day.
func (s *Server) nodeRelease(minor string) (string, bool) {
	image, ok := s.ec2.ImageFor(minor, false)
	if !ok {
		return "", false
	}
	if image.CreatedAt.IsZero() {
		return image.Patch, true
	}
	return image.Patch + "-" + image.CreatedAt.Format("20060102"), true
}

// publishedImages are the images of real nodes, as Systems Manager publishes them.
func (s *Server) publishedImages() []ssm.NodeImage {
	var images []ssm.NodeImage
	for _, i := range s.ec2.Images() {
		release, ok := s.nodeRelease(i.Minor)
		if ok && !i.Simulated {
			images = append(images, ssm.NodeImage{
				Minor: i.Minor, Architecture: i.Architecture, ID: i.ID, Name: i.Name, Release: release, PublishedAt: i.CreatedAt,
			})
		}
	}
	return images
}

// nodePolicies are the policies of a role by what matters for nodes: which of AWS's it has, and whether it has others.
func (s *Server) nodePolicies(ctx context.Context, role minato.ARN) (eks.RolePolicies, error) {
	holder := iam.Holder{Account: role.Account, Kind: iam.RoleKind, Name: role.ResourceName()}
	attached, _, err := s.iam.AttachedPolicies(ctx, holder, "", iam.Page{MaxItems: 1000})
	if err != nil {
		return eks.RolePolicies{}, err
	}
	inline, _, err := s.iam.InlinePolicies(ctx, holder, iam.Page{})
	found := eks.RolePolicies{Own: len(inline) > 0}
	for _, arn := range attached {
		if arn.Account != "aws" {
			found.Own = true
			continue
		}
		_, name, _ := strings.Cut(arn.Resource, "/")
		found.Attached = append(found.Attached, name[strings.LastIndex(name, "/")+1:])
	}
	return found, err
}

// launchTemplate is what matters of a version of a launch template to a nodegroup.
func (s *Server) launchTemplate(ctx context.Context, scope minato.Scope, ref eks.NodegroupTemplate) (eks.LaunchTemplate, error) {
	t, version, err := s.ec2.TemplateVersion(ctx, scope, ec2.TemplateName{ID: ref.ID, Name: ref.Name}, ref.Version)
	if err != nil {
		return eks.LaunchTemplate{}, err
	}
	data := version.Data
	image, _ := s.ec2.ImageByID(data.ImageID)
	primary := data.Primary()
	return eks.LaunchTemplate{
		Ref:     eks.NodegroupTemplate{ID: t.ID, Name: t.Name, Version: strconv.FormatInt(version.Number, 10)},
		ImageID: data.ImageID, ImageMinor: image.Minor, InstanceType: data.Type,
		InstanceProfile: data.Profile != (ec2.ProfileSpec{}),
		Spot:            data.Spot(), ShutdownBehavior: data.ShutdownBehavior != "",
		Subnet: primary != nil && primary.SubnetID != "",
	}, nil
}
