package nodegroup

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"

	"minato.dev/minato"
	"minato.dev/minato/service/ec2"
	"minato.dev/minato/service/eks"
)

// template is what the machines of a nodegroup are made from.
type template struct {
	imageID        string
	instanceType   string // empty where the nodegroup says which
	diskGiB        int
	securityGroups []string
	userData       []byte
	metadata       ec2.MetadataOptions
	tags           minato.Tags // of instances
	interfaces     minato.Tags // of network interfaces
}

func (t template) interfaceTags(cluster string) minato.Tags {
	tags := minato.Tags{}
	maps.Copy(tags, t.interfaces)
	tags["cluster.k8s.amazonaws.com/name"] = cluster
	return tags
}

// template reads the launch template of the nodegroup, if it has one, and adds what EKS adds.
func (c *Controller) template(ctx context.Context, p *pass) (t template, err error) {
	spec := &p.group.Spec
	if spec.Template != nil {
		if t, err = c.launchTemplate(ctx, p); err != nil {
			return t, err
		}
	}
	if spec.DiskGiB != 0 {
		t.diskGiB = spec.DiskGiB
	}
	if len(t.securityGroups) == 0 {
		t.securityGroups = []string{p.cluster.Spec.ClusterSecurityGroup}
	}
	if t.metadata.HopLimit == 0 {
		t.metadata.HopLimit = 1
	}
	if t.imageID != "" {
		return t, nil // of the owner's own choice, and so is the user data
	}
	image, ok := c.deps.EC2.ImageFor(spec.Version, spec.Labels[eks.SimulatedLabel] == eks.Simulated)
	if !ok {
		return t, problemf(issueImage, []string{spec.ReleaseVersion}, "There is no image for nodes with Kubernetes %s any more", spec.Version)
	}
	t.imageID = image.ID
	t.userData, err = userData(p, t)
	if err != nil {
		return t, fmt.Errorf("making the user data of nodes: %w", err)
	}
	return t, nil
}

func templateGone(ref *eks.NodegroupTemplate) *problem {
	return problemf(issueTemplate, []string{ref.ID}, "The launch template %s, version %s, was not found", ref.ID, ref.Version)
}

// launchTemplate reads the version of the launch template that the nodegroup has.
func (c *Controller) launchTemplate(ctx context.Context, p *pass) (t template, err error) {
	ref := *p.group.Spec.Template
	_, version, err := c.deps.EC2.TemplateVersion(ctx, p.group.Scope, ec2.TemplateName{ID: ref.ID}, ref.Version)
	if minato.Is(err, minato.NotFound) {
		return t, templateGone(&ref)
	}
	if err != nil {
		return t, err
	}
	data := version.Data
	t = template{
		imageID: data.ImageID, instanceType: data.Type, diskGiB: data.RootGiB(), securityGroups: data.Groups(),
		tags: data.TagsFor("instance"), interfaces: data.TagsFor("network-interface"),
	}
	if m := data.Metadata; m != nil {
		t.metadata = ec2.MetadataOptions{HopLimit: int(m.HopLimit), TokensOptional: m.Tokens == "optional"}
	}
	t.userData, err = base64.StdEncoding.DecodeString(data.UserData)
	if err != nil {
		return t, problemf(issueTemplateInvalid, []string{ref.ID}, "The user data of the launch template %s is not base64: %w", ref.ID, err)
	}
	return t, nil
}
