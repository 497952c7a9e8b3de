package eksapi

import (
	"context"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/schemas"
	smithy "github.com/aws/smithy-go"

	"minato.dev/minato"
	"minato.dev/minato/edge/aws/restjson"
)

// operations are the rows of those that Minato does. docs/operations.md has the same list in words.
func (h *handlers) operations() []restjson.Operation {
	return []restjson.Operation{
		restjson.Op(schemas.AssociateAccessPolicy, schemas.AssociateAccessPolicyRequest, schemas.AssociateAccessPolicyResponse, h.associateAccessPolicy),
		restjson.Op(schemas.AssociateIdentityProviderConfig, schemas.AssociateIdentityProviderConfigRequest, schemas.AssociateIdentityProviderConfigResponse, h.associateIdentityProviderConfig),
		restjson.Op(schemas.CancelUpdate, schemas.CancelUpdateRequest, schemas.CancelUpdateResponse, h.cancelUpdate),
		restjson.Op(schemas.CreateAccessEntry, schemas.CreateAccessEntryRequest, schemas.CreateAccessEntryResponse, h.createAccessEntry),
		restjson.Op(schemas.CreateAddon, schemas.CreateAddonRequest, schemas.CreateAddonResponse, h.createAddon),
		restjson.Op(schemas.CreateCluster, schemas.CreateClusterRequest, schemas.CreateClusterResponse, h.createCluster),
		restjson.Op(schemas.CreateFargateProfile, schemas.CreateFargateProfileRequest, schemas.CreateFargateProfileResponse, h.createFargateProfile),
		restjson.Op(schemas.CreateNodegroup, schemas.CreateNodegroupRequest, schemas.CreateNodegroupResponse, h.createNodegroup),
		restjson.Op(schemas.CreatePodIdentityAssociation, schemas.CreatePodIdentityAssociationRequest, schemas.CreatePodIdentityAssociationResponse, h.createPodIdentityAssociation),
		restjson.Op(schemas.DeleteAccessEntry, schemas.DeleteAccessEntryRequest, schemas.DeleteAccessEntryResponse, h.deleteAccessEntry),
		restjson.Op(schemas.DeleteAddon, schemas.DeleteAddonRequest, schemas.DeleteAddonResponse, h.deleteAddon),
		restjson.Op(schemas.DeleteCluster, schemas.DeleteClusterRequest, schemas.DeleteClusterResponse, h.deleteCluster),
		restjson.Op(schemas.DeleteFargateProfile, schemas.DeleteFargateProfileRequest, schemas.DeleteFargateProfileResponse, h.deleteFargateProfile),
		restjson.Op(schemas.DeleteNodegroup, schemas.DeleteNodegroupRequest, schemas.DeleteNodegroupResponse, h.deleteNodegroup),
		restjson.Op(schemas.DeletePodIdentityAssociation, schemas.DeletePodIdentityAssociationRequest, schemas.DeletePodIdentityAssociationResponse, h.deletePodIdentityAssociation),
		restjson.Op(schemas.DeregisterCluster, schemas.DeregisterClusterRequest, schemas.DeregisterClusterResponse, h.deregisterCluster),
		restjson.Op(schemas.DescribeAccessEntry, schemas.DescribeAccessEntryRequest, schemas.DescribeAccessEntryResponse, h.describeAccessEntry),
		restjson.Op(schemas.DescribeAddon, schemas.DescribeAddonRequest, schemas.DescribeAddonResponse, h.describeAddon),
		restjson.Op(schemas.DescribeAddonConfiguration, schemas.DescribeAddonConfigurationRequest, schemas.DescribeAddonConfigurationResponse, h.describeAddonConfiguration),
		restjson.Op(schemas.DescribeAddonVersions, schemas.DescribeAddonVersionsRequest, schemas.DescribeAddonVersionsResponse, h.describeAddonVersions),
		restjson.Op(schemas.DescribeCluster, schemas.DescribeClusterRequest, schemas.DescribeClusterResponse, h.describeCluster),
		restjson.Op(schemas.DescribeClusterVersions, schemas.DescribeClusterVersionsRequest, schemas.DescribeClusterVersionsResponse, h.describeClusterVersions),
		restjson.Op(schemas.DescribeFargateProfile, schemas.DescribeFargateProfileRequest, schemas.DescribeFargateProfileResponse, h.describeFargateProfile),
		restjson.Op(schemas.DescribeIdentityProviderConfig, schemas.DescribeIdentityProviderConfigRequest, schemas.DescribeIdentityProviderConfigResponse, h.describeIdentityProviderConfig),
		restjson.Op(schemas.DescribeInsight, schemas.DescribeInsightRequest, schemas.DescribeInsightResponse, h.describeInsight),
		restjson.Op(schemas.DescribeInsightsRefresh, schemas.DescribeInsightsRefreshRequest, schemas.DescribeInsightsRefreshResponse, h.describeInsightsRefresh),
		restjson.Op(schemas.DescribeNodegroup, schemas.DescribeNodegroupRequest, schemas.DescribeNodegroupResponse, h.describeNodegroup),
		restjson.Op(schemas.DescribePodIdentityAssociation, schemas.DescribePodIdentityAssociationRequest, schemas.DescribePodIdentityAssociationResponse, h.describePodIdentityAssociation),
		restjson.Op(schemas.DescribeUpdate, schemas.DescribeUpdateRequest, schemas.DescribeUpdateResponse, h.describeUpdate),
		restjson.Op(schemas.DisassociateAccessPolicy, schemas.DisassociateAccessPolicyRequest, schemas.DisassociateAccessPolicyResponse, h.disassociateAccessPolicy),
		restjson.Op(schemas.DisassociateIdentityProviderConfig, schemas.DisassociateIdentityProviderConfigRequest, schemas.DisassociateIdentityProviderConfigResponse, h.disassociateIdentityProviderConfig),
		restjson.Op(schemas.ListAccessEntries, schemas.ListAccessEntriesRequest, schemas.ListAccessEntriesResponse, h.listAccessEntries),
		restjson.Op(schemas.ListAccessPolicies, schemas.ListAccessPoliciesRequest, schemas.ListAccessPoliciesResponse, h.listAccessPolicies),
		restjson.Op(schemas.ListAddons, schemas.ListAddonsRequest, schemas.ListAddonsResponse, h.listAddons),
		restjson.Op(schemas.ListAssociatedAccessPolicies, schemas.ListAssociatedAccessPoliciesRequest, schemas.ListAssociatedAccessPoliciesResponse, h.listAssociatedAccessPolicies),
		restjson.Op(schemas.ListClusters, schemas.ListClustersRequest, schemas.ListClustersResponse, h.listClusters),
		restjson.Op(schemas.ListFargateProfiles, schemas.ListFargateProfilesRequest, schemas.ListFargateProfilesResponse, h.listFargateProfiles),
		restjson.Op(schemas.ListIdentityProviderConfigs, schemas.ListIdentityProviderConfigsRequest, schemas.ListIdentityProviderConfigsResponse, h.listIdentityProviderConfigs),
		restjson.Op(schemas.ListInsights, schemas.ListInsightsRequest, schemas.ListInsightsResponse, h.listInsights),
		restjson.Op(schemas.ListNodegroups, schemas.ListNodegroupsRequest, schemas.ListNodegroupsResponse, h.listNodegroups),
		restjson.Op(schemas.ListPodIdentityAssociations, schemas.ListPodIdentityAssociationsRequest, schemas.ListPodIdentityAssociationsResponse, h.listPodIdentityAssociations),
		restjson.Op(schemas.ListTagsForResource, schemas.ListTagsForResourceRequest, schemas.ListTagsForResourceResponse, h.listTagsForResource),
		restjson.Op(schemas.ListUpdates, schemas.ListUpdatesRequest, schemas.ListUpdatesResponse, h.listUpdates),
		restjson.Op(schemas.RegisterCluster, schemas.RegisterClusterRequest, schemas.RegisterClusterResponse, h.registerCluster),
		restjson.Op(schemas.StartInsightsRefresh, schemas.StartInsightsRefreshRequest, schemas.StartInsightsRefreshResponse, h.startInsightsRefresh),
		restjson.Op(schemas.TagResource, schemas.TagResourceRequest, schemas.TagResourceResponse, h.tagResource),
		restjson.Op(schemas.UntagResource, schemas.UntagResourceRequest, schemas.UntagResourceResponse, h.untagResource),
		restjson.Op(schemas.UpdateAccessEntry, schemas.UpdateAccessEntryRequest, schemas.UpdateAccessEntryResponse, h.updateAccessEntry),
		restjson.Op(schemas.UpdateAddon, schemas.UpdateAddonRequest, schemas.UpdateAddonResponse, h.updateAddon),
		restjson.Op(schemas.UpdateClusterConfig, schemas.UpdateClusterConfigRequest, schemas.UpdateClusterConfigResponse, h.updateClusterConfig),
		restjson.Op(schemas.UpdateClusterVersion, schemas.UpdateClusterVersionRequest, schemas.UpdateClusterVersionResponse, h.updateClusterVersion),
		restjson.Op(schemas.UpdateNodegroupConfig, schemas.UpdateNodegroupConfigRequest, schemas.UpdateNodegroupConfigResponse, h.updateNodegroupConfig),
		restjson.Op(schemas.UpdateNodegroupVersion, schemas.UpdateNodegroupVersionRequest, schemas.UpdateNodegroupVersionResponse, h.updateNodegroupVersion),
		restjson.Op(schemas.UpdatePodIdentityAssociation, schemas.UpdatePodIdentityAssociationRequest, schemas.UpdatePodIdentityAssociationResponse, h.updatePodIdentityAssociation),
	}
}

