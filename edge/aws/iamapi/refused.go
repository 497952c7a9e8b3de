package iamapi

// refused are the operations of IAM that Minato does not do: each answers that it does not.
var refused = []string{
	"AcceptDelegationRequest", "AssociateDelegationRequest", "ChangePassword", "CreateAccountAlias",
	"CreateDelegationRequest", "CreateLoginProfile", "CreateSAMLProvider", "CreateServiceLinkedRole",
	"CreateServiceSpecificCredential", "CreateVirtualMFADevice", "DeactivateMFADevice", "DeleteAccountAlias",
	"DeleteAccountPasswordPolicy", "DeleteLoginProfile", "DeleteSAMLProvider", "DeleteSSHPublicKey",
	"DeleteServerCertificate", "DeleteServiceLinkedRole", "DeleteServiceSpecificCredential", "DeleteSigningCertificate",
	"DeleteVirtualMFADevice", "DisableOrganizationsRootCredentialsManagement", "DisableOrganizationsRootSessions",
	"DisableOutboundWebIdentityFederation", "EnableMFADevice", "EnableOrganizationsRootCredentialsManagement",
	"EnableOrganizationsRootSessions", "EnableOutboundWebIdentityFederation", "GenerateCredentialReport",
	"GenerateOrganizationsAccessReport", "GenerateServiceLastAccessedDetails", "GetAccessKeyLastUsed",
	"GetAccountAuthorizationDetails", "GetAccountPasswordPolicy", "GetAccountSummary", "GetContextKeysForCustomPolicy",
	"GetContextKeysForPrincipalPolicy", "GetCredentialReport", "GetDelegationRequest", "GetHumanReadableSummary",
	"GetLoginProfile", "GetMFADevice", "GetOrganizationsAccessReport", "GetOutboundWebIdentityFederationInfo",
	"GetSAMLProvider", "GetSSHPublicKey", "GetServerCertificate", "GetServiceLastAccessedDetails",
	"GetServiceLastAccessedDetailsWithEntities", "GetServiceLinkedRoleDeletionStatus", "ListDelegationRequests",
	"ListMFADeviceTags", "ListMFADevices", "ListOrganizationsFeatures", "ListPoliciesGrantingServiceAccess",
	"ListSAMLProviderTags", "ListSAMLProviders", "ListSSHPublicKeys", "ListServerCertificateTags", "ListServerCertificates",
	"ListServiceSpecificCredentials", "ListSigningCertificates", "ListVirtualMFADevices", "RejectDelegationRequest",
	"ResetServiceSpecificCredential", "ResyncMFADevice", "SendDelegationToken", "SetSecurityTokenServicePreferences",
	"SimulateCustomPolicy", "SimulatePrincipalPolicy", "TagMFADevice", "TagSAMLProvider", "TagServerCertificate",
	"UntagMFADevice", "UntagSAMLProvider", "UntagServerCertificate", "UpdateAccountPasswordPolicy",
	"UpdateDelegationRequest", "UpdateGroup", "UpdateLoginProfile", "UpdateSAMLProvider", "UpdateSSHPublicKey",
	"UpdateServerCertificate", "UpdateServiceSpecificCredential", "UpdateSigningCertificate", "UpdateUser",
	"UploadSSHPublicKey", "UploadServerCertificate", "UploadSigningCertificate",
}
