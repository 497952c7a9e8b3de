package eksapi

import (
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"minato.dev/minato/service/eks"
)

// addonOut is an add-on as the API shows it. What AWS leaves absent is absent.
func addonOut(a *eks.Addon) *ekstypes.Addon {
	out := &ekstypes.Addon{
		AddonName: &a.Name, AddonArn: new(a.ARN().String()), ClusterName: &a.ClusterName, CreatedAt: &a.CreatedAt, ModifiedAt: &a.ModifiedAt,
		AddonVersion: &a.Spec.Version, Status: ekstypes.AddonStatus(a.Status.Status), ConfigurationValues: present(a.Spec.Values),
		Publisher: present(a.Publisher), Owner: present(a.Owner), Tags: tagsOut(a.Tags),
		NamespaceConfig: &ekstypes.AddonNamespaceConfigResponse{Namespace: &a.Spec.Namespace},
		Health:          &ekstypes.AddonHealth{Issues: []ekstypes.AddonIssue{}},
	}
	if !a.Spec.RoleARN.IsZero() {
		out.ServiceAccountRoleArn = new(a.Spec.RoleARN.String())
	}
	for _, i := range a.Status.Health {
		out.Health.Issues = append(out.Health.Issues, ekstypes.AddonIssue{
			Code: ekstypes.AddonIssueCode(i.Code), Message: &i.Message, ResourceIds: i.ResourceIDs,
		})
	}
	return out
}

func addonKindOut(k *eks.AddonKind) ekstypes.AddonInfo {
	out := ekstypes.AddonInfo{
		AddonName: &k.Name, Type: &k.Type, Publisher: &k.Publisher, Owner: &k.Owner, DefaultNamespace: &k.Namespace,
		AddonVersions: []ekstypes.AddonVersionInfo{},
	}
	for i := range k.Versions {
		v := &k.Versions[i]
		version := ekstypes.AddonVersionInfo{
			AddonVersion: &v.Version, Architecture: v.Architectures, ComputeTypes: v.ComputeTypes, Compatibilities: []ekstypes.Compatibility{},
		}
		for _, c := range v.Compatible {
			version.Compatibilities = append(version.Compatibilities, ekstypes.Compatibility{
				ClusterVersion: &c.Minor, PlatformVersions: []string{"*"}, DefaultVersion: c.Default,
			})
		}
		out.AddonVersions = append(out.AddonVersions, version)
	}
	return out
}
