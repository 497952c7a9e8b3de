// Package iamapi is IAM as it is spoken: the operations' parameters and answers, in awsQuery of version 2010-05-08, and their
// conversion from and to service/iam. Every operation asks first whether the caller may, on the resource that AWS names for
// the action (Service Authorization Reference, "Actions, resources, and condition keys for AWS IAM").
package iamapi

import (
	"minato.dev/minato/edge/aws/query"
	"minato.dev/minato/service/iam"
)

// New serves IAM.
func New(service *iam.Service) *query.API {
	h := handlers{service}
	return query.New(query.Definition{
		SigningName: "iam",
		Version:     "2010-05-08",
		Namespace:   "https://iam.amazonaws.com/doc/2010-05-08/",
		Dialect:     query.AWSQuery,
		Operations:  h.operations(),
		Refused:     refused,
		ErrorCode:   codes.ErrorCode,
	})
}

type handlers struct{ iam *iam.Service }

//nolint:funlen // a table, one line an operation
func (h handlers) operations() []query.Operation {
	return []query.Operation{
		query.Op("CreateUser", h.createUser),
		query.Op("GetUser", h.getUser),
		query.Op("ListUsers", h.listUsers),
		query.Op("UpdateUser", h.updateUser),
		query.Op("DeleteUser", h.deleteUser),
		query.Op("ListGroupsForUser", h.listGroupsForUser),
		query.Op("TagUser", h.tagHolder(iam.UserKind)),
		query.Op("UntagUser", h.untagHolder(iam.UserKind)),
		query.Op("ListUserTags", h.listHolderTags(iam.UserKind)),
		query.Op("PutUserPermissionsBoundary", h.putBoundary(iam.UserKind)),
		query.Op("DeleteUserPermissionsBoundary", h.deleteBoundary(iam.UserKind)),
		query.Op("PutUserPolicy", h.putInline(iam.UserKind)),
		query.Op("GetUserPolicy", h.getInline(iam.UserKind)),
		query.Op("ListUserPolicies", h.listInline(iam.UserKind)),
		query.Op("DeleteUserPolicy", h.deleteInline(iam.UserKind)),
		query.Op("AttachUserPolicy", h.attach(iam.UserKind)),
		query.Op("DetachUserPolicy", h.detach(iam.UserKind)),
		query.Op("ListAttachedUserPolicies", h.listAttached(iam.UserKind)),

		query.Op("CreateAccessKey", h.createAccessKey),
		query.Op("ListAccessKeys", h.listAccessKeys),
		query.Op("UpdateAccessKey", h.updateAccessKey),
		query.Op("DeleteAccessKey", h.deleteAccessKey),

		query.Op("CreateGroup", h.createGroup),
		query.Op("GetGroup", h.getGroup),
		query.Op("ListGroups", h.listGroups),
		query.Op("UpdateGroup", h.updateGroup),
		query.Op("DeleteGroup", h.deleteGroup),
		query.Op("AddUserToGroup", h.addUserToGroup),
		query.Op("RemoveUserFromGroup", h.removeUserFromGroup),
		query.Op("PutGroupPolicy", h.putInline(iam.GroupKind)),
		query.Op("GetGroupPolicy", h.getInline(iam.GroupKind)),
		query.Op("ListGroupPolicies", h.listInline(iam.GroupKind)),
		query.Op("DeleteGroupPolicy", h.deleteInline(iam.GroupKind)),
		query.Op("AttachGroupPolicy", h.attach(iam.GroupKind)),
		query.Op("DetachGroupPolicy", h.detach(iam.GroupKind)),
		query.Op("ListAttachedGroupPolicies", h.listAttached(iam.GroupKind)),

		query.Op("CreateRole", h.createRole),
		query.Op("GetRole", h.getRole),
		query.Op("ListRoles", h.listRoles),
		query.Op("DeleteRole", h.deleteRole),
		query.Op("UpdateRole", h.updateRole),
		query.Op("UpdateRoleDescription", h.updateRoleDescription),
		query.Op("UpdateAssumeRolePolicy", h.updateAssumeRolePolicy),
		query.Op("TagRole", h.tagHolder(iam.RoleKind)),
		query.Op("UntagRole", h.untagHolder(iam.RoleKind)),
		query.Op("ListRoleTags", h.listHolderTags(iam.RoleKind)),
		query.Op("PutRolePermissionsBoundary", h.putBoundary(iam.RoleKind)),
		query.Op("DeleteRolePermissionsBoundary", h.deleteBoundary(iam.RoleKind)),
		query.Op("PutRolePolicy", h.putInline(iam.RoleKind)),
		query.Op("GetRolePolicy", h.getInline(iam.RoleKind)),
		query.Op("ListRolePolicies", h.listInline(iam.RoleKind)),
		query.Op("DeleteRolePolicy", h.deleteInline(iam.RoleKind)),
		query.Op("AttachRolePolicy", h.attach(iam.RoleKind)),
		query.Op("DetachRolePolicy", h.detach(iam.RoleKind)),
		query.Op("ListAttachedRolePolicies", h.listAttached(iam.RoleKind)),

		query.Op("CreatePolicy", h.createPolicy),
		query.Op("GetPolicy", h.getPolicy),
		query.Op("ListPolicies", h.listPolicies),
		query.Op("DeletePolicy", h.deletePolicy),
		query.Op("CreatePolicyVersion", h.createPolicyVersion),
		query.Op("GetPolicyVersion", h.getPolicyVersion),
		query.Op("ListPolicyVersions", h.listPolicyVersions),
		query.Op("SetDefaultPolicyVersion", h.setDefaultPolicyVersion),
		query.Op("DeletePolicyVersion", h.deletePolicyVersion),
		query.Op("ListEntitiesForPolicy", h.listEntitiesForPolicy),
		query.Op("TagPolicy", h.tagPolicy),
		query.Op("UntagPolicy", h.untagPolicy),
		query.Op("ListPolicyTags", h.listPolicyTags),

		query.Op("CreateInstanceProfile", h.createInstanceProfile),
		query.Op("GetInstanceProfile", h.getInstanceProfile),
		query.Op("ListInstanceProfiles", h.listInstanceProfiles),
		query.Op("ListInstanceProfilesForRole", h.listInstanceProfilesForRole),
		query.Op("DeleteInstanceProfile", h.deleteInstanceProfile),
		query.Op("AddRoleToInstanceProfile", h.addRoleToInstanceProfile),
		query.Op("RemoveRoleFromInstanceProfile", h.removeRoleFromInstanceProfile),
		query.Op("TagInstanceProfile", h.tagInstanceProfile),
		query.Op("UntagInstanceProfile", h.untagInstanceProfile),
		query.Op("ListInstanceProfileTags", h.listInstanceProfileTags),

		query.Op("CreateOpenIDConnectProvider", h.createOIDCProvider),
		query.Op("GetOpenIDConnectProvider", h.getOIDCProvider),
		query.Op("ListOpenIDConnectProviders", h.listOIDCProviders),
		query.Op("DeleteOpenIDConnectProvider", h.deleteOIDCProvider),
		query.Op("UpdateOpenIDConnectProviderThumbprint", h.updateThumbprint),
		query.Op("AddClientIDToOpenIDConnectProvider", h.addClientID),
		query.Op("RemoveClientIDFromOpenIDConnectProvider", h.removeClientID),
		query.Op("TagOpenIDConnectProvider", h.tagOIDCProvider),
		query.Op("UntagOpenIDConnectProvider", h.untagOIDCProvider),
		query.Op("ListOpenIDConnectProviderTags", h.listOIDCProviderTags),

		query.Op("SimulatePrincipalPolicy", h.simulatePrincipalPolicy),
		query.Op("SimulateCustomPolicy", h.simulateCustomPolicy),
		query.Op("GetContextKeysForPrincipalPolicy", h.contextKeysForPrincipalPolicy),
		query.Op("GetContextKeysForCustomPolicy", h.contextKeysForCustomPolicy),

		query.Op("ListAccountAliases", h.listAccountAliases),
		query.Op("GetAccountPasswordPolicy", h.getAccountPasswordPolicy),
		query.Op("ListSAMLProviders", h.listSAMLProviders),
		query.Op("ListServerCertificates", h.listServerCertificates),
		query.Op("ListVirtualMFADevices", h.listVirtualMFADevices),
		query.Op("ListMFADevices", h.listMFADevices),
		query.Op("ListSSHPublicKeys", h.listSSHPublicKeys),
		query.Op("ListSigningCertificates", h.listSigningCertificates),
		query.Op("ListServiceSpecificCredentials", h.listServiceSpecificCredentials),
		query.Op("GetLoginProfile", h.loginProfile),
		query.Op("DeleteLoginProfile", h.loginProfile),
	}
}