// The exceptions that refusals use: the one that fits best among those that the operation's model lists.
const (
	invalidRequest   = "InvalidRequestException"
	invalidParameter = "InvalidParameterException"
	clientException  = "ClientException"
)

// refuse is the row of an operation that Minato does not do: the request is decoded, and answered with an exception.
func refuse[In, Out any](schema, input, output *smithy.Schema, exception string) restjson.Operation {
	name := schema.ID().Name
	return restjson.Op(schema, input, output, func(context.Context, *In) (*Out, error) {
		return nil, minato.Errorf(minato.Unsupported, "Minato does not have %s yet. Its docs/operations.md lists what it has.", name).
			Because(exception)
	})
}

// refusals are the rows of the operations that Minato does not do.
func refusals() []restjson.Operation {
	return []restjson.Operation{
		refuse[awseks.ActivateCertificateAuthorityInput, awseks.ActivateCertificateAuthorityOutput](schemas.ActivateCertificateAuthority, schemas.ActivateCertificateAuthorityRequest, schemas.ActivateCertificateAuthorityResponse, invalidRequest),
		refuse[awseks.AssociateEncryptionConfigInput, awseks.AssociateEncryptionConfigOutput](schemas.AssociateEncryptionConfig, schemas.AssociateEncryptionConfigRequest, schemas.AssociateEncryptionConfigResponse, invalidRequest),
		refuse[awseks.CreateCapabilityInput, awseks.CreateCapabilityOutput](schemas.CreateCapability, schemas.CreateCapabilityRequest, schemas.CreateCapabilityResponse, invalidRequest),
		refuse[awseks.CreateCertificateAuthorityInput, awseks.CreateCertificateAuthorityOutput](schemas.CreateCertificateAuthority, schemas.CreateCertificateAuthorityRequest, schemas.CreateCertificateAuthorityResponse, invalidRequest),
		refuse[awseks.CreateEksAnywhereSubscriptionInput, awseks.CreateEksAnywhereSubscriptionOutput](schemas.CreateEksAnywhereSubscription, schemas.CreateEksAnywhereSubscriptionRequest, schemas.CreateEksAnywhereSubscriptionResponse, invalidParameter),
		refuse[awseks.DeleteCapabilityInput, awseks.DeleteCapabilityOutput](schemas.DeleteCapability, schemas.DeleteCapabilityRequest, schemas.DeleteCapabilityResponse, invalidParameter),
		refuse[awseks.DeleteCertificateAuthorityInput, awseks.DeleteCertificateAuthorityOutput](schemas.DeleteCertificateAuthority, schemas.DeleteCertificateAuthorityRequest, schemas.DeleteCertificateAuthorityResponse, invalidRequest),
		refuse[awseks.DeleteEksAnywhereSubscriptionInput, awseks.DeleteEksAnywhereSubscriptionOutput](schemas.DeleteEksAnywhereSubscription, schemas.DeleteEksAnywhereSubscriptionRequest, schemas.DeleteEksAnywhereSubscriptionResponse, invalidRequest),
		refuse[awseks.DescribeCapabilityInput, awseks.DescribeCapabilityOutput](schemas.DescribeCapability, schemas.DescribeCapabilityRequest, schemas.DescribeCapabilityResponse, invalidParameter),
		refuse[awseks.DescribeCertificateAuthorityInput, awseks.DescribeCertificateAuthorityOutput](schemas.DescribeCertificateAuthority, schemas.DescribeCertificateAuthorityRequest, schemas.DescribeCertificateAuthorityResponse, invalidRequest),
		refuse[awseks.DescribeEksAnywhereSubscriptionInput, awseks.DescribeEksAnywhereSubscriptionOutput](schemas.DescribeEksAnywhereSubscription, schemas.DescribeEksAnywhereSubscriptionRequest, schemas.DescribeEksAnywhereSubscriptionResponse, clientException),
		refuse[awseks.ListCapabilitiesInput, awseks.ListCapabilitiesOutput](schemas.ListCapabilities, schemas.ListCapabilitiesRequest, schemas.ListCapabilitiesResponse, invalidParameter),
		refuse[awseks.ListCertificateAuthoritiesInput, awseks.ListCertificateAuthoritiesOutput](schemas.ListCertificateAuthorities, schemas.ListCertificateAuthoritiesRequest, schemas.ListCertificateAuthoritiesResponse, invalidRequest),
		refuse[awseks.ListEksAnywhereSubscriptionsInput, awseks.ListEksAnywhereSubscriptionsOutput](schemas.ListEksAnywhereSubscriptions, schemas.ListEksAnywhereSubscriptionsRequest, schemas.ListEksAnywhereSubscriptionsResponse, invalidParameter),
		refuse[awseks.UpdateCapabilityInput, awseks.UpdateCapabilityOutput](schemas.UpdateCapability, schemas.UpdateCapabilityRequest, schemas.UpdateCapabilityResponse, invalidParameter),
		refuse[awseks.UpdateEksAnywhereSubscriptionInput, awseks.UpdateEksAnywhereSubscriptionOutput](schemas.UpdateEksAnywhereSubscription, schemas.UpdateEksAnywhereSubscriptionRequest, schemas.UpdateEksAnywhereSubscriptionResponse, invalidRequest),
	}
}
