package iamapi

// refused are the operations of IAM that Minato does not do: each answers that it does not.
var refused = []string{
	"AcceptDelegationRequest", "AssociateDelegationRequest", "ChangePassword", "CreateAccountAlias",
	"CreateDelegationRequest", "CreateLoginProfile", "CreateSAMLProvider", "CreateServiceLinkedRole",
	"CreateServiceSpecificCredential", "CreateVirtualMFADevice", "DeactivateMFADevice", "DeleteAccountAlias",
	"DeleteAccountPasswordPolicy", "DeleteSAMLProvider", "DeleteSSHPublicKey",
	"DeleteServerCertificate", "DeleteServiceLinkedRole", "DeleteServiceSpecificCredential", "DeleteSigningCertificate",
	"DeleteVirtualMFADevice", "DisableOrganizationsRootCredentialsManagement", "DisableOrganizationsRootSessions",
	"DisableOutboundWebIdentityFederation", "EnableMFADevice", "EnableOrganizationsRootCredentialsManagement",
	"EnableOrganizationsRootSessions", "EnableOutboundWebIdentityFederation", "GenerateCredentialReport",
	"GenerateOrganizationsAccessReport", "GenerateServiceLastAccessedDetails", "GetAccessKeyLastUsed",
	"GetAccountAuthorizationDetails", "GetAccountSummary", "GetCredentialReport", "GetDelegationRequest", "GetHumanReadableSummary",
	"GetMFADevice", "GetOrganizationsAccessReport", "GetOutboundWebIdentityFederationInfo",
	"GetSAMLProvider", "GetSSHPublicKey", "GetServerCertificate", "GetServiceLastAccessedDetails",
	"GetServiceLastAccessedDetailsWithEntities", "GetServiceLinkedRoleDeletionStatus", "ListDelegationRequests",
	"ListMFADeviceTags", "ListOrganizationsFeatures", "ListPoliciesGrantingServiceAccess",
	"ListSAMLProviderTags", "ListServerCertificateTags", "RejectDelegationRequest",
	"ResetServiceSpecificCredential", "ResyncMFADevice", "SendDelegationToken", "SetSecurityTokenServicePreferences",
	"TagMFADevice", "TagSAMLProvider", "TagServerCertificate",
	"UntagMFADevice", "UntagSAMLProvider", "UntagServerCertificate", "UpdateAccountPasswordPolicy",
	"UpdateDelegationRequest", "UpdateLoginProfile", "UpdateSAMLProvider", "UpdateSSHPublicKey",
	"UpdateServerCertificate", "UpdateServiceSpecificCredential", "UpdateSigningCertificate",
	"UploadSSHPublicKey", "UploadServerCertificate", "UploadSigningCertificate",
}
